"""Checkpoints: read without running code in them, written whole or not at all.

A checkpoint is a dict of tensors and plain Python values, so that ``torch.load(weights_only=True)`` takes it
on every torch from 2.4 on. Its fields: ``state_dict``; ``meta`` (epoch, iter, config text, seed, skeleton,
versions); and, for resuming, ``optimizer`` (with mixed precision's loss scaler), ``param_schedulers``,
``message_hub`` (the losses so far), ``rng`` (of several processes ``rng_ranks``), and where they apply
``ema`` (the training's own weights; ``state_dict`` then holds the averaged ones) and ``gradients`` (of an
unfinished accumulation). ``meta`` also says where the sampler stands: how many ``batches`` and ``samples`` of
the epoch that has begun were used.

In a work directory ``epoch_N.pth`` and ``iter_N.pth`` (within an epoch) are the checkpoints of a run,
``last_checkpoint`` names the newest, and ``best_<score>.pth`` holds the weights that scored best. Each
carries its SHA-256 (:mod:`posekit.engine.checksum`), which reading checks.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.engine.checksum import HashingFile, check_sum
from posekit.engine.safe_load import load_file
from posekit.errors import CheckpointError
from posekit.files import atomic_file, write_text

MARKER = "last_checkpoint"
_LISTED = 8  # keys shown per kind of mismatch
_LONGEST_NAME = 255  # bytes; the system refuses to look for a longer one


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; nothing in the file is executed.

    Args:
        path: A file written by ``torch.save``, or .safetensors; see :mod:`posekit.engine.safe_load`.

    Returns:
        The dict stored in it.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, not a dict, or needs code to be run
            to load it.
    """
    try:
        if Path(path).is_file():
            check_sum(Path(path))
        checkpoint = load_file(path)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(path, str(error))) from error
    except Exception as error:  # damaged bytes lead the unpickler into every kind of error
        raise CheckpointError(f"checkpoint {path}: damaged or truncated ({_brief(error)})") from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"checkpoint {path}: expected a dict, found {type(checkpoint).__name__}")
    return checkpoint


def _explain_refusal(path: str | Path, message: str) -> str:
    nothing_ran = "Expected tensors and plain values only; nothing in it was executed"
    if match := re.search(r"GLOBAL ([\w.]+)", message):  # what the pickle wanted to call, since torch 2.4
        return (
            f"checkpoint {path}: refused, because loading it could run code: it refers to "
            f"'{match.group(1)}'. {nothing_ran}"
        )
    reason = re.search(r"WeightsUnpickler error:\s*(.+)", message)
    why = reason.group(1) if reason else message.strip().splitlines()[0]
    # An operand unknown to pickle is no pickle at all.
    if re.search(r"nsupported (?!operand)|call reduce|Can only (build|create)", why):
        return f"checkpoint {path}: refused, because loading it could run code ({why}). {nothing_ran}"
    return f"checkpoint {path}: damaged, or not a checkpoint ({why})"


def _brief(error: Exception) -> str:
    """An error's kind and its first sentence, whole."""
    lines = str(error).strip().splitlines()
    sentence = re.split(r"(?<=[a-z])\.(?:\s|$)", lines[0])[0] if lines else ""
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__


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
            f"checkpoint {path}: cannot be written ({_brief(failure or error)}); "
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


# --- weights -------------------------------------------------------------------------------------------


def weights_of(checkpoint: Mapping[str, Any], source: str | Path) -> dict[str, Tensor]:
    """The weights in a checkpoint (its ``state_dict``, ``model`` or itself), a wrapper's ``module.`` dropped.

    Raises:
        CheckpointError: If there are none, a ``state_dict`` holds anything else, or two have one name.
    """
    stored = {name: checkpoint.get(name) for name in ("state_dict", "model")}
    place = next((name for name, found in stored.items() if isinstance(found, Mapping)), None)
    weights = stored[place] if place else checkpoint
    assert isinstance(weights, Mapping)
    tensors = {key: value for key, value in weights.items() if isinstance(value, Tensor)}
    other = next((key for key in weights if key not in tensors), None)
    if place and other is not None:
        raise CheckpointError(
            f"checkpoint {source}: expected tensors in '{place}', found {other!r}: {weights[other]!r:.60}"
        )
    if not tensors:
        raise CheckpointError(
            f"checkpoint {source}: expected weights in 'state_dict', "
            f"found the keys {sorted(map(str, checkpoint))[:_LISTED]}"
        )
    bare = {str(key).removeprefix("module."): value for key, value in tensors.items()}
    if len(bare) < len(tensors):
        raise CheckpointError(f"checkpoint {source}: has keys that differ only by 'module.' in front")
    return bare


def compare_weights(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """A table of the keys that differ between a model and a checkpoint; empty if none does."""
    missing = [f"{key}  {_shape(expected[key])}" for key in expected if key not in found]
    unexpected = [f"{key}  {_shape(found[key])}" for key in found if key not in expected]
    mismatched = [
        f"{key}  expected {_shape(expected[key])}, found {_shape(found[key])}"
        for key in expected
        if key in found and expected[key].shape != found[key].shape
    ]
    foreign = [
        f"{key}  expected {_kind(expected[key])}, found {_kind(found[key])}"
        for key in expected
        if key in found and not _same_kind(expected[key], found[key])
    ]
    parts = [
        _table("missing from the checkpoint", missing, len(expected)),
        _table("unexpected in the checkpoint", unexpected, len(found)),
        _table("of another shape", mismatched, len(expected)),
        _table("of another kind of numbers", foreign, len(expected)),
    ]
    return "\n".join(part for part in parts if part)


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"


def _same_kind(expected: Tensor, found: Tensor) -> bool:
    """Whether a copy keeps the numbers, rounding aside; a counter may have been stored as a real number."""
    return _kind(found) in (_kind(expected), "real numbers")


def _kind(tensor: Tensor) -> str:
    kind = "real" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole"
    return f"{kind} numbers" if tensor.layout == torch.strided else f"{kind} numbers, {tensor.layout}"


def _table(title: str, rows: list[str], total: int) -> str:
    if not rows:
        return ""
    shown = "".join(f"\n    {row}" for row in rows[:_LISTED])
    more = f"\n    ... and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return f"  {len(rows)} of {total} keys {title}:{shown}{more}"


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
            f"{Path(work_dir) / MARKER}: cannot be written ({_brief(error)}); it names the checkpoint before "
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
