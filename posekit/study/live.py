"""The sweep as it goes: a table redrawn on a terminal, elsewhere a line per event; with the time left."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from posekit.study.cells import Cell
from posekit.study.plan import Plan
from posekit.study.record import FAILED, as_number, cell_folder, duration, epochs_done, validations
from posekit.study.work import Job, Standing

_REDRAW, _LINE = 2.0, 10.0  # seconds between two looks at the logs: on a terminal, elsewhere
_STATES = {"train": "training", "test": "testing", "diagnosis": "diagnosing"}


@dataclass
class Row:
    """A line of the table.

    Attributes:
        name: The cell's.
        state: waiting, training, testing, diagnosing, finished or failed.
        epoch: Epochs done, with fractions.
        epochs: Of the whole training.
        val: The newest validation score, or the best one of a finished cell.
        test: The test score of a finished cell.
        left: Seconds, or None if there is nothing to tell from yet.
        validated: The epoch of the newest validation.
    """

    name: str
    state: str = "waiting"
    epoch: float = 0.0
    epochs: int = 0
    val: float | None = None
    test: float | None = None
    left: float | None = None
    validated: int = 0


class Display:
    """Shows a sweep.

    Args:
        plan: The sweep's.
        out: Its folder.
        stream: Where to.
        live: Whether to redraw; None: if the stream is a terminal.
        after_cell: Called when a cell has finished.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        stream: TextIO | None = None,
        live: bool | None = None,
        after_cell: Callable[[], None] | None = None,
    ) -> None:
        self.plan, self.out, self.stream = plan, Path(out), stream or sys.stdout
        self.live = self.stream.isatty() if live is None else live
        self.after_cell = after_cell
        self.drawn = 0  # lines on the terminal that the next table replaces
        self.looked = 0.0
        self.told: dict[str, int] = {}
        self.begun: dict[tuple[str, float], float] = {}

    def event(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=self.stream, flush=True)

    def update(self, sweep: Standing, last: bool = False) -> None:
        """Draws the table, or tells the validations that are new; does nothing if it did so just now."""
        if not last and time.monotonic() - self.looked < (_REDRAW if self.live else _LINE):
            return
        self.looked = time.monotonic()
        running = [self._running(job) for job in sweep.jobs]
        if not self.live:
            self._tell(sweep, running)
            return
        self._erase()
        if last:
            return  # the tool prints the whole table
        width, height = shutil.get_terminal_size((100, 30))
        lines = table(rows(self.plan, sweep.cells, sweep.records, running), height - 4)
        lines.append(summary(sweep, running))
        print("\n".join(line[: width - 1] for line in lines), file=self.stream, flush=True)
        self.drawn = len(lines)

    def finished(self, sweep: Standing, cell: Cell) -> None:
        """Tells what a cell scored, and calls ``after_cell``."""
        row = _recorded(self.plan, cell, sweep.records[cell.name] or {})
        self.event(f"{cell.name}: finished, validation {_number(row.val)}, test {_number(row.test)}")
        if self.after_cell is not None:
            self.after_cell()

    def _erase(self) -> None:
        if self.drawn:
            print(f"\x1b[{self.drawn}F\x1b[J", end="", file=self.stream)
            self.drawn = 0

    def _tell(self, sweep: Standing, running: Sequence[Row]) -> None:
        for row in running:
            if row.val is not None and self.told.get(row.name) != row.validated:
                self.told[row.name] = row.validated
                self.event(
                    f"{row.name}: epoch {row.validated}/{row.epochs}, validation {row.val:.2f}, "
                    f"{duration(row.left)} left; {summary(sweep, running)}"
                )

    def _running(self, job: Job) -> Row:
        folder = cell_folder(self.out, job.cell.name)
        log, scores = folder / "train.log", validations(folder)
        row = Row(job.cell.name, _STATES[job.stage], epochs_done(log), self.plan.epochs_of(job.cell))
        if scores:
            row.val, row.validated = headline(self.plan, scores[max(scores)]), max(scores)
        if job.stage == "train":
            row.left = self._left(job, row, log)
        return row

    def _left(self, job: Job, row: Row, log: Path) -> float | None:
        """Seconds left of a training, from what it did since it was started."""
        now = epochs_done(log, job.offset)
        if now == 0:
            return None
        begun = self.begun.setdefault((row.name, job.started), math.ceil(now) - 1.0)  # a whole epoch
        logged = log.stat().st_mtime
        pace = (logged - job.started) / (now - begun)
        return max(0.0, pace * (row.epochs - now) - (time.time() - logged))


def headline(plan: Plan, scores: Any) -> float | None:
    """The score that the sweep is about, of a dict of scores."""
    if not isinstance(scores, Mapping):
        return None
    numbers = {name: as_number(value) for name, value in scores.items()}
    if plan.score in numbers:
        return numbers[plan.score]
    return next((value for value in numbers.values() if value is not None), None)


def rows(
    plan: Plan,
    cells: Sequence[Cell],
    records: Mapping[str, Mapping[str, Any] | None],
    running: Sequence[Row] = (),
) -> list[Row]:
    """A row for every cell, in order."""
    known = {cell.name: Row(cell.name, epochs=plan.epochs_of(cell)) for cell in cells}
    known |= {row.name: row for row in running}
    done = {cell.name: _recorded(plan, cell, stated) for cell in cells if (stated := records.get(cell.name))}
    return [{**known, **done}[cell.name] for cell in cells]


def _recorded(plan: Plan, cell: Cell, record: Mapping[str, Any]) -> Row:
    epochs = plan.epochs_of(cell)
    row = Row(cell.name, record["state"], float(epochs), epochs)
    if row.state == FAILED:
        return row
    row.val = headline(plan, record.get("val", {}).get("scores"))
    row.test = headline(plan, record.get("test"))
    return row


def table(shown: Sequence[Row], height: int = 1 << 30) -> list[str]:
    """The rows as lines with a head; where they are too many, those that wait or are finished go first."""
    width = max([4, *(len(row.name) for row in shown)])
    lines = [f"{'cell':<{width}}  {'state':<10}  {'epoch':>9}  {'val':>7}  {'test':>7}  {'left':>8}"]
    rank = {"training": 0, "testing": 0, "diagnosing": 0, "failed": 1, "finished": 2, "waiting": 3}
    kept = sorted(sorted(shown, key=lambda row: rank[row.state])[: max(1, height)], key=list(shown).index)
    for row in kept:
        epoch = f"{row.epoch:.1f}/{row.epochs}" if row.state == "training" else ""
        numbers = f"{_number(row.val):>7}  {_number(row.test):>7}  {duration(row.left) if epoch else '':>8}"
        lines.append(f"{row.name:<{width}}  {row.state:<10}  {epoch:>9}  {numbers}")
    if len(kept) < len(shown):
        lines.append(f"... and {len(shown) - len(kept)} cells more")
    return lines


def summary(sweep: Standing, running: Sequence[Row]) -> str:
    """How many cells are done, and the time left of the whole."""
    finished, failed = sweep.count("finished"), sweep.count("failed")
    some = f", {failed} failed" if failed else ""
    left = duration(time_left(sweep, running))
    return f"{finished} of {len(sweep.cells)} cells finished{some}, {left} left of the whole"


def time_left(sweep: Standing, running: Sequence[Row]) -> float | None:
    """Seconds left of the whole sweep: cells are taken to cost alike, and to fill the slots evenly."""
    done = [record for record in sweep.records.values() if record and record["state"] == "finished"]
    costs = [record.get("train_seconds", 0.0) + record.get("test_seconds", 0.0) for record in done]
    test = sum(record.get("test_seconds", 0.0) for record in done) / max(1, len(done))
    left = {row.name: row.left for row in running}
    for job in sweep.jobs:
        own = left.get(job.cell.name)
        if own is not None and job.stage == "train":
            costs.append(sum(job.progress.seconds.values()) + time.time() - job.started + own + test)
    if not costs:
        return None
    each = sum(costs) / len(costs)
    going = sum(test if row.left is None else row.left + test for row in running)
    slots = len(sweep.free) + len(sweep.jobs)
    return (going + each * len(sweep.waiting)) / max(1, min(slots, len(sweep.waiting) + len(sweep.jobs)))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
