"""An earlier run's checkpoints, in the way of a new one that begins in its work directory."""

from __future__ import annotations

import re
from pathlib import Path

from posekit.engine.checkpoints.files import MARKER, epoch_files, iter_files
from posekit.errors import ConfigError


def set_aside(work_dir: str | Path) -> Path | None:
    """Moves the checkpoints of a work directory to a folder of their own.

    Else a run that is killed before its first checkpoint would be resumed from the earlier one's.

    Returns:
        That folder, ``earlier_N``; None if there was nothing to resume from.
    """
    folder = Path(work_dir)
    files = [path for _, path in (*epoch_files(folder), *iter_files(folder))]
    if not files:
        return None
    number = 1
    while (aside := folder / f"earlier_{number}").exists():
        number += 1
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
