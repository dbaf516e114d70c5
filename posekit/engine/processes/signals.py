"""Signals that ask a training to end: it finishes its step, saves, and ends with a status that says why.

SIGTERM is sent by whoever takes the machine back; SIGUSR1 is Slurm's warning before a job's time is over
(``sbatch --signal=USR1@120``), after which the job is to be queued again. A group of processes is often sent
the signal as a whole, data-loading workers included; those go on until the training itself has ended.
Importing this imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

TERMINATED = 143  # 128 + SIGTERM, as shells count
REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: "try again later"
_STATUS = {signal.SIGTERM: TERMINATED}
if hasattr(signal, "SIGUSR1"):  # not on Windows
    _STATUS[signal.SIGUSR1] = REQUEUE
_GRACE = 30  # seconds for which a worker outlives SIGTERM
_PR_SET_PDEATHSIG = 1


class Stopped(KeyboardInterrupt):
    """The process was asked to end by SIGTERM or SIGUSR1.

    Args:
        number: The signal.
        message: What became of the training.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number

    @property
    def status(self) -> int:
        """The status to exit with: 143 after SIGTERM, 75 after SIGUSR1, when the job is to be run again."""
        return _STATUS[signal.Signals(self.number)]


def stop(number: int, frame: FrameType | None) -> None:
    """Handles a signal by ending what goes on, at once."""
    raise Stopped(number)


@contextlib.contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within the block SIGTERM and SIGUSR1 are handled so; by the main thread, which alone may say how."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _STATUS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old or signal.SIG_DFL)


def init_worker(worker_id: int, num_workers: int, rank: int, seed: int, quiet: bool = False) -> None:
    """Seeds a data-loading worker as mmengine does, and leaves the answer to signals to its parent.

    SIGTERM only starts a clock, so that a worker which hangs can still be ended by it.

    Args:
        worker_id: Number of the worker, from 0.
        num_workers: How many there are.
        rank: Of the process that they load for.
        seed: The run's.
        quiet: Keep the warnings of all but the first to themselves.
    """
    from mmengine.dataset import worker_init_fn

    worker_init_fn(worker_id, num_workers, rank, seed, quiet)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(_GRACE))
    die_with_parent()


def die_with_parent() -> None:
    """Lets the system kill this process when its parent ends, however that comes about (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be watched
        os._exit(1)
