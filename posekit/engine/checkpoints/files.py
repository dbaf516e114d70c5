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

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.errors import CheckpointError
from posekit.io.checkpoint import brief
from posekit.io.checkpoint import compare_weights as compare_weights  # the old home of these three
from posekit.io.checkpoint import read_checkpoint as read_checkpoint
from posekit.io.checkpoint import weights_of as weights_of
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


# --- work directories ----------------------------------------------------------------------------------


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


def epoch_files(work_dir: str | Path) -> list[tuple[int, Path]]:
    """The ``epoch_N.pth`` of a work directory as (N, path), oldest epoch first."""
    return _numbered(work_dir, "epoch")


def iter_files(work_dir: str | Path) -> list[tuple[int, Path]]:
    """The ``iter_N.pth`` of a work directory, saved within an epoch, as (N, path), oldest first."""
    return _numbered(work_dir, "iter")


def _numbered(work_dir: str | Path, kind: str) -> list[tuple[int, Path]]:
    found = []
    for path in Path(work_dir).glob(f"{kind}_*.pth"):
        if match := re.fullmatch(rf"{kind}_(\d+)\.pth", path.name):
            found.append((int(match.group(1)), path))
    return sorted(found)


def resume_words(work_dir: str | Path) -> str:
    """What is left of a run that stopped, and how to go on, in words: the newest that is whole."""
    newest = next((path for path in resume_candidates(work_dir) if _is_whole(path)), None)
    if newest is None:
        return "there is no checkpoint yet"
    return f"the last checkpoint is {newest}, --resume goes on from there"


def _is_whole(path: Path) -> bool:
    """Whether one of this program's is all there; quicker than reading it."""
    try:
        check_sum(path)
        return zipfile.is_zipfile(path)
    except (OSError, CheckpointError):
        return False


def resume_candidates(work_dir: str | Path) -> list[Path]:
    """The checkpoints to resume from, best first: the marked one, then the others, newest first."""
    marker = Path(work_dir) / MARKER
    # A marker of arbitrary bytes names no file, and so is passed over like a damaged checkpoint.
    name = Path(marker.read_text("utf-8", errors="replace").strip()).name if marker.is_file() else ""
    marked = Path(work_dir) / name if 0 < len(name.encode()) <= _LONGEST_NAME else None
    files = [*epoch_files(work_dir), *iter_files(work_dir)]
    times = {path: _modified(path) for _, path in files if path != marked}
    others = [path for path, time in times.items() if time is not None]
    others.sort(key=lambda path: times[path] or 0.0, reverse=True)
    return [marked, *others] if marked is not None else others


def _modified(path: Path) -> float | None:
    """When a file was last written, in seconds; None if a training at work has removed it since."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
