"""The tie between heatmap cells and input pixels, and what mirroring does to maps.

Points are (x, y), 0-based, an integer being a centre; sizes are (height, width).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch

from posekit.errors import ConfigError, is_whole

ALIGNMENTS = ("strided", "aligned")

_Function = TypeVar("_Function", bound=Callable[..., torch.Tensor])


def kept(make: _Function) -> _Function:
    """Keeps the constant tensors that a function makes of plain numbers, so that a device gets them once.

    Also where they are first asked for in inference mode, whose own tensors no training could use.
    """
    return lru_cache(maxsize=64)(torch.inference_mode(False)(make))  # type: ignore[return-value]


def xy_like(tensor: torch.Tensor, xy: tuple[float, float]) -> torch.Tensor:
    """The pair as a tensor (2,) of another's dtype, made on its device: a copy there would wait for it."""
    return torch.stack([tensor.new_full((), number) for number in xy])


def on_host(device: torch.device) -> bool:
    """Whether the numbers lie with the host, which may look at them without waiting for a device."""
    return device.type == "cpu"


def working_dtype(device: torch.device) -> torch.dtype:
    """What sub-pixel arithmetic is done in: float64 on the host, where it costs nothing, else float32.

    Apple's GPUs have no float64, and most others compute it at a small fraction of their speed.
    """
    return torch.float64 if on_host(device) else torch.float32


def pixels_per_cell(
    input_size_hw: Sequence[int], heatmap_size_hw: Sequence[int], alignment: str
) -> tuple[float, float]:
    """Input pixels per heatmap cell, (x, y): W / w if strided, (W - 1) / (w - 1) if aligned."""
    shrink = 1 if alignment == "aligned" else 0
    (height, width), (rows, columns) = input_size_hw, heatmap_size_hw
    # A map one cell wide has no spacing; the divisor is then irrelevant, but must not be 0.
    return (
        (int(width) - shrink) / max(int(columns) - shrink, 1),
        (int(height) - shrink) / max(int(rows) - shrink, 1),
    )


def to_cells(points_input: torch.Tensor, scale_xy: tuple[float, float]) -> torch.Tensor:
    """Input pixels (..., 2) to heatmap cells; the dtype stays, float64 included."""
    return points_input / xy_like(points_input, scale_xy)


def to_pixels(cells: torch.Tensor, scale_xy: tuple[float, float]) -> torch.Tensor:
    """Heatmap cells (..., 2) to input pixels, float32."""
    return (cells * xy_like(cells, scale_xy)).float()


def mirror_maps(
    heatmaps: torch.Tensor,
    flip_index: np.ndarray | torch.Tensor | Sequence[int],
    maps_per_keypoint: int = 1,
    shift: bool = False,
) -> torch.Tensor:
    """Mirrors maps left-right and exchanges left and right keypoints.

    Args:
        heatmaps: (B, K * maps_per_keypoint, h, w); with 3 maps per keypoint the second is an x offset,
            which changes its sign.
        flip_index: (K,), keypoint k of the mirrored image is ``flip_index[k]`` of the image.
        maps_per_keypoint: 1 or 3.
        shift: Move every map one cell to the right, column 0 being kept (not zeroed), as HRNet does.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: If the maps and ``flip_index`` disagree on K.
    """
    order = flip_index
    if not isinstance(order, torch.Tensor):
        order = _index_on(tuple(np.asarray(order).tolist()), heatmaps.device)
    if heatmaps.ndim != 4 or heatmaps.shape[1] != len(order) * maps_per_keypoint:
        raise ValueError(
            f"expected maps (B, {len(order) * maps_per_keypoint}, h, w) for a flip_index of {len(order)} "
            f"keypoints, found {tuple(heatmaps.shape)}"
        )
    order = order.to(device=heatmaps.device, dtype=torch.int64)
    if maps_per_keypoint > 1:
        within = torch.arange(maps_per_keypoint, device=heatmaps.device)
        order = (order[:, None] * maps_per_keypoint + within).flatten()
    mirrored = heatmaps.index_select(1, order).flip(-1)
    if maps_per_keypoint > 1:
        mirrored[:, 1::maps_per_keypoint].neg_()
    if shift and mirrored.shape[-1] > 1:
        mirrored = mirrored.roll(1, -1)
        mirrored[..., 0] = mirrored[..., 1]
    return mirrored


@kept
def _index_on(index: tuple[int, ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(index, dtype=torch.int64).to(device)


def check_choice(codec: object, field: str, choices: Sequence[Any]) -> None:
    """Raises ConfigError unless the codec's field is one of the choices."""
    found = getattr(codec, field)
    if found not in choices:
        raise ConfigError(
            f"{type(codec).__name__}: '{field}' must be one of {list(choices)}, found {found!r}"
        )


def check_positive(codec: object, field: str, optional: bool = False) -> None:
    """Raises ConfigError unless the codec's field is a positive finite number (or None, if optional)."""
    found = getattr(codec, field)
    if optional and found is None:
        return
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 < found < math.inf:
        raise ConfigError(f"{type(codec).__name__}: '{field}' must be a positive number, found {found!r}")


def check_kernel(codec: object, field: str, optional: bool = False) -> None:
    """Raises ConfigError unless the codec's field is a positive odd integer (or None, if optional)."""
    found = getattr(codec, field)
    if optional and found is None:
        return
    if not is_whole(found) or found % 2 == 0:
        raise ConfigError(
            f"{type(codec).__name__}: '{field}' must be a positive odd integer, found {found!r}"
        )
