"""The files of a cell: where it stands, and what came out of it.

``progress.json`` says what is done, for the sweep to go on after a kill; ``cell.json``, written last and
whole, says that the cell is finished (or failed) and what it scored. Only ``cell.json`` is for readers.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from pathlib import Path
from typing import Any

from posekit.errors import CheckpointError, DataError
from posekit.files import read_json, write_json
from posekit.study.cells import Cell

FINISHED, FAILED = "finished", "failed"
FOREGROUND = "foreground/"
_NOT_SCORES = {"step", "time", "data_time", "memory"}
_ITERATION = re.compile(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]")
_ERROR = re.compile(r"(\[rank\d+\]: )?(?!.*ChildFailedError)([\w.]*Error|error): ")
_TAIL = 64 * 1024  # bytes of a log that are looked at


def cell_folder(out: Path, name: str) -> Path:
    """The work directory of a cell."""
    return Path(out) / "cells" / name


def read_cell(out: Path, name: str) -> dict[str, Any] | None:
    """A cell's ``cell.json``; None if it is neither finished nor failed.

    Raises:
        DataError: If it is damaged or another cell's.
    """
    path = cell_folder(out, name) / "cell.json"
    if not path.is_file():
        return None
    stated = read_json(path)
    if not isinstance(stated, dict) or stated.get("state") not in (FINISHED, FAILED):
        raise DataError(f"{path}: expected an object with the 'state' finished or failed")
    if stated.get("name") != name:
        raise DataError(f"{path}: expected the cell '{name}', found '{stated.get('name')}'")
    return stated


# --- progress --------------------------------------------------------------------------------------------


class Progress:
    """What is done of a cell, and the seconds it took, across interruptions.

    Args:
        folder: The cell's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / "progress.json"
        stated = read_json(self.path) if self.path.is_file() else {}
        self.done: list[str] = list(stated.get("done", []))
        self.seconds: dict[str, float] = dict(stated.get("seconds", {}))
        stage, since = stated.get("running") or (None, 0.0)
        if stage:  # the sweep was killed: the log's last line is the end of what was paid for
            log = self.path.parent / f"{stage}.log"
            self._add(stage, log.stat().st_mtime - since if log.is_file() else 0.0)

    def start(self, stage: str) -> None:
        """Notes that a stage (train, test, diagnosis) begins now."""
        self._write([stage, time.time()])

    def stop(self, stage: str, seconds: float, done: bool) -> None:
        """Notes that a stage has ended after so many seconds, and whether it is done."""
        self._add(stage, seconds)
        if done:
            self.done.append(stage)
        self._write(None)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + max(0.0, seconds)

    def _write(self, running: list[Any] | None) -> None:
        write_json(self.path, {"done": self.done, "seconds": self.seconds, "running": running})


# --- results ---------------------------------------------------------------------------------------------


def chosen_checkpoint(folder: Path) -> Path:
    """The weights to be tested: the best by validation, else the last.

    Raises:
        CheckpointError: If there is none.
    """
    from posekit.engine.checkpoint import epoch_files

    best = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    files = epoch_files(folder)
    if not files:
        raise CheckpointError(f"{folder}: expected best_*.pth or epoch_N.pth, found neither")
    return files[-1][1]


def results(folder: Path, progress: Progress) -> dict[str, Any]:
    """What a finished cell scored and cost."""
    from posekit.engine.checkpoint import read_checkpoint  # torch, which the sweep itself can do without

    checkpoint = chosen_checkpoint(folder)
    meta = read_checkpoint(checkpoint).get("meta") or {}
    val = validations(folder)
    epoch = int(meta.get("epoch", 0))
    scores = read_json(folder / "test" / "metrics.json")
    run = read_json(folder / "run.json")  # of the training's own process
    diagnosis = folder / "diagnosis.json"
    return {
        "train_seconds": round(progress.seconds.get("train", 0.0), 1),
        "test_seconds": round(progress.seconds.get("test", 0.0), 1),
        "checkpoint": checkpoint.name,
        "val": {"epoch": epoch, **(meta.get("best") or {}), "scores": val.get(epoch, {})},
        "test": {key: value for key, value in scores.items() if isinstance(value, (int, float))},
        "foreground": foreground(folder),
        "diagnosis": read_json(diagnosis) if diagnosis.is_file() else None,
        "posekit": {"version": run.get("versions", {}).get("posekit"), "git": run.get("git")},
        "device": run.get("device"),
    }


def write_finished(out: Path, cell: Cell, progress: Progress) -> dict[str, Any]:
    """Writes a finished cell's ``cell.json``; returns what it says."""
    folder = cell_folder(out, cell.name)
    stated = {**cell.describe(), "state": FINISHED, "message": "", **results(folder, progress)}
    write_json(folder / "cell.json", stated)
    return stated


def write_failed(out: Path, cell: Cell, progress: Progress, message: str) -> dict[str, Any]:
    """Writes a failed cell's ``cell.json``; returns what it says."""
    seconds = {f"{name}_seconds": round(progress.seconds.get(name, 0.0), 1) for name in ("train", "test")}
    nothing: dict[str, Any] = {"val": {}, "test": {}, "foreground": None, "diagnosis": None}
    stated = {**cell.describe(), "state": FAILED, "message": message, **seconds, **nothing}
    write_json(cell_folder(out, cell.name) / "cell.json", stated)
    return stated


def validations(folder: Path) -> dict[int, dict[str, float]]:
    """Epoch -> validation scores, from the training's logs."""
    scores: dict[int, dict[str, float]] = {}
    for record in scalars(folder):
        if "iter" not in record:
            own = {key: value for key, value in record.items() if key not in _NOT_SCORES}
            scores[int(record["step"])] = {k: v for k, v in own.items() if not k.startswith(FOREGROUND)}
    return {epoch: found for epoch, found in scores.items() if found}


def foreground(folder: Path) -> dict[str, float] | None:
    """The last logged number of each ``foreground/`` scalar, its prefix dropped; None if there is none."""
    last: dict[str, tuple[float, float]] = {}
    for record in scalars(folder):
        for key, value in record.items():
            step = float(record.get("step", 0))
            if key.startswith(FOREGROUND) and step >= last.get(key, (-math.inf, 0.0))[0]:
                last[key] = step, value
    return {key.removeprefix(FOREGROUND): value for key, (_, value) in last.items()} or None


def scalars(folder: Path) -> list[dict[str, Any]]:
    """What a cell's training has logged, in order of time; lines that a kill or a full disk cut are left out.

    The scalars of the test lie one folder deeper.
    """
    records = []
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text("utf-8", errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                if isinstance(record, dict) and "step" in record:
                    records.append(record)
    return records


# --- logs ------------------------------------------------------------------------------------------------


def last_lines(log: Path, number: int = 12) -> list[str]:
    """The last lines of a log that are not empty, and before them the last error if it stands further up.

    torchrun writes a page about the processes that failed below what they failed of.
    """
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in _tail(log).splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if _ERROR.match(line)]
    above = [lines[errors[-1]], "..."] if errors and errors[-1] < len(lines) - number else []
    return [*above, *lines[-number:]]


def epochs_done(log: Path, start: int = 0) -> float:
    """The epochs that a training has done, with fractions, by the last progress line of its log.

    Args:
        log: The file; 0 if it is not there or has no such line.
        start: Bytes of it to pass over.
    """
    found = _ITERATION.findall(_tail(log, start))
    if not found:
        return 0.0
    epoch, step, steps = (int(number) for number in found[-1])
    return epoch - 1 + step / steps


def _tail(log: Path, start: int = 0) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _TAIL))
        return file.read().decode("utf-8", errors="replace")
