"""Hooks of the focal losses' study: where loss and gradient come from, and a schedule for gamma and delta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch import Tensor, nn

from posekit.errors import ConfigError, is_whole
from posekit.models.heatmap_heads import heatmap_head
from posekit.registry import HOOKS
from posekit.study.foreground import account, heatmap_loss, summarise


def _bare(runner: Any) -> nn.Module:
    return getattr(runner.model, "module", runner.model)


def _trains(runner: Any) -> bool:
    return isinstance(runner._train_loop, BaseLoop)  # to ask for the property would build it


@HOOKS.register_module()
class ForegroundHook(Hook):
    """Logs, once per epoch, what foreground and background pixels contribute, and the predicted peaks' shape.

    ``foreground/loss_share``, ``/gradient_share``, ``/background_response``, ``/peak_height`` and
    ``/peak_width`` stand in the log's record of the epoch's last iteration; :mod:`posekit.study.foreground`
    says what they mean. They are sums over some training batches of the epoch, in all processes, of the last
    stack. The training is the same to the bit with and without. Off unless a config says
    ``default_hooks=dict(foreground=dict())``.

    Args:
        interval: Every how many batches of an epoch one is looked at, the first being one of them. A device
            is waited for then.
    """

    priority = "ABOVE_NORMAL"  # before the log's line is written

    def __init__(self, interval: int = 20) -> None:
        if not is_whole(interval):
            raise ConfigError(
                f"default_hooks.foreground.interval: expected a whole number >= 1, found {interval!r}"
            )
        self.interval = interval
        self.sums: Tensor | None = None
        self.wanted = False
        self.seen: tuple[Tensor, Tensor, Tensor] | None = None

    def before_run(self, runner: Any) -> None:
        if _trains(runner):
            heatmap_loss(_bare(runner))  # a model without one is refused before anything is written

    def before_train(self, runner: Any) -> None:
        self.handle = heatmap_loss(_bare(runner)).register_forward_pre_hook(self._keep)

    def after_train(self, runner: Any) -> None:
        self.handle.remove()

    def before_train_epoch(self, runner: Any) -> None:
        self.sums = None

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.wanted = batch_idx % self.interval == 0

    def _keep(self, loss: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Called before the loss of each stack: of those of a batch the last one stays."""
        if self.wanted:
            prediction, target, weight = inputs
            self.seen = prediction.detach(), target, weight

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        seen, self.seen, self.wanted = self.seen, None, False
        if seen is not None:
            model: Any = _bare(runner)
            sums = account(heatmap_loss(model), *seen, peak=heatmap_head(model, "foreground").codec.peak)
            self.sums = sums if self.sums is None else self.sums + sums
        if self.sums is not None and self.end_of_epoch(runner.train_dataloader, batch_idx):
            all_reduce(self.sums)
            for name, value in summarise(self.sums).items():
                runner.message_hub.update_scalar(f"train/foreground/{name}", value)

    def after_train_epoch(self, runner: Any) -> None:
        # The log repeats every value it has ever seen in each of its lines.
        for name in [n for n in runner.message_hub.log_scalars if n.startswith("train/foreground/")]:
            del runner.message_hub.log_scalars[name]


@HOOKS.register_module()
class FocalScheduleHook(Hook):
    """Moves gamma, delta or both of the head's focal loss from a start to an end over the training.

    gamma from 1 to 0 begins as focal MSE and ends as plain MSE. The values depend on the iteration alone, so
    a resumed run continues exactly; they are logged as ``gamma`` and ``delta``. gamma moves linearly, delta
    geometrically (in equal ratios). Validation losses use the value of the moment. Off unless a config says
    e.g. ``default_hooks=dict(focal_schedule=dict(gamma=(1, 0)))``.

    Args:
        gamma: (start, end), finite numbers >= 0. None: as the loss has it.
        delta: (start, end), finite numbers > 0. None: as the loss has it.
        begin: Epochs before the movement begins; the start holds until then.
        end: Epochs after which it has ended; the end is reached in the last iteration of epoch ``end`` and
            holds from then on. None: the training's last.
    """

    priority = "ABOVE_NORMAL"

    def __init__(
        self,
        gamma: Sequence[float] | None = None,
        delta: Sequence[float] | None = None,
        begin: int = 0,
        end: int | None = None,
    ) -> None:
        if gamma is None and delta is None:
            raise ConfigError(
                "default_hooks.focal_schedule: expected 'gamma', 'delta' or both, found neither"
            )
        self.gamma = None if gamma is None else _range("gamma", gamma, zero_allowed=True)
        self.delta = None if delta is None else _range("delta", delta, zero_allowed=False)
        for name, epoch in (("begin", begin), ("end", end)):
            if epoch is not None and not is_whole(epoch, 0):
                raise _fault(name, "a number of epochs >= 0", epoch)
        if end is not None and end <= begin:
            raise _fault("end", f"more than 'begin' ({begin})", end)
        self.begin, self.end = begin, end

    def before_run(self, runner: Any) -> None:
        """Looks at the loss before anything is written.

        Raises:
            ConfigError: If it has nothing to move.
        """
        if not _trains(runner):
            return
        self.loss: Any = heatmap_loss(_bare(runner))
        for name in ("gamma", "delta"):
            if getattr(self, name) is not None and not hasattr(self.loss, name):
                kind = type(self.loss).__name__
                raise ConfigError(
                    f"default_hooks.focal_schedule.{name}: the head's loss, {kind}, has no {name}; expected "
                    "FocalMSELoss or SymmetricFocalMSELoss"
                )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        per_epoch = len(runner.train_dataloader)
        end = runner.max_epochs if self.end is None else self.end
        for name, value in self.values(runner.iter, self.begin * per_epoch, end * per_epoch).items():
            setattr(self.loss, name, value)
            runner.message_hub.update_scalar(f"train/{name}", value)

    def values(self, iteration: int, begin: int, end: int) -> dict[str, float]:
        """What an iteration takes, the movement filling the iterations begin .. end - 1."""
        share = min(max((iteration - begin) / max(end - 1 - begin, 1), 0.0), 1.0)
        found = {}
        if self.gamma is not None:
            found["gamma"] = (1 - share) * self.gamma[0] + share * self.gamma[1]
        if self.delta is not None:
            found["delta"] = self.delta[0] ** (1 - share) * self.delta[1] ** share
        return found


def _range(name: str, pair: Any, zero_allowed: bool) -> tuple[float, float]:
    numbers = list(pair) if isinstance(pair, (list, tuple)) else []
    real = all(isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n < math.inf for n in numbers)
    if len(numbers) != 2 or not real or (0 in numbers and not zero_allowed):
        raise _fault(name, f"two finite numbers {'>=' if zero_allowed else '>'} 0, (start, end)", pair)
    return float(numbers[0]), float(numbers[1])


def _fault(name: str, expected: str, found: Any) -> ConfigError:
    return ConfigError(f"default_hooks.focal_schedule.{name}: expected {expected}, found {found!r}")
