"""The effective batch: what a step of the optimiser is made of, and the learning rate that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posekit.engine.schedules import map_schedulers
from posekit.errors import ConfigError


def batch_facts(runner: Any) -> dict[str, Any]:
    """Batch of each process, number of processes, batches accumulated, and their product."""
    per_process = runner.train_dataloader.batch_size or 1
    accumulated = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
    facts = {"batch_size": per_process, "processes": runner.world_size, "accumulated": accumulated}
    return {**facts, "effective_batch": per_process * runner.world_size * accumulated}


def repeated_samples(runner: Any) -> int:
    """How many samples of an epoch are used twice, so that all processes have equally many."""
    loader = runner.train_dataloader
    if not getattr(loader.sampler, "round_up", False):
        return 0
    return max(0, len(loader.sampler) * runner.world_size - len(loader.dataset))


def scale_learning_rate(runner: Any, optim_wrapper: Any, setting: Mapping[str, Any] | None) -> str:
    """Multiplies all learning rates by effective batch / base batch, if the config says so.

    Args:
        runner: With its training loop built. Rates that its schedulers state are multiplied too.
        optim_wrapper: Built; its schedulers are not.
        setting: The config's ``auto_scale_lr``: ``dict(base_batch_size=128, enable=True)``.

    Returns:
        Batch and learning rate in one line.

    Raises:
        ConfigError: If there is no base batch.
    """
    facts = batch_facts(runner)
    batch = facts["effective_batch"]
    words = (
        f"effective batch {batch} = {facts['batch_size']} per process x {facts['processes']} processes "
        f"x {facts['accumulated']} accumulated"
    )
    if repeated := repeated_samples(runner):
        words += f"; {repeated} sample(s) of each epoch used twice, for equal shares"
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
    runner.param_schedulers = _scaled(runner.param_schedulers, batch / base)
    before = groups[0]["lr"]
    for group in groups:
        group["lr"] *= batch / base
    return f"{words}; learning rate {before:g} x {batch}/{base} = {groups[0]['lr']:g}"


def _scaled(schedulers: Any, factor: float) -> Any:
    """Schedulers not built yet, with the rates that they state multiplied as well."""

    def scaled(one: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        if "Momentum" in str(one["type"]):
            return one
        return {**one, **{name: one[name] * factor for name in ("eta_max", "eta_min") if one.get(name)}}

    return map_schedulers(schedulers, scaled)
