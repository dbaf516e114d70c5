"""Many processes as one: joined, and ended together.

The processes first meet at a store (:func:`connect`, before the config is read, so that a faulty config is
told once), then form mmengine's process group (:func:`start_group`): nccl on GPUs, gloo on CPUs. What they
then ask of each other is in :mod:`posekit.parallel`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import sys
import time
from datetime import timedelta
from multiprocessing import active_children

import torch
import torch.distributed as dist

from posekit import parallel
from posekit.engine.processes.launched import check_alone, meet, own_gpu, slurm_environment
from posekit.engine.processes.signals import REQUEUE, TERMINATED
from posekit.errors import ConfigError, LostProcessError, PeerError, PosekitError
from posekit.parallel import FAILURE, TIMEOUT, rank, world_size

# Seconds that a failed process waits for the others to fail as well, so that all end with their own status.
_LAST_WORDS = 5.0
# The same for a process that was asked to end: process 0 may still be saving.
_SAVING = 60.0
# Seconds in which those that have heard of one another's end, which they look for now and then, do so.
_LAST_LOOK = 1.0
_ENDED, _GONE = "ended", "gone"

_counted = False


def connect(launcher: str) -> None:
    """Meets the other processes; once is enough.

    Args:
        launcher: ``"pytorch"`` (torchrun), ``"slurm"`` (srun) or ``"none"``.

    Raises:
        ConfigError: If the environment is not that launcher's, or the processes do not meet.
    """
    if parallel.store is not None:
        return
    if launcher == "none":
        check_alone()
        return
    if launcher == "slurm":
        os.environ.update(slurm_environment(os.environ))
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise ConfigError(
            f"--launcher {launcher}: expected {', '.join(missing)} in the environment; "
            "start the processes by tools/dist_train.sh or tools/slurm_train.sh"
        )
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(seconds=TIMEOUT)))
        number, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        parallel.store = meet(dist.PrefixStore("posekit", store), number, count, TIMEOUT)
    except (OSError, RuntimeError, ValueError) as error:
        words = str(error).partition("\n")[0]
        raise ConfigError(
            f"--launcher {launcher}: process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} does not "
            f"meet the others at {where}: {words}"
        ) from error


def start_group(launcher: str, backend: str | None = None, timeout: float | None = None) -> None:
    """Forms the process group that mmengine and torch work with; once is enough.

    Args:
        launcher: As of :func:`connect`.
        backend: Default: nccl where there are GPUs, else gloo.
        timeout: Seconds after which a process that does not answer ends the job; default :data:`TIMEOUT`.

    Raises:
        ConfigError: As :func:`connect`; if a node has fewer GPUs than processes.
    """
    if dist.is_available() and dist.is_initialized():  # by the caller's own program
        theirs = dist.distributed_c10d._get_default_store()
        parallel.store = parallel.store or dist.PrefixStore("posekit", theirs)
        return
    connect(launcher)
    if parallel.store is None:
        return
    parallel.seconds = float(timeout or TIMEOUT)
    backend = backend or ("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(own_gpu(int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()))
    wait, store = timedelta(seconds=parallel.seconds), dist.PrefixStore("group", parallel.store)
    dist.init_process_group(backend, timeout=wait, store=store, rank=rank(), world_size=world_size())
    atexit.register(_dissolve)


def claim_failure(words: str) -> tuple[int, str]:
    """Enters this process's failure unless another was first; returns the first one's."""
    if parallel.store is None:
        return 0, words
    try:
        entry = parallel.store.compare_set(FAILURE, "", f"{rank()}\n{words}").decode()
    except RuntimeError:  # the store went with the process or node that held it
        return rank(), words
    number, _, first = entry.partition("\n")
    return int(number), first


def tell(error: PosekitError, words: str) -> None:
    """Prints an error, unless it follows from another process's or another has told the same."""
    number, first = claim_failure(words)
    if number == rank() or not (isinstance(error, (PeerError, LostProcessError)) or first == words):
        where = f" (process {rank()} of {world_size()})" if rank() else ""
        print(f"error{where}: {words}", file=sys.stderr, flush=True)


def everyone_ends(seconds: float = _LAST_WORDS) -> bool:
    """Waits, so long at most, until all processes have come here; whether they have."""
    global _counted
    if parallel.store is None:
        return True
    deadline = time.monotonic() + (0 if _counted else seconds)  # those that did not come before will not now
    try:
        ended = parallel.store.add(_ENDED, 0 if _counted else 1)
        _counted = True
        while ended < world_size() and time.monotonic() < deadline:
            time.sleep(0.05)
            ended = parallel.store.add(_ENDED, 0)
    except RuntimeError:  # the one that held the store has left, which it does last
        return True
    return ended >= world_size()


def finish(status: int) -> None:
    """Ends this process's part in the job, together with the others; of several none returns from here.

    Python's own ending would take the process group apart in no order, its destructor waiting for threads
    that wait for the interpreter: now and then for ever. So all is let go of here, and the process leaves.

    Args:
        status: The process's exit status.
    """
    if parallel.store is None:
        return
    gc.collect()  # a runner is full of cycles: its data workers end, its network lets go of the group
    if status == 0:
        status = _leave()
    if status == 0:
        atexit._run_exitfuncs()
    else:
        claim_failure(f"exit status {status}")  # unless it is told already
        everyone_ends(_SAVING if status in (TERMINATED, REQUEUE) else _LAST_WORDS)
    _let_go(_LAST_WORDS if status == 0 else _LAST_LOOK)
    for child in active_children():  # data workers of a run that was cut short
        child.kill()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _leave() -> int:
    """Waits for all, so that nobody's last exchange is cut off, and dissolves the group; 2 if one is gone."""
    try:
        if dist.is_initialized():
            # nccl guesses its GPU, and says so, unless it is told.
            nccl = dist.get_backend() == "nccl"
            dist.barrier(device_ids=[torch.cuda.current_device()] if nccl else None)
            _dissolve()
        else:
            everyone_ends(parallel.seconds)
    except RuntimeError as error:
        tell(PeerError(), f"another process of this job has ended ({str(error).strip().splitlines()[0]})")
        return 2
    return 0


def _let_go(seconds: float) -> None:
    """Leaves the store; process 0, in which it may live, waits so long at most until the others have.

    torch complains at length when it goes while somebody, or a thread of nccl's, looks at it.
    """
    assert parallel.store is not None
    deadline = time.monotonic() + seconds
    with contextlib.suppress(RuntimeError):  # it has gone with the process or node that held it
        if rank() > 0:
            parallel.store.add(_GONE, 1)
            return
        while parallel.store.add(_GONE, 0) < world_size() - 1 and time.monotonic() < deadline:
            time.sleep(0.02)


def _dissolve() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
