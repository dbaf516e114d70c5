"""The sweep: several cells at a time, each in processes of its own, stopped and resumed at any point.

Whatever ends the sweep, SIGKILL and a power failure included, nothing finished is lost or done again:
``cell.json`` is a cell's last and atomic word, a training goes on from its newest checkpoint, and a lock that
the cells' guards (:mod:`posekit.study.guard`) hold too keeps a second sweep out until the last process has
ended.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from posekit.errors import ConfigError, PosekitError
from posekit.study.cells import Cell
from posekit.study.live import Display
from posekit.study.processes import start_guarded, stop_guarded
from posekit.study.record import FAILED, FINISHED, Progress, cell_folder, last_lines, read_cell, write_cell
from posekit.study.slots import Slot
from posekit.study.work import NEEDED, Job, Standing, Work

PAUSE = 0.2  # seconds between two looks at the processes
_LEAST_SPACE = 1 << 20  # bytes: with less, a disk counts as full
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Sweep(Standing):
    """Runs cells on slots.

    Args:
        out: The sweep's folder.
        cells: In the order they are to be run.
        slots: Where.
        work: What is done for a cell.
        display: Where it is shown.
        lock: An open file that the guards keep open as long as they live.
    """

    def __init__(
        self,
        out: Path,
        cells: Sequence[Cell],
        slots: Sequence[Slot],
        work: Work,
        display: Display,
        lock: int | None,
    ) -> None:
        self.out, self.cells, self.work, self.display, self.lock = Path(out), cells, work, display, lock
        self.records = {cell.name: read_cell(out, cell.name) for cell in cells}
        self.waiting = [cell for cell in cells if work.remains(self.records[cell.name])]
        self.free = list(slots)
        self.jobs = []

    def run(self) -> None:
        """Runs what is neither finished nor failed.

        Raises:
            ConfigError: If the disk is full; what is finished is kept.
            KeyboardInterrupt: When interrupted, after the processes have ended.
        """
        try:
            while self.waiting or self.jobs:
                while self.waiting and self.free:
                    self._begin(self.waiting.pop(0), self.free.pop(0))
                self.display.update(self)
                time.sleep(PAUSE)
                for job in [job for job in self.jobs if job.process.poll() is not None]:
                    self._ended(job)
            self.display.update(self, last=True)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise full_disk(self.out, f"{error.filename or 'a file'}: {error.strerror}") from error
        finally:
            self._stop()

    # --- one cell ----------------------------------------------------------------------------------------

    def _begin(self, cell: Cell, slot: Slot) -> None:
        """Starts the first stage of a cell that is not done."""
        folder = cell_folder(self.out, cell.name)
        folder.mkdir(parents=True, exist_ok=True)
        progress = Progress(folder)
        finished = (self.records[cell.name] or {}).get("state") == FINISHED
        done = {*progress.done, *(NEEDED if finished else ())}
        stage = next((stage for stage in self.work.stages if stage not in done), None)
        try:
            if stage is None:
                self._finish(cell, slot, progress)
            else:
                self._start(cell, slot, stage, progress)
        except PosekitError as error:
            self._give_up(cell, slot, progress, stage, error)

    def _start(self, cell: Cell, slot: Slot, stage: str, progress: Progress) -> None:
        command = self.work.command(stage, cell)
        log = cell_folder(self.out, cell.name) / f"{stage}.log"
        progress.start(stage)
        with log.open("ab") as file:
            started, offset = time.time(), file.tell()
            process = start_guarded(command, file, slot.environment, self.lock)
        self.jobs.append(Job(cell, slot, stage, process, progress, started, offset))
        self.display.event(f"{cell.name}: {stage} begins on {slot.name}")

    def _ended(self, job: Job) -> None:
        """Looks at a stage that has ended, and goes on with the cell."""
        self.jobs.remove(job)
        status, seconds = job.process.returncode, time.time() - job.started
        if job.process.stdin:
            job.process.stdin.close()
        try:
            if status:
                raise StageError(failure(job, status, self.out))
            self.work.check(job.stage, job.cell)
            job.progress.stop(job.stage, seconds, done=True)
        except PosekitError as error:
            check_disk(self.out, error)
            job.progress.stop(job.stage, seconds, done=False)
            self._give_up(job.cell, job.slot, job.progress, job.stage, error)
            return
        self._begin(job.cell, job.slot)

    def _finish(self, cell: Cell, slot: Slot, progress: Progress) -> None:
        self.records[cell.name] = self.work.finish(cell, progress)
        self.free.append(slot)
        self.display.finished(self, cell)

    def _give_up(
        self, cell: Cell, slot: Slot, progress: Progress, stage: str | None, error: PosekitError
    ) -> None:
        """A cell whose stage failed has failed; its scores stand if it was trained and tested before."""
        if (self.records[cell.name] or {}).get("state") == FINISHED:  # a diagnosis was asked for later
            self.free.append(slot)
            self.display.event(f"{cell.name}: {stage or 'its record'} FAILED, its scores stand: {error}")
            return
        if stage not in (*NEEDED, None):
            self.display.event(f"{cell.name}: {stage} FAILED, its scores stand: {error}")
            try:
                self._finish(cell, slot, progress)
            except PosekitError as second:
                self._give_up(cell, slot, progress, None, second)
            return
        self.records[cell.name] = write_cell(self.out, cell, progress, str(error))
        self.free.append(slot)
        self.display.event(f"{cell.name}: FAILED: {error}")

    def _stop(self) -> None:
        """Ends what is running and waits until it has; time and checkpoints are found again on resuming."""
        if self.jobs:
            self.display.event(f"stopping {len(self.jobs)} process(es)")
        stop_guarded([job.process for job in self.jobs])


class StageError(PosekitError):
    """A stage of a cell that ended with a status other than 0."""


def failure(job: Job, status: int, out: Path) -> str:
    """Why a stage failed: its status and the last lines of its log."""
    log = cell_folder(out, job.cell.name) / f"{job.stage}.log"
    how = f"ended with status {status}"
    if status > 128:
        number = status - 128
        name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        how = f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = "".join(f"\n    {line}" for line in last_lines(log))
    return f"{job.stage} {how}; {log} ends:{lines or ' (nothing)'}"


def check_disk(out: Path, cause: PosekitError) -> None:
    """Ends the sweep if a failure is the disk's: the next cell would fail of it too.

    Raises:
        ConfigError: If there is no space.
    """
    text = str(cause)
    said = any(os.strerror(number) in text for number in _FULL)
    if said or shutil.disk_usage(out).free < _LEAST_SPACE:
        raise full_disk(out, text) from cause


def full_disk(out: Path, why: str) -> ConfigError:
    """The error that ends a sweep whose disk is full."""
    return ConfigError(
        f"no space left on the disk of {out}: what is finished is kept; make space and run the same command "
        f"again\n{why}"
    )


def forget_failures(out: Path, cells: Sequence[Cell]) -> int:
    """Removes the ``cell.json`` of failed cells, so that they are tried again; returns how many."""
    failed = [cell for cell in cells if (read_cell(out, cell.name) or {}).get("state") == FAILED]
    for cell in failed:
        (cell_folder(out, cell.name) / "cell.json").unlink()
    return len(failed)


def all_finished(sweep: Sweep) -> bool:
    """Whether every cell is."""
    return sweep.count(FINISHED) == len(sweep.cells)
