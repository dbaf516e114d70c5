"""Processes that end with the sweep, and the lock that keeps a second sweep out of its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from posekit.errors import ConfigError
from posekit.study import guard

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_LOCK_WAIT = 60.0  # seconds: the guards of a killed sweep take up to guard.GRACE to end what it ran
_PAUSE = 0.2  # seconds


def start_guarded(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str], lock: int | None
) -> subprocess.Popen[bytes]:
    """Starts a command that ends when this process does, however it does.

    Args:
        command: Its words.
        log: Where its output goes.
        environment: Variables beside this process's own.
        lock: An open file that stays open until the command and all it started have ended, if there is one.
    """
    return subprocess.Popen(
        # Isolated (-I), lest the modules beside the guard hide those of the standard library.
        [sys.executable, "-I", str(Path(guard.__file__)), *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C on the terminal is the sweep's to handle
        pass_fds=() if lock is None else (lock,),
    )


def stop_guarded(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ends what :func:`start_guarded` started and waits until it has; a second Ctrl-C does not hasten it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    for process in processes:
        if process.stdin:
            process.stdin.close()
    deadline = time.monotonic() + guard.GRACE + 5
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for number, handler in before.items():
        signal.signal(number, handler or signal.SIG_DFL)


class Reporter:
    """Makes the report anew beside the cells, one at a time; what fails in it is in ``report.log``."""

    def __init__(self, out: Path, lock: int | None) -> None:
        self.out, self.lock = Path(out), lock
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts making it, unless that is still going on."""
        if self.process is not None and self.process.poll() is None:
            return
        self.stop()
        with (self.out / "report.log").open("wb") as log:
            command = [sys.executable, "-m", "posekit.study.report", str(self.out)]
            self.process = start_guarded(command, log, {}, self.lock)

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            stop_guarded([self.process])
            self.process = None


@contextmanager
def locked(out: Path) -> Iterator[int | None]:
    """Holds the folder's lock; yields its file descriptor, for the guards.

    On Windows, where none can be handed down, the lock ends with the sweep itself, and None is yielded.

    Raises:
        ConfigError: If another sweep has it.
    """
    if fcntl is None:
        with _windows_lock(Path(out)):
            yield None
        return
    with (Path(out) / LOCK).open("a+") as file:
        deadline, told = time.monotonic() + _LOCK_WAIT, False
        while not _try_lock(file.fileno()):
            file.seek(0)
            holder = file.read().strip()
            if _alive(holder) or time.monotonic() > deadline:
                raise ConfigError(f"{out}: another sweep is at work there (process {holder})")
            if not told:
                print("waiting for the processes of the sweep that was killed to end", flush=True)
                told = True
            time.sleep(_PAUSE)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


@contextmanager
def _windows_lock(out: Path) -> Iterator[None]:
    """Holds the folder in the way of filelock, which comes with torch."""
    from filelock import FileLock, Timeout

    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(f"{out}: another sweep is at work there") from error
    try:
        yield
    finally:
        lock.release()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True
