"""The files of a cell: where it stands, and what came out of it.

``progress.json`` says what is done, for the sweep to go on after a kill; ``cell.json``, written last and
whole, says that the cell is finished (or failed) and what it scored. Only ``cell.json`` is for readers.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posekit.errors import CheckpointError, DataError, shown
from posekit.io.files import read_json, read_object, write_json
from posekit.study.cells import Cell

FINISHED, FAILED = "finished", "failed"
FOREGROUND = "foreground/"
_NOT_SCORES = {"step", "time", "data_time", "memory"}
_ITERATION = re.compile(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]")
_ERROR = re.compile(r"(\[rank\d+\]: )?(?!.*ChildFailedError)([\w.]*Error|error): ")
_LONGEST_STAGE = 100
_TAIL = 64 * 1024  # bytes of a log that are looked at


def cell_folder(out: Path, name: str) -> Path:
    """The work directory of a cell."""
    return Path(out) / "cells" / name


def as_number(value: Any) -> float | None:
    """A finite number as float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None  # NaN is not


def object_of(stated: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within another; empty where there is none."""
    found = stated.get(name)
    return found if isinstance(found, Mapping) else {}


def duration(seconds: float | None, unknown: str = "?") -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 05."""
    if seconds is None:
        return unknown
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d}"


def read_cell(out: Path, name: str) -> dict[str, Any] | None:
    """A cell's ``cell.json``; None if it is neither finished nor failed.

    Raises:
        DataError: If it is damaged or another cell's.
    """
    path = cell_folder(out, name) / "cell.json"
    if not path.is_file():
        return None
    stated = read_object(path)
    if stated.get("state") not in (FINISHED, FAILED):
        raise DataError(
            f"{path}, field 'state': expected finished or failed, found {shown(stated.get('state'))}"
        )
    if stated.get("name") != name:
        raise DataError(f"{path}: expected the cell '{name}', found {shown(stated.get('name'))}")
    for part in ("val", "test"):
        if not isinstance(stated.get(part, {}), dict):
            raise DataError(f"{path}, field '{part}': expected an object, found {shown(stated[part])}")
    for seconds in ("train_seconds", "test_seconds"):
        if as_number(stated.get(seconds, 0)) is None:
            raise DataError(f"{path}, field '{seconds}': expected a number, found {shown(stated[seconds])}")
    return stated


# --- progress --------------------------------------------------------------------------------------------


class Progress:
    """What is done of a cell, and the seconds it took, across interruptions.

    Args:
        folder: The cell's.

    Attributes:
        done: The stages that are.
        seconds: Of each stage.
        fault: What is wrong with the file, in words; nothing can then be started (:meth:`start`).
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / "progress.json"
        self.done: list[str] = []
        self.seconds: dict[str, float] = {}
        self.fault = ""
        try:
            if self.path.is_file():
                self._take(read_object(self.path))
        except DataError as error:  # of one cell, which fails of it; the others go on
            self.fault = (
                f"{error}. Remove {self.path.name}, and the cell goes on from its newest checkpoint "
                "(--retry-failed)"
            )

    def _take(self, stated: Mapping[str, Any]) -> None:
        """Takes over what the file states, once all of it has been looked at."""
        done, seconds, running = stated.get("done", []), stated.get("seconds", {}), stated.get("running")
        stages = seconds.items() if isinstance(seconds, dict) else [("", None)]
        pair = running if isinstance(running, list) and len(running) == 2 else ["", None]
        good = {
            ("done", "a list of stages"): isinstance(done, list) and all(map(_is_stage, done)),
            ("seconds", "seconds of stages"): all(_is_timed(*each) for each in stages),
            ("running", "a stage and a time"): running is None or _is_timed(*pair),
        }
        for (name, expected), fine in good.items():
            if not fine:
                found = shown(stated[name])
                raise DataError(f"{self.path}, field '{name}': expected {expected}, found {found}")
        self.done, self.seconds = list(done), dict(seconds)
        if running:  # the sweep was killed: the log's last line is the end of what was paid for
            stage, since = running
            log = self.path.parent / f"{stage}.log"
            self._add(stage, log.stat().st_mtime - since if log.is_file() else 0.0)

    def start(self, stage: str) -> None:
        """Notes that a stage (train, test, diagnosis) begins now.

        Raises:
            DataError: If the file was damaged: it is not known what is done.
        """
        if self.fault:
            raise DataError(self.fault)
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


def _is_stage(name: Any) -> bool:
    # It names a log in the cell's folder.
    return isinstance(name, str) and name.isidentifier() and len(name.encode()) <= _LONGEST_STAGE


def _is_timed(stage: Any, seconds: Any) -> bool:
    return _is_stage(stage) and as_number(seconds) is not None


# --- results ---------------------------------------------------------------------------------------------


def chosen_checkpoint(folder: Path) -> Path:
    """The weights to be tested: the best by validation, else the last.

    Raises:
        CheckpointError: If there is none.
    """
    from posekit.engine.checkpoints.files import saved_files

    best = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    files = saved_files(folder)
    if not files:
        raise CheckpointError(f"{folder}: expected best_*.pth or epoch_N.pth, found neither")
    return files[-1][1]


def results(folder: Path) -> dict[str, Any]:
    """What a finished cell scored."""
    from posekit.io.checkpoint import read_checkpoint  # torch, which the sweep itself can do without

    checkpoint = chosen_checkpoint(folder)
    meta = object_of(read_checkpoint(checkpoint), "meta")
    val = validations(folder)
    epoch = int(as_number(meta.get("epoch")) or 0)
    scores = read_object(folder / "test" / "metrics.json")
    run = read_object(folder / "run.json")  # of the training's own process
    diagnosis = folder / "diagnosis.json"
    return {
        "checkpoint": checkpoint.name,
        "val": {"epoch": epoch, **object_of(meta, "best"), "scores": val.get(epoch, {})},
        "test": {key: value for key, value in scores.items() if isinstance(value, (int, float))},
        "foreground": foreground(folder),
        "diagnosis": read_json(diagnosis) if diagnosis.is_file() else None,
        "posekit": {"version": object_of(run, "versions").get("posekit"), "git": run.get("git")},
        "device": run.get("device"),
    }


def write_cell(out: Path, cell: Cell, progress: Progress, fault: str | None = None) -> dict[str, Any]:
    """Writes the ``cell.json`` of a cell that has finished, or failed of a fault; returns what it says."""
    nothing: dict[str, Any] = {"val": {}, "test": {}, "foreground": None, "diagnosis": None}
    found = results(cell_folder(out, cell.name)) if fault is None else nothing
    state = {"state": FINISHED if fault is None else FAILED, "message": fault or ""}
    seconds = {f"{name}_seconds": round(progress.seconds.get(name, 0.0), 1) for name in ("train", "test")}
    stated = {**cell.describe(), **state, **seconds, **found}
    write_json(cell_folder(out, cell.name) / "cell.json", stated)
    return stated


def validations(folder: Path) -> dict[int, dict[str, float]]:
    """Epoch -> validation scores, from the training's logs."""
    scores: dict[int, dict[str, float]] = {}
    for record in scalars(folder):
        own = {k: v for k, v in record.items() if k not in _NOT_SCORES and not k.startswith(FOREGROUND)}
        if "iter" not in record and own:
            scores[int(record["step"])] = own
    return scores


def foreground(folder: Path) -> dict[str, float] | None:
    """The last logged number of each ``foreground/`` scalar, its prefix dropped; None if there is none."""
    last: dict[str, float] = {}
    for record in sorted(scalars(folder), key=lambda record: record["step"]):
        last |= {k.removeprefix(FOREGROUND): v for k, v in record.items() if k.startswith(FOREGROUND)}
    return last or None


def scalars(folder: Path) -> list[dict[str, float]]:
    """The numbers that a cell's training has logged, in order of time.

    Lines that a kill or a full disk cut, or that belong to no step, are left out. The scalars of the test lie
    one folder deeper.
    """
    records = []
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text("utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, dict) and as_number(record.get("step")) is not None:
                    kinds = (int, float)
                    records.append({key: value for key, value in record.items() if isinstance(value, kinds)})
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
