"""An exponential moving average of the weights: what is validated, tested and kept as best.

Every checkpoint's ``state_dict`` holds the averaged weights, as in MMPose's files, so that every tool takes
them; the training's own stand in the field ``ema``, from which it is resumed exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.registry import HOOKS

Place = tuple[dict[str, Any], str]  # the table that a tensor stands in, and its key there


@HOOKS.register_module()
class EMAHook(Hook):
    """Averages the weights over the steps of the optimiser.

    After step t = 0, 1, ...: average <- average + m_t (weights - average), with
    m_t = momentum + (1 - momentum) exp(-(t + 1) / warmup): at first the average follows the weights closely.
    It is the schedule of MMPose's ``ExpMomentumEMA`` (there ``gamma`` is the warm-up). The running statistics
    of batch norm are averaged too; whole numbers are copied.

    Args:
        momentum: Share of the new weights in the long run: 0.0002 averages over some 5000 steps.
        warmup: Steps after which the warm-up has faded to 1/e; 0 for none.

    Raises:
        ConfigError: On impossible values.
    """

    def __init__(self, momentum: float = 0.0002, warmup: float = 2000.0) -> None:
        if not 0 < momentum <= 1 or not 0 <= warmup < math.inf:
            raise ConfigError(
                f"ema hook: expected 0 < momentum <= 1 and warmup >= 0, found {momentum} and {warmup}"
            )
        self.momentum, self.warmup = momentum, warmup
        self.average: dict[str, Tensor] = {}
        self.places: list[Place] = []
        self.steps = 0
        self.swapped = False

    def before_train(self, runner: Any) -> None:
        """Begins at the weights that the training begins with, unless it was resumed."""
        self.places = places_of(_model(runner))
        if not self.average:
            self.average = {name: value.clone() for name, value in _weights(runner).items()}

    def restore(self, runner: Any, average: Mapping[str, Tensor], steps: int) -> None:
        """Continues from the average of a checkpoint.

        Raises:
            ValueError: If it is one of other weights.
        """
        weights = _weights(runner)
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in average.items()}:
            raise ValueError("the averaged weights are of another architecture")
        self.average = {name: torch.empty_like(w).copy_(average[name]) for name, w in weights.items()}
        self.steps = steps

    @torch.no_grad()
    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        # Between the steps of an accumulation, and where a batch was left out, the weights stand still.
        wrapper = runner.optim_wrapper
        if getattr(wrapper, "should_update", lambda: True)() and not getattr(wrapper, "left_out", False):
            self.update()

    def update(self) -> None:
        """One step of the average, in place."""
        fade = math.exp(-(self.steps + 1) / self.warmup) if self.warmup else 0.0
        momentum = self.momentum + (1 - self.momentum) * fade
        # One call for each kind of numbers: one for each tensor costs more than the arithmetic.
        real: tuple[list[Tensor], list[Tensor]] = ([], [])
        whole: tuple[list[Tensor], list[Tensor]] = ([], [])
        for average, (table, key) in zip(self.average.values(), self.places, strict=True):
            kind = real if average.is_floating_point() else whole
            kind[0].append(average)
            kind[1].append(table[key])
        torch._foreach_lerp_(*real, momentum)
        if whole[0]:
            torch._foreach_copy_(*whole)
        self.steps += 1

    # --- the averaged weights stand in the model while it is validated -----------------------------------

    def before_val_epoch(self, runner: Any) -> None:
        self.swap(runner)

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        self.swap(runner)

    @torch.no_grad()
    def swap(self, runner: Any) -> None:
        """Exchanges the model's weights and the averaged ones; nothing where nothing is being trained."""
        for name, value in _weights(runner).items() if self.average else ():
            own = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(own)
        self.swapped = bool(self.average) and not self.swapped

    # --- checkpoints -------------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Puts the average into ``state_dict``, and what the training goes on from into ``ema``."""
        own, average = checkpoint["state_dict"], self.average
        if self.swapped:
            own, average = average, own
        checkpoint["state_dict"] = dict(average)
        if "optimizer" in checkpoint:
            checkpoint["ema"] = {"weights": dict(own), "steps": self.steps}


def _model(runner: Any) -> nn.Module:
    return getattr(runner.model, "module", runner.model)


def _weights(runner: Any) -> dict[str, Tensor]:
    """The model's parameters and buffers by name, as they stand in a checkpoint; not copies."""
    return dict(_model(runner).state_dict())


def places_of(model: nn.Module) -> list[Place]:
    """Where a model keeps what its ``state_dict`` holds, in that order.

    Looking there takes a hundredth of the time that a ``state_dict`` takes to make, and what stands there may
    be replaced: by a model of its buffers, by ``.to()`` or loading of its parameters.
    """
    found = {
        f"{name}.{key}".removeprefix("."): (table, key)
        for name, part in model.named_modules(remove_duplicate=False)
        for table in (part._parameters, part._buffers)
        for key in table
    }
    return [found[name] for name in model.state_dict()]


def training_form(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Takes a checkpoint's average apart from the weights that its training goes on from.

    Returns:
        The checkpoint with the training's own weights as its ``state_dict``, and the average with its steps,
        for :func:`resume_average`; None if it has none.
    """
    checkpoint = dict(checkpoint)
    stored = checkpoint.pop("ema", None)
    if stored is None:
        return checkpoint, None
    average = {"average": checkpoint["state_dict"], "steps": int(stored["steps"])}
    checkpoint["state_dict"] = stored["weights"]
    return checkpoint, average


def resume_average(runner: Any, stored: Mapping[str, Any] | None) -> None:
    """Lets the run's hook go on from a checkpoint's average, if there are both.

    Raises:
        ValueError: As :meth:`EMAHook.restore`.
    """
    hook = next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
    if hook is not None and stored is not None:
        hook.restore(runner, stored["average"], stored["steps"])
    elif hook is not None:
        runner.logger.warning("the checkpoint has no averaged weights: the average begins anew")
    elif stored is not None:
        runner.logger.warning("the checkpoint's averaged weights are dropped: this config has no ema hook")
