"""What the programs that start many processes tell each of them: torchrun and Slurm's srun."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import torch.distributed as dist

from posekit.errors import ConfigError, DataError
from posekit.io.files import read_object


def check_alone() -> None:
    """Several trainings that know nothing of each other would write one work directory."""
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        count = os.environ["WORLD_SIZE"]
        raise ConfigError(f"started by torchrun as {count} processes: add --launcher pytorch")


def slurm_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What torchrun would have set, from what srun has.

    The port follows from the numbers of job and step, so that two on a node do not meet each other. The
    system gives away those from 32768 on.

    Raises:
        ConfigError: Outside a job step.
    """
    if "SLURM_PROCID" not in environ:
        raise ConfigError("--launcher slurm: no SLURM_PROCID; start by tools/slurm_train.sh, or srun")
    number = int(environ["SLURM_JOB_ID"]) + 997 * int(environ.get("SLURM_STEP_ID", 0))
    return {
        "RANK": environ["SLURM_PROCID"],
        "WORLD_SIZE": environ["SLURM_NTASKS"],
        "LOCAL_RANK": environ["SLURM_LOCALID"],
        "MASTER_ADDR": environ.get("MASTER_ADDR") or _first_host(environ),
        "MASTER_PORT": environ.get("MASTER_PORT", str(20000 + number % 12000)),
    }


def _first_host(environ: Mapping[str, str]) -> str:
    if environ.get("SLURM_NNODES", "1") == "1":
        return "127.0.0.1"
    nodes = environ.get("SLURM_STEP_NODELIST") or environ["SLURM_JOB_NODELIST"]
    try:
        words = ["scontrol", "show", "hostnames", nodes]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise ConfigError(
            f"--launcher slurm: scontrol does not resolve the nodes '{nodes}' ({error}); set MASTER_ADDR"
        ) from error


def own_gpu(local: int, gpus: int) -> int:
    """The GPU of a process, from its number on its node and the GPUs that it sees.

    Raises:
        ConfigError: If there is none for it.
    """
    if gpus == 1 and "SLURM_PROCID" in os.environ:  # srun may show each process its own alone
        return 0
    if local >= gpus:
        raise ConfigError(
            f"process {local + 1} of this node has no GPU: there are {gpus}; start fewer, or hide the GPUs "
            "(CUDA_VISIBLE_DEVICES=) to train on the CPU"
        )
    return local


def meet(store: dist.Store, number: int, count: int, seconds: float) -> dist.Store:
    """A part of the store for those alone that are here now.

    torchrun's store outlives the processes, and what those that failed have written there would be read by
    those that it starts in their place. So each says hello by a name of its own, and process 0 tells all that
    do the name of the new part until all have found it.

    Args:
        store: Of all that the launcher has ever started.
        number: This process's.
        count: Of the processes.
        seconds: For which they wait for one another.

    Raises:
        TimeoutError: If one does not come.
    """
    deadline = time.monotonic() + seconds
    if number > 0:
        mine = uuid4().hex
        store.set(f"hello/{number}", mine)
        while not store.check([f"welcome/{mine}"]):
            _pause(deadline, "process 0 does not answer")
        part = store.get(f"welcome/{mine}").decode()
        store.set(f"{part}/here/{number}", "")
        return dist.PrefixStore(part, store)
    part, missing = uuid4().hex, list(range(1, count))
    while missing:
        for other in missing:
            if store.check([f"hello/{other}"]):
                store.set(f"welcome/{store.get(f'hello/{other}').decode()}", part)
        missing = [other for other in missing if not store.check([f"{part}/here/{other}"])]
        if missing:
            _pause(deadline, f"these have not come: {', '.join(map(str, missing))}")
    return dist.PrefixStore(part, store)


def _pause(deadline: float, words: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(words)
    time.sleep(0.02)


def restarted(work_dir: str | Path) -> bool:
    """Whether this job has begun before, so that what lies in its work directory is its own.

    The run's record there tells, by the job's name. How often the launcher has started it does not: a job may
    fail before it has set an earlier run's checkpoints aside, and torchrun counts for each node anew.
    """
    name, record = job_name(), Path(work_dir) / "run.json"
    # A job of Slurm's keeps its number when it is queued again; within one, several may follow each other.
    if name is None or (name.startswith("slurm") and int(os.environ.get("SLURM_RESTART_COUNT", 0)) == 0):
        return False
    try:
        return record.is_file() and read_object(record).get("job") == name
    except DataError:  # written atomically by every posekit; someone else's
        return False


def job_name() -> str | None:
    """What tells this job from others, if torchrun or Slurm may start it again."""
    if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0:
        number = os.environ["TORCHELASTIC_RUN_ID"]
        # A plain torchrun has no number; it is the parent of its processes, those it starts again included.
        return f"torchrun {number}" if number != "none" else f"torchrun {socket.gethostname()} {os.getppid()}"
    if "SLURM_PROCID" in os.environ and "SLURM_JOB_ID" in os.environ:
        return f"slurm {os.environ['SLURM_JOB_ID']}"
    return None
