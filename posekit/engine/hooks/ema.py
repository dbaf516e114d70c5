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
        self.places = places_of(runner.bare_model)
        if not self.average:
            self.average = {name: value.clone() for name, value in runner.bare_model.state_dict().items()}

    def restore(self, runner: Any, average: Mapping[str, Tensor], steps: int) -> None:
        """Continues from the average of a checkpoint.

        Raises:
            ValueError: If it is one of other weights.
        """
        weights = runner.bare_model.state_dict()
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in average.items()}:
            raise ValueError("the averaged weights are of another architecture")
        self.average = {name: torch.empty_like(w).copy_(average[name]) for name, w in weights.items()}
        self.steps = steps

    @torch.no_grad()
    def after_train_iter(self, runner: Any, batch_idx: int, *_: Any, **__: Any) -> None:
        # Between the steps of an accumulation, and where a batch was left out, the weights stand still.
        wrapper = runner.optim_wrapper
        if getattr(wrapper, "should_update", lambda: True)() and not getattr(wrapper, "left_out", False):
            self._step()

    def _step(self) -> None:
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

    @torch.no_grad()
    def swap(self, runner: Any, metrics: Any = None) -> None:
        """Exchanges the weights of a model in training and the averaged ones."""
        for name, value in runner.bare_model.state_dict().items() if self.average else ():
            own = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(own)
        self.swapped = bool(self.average) and not self.swapped

    before_val_epoch = after_val_epoch = swap

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Puts the average into ``state_dict``, and what the training goes on from into ``ema``."""
        own, average = checkpoint["state_dict"], self.average
        if self.swapped:
            own, average = average, own
        checkpoint["state_dict"] = dict(average)
        if "optimizer" in checkpoint:
            checkpoint["ema"] = {"weights": dict(own), "steps": self.steps}


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


def training_form(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint whose ``state_dict`` holds what its training goes on from, not the average of that."""
    own = checkpoint.get("ema")
    return dict(checkpoint) if own is None else {**checkpoint, "state_dict": own["weights"]}


def resume_average(runner: Any, checkpoint: Mapping[str, Any]) -> None:
    """Lets the run's hook go on from a checkpoint's average, if there are both.

    Raises:
        ValueError: As :meth:`EMAHook.restore`.
    """
    hook = next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
    stored = checkpoint.get("ema")
    if hook is not None and stored is not None:
        hook.restore(runner, checkpoint["state_dict"], int(stored["steps"]))
    elif hook is not None:
        runner.logger.warning("the checkpoint has no averaged weights: the average begins anew")
    elif stored is not None:
        runner.logger.warning("the checkpoint's averaged weights are dropped: this config has no ema hook")
