"""Benchmarks of large annotations: how long a file of a million people takes, and eight workers that read it.

``python -m benchmarks.loading FILE json|load|'N workers'``, in ``tools/``, prints seconds, and by how many MB
the peak of memory grew.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from posekit.datasets import COCO17, PersonTable
from posekit.errors import ConfigError

from .common import Row, Settings
from .metrics import person_annotation
from .process import MEGABYTE, ROOT, SMAPS, private_bytes

PEOPLE, WORKERS = 1_000_000, 8
_CHUNK = 5_000


def coco_load(settings: Settings) -> list[Row]:
    """A COCO file of a million people (half a GB), each time in a process of its own, CPU time.

    The reference is ``json.load`` alone, which makes dicts of it. "again" is the next start, from what the
    first one has kept; the workers are those of a spawning data loader, wall time up to each one's first
    sample.

    Targets:
        first start: ratio <= 2
        again: ratio <= 0.1
        8 spawned workers: <= 10 s
        memory at its peak: ratio <= 0.5
        memory of each worker: <= 20 MB
    """
    path = settings.folder / "people.json"
    write_people(path, settings.count(PEOPLE))
    kept = {"POSEKIT_HOME": str(settings.folder / "kept")}
    (bare, bare_peak) = in_process(path, "json", {})
    first, peak = in_process(path, "load", kept)
    again, _ = in_process(path, "load", kept)
    # Each imports torch, which a quick look need not see eight times.
    workers, added = in_process(path, f"{WORKERS if settings.fraction == 1 else 1} workers", kept)
    path.unlink()
    return [
        Row("first start", first, bare, "s", "json.load"),
        Row("again", again, bare, "s", "json.load"),
        Row("8 spawned workers", workers, None, "s", "-"),
        Row("memory at its peak", peak, bare_peak, "MB", "json.load"),
        Row("memory of each worker", added, None, "MB", "-"),
    ][: 5 if SMAPS.exists() else 3]  # memory is measured on Linux only


def write_people(path: Path, people: int) -> None:
    """People of 17 keypoints in coordinates of two decimals, two of them on each image."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        images = [
            {"id": i, "file_name": f"{i:09d}.jpg", "height": 480, "width": 640}
            for i in range((people + 1) // 2)
        ]
        head = {
            "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
            "images": images,
        }
        file.write(json.dumps(head)[:-1] + ', "annotations": [')
        for start in range(0, people, _CHUNK):
            count = min(_CHUNK, people - start)
            boxes = np.round(
                np.concatenate([rng.uniform(0, (400, 200), (count, 2)), rng.uniform(20, 200, (count, 2))], 1),
                2,
            )
            points = np.round(boxes[:, None, :2] + rng.random((count, 17, 2)) * boxes[:, None, 2:], 2)
            visible = rng.integers(0, 3, (count, 17))
            visible[:, 0] = 2
            chunk = [
                person_annotation(start + i, (start + i) // 2, points[i], visible[i], boxes[i], False)
                for i in range(count)
            ]
            file.write((", " if start else "") + json.dumps(chunk)[1:-1])
        file.write("]}")


def in_process(path: Path, way: str, stated: dict[str, str]) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loading", str(path), way],
        env=os.environ | stated | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])},
        cwd=ROOT / "tools", check=False, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        raise ConfigError(f"benchmark: coco-load, {way}: {done.stderr}")
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def main() -> None:
    path, way = sys.argv[1:]
    number = int(way.split()[0]) if way.endswith("workers") else 0
    if way == "json":
        before, start = from_here(), time.process_time()
        with Path(path).open("rb") as file:
            json.load(file)
        print(time.process_time() - start, peak_mb() - before)
        return
    from posekit.datasets import load_coco

    before, start = from_here(), time.process_time()
    table = load_coco(path, "images")
    if way == "load":
        print(time.process_time() - start, peak_mb() - before)
        return
    # Of ten people first: what a worker needs that holds next to no table.
    (_, bare), (seconds, held) = workers_of(table.select(np.arange(10)), number), workers_of(table, number)
    print(seconds, held - bare)


def workers_of(table: PersonTable, number: int) -> tuple[float, float]:
    """Seconds until spawned workers have given a sample each, and the median of their own memory, MB."""
    loader: DataLoader[float] = DataLoader(
        OwnMemory(table), batch_size=None, num_workers=number, multiprocessing_context="spawn"
    )
    start = time.perf_counter()
    samples = iter(loader)
    held = [next(samples) for _ in range(number)]
    return time.perf_counter() - start, statistics.median(held)


class OwnMemory(Dataset[float]):
    """A data set that reads a person, and gives the memory that its process shares with no other, MB."""

    def __init__(self, table: PersonTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return WORKERS

    def __getitem__(self, row: int) -> float:
        assert self.table[row].keypoints.shape == (17, 2)
        return private_bytes() / MEGABYTE if SMAPS.exists() else 0.0


def peak_mb() -> float:
    """The most memory that this process has had since :func:`from_here`, MB; 0 where nobody tells it."""
    status = Path("/proc/self/status")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M) if status.exists() else None
    return int(peak[1]) * 1024 / MEGABYTE if peak else 0.0


def from_here() -> float:
    """Forgets the peak so far, which a process takes over from the one that started it; what there is, MB."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")
    return peak_mb()


if __name__ == "__main__":
    main()
