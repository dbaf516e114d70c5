"""Checkpoints of a run: what is in them, where they lie, written whole or not at all.

A checkpoint is a dict of tensors and plain Python values, so that ``torch.load(weights_only=True)`` takes it
on every torch from 2.4 on. Its fields: ``state_dict``; ``meta`` (epoch, iter, config text, seed, skeleton,
versions); and, for resuming, ``optimizer`` (with mixed precision's loss scaler), ``param_schedulers``,
``message_hub`` (the losses so far), ``rng`` (of several processes ``rng_ranks``), and where they apply
``ema`` (the training's own weights; ``state_dict`` then holds the averaged ones) and ``gradients`` (of an
unfinished accumulation). ``meta`` also says where the sampler stands: how many ``batches`` and ``samples`` of
the epoch that has begun were used.

In a work directory ``epoch_N.pth`` and ``iter_N.pth`` (within an epoch) are the checkpoints of a run,
``last_checkpoint`` names the newest, and ``best_<score>.pth`` holds the weights that scored best. Each
carries its SHA-256 (:mod:`posekit.io.checksum`), which reading checks.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.errors import CheckpointError

# The last three had their home here once.
from posekit.io.checkpoint import brief, compare_weights, read_checkpoint, weights_of  # noqa: F401
from posekit.io.checksum import HashingFile, check_sum
from posekit.io.files import atomic_file, write_text

MARKER = "last_checkpoint"
_LONGEST_NAME = 255  # bytes; the system refuses to look for a longer one


def write_checkpoint(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Writes a checkpoint atomically.

    Args:
        checkpoint: Tensors and plain values, nested; see :func:`to_plain`.
        path: The file; an older one stays until the new one is complete on disk.

    Raises:
        CheckpointError: If it cannot be written (no space, no permission); the older file is intact.
        TypeError: If it holds something that could not be loaded back safely.
    """
    plain = to_plain(checkpoint)
    failure: Exception | None = None
    try:
        with atomic_file(path) as file:
            hashing = HashingFile(file)
            try:
                torch.save(plain, hashing)  # type: ignore[arg-type]
            finally:  # torch's zip writer turns a full disk into an error about its own positions
                failure = hashing.failure
            hashing.seal()
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: cannot be written ({brief(failure or error)}); "
            "what was there before is unchanged"
        ) from error


def to_plain(value: Any, where: str = "checkpoint") -> Any:
    """Copies nested containers into what ``weights_only=True`` accepts: tensors on the CPU and plain values.

    Numpy scalars become Python numbers and numpy arrays lists, exactly.

    Raises:
        TypeError: On anything else, naming where it stands.
    """
    if value is None or isinstance(value, (bool, torch.dtype)):
        return value
    kind: Any
    for kind in (int, float, str, bytes):
        if isinstance(value, kind):
            return kind(value)  # of a subclass (torch.__version__ is one of str) only the value is kept
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, np.generic):
        return to_plain(value.item(), where)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: to_plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    raise TypeError(f"{where}: a {type(value).__name__} cannot be stored in a checkpoint")


def is_plain(value: Any) -> bool:
    """Whether :func:`to_plain` takes a value."""
    try:
        to_plain(value)
    except TypeError:
        return False
    return True


def mark_last(work_dir: str | Path, name: str) -> None:
    """Points the marker at a checkpoint that is complete on disk.

    The bare file name is stored, so that a work directory can be moved.

    Raises:
        CheckpointError: If it cannot be written; the marker names the one before.
    """
    try:
        write_text(Path(work_dir) / MARKER, name)
    except OSError as error:
        raise CheckpointError(
            f"{Path(work_dir) / MARKER}: cannot be written ({brief(error)}); it names the checkpoint before "
            f"{name} still"
        ) from error


def best_name(metric: str) -> str:
    """The file that keeps the best weights by a score: ``best_PCKh@0.5_mean_weighted.pth``."""
    return f"best_{re.sub(r'[^A-Za-z0-9.@-]+', '_', metric)}.pth"


def saved_files(work_dir: str | Path, kind: str = "epoch") -> list[tuple[int, Path]]:
    """The ``epoch_N.pth`` of a work directory, or its ``iter_N.pth``, as (N, path), the least N first."""
    found = ((re.fullmatch(rf"{kind}_(\d+)\.pth", path.name), path) for path in Path(work_dir).glob("*.pth"))
    return sorted((int(match[1]), path) for match, path in found if match)


def resume_words(work_dir: str | Path) -> str:
    """What is left of a run that stopped, and how to go on, in words: the newest that is whole."""
    for path in resume_candidates(work_dir):
        with contextlib.suppress(OSError, CheckpointError):
            check_sum(path)  # quicker than reading it
            if zipfile.is_zipfile(path):
                return f"the last checkpoint is {path}, --resume goes on from there"
    return "there is no checkpoint yet"


def resume_candidates(work_dir: str | Path) -> list[Path]:
    """The checkpoints to resume from, best first: the marked one, then the others, newest first."""
    marker = Path(work_dir) / MARKER
    # A marker of arbitrary bytes names no file, and so is passed over like a damaged checkpoint.
    name = Path(marker.read_text("utf-8", errors="replace").strip()).name if marker.is_file() else ""
    marked = Path(work_dir) / name if 0 < len(name.encode()) <= _LONGEST_NAME else None
    others = []
    for _, path in (*saved_files(work_dir), *saved_files(work_dir, "iter")):
        with contextlib.suppress(FileNotFoundError):  # a training at work may have removed it since
            others.append((path.stat().st_mtime, path))
    others.sort(key=lambda found: found[0], reverse=True)
    newest = [path for _, path in others if path != marked]
    return newest if marked is None else [marked, *newest]
