"""Memory that is kept, and threads by the size of the work: the user's own settings win."""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
import sys
import threading

import pytest
import torch

from posekit import machine
from posekit.machine import MACS_PER_THREAD, keep_freed_memory, threads, threads_for

GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
# Page faults of a fresh process that takes and frees 80 MB, five times, without the first.
FAULTS = """
import mmap, resource, sys
from posekit.machine import keep_freed_memory
if {keep}: assert keep_freed_memory() and "torch" not in sys.modules
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(80_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults() * 0 + sum(faults() for _ in range(4)))
"""


def faults(keep: bool) -> int:
    run = [sys.executable, "-c", FAULTS.format(keep=keep)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not GLIBC, reason="mallopt is glibc's")
def test_freed_memory_is_used_again():
    assert faults(keep=True) * 10 < faults(keep=False)


@pytest.mark.parametrize(
    "environment",
    [
        {"MALLOC_TRIM_THRESHOLD_": "1"},
        {"MALLOC_MMAP_MAX_": "9"},
        {"GLIBC_TUNABLES": "glibc.malloc.perturb=1"},
    ],
)
def test_what_the_user_has_told_glibc_stays(environment, monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: pytest.fail("asked for mallopt"))
    assert not keep_freed_memory(environment)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_nothing_is_done_elsewhere(platform, monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: pytest.fail("asked for mallopt"))
    monkeypatch.setattr(machine.sys, "platform", platform)
    assert not keep_freed_memory({})


def test_nothing_is_done_by_another_library(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: object())  # musl's has no such functions
    monkeypatch.setattr(machine.sys, "platform", "linux")
    assert not keep_freed_memory({})


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(machine, "core_count", lambda: 8)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)


@pytest.mark.parametrize(
    ("work", "count"), [(0, 1), (0.3, 1), (1.99, 1), (2, 2), (5.5, 5), (80, 8), (float("inf"), 8)]
)
def test_threads_are_what_the_work_is_worth(eight_cores, work, count):
    macs = work * MACS_PER_THREAD
    if work == float("inf"):
        macs = work
    assert threads_for(macs, {}) == count


def test_the_users_number_stays(eight_cores, monkeypatch):
    for word in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        assert threads_for(0, {word: "8"}) == 8
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)  # by torch.set_num_threads
    assert threads_for(0, {}) == 5
    assert threads_for(80 * MACS_PER_THREAD, {}) == 5


def test_of_two_hardware_threads_torch_takes_one(eight_cores, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert threads_for(0, {}) == 1
    assert threads_for(80 * MACS_PER_THREAD, {}) == 4


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with contextlib.suppress(KeyError), threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise KeyError
    assert torch.get_num_threads() == before


def test_other_threads_keep_theirs():
    before = torch.get_num_threads()
    seen: list[int] = []
    begun, done = threading.Event(), threading.Event()

    def other() -> None:
        seen.append(torch.get_num_threads())
        begun.set()
        done.wait(60)
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(60)
    with threads(before + 1):
        done.set()
        thread.join()
    assert seen == [before, before]


def test_threads_that_begin_meanwhile_get_what_they_would():
    before = torch.get_num_threads()
    seen: list[int] = []
    with threads(before + 1):
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert torch.get_num_threads() == before + 1
    assert seen == [before]
