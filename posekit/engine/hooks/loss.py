"""Losses: logged without a copy from the device at every step, watched, and taken on the validation set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook, RuntimeInfoHook
from torch import Tensor

from posekit.engine.checkpoints.files import resume_words
from posekit.engine.hooks.divergence import SKIPPED, StepGuard, fault_of, note_start
from posekit.engine.log_means import log_interval
from posekit.engine.optim import take_norm
from posekit.errors import ConfigError, PosekitError
from posekit.parallel import gather_rows, on_main
from posekit.registry import HOOKS

# mmengine appends to its histories by copying them; unbounded, that is quadratic in the training's length.
_HISTORY = 5000


class DivergenceError(PosekitError, ArithmeticError):
    """The loss is no longer a finite number, or has exploded."""


@HOOKS.register_module()
class LossLogHook(RuntimeInfoHook):
    """Collects losses on the device, copies them to the host once per log interval, and watches them.

    So with the norms of clipped gradients.

    On a CPU the copy is free, so there every step is looked at. A loss that is not finite or has exploded
    (:func:`posekit.engine.hooks.divergence.fault_of`) stops the training and names the iteration and the
    image ids of its batch, even if found some steps later; or its batch is left out and counted.

    Args:
        on_divergence: ``"stop"``, or ``"skip"`` to leave such batches out, by all processes together; every
            step then waits for its loss.
        max_skipped: Batches that a whole run may leave out before it stops all the same.
        explosion: How many times its recent median a loss may be; None looks only for what is not finite.

    Raises:
        ConfigError: On impossible values.
    """

    def __init__(
        self, on_divergence: str = "stop", max_skipped: int = 20, explosion: float | None = 100.0
    ) -> None:
        if on_divergence not in ("stop", "skip") or max_skipped < 0 or not (explosion or math.inf) > 1:
            raise ConfigError(
                "runtime_info hook: expected on_divergence 'stop' or 'skip', max_skipped >= 0 and "
                f"explosion > 1, found {on_divergence!r}, {max_skipped}, {explosion}"
            )
        self.on_divergence, self.max_skipped, self.explosion = on_divergence, max_skipped, explosion
        self.guard: StepGuard | None = None
        self.waiting: list[tuple[int, dict[str, Tensor], list[int]]] = []
        self.interval = 1
        self.last_loop_stage: str | None = None

    def before_run(self, runner: Any) -> None:
        # The config's text is in the checkpoint's meta already.
        runner.message_hub.update_info_dict({"seed": runner.seed, "experiment_name": runner.experiment_name})

    def before_train(self, runner: Any) -> None:
        # As mmengine's, less the data set's metainfo: it holds the whole annotation table.
        for key in ("epoch", "iter", "max_epochs", "max_iters"):
            runner.message_hub.update_info(key, getattr(runner, key))
        runner.message_hub.update_info("loop_stage", "train")
        self.waiting.clear()
        self.interval = log_interval(runner)
        if self.on_divergence == "skip":
            self.guard = StepGuard(runner, self.explosion)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        super().before_train_iter(runner, batch_idx, data_batch)
        if self.guard is not None:
            self.guard.remember()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        if self.guard is not None and self.guard.skipped:
            self._count_skipped(runner, self.guard, _image_ids(data_batch))
            outputs = {}
        found = {**take_norm(runner.optim_wrapper), **(outputs or {})}
        losses = {key: torch.as_tensor(value).detach() for key, value in found.items()}
        self.waiting.append((runner.iter, losses, _image_ids(data_batch)))
        on_host = all(value.device.type == "cpu" for value in losses.values())
        due = self.every_n_inner_iters(batch_idx, self.interval)
        if on_host or due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.flush(runner)

    def flush(self, runner: Any) -> None:
        """Hands the waiting losses to the log, in order.

        Raises:
            DivergenceError: If one is not finite or has exploded.
        """
        waiting, self.waiting = self.waiting, []
        values = [value.float().reshape(()) for _, losses, _ in waiting for value in losses.values()]
        numbers = iter(torch.stack(values).tolist() if values else [])  # the one copy from the device
        for iteration, losses, image_ids in waiting:
            for key in losses:
                number = next(numbers)
                if fault := self._fault(runner, key, number):
                    raise _diverged(runner, f"{key} {fault} {_place(runner, iteration, image_ids)}")
                runner.message_hub.update_scalar(f"train/{key}", number)
            note_start(runner.message_hub)
        for buffer in runner.message_hub.log_scalars.values():
            buffer.max_length = _HISTORY

    def _fault(self, runner: Any, key: str, number: float) -> str | None:
        if key == "loss" and self.guard is None:  # the sum of all
            return fault_of(runner.message_hub, number, self.explosion)
        return f"is {number}" if "loss" in key and not math.isfinite(number) else None

    def _count_skipped(self, runner: Any, guard: StepGuard, image_ids: list[int]) -> None:
        fault, blamed = guard.blamed(image_ids)
        count = runner.message_hub.runtime_info.get(SKIPPED, 0) + 1
        runner.message_hub.update_info(SKIPPED, count)
        runner.logger.warning(
            f"iteration {runner.iter + 1} left out ({count} of at most {self.max_skipped} so far): "
            f"loss {fault}; image ids of its batch: {blamed}"
        )
        if count > self.max_skipped:
            words = f"more than {self.max_skipped} batches would have to be left out; the last: loss {fault}"
            raise _diverged(runner, f"{words} {_place(runner, runner.iter, blamed)}")


def _image_ids(batch: Any) -> list[int]:
    ids = getattr(batch, "image_id", None)
    return torch.as_tensor(ids).tolist() if ids is not None else []


def _place(runner: Any, iteration: int, image_ids: list[int]) -> str:
    return f"at iteration {iteration + 1} (epoch {runner.epoch + 1}); image ids of its batch: {image_ids}"


def _diverged(runner: Any, what: str) -> DivergenceError:
    """The end of a training: why, the remedy, and what is left of it."""
    remedy = "A lower learning rate or gradient clipping (optim_wrapper.clip_grad) may help"
    return DivergenceError(f"training stopped: {what}. {remedy}; {resume_words(runner.work_dir)}")


def check_weights(runner: Any, weights: Mapping[str, Tensor]) -> None:
    """Refuses weights that the last step has ruined: its loss was finite still, and no loss follows it.

    Raises:
        DivergenceError: If one is not finite.
    """
    bad = [name for name, w in weights.items() if w.is_floating_point() and not torch.isfinite(w).all()]
    if bad:
        found = f"{len(bad)} of {len(weights)} weights are not finite ({bad[0]}, ...)"
        raise _diverged(runner, f"in epoch {runner.epoch + 1} {found} and are not saved")


@HOOKS.register_module()
class ValidationLossHook(Hook):
    """Adds the mean loss over the validation set to the scores, as ``loss``.

    It costs one more forward pass per batch (without the flip test), so it is off unless a config says
    ``default_hooks=dict(val_loss=dict())``.
    """

    priority = "ABOVE_NORMAL"  # before the scores are logged

    def __init__(self) -> None:
        self.means: list[Tensor] = []
        self.sizes: list[int] = []

    def score_names(self) -> dict[str, str]:
        """The score that it adds, with what it is better when."""
        return {"loss": "less"}

    def before_val_epoch(self, runner: Any) -> None:
        self.means, self.sizes = [], []

    @torch.no_grad()
    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, *_: Any, **__: Any) -> None:
        model = runner.bare_model
        losses = model(*model.data_preprocessor(data_batch, True), mode="loss")
        total, _ = model.parse_losses(losses)
        self.means.append(total)
        self.sizes.append(len(data_batch[0]))

    def after_val_epoch(self, runner: Any, metrics: dict[str, Any] | None = None) -> None:
        # Of many processes some may have had no batch.
        means = torch.stack(self.means).cpu().double().numpy() if self.means else np.zeros(0)
        totals = means * np.array(self.sizes, np.float64)
        rows = gather_rows(np.append(totals, sum(self.sizes))[:, None]) or []  # each process's people last

        def mean() -> float:  # the sum is exact, the same however the batches lie in processes
            people = sum(float(part[-1, 0]) for part in rows)
            total = math.fsum(one for part in rows for one in part[:-1, 0])
            return total / people if people else math.nan

        loss = on_main(mean)
        if metrics is not None:
            metrics["loss"] = loss
