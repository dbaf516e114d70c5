"""Mutations of values before they are written: arrays, MATLAB structs, tensors, and what holds them.

A :class:`Made` seed is a value and the function that writes it, so that a mutated file is whole and says
something wrong: NaN, a missing axis, texts for numbers, a tensor of stride 0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from .mutate import VALUES, mutate_bytes

DTYPES = ("f4", "f2", "i1", "u1", "i8", "u8", "c16", "?", "U7", "S3")


@dataclass
class Made:
    """A valid value, and how a file is made of one."""

    value: Any
    pack: Callable[[Any], bytes]

    def packed(self) -> bytes:
        return self.pack(self.value)


def mutate_made(made: Made, random: Random) -> bytes:
    """The file of the value with one to three changes; of the valid value where no file can hold them."""
    try:
        value = copy.deepcopy(made.value)
        for _ in range(random.choice((1, 1, 2, 3))):
            value = _mutate(value, random)
        return made.pack(value)
    except Exception:  # numpy, savemat and torch.save have limits of their own
        return mutate_bytes(made.packed(), random)


def _mutate(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.95:
        return _mutate_dict(value, random)
    if isinstance(value, (list, tuple)) and value and random.random() < 0.9:
        items = list(value)
        at = random.randrange(len(items))
        items[at] = _mutate(items[at], random)
        return type(value)(items)
    if isinstance(value, np.ndarray):
        return _mutate_struct(value, random) if value.dtype.names else _mutate_array(value, random)
    if type(value).__module__ == "torch":
        return _mutate_tensor(value, random)
    return copy.deepcopy(random.choice(VALUES))


def _mutate_dict(value: dict[Any, Any], random: Random) -> dict[Any, Any]:
    key = random.choice(list(value))
    match random.randrange(12):
        case 0:
            del value[key]
        case 1:
            value[random.choice(["x", "../x", 5, f"module.{key}"])] = value.pop(key)
        case 2:
            value[key] = copy.deepcopy(value[random.choice(list(value))])
        case _:
            value[key] = _mutate(value[key], random)
    return value


def _mutate_struct(array: np.ndarray, random: Random) -> np.ndarray:
    """A MATLAB struct array: a field of an element, its fields, or its length."""
    names = array.dtype.names
    assert names
    if random.random() < 0.1 or not array.size:
        return array[:, random.choice((slice(0), slice(1), slice(None, None, -1)))]
    if random.random() < 0.1:
        return array[[name for name in names if name != random.choice(names)]].copy()
    at = np.unravel_index(random.randrange(array.size), array.shape)
    name = random.choice(names)
    value = array[name][at]
    array[name][at] = _mutate(value, random)
    return array


def _mutate_array(array: np.ndarray, random: Random) -> Any:
    flat = np.array(array, copy=True)
    with np.errstate(all="ignore"):
        match random.randrange(10):
            case 0:
                return flat.astype(random.choice(DTYPES))
            case 1:
                return flat.transpose(random.sample(range(flat.ndim), flat.ndim))
            case 2:
                return flat[: random.choice((0, 1, -1))] if flat.ndim else flat
            case 3:
                return np.concatenate([flat, flat]) if flat.ndim else flat
            case 4:
                return flat.reshape(-1)
            case 5:
                return flat[..., None]
            case 6:
                return (
                    flat * random.choice((0, -1, 1e9, 1e-9, np.nan, 1e300))
                    if flat.dtype.kind != "U"
                    else flat
                )
            case 7:
                return copy.deepcopy(random.choice(VALUES))
            case _ if flat.size and flat.dtype.kind in "fiub":
                wild = (
                    (np.nan, np.inf, -np.inf, -1, 0, 1e30, 2**31)
                    if flat.dtype.kind == "f"
                    else (-1, 0, 1, 127)
                )
                flat.flat[random.randrange(flat.size)] = np.array(random.choice(wild)).astype(flat.dtype)
    return flat


def _mutate_tensor(tensor: Any, random: Random) -> Any:
    import torch

    match random.randrange(12):
        case 0:
            return tensor.to(
                random.choice((torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.cfloat))
            )
        case 1:
            return tensor.to_sparse() if tensor.ndim else tensor[None]
        case 2:
            return tensor.reshape(-1)[:1].expand(random.choice((3, 1000, 10**9)))
        case 3:
            return tensor.reshape(-1)[:0]
        case 4:
            return tensor[None]
        case 5:
            return torch.nn.Parameter(tensor.float())
        case 6:
            return torch.full_like(
                tensor, random.choice((float("nan"), float("inf"), 1e30)), dtype=torch.float32
            )
        case 7:
            return tensor.t() if tensor.ndim == 2 else tensor.flip(0) if tensor.ndim else tensor
        case 8:
            return torch.empty(10**6, 10**6, device="meta")
        case 9:
            return tensor.float().to_mkldnn() if torch.backends.mkldnn.is_available() else tensor
        case 10:
            return torch.quantize_per_tensor(tensor.float().reshape(-1), 0.1, 0, torch.qint8)
    return copy.deepcopy(random.choice(VALUES))
