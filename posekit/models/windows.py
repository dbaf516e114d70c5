"""Windows of maps around points, between cells: what a later stage of a cascade looks at.

Points are (x, y) fractions of the way from the centre of the input's first pixel, which is that of the map's
first cell, to that of its last: 0 and 1 at the rims, and 1 - x in a mirrored input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.codecs.grid import xy_like


def windows_around(maps: Tensor, points: Tensor, half: Tensor, cells: int) -> Tensor:
    """Squares about points, each sampled bilinearly; 0 outside the map.

    Args:
        maps: (B, C, h, w).
        points: (B, K, 2), fractions, the windows' middles.
        half: (B, K), (B, 1) or (1, 1); from the middle to the outermost samples, cells of the map.
        cells: Samples on a side.

    Returns:
        (B, K, C, cells, cells), float32; no gradient reaches the points.
    """
    with torch.autocast(maps.device.type, enabled=False):
        maps, middle = maps.float(), points.detach().float()
        reach = half.detach().float()[..., None] / last_cells(maps)
        steps = torch.linspace(-1, 1, cells, device=maps.device) if cells > 1 else maps.new_zeros(1)
        x, y = (middle[..., i, None] + reach[..., i, None] * steps for i in (0, 1))
        return (_multiplied if torch.jit.is_tracing() else _sampled)(maps, x, y)


def _sampled(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The windows at columns and rows (B, K, cells), fractions."""
    columns, rows = (2 * x - 1)[:, :, None, :], (2 * y - 1)[:, :, :, None]  # of grid_sample's -1..1
    at = torch.stack(torch.broadcast_tensors(columns, rows), dim=-1)
    found = F.grid_sample(maps, at.flatten(1, 2), align_corners=True, padding_mode="zeros")
    return found.unflatten(2, at.shape[1:3]).transpose(1, 2)


def _multiplied(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The same by rows and columns apart, as weights of the map's cells: many times the work of sampling.

    Products of matrices can be written to a file that takes any number of crops.
    """
    columns, rows = _weights(x, int(maps.shape[-1])), _weights(y, int(maps.shape[-2]))
    return rows[:, :, None] @ maps[:, None] @ columns[:, :, None].transpose(-2, -1)


def _weights(fractions: Tensor, cells: int) -> Tensor:
    """What each cell of a line adds to samples (..., n) between them, (..., n, cells); 0 of those outside."""
    at = fractions * (cells - 1)
    return (1 - (at[..., None] - torch.arange(cells, device=at.device)).abs()).clamp(min=0)


def last_cells(maps: Tensor) -> Tensor:
    """(x, y) of the last cell of maps (B, C, h, w), at least 1: what turns fractions into cells."""
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    return xy_like(maps, (max(width - 1, 1), max(height - 1, 1)))
