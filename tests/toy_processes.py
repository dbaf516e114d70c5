"""Several processes for a test, forked from the test's own: torch is imported once, not N times.

So is what a training imports as it goes; and a child's garbage collector leaves alone what it was born with.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import matplotlib.figure  # noqa: F401 - mmengine's visualizer makes a figure
import torch
import torch._dynamo  # its optimisers import it when they are made
import toy_training
from torch import nn
from toy_training import SIDE, ToyModel

import posekit.doctor  # noqa: F401 - looked through before a training

PATIENCE = float(os.environ.get("PATIENCE", "1"))
CONFIG = toy_training.CONFIG.replace(
    "from mmengine.dataset import DefaultSampler", "from posekit.datasets.sampler import EpochSampler"
).replace("DefaultSampler", "EpochSampler")


class ToyNormModel(ToyModel):
    """With batch norm, whose statistics depend on who shares a batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * SIDE * SIDE, 2),
        )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Processes:
    """Ranks 0 ... N-1, each doing ``work(rank)`` and exiting with what it returns.

    What rank R prints is in ``folder/R.txt``. Whatever happens, all are dead after :meth:`wait`.
    """

    def __init__(self, count, work, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        environ = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self.pids = [self._fork(rank, work, environ) for rank in range(count)]

    def _fork(self, rank, work, environ):
        pid = os.fork()
        if pid:
            return pid
        status = 99
        try:
            gc.freeze()
            os.setpgid(0, 0)  # so that its data workers can be killed with it
            atexit._clear()  # what the test's own process removes at its end is not the child's to remove
            out = os.open(self.folder / f"{rank}.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
            os.environ.update(environ, RANK=str(rank), LOCAL_RANK=str(rank))
            torch.set_num_threads(1)
            status = work(rank) or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def wait(self, seconds=60):
        """Exit statuses (minus the signal's number if killed); None for those that had to be killed.

        On a very busy machine the environment's ``PATIENCE`` multiplies all such times.
        """
        statuses, deadline = {}, time.monotonic() + seconds * PATIENCE
        while len(statuses) < len(self.pids) and time.monotonic() < deadline:
            for pid in set(self.pids) - set(statuses):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    statuses[pid] = os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        for pid in self.pids:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            if pid not in statuses:
                os.waitpid(pid, 0)
        return [statuses.get(pid) for pid in self.pids]

    def printed(self, rank=None):
        """What one has printed, or all of them."""
        ranks = range(len(self.pids)) if rank is None else [rank]
        return "".join((self.folder / f"{number}.txt").read_text() for number in ranks)


def train_in(count, config, work_dir, *words, logs=None, seconds=60):
    """Trains in so many processes by tools/train.py; they must all end well."""
    words = [config, "--work-dir", work_dir, "--launcher", "pytorch", *words]
    processes = Processes(
        count, lambda rank: toy_training.run("train", *words), logs or Path(work_dir).parent / f"logs{count}"
    )
    assert processes.wait(seconds) == [0] * count, processes.printed()
    return processes
