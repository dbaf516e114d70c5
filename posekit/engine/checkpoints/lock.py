"""One training at a time in a work directory."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from posekit.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def sole_owner(work_dir: str | Path) -> Iterator[None]:
    """Holds a work directory for this process.

    The lock is the system's (``fcntl.lockf``): it ends with the process, however that ends, and holds over
    NFS. Where a file system has none, nothing is locked; Windows, which has another, cannot say who holds it.

    Args:
        work_dir: An existing folder.

    Raises:
        ConfigError: If another process holds it, which is named, or its lock cannot be opened.
    """
    path = Path(work_dir) / ".lock"
    if fcntl is None:
        with _windows_lock(path):
            yield
        return
    handle = _lock(path)
    if handle is None:
        yield
        return
    try:
        os.ftruncate(handle, 0)
        since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}, since {since}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def _windows_lock(path: Path) -> Iterator[None]:
    """Holds the file in the way of filelock, which comes with torch."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _held(path) from error
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        yield
    finally:
        lock.release()  # which removes the file, unless it has another holder already


def _held(path: Path, owner: str = "") -> ConfigError:
    return ConfigError(
        f"work directory {path.parent}: another training is at work in it{owner}; "
        "wait for its end, or give this one another folder with --work-dir"
    )


def _not_writable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path}: cannot be opened for writing ({error.strerror}); if another user's training has "
        "left it, have that user remove it, or give this one another folder with --work-dir"
    )


def _lock(path: Path) -> int | None:
    """A handle of the locked file, or None where there are no locks."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _not_writable(path, error) from error
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            owner = os.read(handle, 4096).decode(errors="replace") or "a process that has just begun"
            os.close(handle)
            raise _held(path, f" ({owner})") from error
        except OSError:  # a file system without locks
            os.close(handle)
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(handle)):
                return handle
        os.close(handle)  # the one before has removed the file between our opening and locking it
