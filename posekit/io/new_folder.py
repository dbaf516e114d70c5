"""Folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posekit.errors import ConfigError

_STALE_SECONDS = 24 * 3600


def check_new_folder(folder: Path, option: str = "--out") -> None:
    """Raises ConfigError of a path that is anything but a new or empty folder, or a link to one."""
    if folder.is_dir() and not any(folder.iterdir()):
        if os.path.ismount(folder.resolve()):
            raise ConfigError(
                f"{option} {folder}: a file system is mounted there, and nothing can take its place; state a "
                "new folder in it"
            )
        return
    if folder.exists() or folder.is_symlink():
        found = "a folder with something in it" if folder.is_dir() else "a file"
        raise ConfigError(
            f"{option} {folder}: expected a new or empty folder, found {found}; nothing is overwritten: "
            "state another, or remove it"
        )


@contextmanager
def new_folder(folder: Path, option: str = "--out") -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when the block ends well, and is removed otherwise.

    What runs that were killed more than a day ago have left beside it is removed, too.

    Args:
        folder: A new or empty folder.
        option: What stated it, for messages.

    Raises:
        ConfigError: If there is something at ``folder``, or nothing can be written beside it.
    """
    check_new_folder(folder, option)
    folder = folder.resolve()  # a link stays, and what it leads to is replaced
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.partial-*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    except OSError as error:
        raise ConfigError(
            f"{option} {folder}: nothing can be written to {folder.parent}: {error.strerror or error}"
        ) from error
    try:
        (fresh / "new").mkdir()  # with the usual rights; mkdtemp's are its owner's alone
        yield fresh / "new"
        check_new_folder(folder, option)
        if folder.exists():
            folder.rmdir()  # Windows puts nothing in the place of an empty folder
        (fresh / "new").replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
