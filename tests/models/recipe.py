"""Weights and inputs made from names alone: the recipe of the reference vectors (``reference/RECIPE.md``).

A value depends on its ``state_dict`` key, its shape and two numbers of the network, so that networks with the
same names get the same weights without a weight file.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn


def generator(text: str, salt: int) -> np.random.RandomState:
    # The legacy generator, because its stream never changes between versions of numpy.
    return np.random.RandomState((zlib.crc32(text.encode("utf-8")) + salt) % 2**32)


def weight(
    key: str, shape: tuple[int, ...], salt: int, gain: float, head_gain: float | None = None
) -> np.ndarray:
    """The value of one key: float32, int64 for a batch norm's counter."""
    random, leaf, axes = generator(key, salt), key.rsplit(".", 1)[-1], len(shape)
    if head_gain is not None and key.startswith(("head.", "keypoint_head.")):
        gain = head_gain
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_var":
        value = random.uniform(0.5, 1.5, shape)
    elif (leaf, axes) == ("weight", 4):
        value = random.standard_normal(shape) * (gain * np.sqrt(2.0 / np.prod(shape[1:])))
    elif (leaf, axes) == ("weight", 2):
        value = random.standard_normal(shape) * (gain * np.sqrt(2.0 / shape[1]))
    elif leaf == "pos_embed":
        value = 0.1 * random.standard_normal(shape)
    elif leaf in ("gamma", "g", "scale"):
        value = random.uniform(0.5, 1.5, shape)
    elif leaf == "beta":
        value = 0.05 * random.standard_normal(shape)
    elif (leaf, axes) == ("weight", 1):
        value = random.uniform(0.5, 1.0, shape)
    elif leaf == "running_mean" or (leaf, axes) == ("bias", 1):
        value = 0.05 * random.standard_normal(shape)
    else:
        raise KeyError(f"the recipe has no rule for {key} {shape}")
    return np.asarray(value, np.float32)


# The values of the network filled last. The next one often shares most of them (ResNet-50 and -101), and
# drawing them takes longer than running the network.
_latest: dict[tuple, np.ndarray] = {}


def fill(module: nn.Module, salt: int, gain: float) -> dict[str, np.ndarray]:
    """Fills a module by the recipe, puts it in evaluation mode and returns the values."""
    wanted = [(key, tuple(own.shape), salt, gain) for key, own in module.state_dict().items()]
    found = {what: _latest[what] if what in _latest else weight(*what) for what in wanted}
    _latest.clear()
    _latest.update(found)
    values = {what[0]: value for what, value in found.items()}
    module.load_state_dict({key: torch.from_numpy(np.asarray(v)) for key, v in values.items()})
    module.eval()
    return values


def image(name: str, shape: tuple[int, ...], salt: int) -> Tensor:
    """The input of the network ``name``: standard normal, float32."""
    values = generator(f"input:{name}", salt).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def crc32(values: dict[str, np.ndarray]) -> int:
    """Checksum of all values, in sorted order of their keys."""
    checksum = 0
    for key in sorted(values):
        checksum = zlib.crc32(np.ascontiguousarray(values[key]).tobytes(), checksum)
    return checksum
