"""One training at a time in a work directory."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posekit.errors import ConfigError

NAME = ".lock"


@contextlib.contextmanager
def sole_owner(work_dir: str | Path) -> Iterator[None]:
    """Holds a work directory for this process.

    The lock is the system's (``fcntl.lockf``): it ends with the process, however that ends, and holds over
    NFS. Where a file system has none, or on Windows, nothing is locked.

    Args:
        work_dir: An existing folder.

    Raises:
        ConfigError: If another process holds it, which is named, or its lock cannot be opened.
    """
    path = Path(work_dir) / NAME
    handle = _lock(path)
    try:
        if handle is not None:
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(_me()).encode())
        yield
    finally:
        if handle is not None:
            path.unlink(missing_ok=True)
            os.close(handle)


def _lock(path: Path) -> int | None:
    """A handle of the locked file, or None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be opened for writing ({error.strerror}); if another user's training has "
                "left it, have that user remove it, or give this one another folder with --work-dir"
            ) from error
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            owner = _read(handle)
            os.close(handle)
            raise ConfigError(
                f"work directory {path.parent}: another training is at work in it ({owner}); "
                "wait for its end, or give this one another folder with --work-dir"
            ) from error
        except OSError:  # a file system without locks
            os.close(handle)
            path.unlink(missing_ok=True)
            return None
        if _is_still(path, handle):
            return handle
        os.close(handle)  # the one before has removed the file between our opening and locking it


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _me() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def _read(handle: int) -> str:
    try:
        owner = json.loads(os.read(handle, 4096))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):  # it has not written its name yet
        return "a process that has just begun"
