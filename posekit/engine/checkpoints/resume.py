"""What a run continues from: found and read before it makes a folder, since its seed is the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from posekit.engine.checkpoints.files import resume_candidates
from posekit.errors import CheckpointError
from posekit.io.checkpoint import read_checkpoint
from posekit.parallel import on_main


class Found(NamedTuple):
    """A checkpoint to resume from, and why newer ones were passed over."""

    checkpoint: dict[str, Any]
    path: str
    passed_over: tuple[str, ...] = ()

    @property
    def seed(self) -> int | None:
        """The seed of the run that wrote it."""
        meta = self.checkpoint.get("meta")
        seed = meta.get("seed") if isinstance(meta, dict) else None
        return seed if isinstance(seed, int) else None


def find_checkpoint(work_dir: str | Path, path: str | Path | None = None) -> Found | None:
    """Reads the stated checkpoint, or the newest one of a work directory that can be read.

    Returns:
        None if there is nothing yet to resume from.

    Raises:
        CheckpointError: If the stated one, or every one, is damaged.
    """
    if path is not None:
        return Found(read_checkpoint(path), str(path))
    passed_over: list[str] = []
    for candidate in resume_candidates(work_dir):
        try:
            return Found(read_checkpoint(candidate), str(candidate), tuple(passed_over))
        except CheckpointError as error:
            passed_over.append(str(error))
    if passed_over:
        raise CheckpointError(f"nothing to resume from in {work_dir}:\n" + "\n".join(passed_over))
    return None


def find_together(work_dir: str | Path, path: str | Path | None = None) -> Found | None:
    """As :func:`find_checkpoint`, by process 0 for all: two that look at a moving disk may differ."""
    mine: Found | None = None

    def look() -> list[Any] | None:
        nonlocal mine
        mine = find_checkpoint(work_dir, path)
        return None if mine is None else [mine.path, mine.passed_over]

    found = on_main(look)
    if mine is not None or found is None:
        return mine
    return Found(read_checkpoint(found[0]), found[0], tuple(found[1]))
