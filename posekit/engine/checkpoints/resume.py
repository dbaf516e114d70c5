"""What a run continues from, or sets aside.

It is found and read before the run makes a folder, since its seed is the run's.
"""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from posekit.engine.checkpoints.files import MARKER, resume_candidates, saved_files
from posekit.errors import CheckpointError, ConfigError
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


def set_aside(work_dir: str | Path) -> Path | None:
    """Moves the checkpoints of a work directory to a folder of their own.

    Else a run that is killed before its first checkpoint would be resumed from the earlier one's.

    Returns:
        That folder, ``earlier_N``; None if there was nothing to resume from.
    """
    folder = Path(work_dir)
    files = [path for _, path in (*saved_files(folder), *saved_files(folder, "iter"))]
    if not files:
        return None
    places = (folder / f"earlier_{number}" for number in count(1))
    aside = next(place for place in places if not place.exists())
    aside.mkdir()
    # The marker first: what a kill in between leaves is not taken for this run's newest.
    for path in (folder / MARKER, *files, *folder.glob("best_*.pth")):
        if path.is_file():
            path.rename(aside / path.name)
    return aside


def refuse_own(load_from: str | Path, work_dir: str | Path) -> None:
    """A run cannot start from weights that :func:`set_aside` would move; a restart would not find them.

    Raises:
        ConfigError: If the file is a checkpoint of the work directory itself.
    """
    path = Path(load_from)
    own = path.absolute().parent.resolve() == Path(work_dir).resolve()
    if own and re.fullmatch(r"(epoch_\d+|iter_\d+|best_.+)\.pth", path.name):
        raise ConfigError(
            f"load_from {path}: a checkpoint of the work directory itself, which a new run sets aside; give "
            "this run another folder with --work-dir, or continue the earlier one with --resume"
        )
