"""Runs a command that must not outlive its master: ``python guard.py COMMAND ...``.

The master holds the other end of the guard's standard input. When that closes, because the master asked for
it or because it was killed in whatever way, the command and everything it started get SIGTERM, and SIGKILL
``GRACE`` seconds later. The guard ends when all of them have, with the command's status (128 + signal if it
was killed). An open file that the master hands down (the sweep's lock) thus stays open, and locked, for as
long as anything is still running. Imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

GRACE = float(os.environ.get("POSEKIT_GUARD_GRACE", "10"))  # seconds
_PAUSE = 0.05
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(command: list[str]) -> int:
    """Runs the command; returns the status to end with."""
    # What the command leaves behind becomes the guard's child and is found (Linux).
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        first = _die_with_the_guard if sys.platform == "linux" else None  # Windows takes none
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=first)
    except OSError as error:
        print(f"error: {command[0]}: cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: _start(_stop, process))
    _start(_stop_at_end_of_input, process)
    status = process.wait()
    _end_all(process.pid)
    return 128 - status if status < 0 else status


def _die_with_the_guard() -> None:
    """Runs in the child before it becomes the command: the kernel kills it if the guard is killed."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start(task: Callable[[subprocess.Popen[bytes]], None], process: subprocess.Popen[bytes]) -> None:
    threading.Thread(target=task, args=(process,), daemon=True).start()


def _stop_at_end_of_input(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1024):
        pass
    _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the command to end, and after a while ends it and all it has started."""
    process.terminate()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(_PAUSE)
    process.kill()  # does nothing if it has ended
    _end_all(process.pid)


def _end_all(first: int) -> None:
    """Kills the processes that descend from the guard until none is left, and waits for them.

    Args:
        first: The command itself, for which somebody else waits.
    """
    while found := [pid for pid in descendants(os.getpid()) if pid != first]:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # not yet the guard's own child
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE)


def descendants(root: int) -> list[int]:
    """The processes that descend from one, itself left out; empty where there is no ``/proc``."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # "pid (name) state ppid": the name may hold anything, also brackets.
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
