"""What the benchmarks share: their settings and timing in turns, the row they return, synthetic people.

A number is the median of its turns. One thread is timed by the process's CPU time, more by the wall's; a
measurement ends after about ``SECONDS`` even if turns are left.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from posekit.datasets import PersonTable
from posekit.datasets.table import build_table
from posekit.structures import Skeleton

INPUT_HW, HEATMAP_HW = (256, 192), (64, 48)
SECONDS = 10.0  # of one measurement, about


@dataclass(frozen=True)
class Row:
    """One measured thing; its target is the line of that name in the benchmark's docstring."""

    what: str
    posekit: float
    reference: float | None
    unit: str
    reference_is: str


@dataclass(frozen=True)
class Settings:
    """What the command line asks for, and a folder for temporary files."""

    folder: Path
    repeats: int = 15
    threads: int = 1
    fraction: float = 1.0
    images: str | None = None
    annotations: str | None = None
    network: str = "hourglass"

    @property
    def clock(self) -> str:
        """The function of ``time`` to measure with."""
        return "process_time" if self.threads == 1 else "perf_counter"

    def count(self, full: int) -> int:
        """A size, reduced as asked for, at least 2."""
        return max(2, round(full * self.fraction))

    def timed(self, work: Callable[[], Any], number: int = 1) -> Callable[[], float]:
        """A timer of ``work``: seconds per call, over ``number`` calls."""
        clock = getattr(time, self.clock)

        def timer() -> float:
            start = clock()
            for _ in range(number):
                work()
            return (clock() - start) / number

        return timer

    def in_turns(self, *timers: Callable[[], float], warm_up: int = 1) -> list[float]:
        """The timers' medians, in seconds, called in turns until the repeats or the time are used up."""
        for _ in range(warm_up):
            for timer in timers:
                timer()
        turns: list[list[float]] = []
        start = time.monotonic()
        # Another turn only if it would end in time, as far as the earlier ones tell.
        while len(turns) < self.repeats and _fits(time.monotonic() - start, len(turns)):
            turns.append([timer() for timer in timers])
        return [median(column) for column in zip(*turns, strict=True)]


def _fits(elapsed: float, turns: int) -> bool:
    return not turns or elapsed * (turns + 1) / turns < SECONDS


def milliseconds(what: str, seconds: Sequence[float], reference_is: str) -> Row:
    return Row(what, seconds[0] * 1e3, seconds[1] * 1e3, "ms", reference_is)


def exhaust(items: Iterable[Any]) -> None:
    """Makes all items and keeps none."""
    deque(items, maxlen=0)


def synthetic_table(skeleton: Skeleton, people: int, images: int, folder: Path) -> PersonTable:
    """People with every keypoint labelled inside their box, shared out evenly over 640x480 images."""
    rng = np.random.default_rng(0)
    top_left, sides = rng.uniform(0, (400, 200), (people, 2)), rng.uniform(80, 240, (people, 2))
    points = top_left[:, None] + sides[:, None] * rng.random((people, skeleton.num_keypoints, 2))
    columns = {
        "image_index": np.arange(people) * images // people,
        "person_ids": np.arange(people),
        "boxes_xyxy": np.concatenate([top_left, top_left + sides], axis=1),
        "keypoints": points,
        "visible": np.full(points.shape[:2], 2),
        "head_sizes": rng.uniform(20, 60, people),
    }
    pictures = ([f"{i:012d}.jpg" for i in range(images)], np.arange(images), np.tile([480, 640], (images, 1)))
    return build_table(skeleton, str(folder), pictures, columns, "synthetic people")
