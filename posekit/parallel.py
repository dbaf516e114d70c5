"""The processes of one job, as all below the engine may ask of them: who am I, what do all agree on.

What one disk or process has to decide, process 0 decides for all (:func:`on_main`). Joining a job and leaving
it is the engine's (:mod:`posekit.engine.processes.group`), which sets :data:`store`.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist

from posekit import errors
from posekit.errors import PeerError, PosekitError

#: Seconds that processes wait for one another: to meet, and in every exchange. A hung process ends the job.
TIMEOUT = 600.0
#: Where the processes of this job meet; None alone.
store: dist.Store | None = None
#: Seconds that this job's processes wait for one another.
seconds = TIMEOUT
FAILURE = "failure"

T = TypeVar("T")
_decisions = 0


def rank() -> int:
    """This process's number, 0 alone; known before the group is."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ["RANK"]) if store is not None else 0


def world_size() -> int:
    """The number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ["WORLD_SIZE"]) if store is not None else 1


def on_main(decide: Callable[[], T]) -> T:
    """What process 0 finds, in every process; if it fails there, it fails alike everywhere.

    Args:
        decide: Called in process 0 alone; gives what JSON can hold.

    Raises:
        PosekitError: What ``decide`` raised.
        PeerError: If process 0 ends without an answer.
    """
    global _decisions
    if store is None:
        return decide()
    _decisions += 1
    key = f"decision/{_decisions}"
    if rank() == 0:
        try:
            answer = decide()
        except PosekitError as error:
            store.set(key, json.dumps([type(error).__name__, str(error)]))
            raise
        store.set(key, json.dumps([None, answer]))
        return answer
    kind, answer = json.loads(_await(key))
    if kind is not None:
        raise getattr(errors, kind, PosekitError)(answer)
    return answer


def _await(key: str) -> str:
    """Waits for a key in steps, so that signals and another's failure are seen."""
    assert store is not None
    deadline = time.monotonic() + seconds
    try:
        while not store.check([key]):
            failed = first_failure()
            if failed is not None or time.monotonic() > deadline:
                raise PeerError(_peer_words(failed, f"no answer within {seconds:g} s"))
            time.sleep(0.02)
        return store.get(key).decode()
    except RuntimeError as error:
        if isinstance(error, PosekitError):
            raise
        raise PeerError(_peer_words(None, str(error).partition("\n")[0])) from error


def gather_rows(rows: np.ndarray) -> list[np.ndarray] | None:
    """The rows of every process, in process 0; None in the others.

    Args:
        rows: (N, C) numbers; N may differ from process to process.
    """
    if world_size() == 1:
        return [rows]
    mine = torch.from_numpy(np.ascontiguousarray(rows)).to(_device())
    counts = [torch.zeros(1, dtype=torch.int64, device=mine.device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(mine)], device=mine.device))
    sizes = [int(count) for count in counts]
    padded = mine.new_zeros(max(sizes), mine.shape[1])
    padded[: len(mine)] = mine
    parts = [torch.empty_like(padded) for _ in sizes] if rank() == 0 else None
    dist.gather(padded, parts, dst=0)
    if parts is None:
        return None
    return [part[:size].cpu().numpy() for part, size in zip(parts, sizes, strict=True)]


def gather_columns(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """The columns of every process one after the other, in process 0; None in the others.

    Args:
        columns: By name, each (N, ...) of numbers; N may differ from process to process, and one that has no
            rows may lack columns.

    Raises:
        PeerError: If processes with rows have different columns.
    """
    if world_size() == 1:
        return dict(columns)
    filled = all(len(column) for column in columns.values())
    mine = {name: (column.shape[1:], column.dtype.str) for name, column in columns.items()} if filled else {}
    known: list[dict[str, Any]] = [{}] * world_size()
    dist.all_gather_object(known, mine)
    layout = next((found for found in known if found), mine)
    if any(found and found != layout for found in known):
        raise PeerError(f"the processes of the job have different columns: {[sorted(f) for f in known]}")
    gathered: dict[str, np.ndarray] = {}
    for name, (shape, dtype) in sorted(layout.items()):
        own = np.asarray(columns[name]) if mine else np.zeros((0, *shape), dtype)
        parts = gather_rows(own.reshape(len(own), math.prod(shape)))
        if parts is not None:
            gathered[name] = np.concatenate(parts).reshape(sum(map(len, parts)), *shape)
    return gathered if rank() == 0 else None


def _device() -> torch.device:
    """Where the group's exchanges take place."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def first_failure() -> tuple[int, str] | None:
    """The process that failed first and its words, if one has."""
    if store is None or not store.check([FAILURE]):
        return None
    number, _, words = store.get(FAILURE).decode().partition("\n")
    return int(number), words


def _peer_words(failed: tuple[int, str] | None, otherwise: str) -> str:
    if failed is not None:
        return f"process {failed[0]} failed: {failed[1]}"
    return f"process {rank()} lost another process of the job, killed or out of reach ({otherwise})"
