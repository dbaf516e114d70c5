"""The effective batch: what a step of the optimiser is made of, and the learning rate that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posekit.errors import ConfigError


def batch_facts(runner: Any) -> dict[str, Any]:
    """Batch of each process, number of processes, batches accumulated, and their product."""
    per_process = runner.train_dataloader.batch_size or 1
    accumulated = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
    facts = {"batch_size": per_process, "processes": runner.world_size, "accumulated": accumulated}
    return {**facts, "effective_batch": per_process * runner.world_size * accumulated}


def scale_learning_rate(runner: Any, optim_wrapper: Any, setting: Mapping[str, Any] | None) -> str:
    """Multiplies all learning rates by effective batch / base batch, if the config says so.

    Args:
        runner: With its training loop built.
        optim_wrapper: Built; its schedulers are not.
        setting: The config's ``auto_scale_lr``: ``dict(base_batch_size=128, enable=True)``.

    Returns:
        Batch and learning rate in one line.

    Raises:
        ConfigError: If there is no base batch, or a scheduler states learning rates itself.
    """
    facts = batch_facts(runner)
    batch = facts["effective_batch"]
    words = (
        f"effective batch {batch} = {facts['batch_size']} per process x {facts['processes']} processes "
        f"x {facts['accumulated']} accumulated"
    )
    groups = getattr(optim_wrapper, "param_groups", None)
    if not groups:  # several optimisers
        return words
    base = (setting or {}).get("base_batch_size")
    if not (setting or {}).get("enable", False):
        hint = f", not scaled; made for batch {base} (--auto-scale-lr)" if base and base != batch else ""
        return f"{words}; learning rate {groups[0]['lr']:g}{hint}"
    source = f"config {runner.cfg.filename}"
    if not isinstance(base, int) or base < 1:
        raise ConfigError(
            f"{source}: auto_scale_lr.base_batch_size: expected the batch that the rate was made for, "
            f"found {base!r}"
        )
    _refuse_fixed_rates(runner, source)
    before = groups[0]["lr"]
    for group in groups:
        group["lr"] *= batch / base
    return f"{words}; learning rate {before:g} x {batch}/{base} = {groups[0]['lr']:g}"


def _refuse_fixed_rates(runner: Any, source: str) -> None:
    schedulers = runner.param_schedulers or []
    for number, scheduler in enumerate(schedulers if isinstance(schedulers, list) else [schedulers]):
        if isinstance(scheduler, Mapping) and scheduler.get("eta_max") is not None:
            raise ConfigError(
                f"{source}: param_scheduler.{number}.eta_max: a rate that auto_scale_lr does not reach; "
                "scale it by hand"
            )
