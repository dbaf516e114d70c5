"""Means of what is logged: each record tells of the batches since the one before."""

from __future__ import annotations

import re
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor

# All but the settings of the moment: the last batch alone is mostly noise.
_MEANS = r"^(?!(.*lr|.*momentum|gamma|delta)$)"
LOG_INTERVAL = 50


def log_interval(runner: Any) -> int:
    """Iterations between two records of a runner's log."""
    return min((h.interval for h in runner.hooks if isinstance(h, LoggerHook)), default=LOG_INTERVAL)


@LOG_PROCESSORS.register_module()
class IntervalMeans(LogProcessor):
    """mmengine's, with losses, accuracies, norms and times as means over the batches since the last record.

    mmengine averages what has "loss" in its name and gives the last batch's accuracy; in an epoch's last
    record, whose interval may be shorter, it counts batches twice. A line between two records, printed since
    iterations are slow, has the means of the last ``interval`` batches that have reached the host. What not
    every batch has (a norm under accumulation) is averaged over as many of its own values. A training's loss
    is printed to four digits of its own, however small: that of heatmaps is soon 0.0009.

    Args:
        window_size: Batches to average, in place of those since the last record.
        mean_pattern: Regular expression of the names to average: all but learning rates, momenta, gamma and
            delta.
        **kwargs: As :class:`mmengine.runner.LogProcessor` takes them.
    """

    def __init__(self, window_size: int | None = None, mean_pattern: str = _MEANS, **kwargs: Any) -> None:
        super().__init__(window_size=window_size or LOG_INTERVAL, mean_pattern=mean_pattern, **kwargs)
        self.stated = window_size

    def get_log_after_iter(self, runner: Any, batch_idx: int, mode: str) -> tuple[dict, str]:
        """The record and its line, as mmengine's."""
        if self.stated is None:
            interval = log_interval(runner)
            last = batch_idx + 1 == len(getattr(runner, f"{mode}_dataloader"))
            self.window_size = batch_idx % interval + 1 if last else interval
        record, line = super().get_log_after_iter(runner, batch_idx, mode)
        for name, value in record.items():
            name = name.removeprefix(f"{mode}/")
            if "loss" in name and abs(value) < 1:
                printed = re.escape(f"{name}: {value:.{self.num_digits}f}")
                line = re.sub(rf"(?<!\S){printed}(?!\S)", f"{name}: {value:.4g}", line)
        return record, line
