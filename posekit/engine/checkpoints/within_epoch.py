"""When a training is saved, or ends, between two batches: agreed upon by all processes."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from mmengine.dist import all_reduce

from posekit.errors import ConfigError

# Processes ask each other whether to stop or save only so often, since it costs a message: every so many
# iterations at most, and about so many seconds, for after SIGTERM a launcher waits half a minute.
_TALK_EVERY, _TALK_SECONDS = 10, 2.0


class Appointments:
    """Decides, at each place where a training can be left, whether to save it or to end it there.

    Args:
        interval_iters: Iterations between checkpoints within an epoch; None for none.
        every_minutes: Minutes without a checkpoint after which one is written; None for no such limit.

    Raises:
        ConfigError: On impossible values.
    """

    def __init__(self, interval_iters: int | None, every_minutes: float | None) -> None:
        if (interval_iters is not None and interval_iters < 1) or (every_minutes or 1) <= 0:
            raise ConfigError(
                "checkpoint hook: expected interval_iters >= 1 and every_minutes > 0, or None, "
                f"found {interval_iters} and {every_minutes}"
            )
        self.interval_iters, self.every_minutes = interval_iters, every_minutes
        self.talk_at = self.talked_at = 0
        self.talked = time.monotonic()
        self.saved()

    def saved(self) -> None:
        """Notes that there is a new checkpoint."""
        self.last = time.monotonic()

    def after_iter(self, runner: Any) -> tuple[bool, int]:
        """Whether to save after an iteration, and the signal by which to end then (0: go on)."""
        done = runner.iter + 1
        due = self.interval_iters is not None and done % self.interval_iters == 0
        if runner.world_size > 1 and done < self.talk_at:
            return due, 0
        limit = math.inf if self.every_minutes is None else 60 * self.every_minutes
        late, asked = agreed(runner, time.monotonic() - self.last > limit)
        if runner.world_size > 1:
            self._meet_again(done)
        return due or late or asked > 0, asked

    def _meet_again(self, done: int) -> None:
        """Chooses the iteration of the next talk by the slowest process's time for one since the last."""
        now = time.monotonic()
        pace = torch.tensor((now - self.talked) / max(1, done - self.talked_at))
        all_reduce(pace, "max")
        self.talk_at = done + min(_TALK_EVERY, max(1, int(_TALK_SECONDS / max(pace.item(), 1e-6))))
        self.talked, self.talked_at = now, done

    def after_val_iter(self, runner: Any, batch_idx: int) -> int:
        """The signal by which to end a validation; asked only at batches that every process has."""
        loader = runner.val_dataloader
        common = len(loader.dataset) // (runner.world_size * (loader.batch_size or 1))
        if runner.world_size > 1 and (batch_idx >= common or (batch_idx + 1) % _TALK_EVERY):
            return 0
        return agreed(runner)[1]


def agreed(runner: Any, late: bool = False) -> tuple[bool, int]:
    """Whether any process finds a checkpoint late, and the signal that any was sent (0: none).

    All processes must call it at the same place.
    """
    flags = torch.tensor([int(late), getattr(runner.train_loop, "asked", 0)])
    all_reduce(flags, "max")
    return bool(flags[0]), int(flags[1])
