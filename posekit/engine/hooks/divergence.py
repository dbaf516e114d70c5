"""Losses that tell of a training gone wrong: not finite, or far beyond what they were.

What is done then is :class:`posekit.engine.hooks.loss.LossLogHook`'s to say: stop, or leave the batch out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import Tensor

from posekit.errors import ConfigError
from posekit.parallel import gather_rows

_BEGINNING = 20  # losses by whose median the beginning is known
_RECENT = 200
_START = "loss_at_start"  # among the message hub's facts, and so in every checkpoint
SKIPPED = "skipped_batches"


def note_start(hub: MessageHub) -> None:
    """Keeps the median of the first losses, once there are enough."""
    losses = hub.log_scalars.get("train/loss")
    if hub.runtime_info.get(_START) is None and losses is not None and len(losses.data[0]) >= _BEGINNING:
        hub.update_info(_START, float(np.median(losses.data[0][:_BEGINNING])))


def fault_of(hub: MessageHub, loss: float, explosion: float | None) -> str | None:
    """What is wrong with a loss, in words; None if nothing is.

    A loss explodes if it is above its level when the training began and more than ``explosion`` times its
    recent median: both, since the loss of a training that has converged may jump by large factors harmlessly.

    Args:
        hub: Holds the losses so far.
        loss: The next one.
        explosion: The factor; None looks only for what is not finite.
    """
    if not math.isfinite(loss):
        return f"is {loss}"
    start = hub.runtime_info.get(_START)
    if explosion is None or start is None:
        return None
    usual = float(np.median(hub.log_scalars["train/loss"].data[0][-_RECENT:]))
    if loss > start and loss > explosion * usual:
        return f"has exploded: it is {loss:.4g}, its median was {usual:.4g} of late and {start:.4g} at first"
    return None


class StepGuard:
    """Stands between the loss and the optimiser's step, and leaves out batches of a faulty loss.

    It looks at every loss before it is propagated, which costs one copy from the device per step. All
    processes leave out a step that one of them has to. What an unfinished accumulation has gathered goes too.

    Args:
        runner: Its ``optim_wrapper`` is taken over.
        explosion: As :func:`fault_of`.

    Raises:
        ConfigError: If there are several optimisers.
    """

    def __init__(self, runner: Any, explosion: float | None) -> None:
        if not isinstance(runner.optim_wrapper, OptimWrapper):
            raise ConfigError("default_hooks.runtime_info: on_divergence='skip' needs a single optimiser")
        self.runner, self.explosion = runner, explosion
        self.fault: str | None = None
        self.skipped = False
        self.buffers: list[Tensor] = []
        self.update: Callable[..., None] = runner.optim_wrapper.update_params
        runner.optim_wrapper.update_params = self.guarded_update

    def remember(self) -> None:
        """Called before the forward pass, which writes to batch norm's statistics, whatever its loss."""
        self.buffers = [buffer.clone() for buffer in self.runner.model.buffers()]

    def guarded_update(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """In place of ``OptimWrapper.update_params``."""
        self.fault = fault_of(self.runner.message_hub, loss.item(), self.explosion)
        flag = torch.tensor(int(self.fault is not None))
        all_reduce(flag, "max")
        wrapper = self.runner.optim_wrapper
        self.skipped = wrapper.left_out = bool(flag.item())
        if not self.skipped:
            self.update(loss, *args, **kwargs)
            return
        wrapper._inner_count += 1
        wrapper.zero_grad()
        with torch.no_grad():
            for buffer, before in zip(self.runner.model.buffers(), self.buffers, strict=True):
                buffer.copy_(before)

    def blamed(self, image_ids: list[int]) -> tuple[str, list[int]]:
        """What was wrong and the image ids of the faulty batches; process 0 gets those of all."""
        mine = image_ids if self.fault is not None else []
        gathered = gather_rows(np.array(mine, np.int64).reshape(-1, 1))
        faulty = mine if gathered is None else np.concatenate(gathered)[:, 0].tolist()
        return self.fault or "of another process is not finite or has exploded", faulty
