"""What a process asks of its machine: memory that it keeps, and no more threads than the work is worth.

Importing this imports no torch and changes nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

# Of mallopt(3), in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST_INT = 2**31 - 1
# What a user sets to say the same, or something else, to glibc.
_MALLOC_WORDS = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")

#: What a user sets to say how many threads torch shall take.
THREAD_WORDS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: Multiply-adds of one pass, of all its crops, that are worth a thread: 5 to 10 ms of one core. In less a
#: network's layers are so small that threads wait for one another nearly as long as they compute; and beside
#: another busy process, which takes one of them away for milliseconds, ten times as long.
MACS_PER_THREAD = 25 * 10**7
#: Multiply-adds of a training step, in forward passes: the gradients of maps and of weights are one each.
STEP_IN_PASSES = 3


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Lets the process keep the memory that it frees, for whatever it allocates next; until it ends.

    glibc maps every large array anew and gives it back afterwards, so that each batch pays for its memory's
    pages again. Elsewhere (musl, macOS, Windows, another allocator loaded in glibc's place), and where the
    environment tells glibc how to do it (``MALLOC_TRIM_THRESHOLD_``, ``GLIBC_TUNABLES``), nothing changes.

    Returns:
        Whether it does now.
    """
    stated = any(word in environment for word in _MALLOC_WORDS)
    if (
        stated
        or "glibc.malloc" in environment.get("GLIBC_TUNABLES", "")
        or not sys.platform.startswith("linux")
    ):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version") or not hasattr(library, "mallopt"):
        return False
    # Both or neither: without maps, what is trimmed would be mapped again as often.
    return library.mallopt(_M_MMAP_MAX, 0) == 1 and library.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT) == 1


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(macs: float, environment: Mapping[str, str] = os.environ) -> int:
    """How many threads torch shall compute a pass with, whose size alone and the cores decide.

    Args:
        macs: Multiply-adds of the whole batch (:func:`posekit.models.summary.count_macs` times the crops);
            of a training step :data:`STEP_IN_PASSES` times as many.
        environment: Where a user may have said how many (:data:`THREAD_WORDS`).

    Returns:
        As many as torch has now where the user has chosen: by the environment, or by
        ``torch.set_num_threads`` to a number that torch would not take by itself. Else at most that many.
    """
    import torch

    now = torch.get_num_threads()
    # Of a core's two hardware threads torch takes one.
    by_itself = {count // share for count in (core_count(), os.cpu_count() or 1) for share in (1, 2)}
    if any(environment.get(word) for word in THREAD_WORDS) or now not in by_itself:
        return now
    return max(1, int(min(now, macs / MACS_PER_THREAD)))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Has torch compute with so many threads what the calling thread asks of it meanwhile."""
    import torch

    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    # The number is the calling thread's and, beside it, what threads that begin are given: they keep theirs.
    other = Thread(target=torch.set_num_threads, args=(before,))
    other.start()
    other.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)
