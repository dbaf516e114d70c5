"""Benchmarks of what posekit asks of the machine: memory that it keeps, threads beside a busy process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from .common import Row, Settings
from .process import ROOT

ALONE = Path(__file__).with_name("alone.py")


def kept_memory(settings: Settings) -> list[Row]:
    """Work with memory that is kept when freed, against the same as glibc has it; processes in turns.

    One thread, CPU time: a person by the bundled model, HRNet-W32 on 8 crops, a step of quickstart's
    training.

    Targets:
        predictor: ratio <= 1
        network: ratio <= 1
        train-step: ratio <= 1
        network, memory at its peak: ratio <= 1.1
    """
    rows = []
    names = {"predictor": 60, "train-step": 40, "network": 5} if settings.fraction == 1 else {"train-step": 2}
    for name, turns in names.items():
        found = in_processes(settings, name, turns, "process_time", [["keep"], []], {"OMP_NUM_THREADS": "1"})
        (own, peak), (theirs, their_peak) = found
        rows.append(Row(name, own, theirs, "ms", "memory given back"))
        if name == "network":
            what = "network, memory at its peak"
            rows.append(Row(what, peak, their_peak, "MB", "memory given back"))
    return rows


def busy_machine(settings: Settings) -> list[Row]:
    """Small work beside a process that keeps one core busy, against the same alone; wall time.

    Alone, the threads that posekit takes by itself are compared with torch's own number, too. Beside
    anything else that computes on the machine, "alone" is not alone.

    Targets:
        predictor beside a busy process: ratio <= 3
        predictor alone: ratio <= 1.05
        train-step beside a busy process: ratio <= 3
        train-step alone: ratio <= 1.05
    """
    rows = []
    for name, turns in (
        {"predictor": 60, "train-step": 40} if settings.fraction == 1 else {"predictor": 2}
    ).items():
        ways = [["keep"], ["keep", "busy"], ["keep", "stated"]]
        (alone, _), (beside, _), (stated, _) = in_processes(settings, name, turns, "perf_counter", ways, {})
        rows.append(Row(f"{name} beside a busy process", beside, alone, "ms", "the same alone"))
        rows.append(Row(f"{name} alone", alone, stated, "ms", "torch's number of threads"))
    return rows


def in_processes(
    settings: Settings, name: str, turns: int, clock: str, ways: list[list[str]], stated: dict[str, str]
) -> list[tuple[float, float]]:
    """Medians, ms and MB, of some ways of running ``alone.py``, each three times, in turns."""
    own = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {key: value for key, value in os.environ.items() if key not in own} | stated
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    found: list[list[tuple[float, ...]]] = [[] for _ in ways]
    for _ in range(3 if settings.fraction == 1 else 1):
        for way, numbers in zip(ways, found, strict=True):
            done = subprocess.run(
                [sys.executable, str(ALONE), name, str(turns), clock, *way],
                env=environment, cwd=ROOT, check=True, capture_output=True, encoding="utf-8",
            )  # fmt: skip
            numbers.append(tuple(map(float, done.stdout.split())))
    return [(median(ms for ms, _ in numbers), median(mb for _, mb in numbers)) for numbers in found]
