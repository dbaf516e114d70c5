"""Reading checkpoints without running code in them, and comparing their weights with a network's."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posekit.errors import CheckpointError
from posekit.io.checksum import check_sum
from posekit.io.safe_load import load_file

_LISTED = 8  # keys shown per kind of mismatch


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; nothing in the file is executed.

    Args:
        path: A file written by ``torch.save``, or .safetensors; see :mod:`posekit.io.safe_load`.

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
        raise CheckpointError(f"checkpoint {path}: damaged or truncated ({brief(error)})") from error
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


def brief(error: Exception) -> str:
    """An error's kind and its first sentence, whole."""
    lines = str(error).strip().splitlines()
    sentence = re.split(r"(?<=[a-z])\.(?:\s|$)", lines[0])[0] if lines else ""
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__


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
    pairs = [(key, expected[key], found[key]) for key in expected if key in found]
    mismatched = [
        f"{key}  expected {_shape(own)}, found {_shape(other)}"
        for key, own, other in pairs
        if own.shape != other.shape
    ]
    foreign = [  # rounding aside; a counter may have been stored as a real number
        f"{key}  expected {_kind(own)}, found {_kind(other)}"
        for key, own, other in pairs
        if _kind(other) not in (_kind(own), "real numbers")
    ]
    parts = [
        _table("missing from the checkpoint", missing, len(expected)),
        _table("unexpected in the checkpoint", unexpected, len(found)),
        _table("of another shape", mismatched, len(expected)),
        _table("of another kind of numbers", foreign, len(expected)),
    ]
    return "\n".join(part for part in parts if part)


def refuse_non_finite(weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Raises CheckpointError if a weight is NaN or infinite: whatever is computed from it is, too."""
    faulty = {key: count for key, tensor in weights.items() if (count := _non_finite(tensor))}
    if faulty:
        key, count = next(iter(faulty.items()))
        size = weights[key].numel()
        more = f", and in {len(faulty) - 1} more keys" if len(faulty) > 1 else ""
        raise CheckpointError(
            f"checkpoint {source}: expected finite weights, found {count} of {size} values in '{key}' "
            f"that are NaN or infinite{more}; it is of a training that diverged, or damaged: take an "
            "earlier checkpoint, or get the file again"
        )


def _non_finite(tensor: Tensor) -> int:
    """How many values of a strided tensor are NaN or infinite; whole numbers never are."""
    if not tensor.is_floating_point():
        return 0
    finite = torch.isfinite(tensor if tensor.element_size() > 1 else tensor.float())  # float8 knows it not
    return 0 if finite.all() else int((~finite).sum())


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"


def _kind(tensor: Tensor) -> str:
    kind = "real" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "whole"
    return f"{kind} numbers" if tensor.layout == torch.strided else f"{kind} numbers, {tensor.layout}"


def _table(title: str, rows: list[str], total: int) -> str:
    if not rows:
        return ""
    shown = "".join(f"\n    {row}" for row in rows[:_LISTED])
    more = f"\n    ... and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return f"  {len(rows)} of {total} keys {title}:{shown}{more}"
