"""Benchmarks of whole processes: the time of an import, the memory of a table and of its workers."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from posekit.datasets import COCO17
from posekit.errors import ConfigError

from .common import Row, Settings, exhaust, milliseconds, synthetic_table

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1e6
SMAPS = Path("/proc/self/smaps_rollup")


def import_time(settings: Settings) -> list[Row]:
    """Imports in a fresh interpreter, whose own start does not count, against ``import torch``.

    "Predictor ready" is the import and ``Predictor()``, the bundled model; "first photo" is the same and who
    is in a photo of 640x480, for which the finder is read.

    Targets:
        Predictor: ratio <= 1.4
        Predictor ready: ratio <= 1.5
        first photo: ratio <= 2
        all of training: ratio <= 1.4
    """
    training = "posekit.models, posekit.datasets, posekit.metrics.evaluators, posekit.engine.runner"
    programs = {
        "Predictor": "import posekit.inference.predictor",
        "Predictor ready": "from posekit import Predictor; Predictor(device='cpu')",
        "first photo": "import numpy; from posekit import Predictor; "
        "Predictor(device='cpu')(numpy.full((480, 640, 3), 128, numpy.uint8))",
        "all of training": f"import {training}",
        "torch": "import torch",
    }
    timers = [lambda work=work: seconds_of(settings, work) for work in programs.values()]
    *ours, reference = settings.in_turns(*timers, warm_up=0)
    kinds = zip(programs, ours, strict=False)
    return [milliseconds(what, (own, reference), "import torch") for what, own in kinds]


def seconds_of(settings: Settings, work: str) -> float:
    """Of a line of Python in a process of its own."""
    clock = f"time.{settings.clock}()"
    program = f"import time; start = {clock}; {work}; print({clock} - start)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    return float(done.stdout)


def command_time(settings: Settings) -> list[Row]:
    """Whole commands that need no network, wall time; the interpreter's own start counts.

    Targets:
        posekit --help: <= 300 ms
        a config that is missing: <= 300 ms
    """

    def seconds(status: int, *words: str) -> float:
        start = time.perf_counter()
        done = subprocess.run([sys.executable, *words], cwd=ROOT, check=False, capture_output=True)
        if done.returncode != status:
            raise ConfigError(f"benchmark: {words} ended with {done.returncode}: {done.stderr.decode()}")
        return time.perf_counter() - start

    commands = {
        "posekit --help": (0, "-m", "posekit", "--help"),
        "a config that is missing": (2, "tools/train.py", "missing.py"),
        "Python": (0, "-c", ""),
    }
    timers = [lambda words=words: seconds(*words) for words in commands.values()]
    *ours, bare = settings.in_turns(*timers)
    return [
        milliseconds(what, (own, bare), "python -c ''") for what, own in zip(commands, ours, strict=False)
    ]


def table_memory(settings: Settings) -> list[Row]:
    """Memory of a table of 150,000 people, and what a forked data worker adds by reading all of them.

    The reference is a list of the same people's records. The worker's number is the growth of its private
    memory (Linux only): its resident size counts the pages it shares with the parent as well, and does not
    show those that reading (a reference count is written) has copied.

    Targets:
        held: <= 35 MB
        added by a worker: <= 5 MB
    """
    table = synthetic_table(COCO17, settings.count(150_000), settings.count(64_000), settings.folder)
    if not SMAPS.exists():
        return [Row("held", table.nbytes / MEGABYTE, None, "MB", "-")]
    by_table = worker_growth(lambda: (table[row] for row in range(len(table))))
    before = private_bytes()
    records = [table[row] for row in range(len(table))]
    held = private_bytes() - before
    by_records = worker_growth(lambda: records)
    return [
        Row("held", table.nbytes / MEGABYTE, held / MEGABYTE, "MB", "list of records"),
        Row("added by a worker", by_table / MEGABYTE, by_records / MEGABYTE, "MB", "list of records"),
    ]


def private_bytes() -> int:
    """Memory that this process shares with no other, bytes."""
    return 1024 * sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", SMAPS.read_text(), re.M))


def worker_growth(people: Callable[[], Iterable[Any]]) -> int:
    """By how many bytes a forked process's private memory grows when it reads all people."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=read_people, args=(people, sender))
    worker.start()
    growth = receiver.recv()
    worker.join()
    return growth


def read_people(people: Callable[[], Iterable[Any]], sender: Connection) -> None:
    before = private_bytes()
    exhaust(record.keypoints.sum() for record in people())
    sender.send(private_bytes() - before)
