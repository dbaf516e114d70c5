"""Where a sweep stands: what waits, what runs, what is done. The sweep changes it, the display shows it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posekit.study.cells import Cell
from posekit.study.record import Progress
from posekit.study.slots import Slot


@dataclass
class Job:
    """A stage of a cell that is running."""

    cell: Cell
    slot: Slot
    stage: str
    process: subprocess.Popen[bytes]
    progress: Progress
    started: float
    offset: int  # bytes that its log had before


class Standing:
    """Where a sweep stands.

    Attributes:
        cells: All of them, in the order they are to be run.
        records: By name, what is known of those that are finished or failed.
        waiting: Those to be run yet.
        free: The slots that nothing runs on.
        jobs: What is running.
    """

    cells: Sequence[Cell]
    records: dict[str, dict[str, Any] | None]
    waiting: list[Cell]
    free: list[Slot]
    jobs: list[Job]

    def count(self, state: str) -> int:
        """How many cells are ``"finished"`` or ``"failed"``."""
        return sum(1 for record in self.records.values() if record and record["state"] == state)
