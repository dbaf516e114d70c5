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
    count = points.shape[1]
    with torch.autocast(maps.device.type, enabled=False):
        maps, middle = maps.float(), points.detach().float()
        reach = half.detach().float()[..., None] / last_cells(maps)
        # Of the map's -1..1, twice a fraction's.
        steps = torch.linspace(-2, 2, cells, device=maps.device) if cells > 1 else maps.new_zeros(1)
        x, y = (2 * middle[..., i, None] - 1 + reach[..., i, None] * steps for i in (0, 1))
        # Sums, which broadcast: of stated sizes an exported network would take so many crops only.
        columns, rows = x[:, :, None, :], y[:, :, :, None]
        at = torch.stack([columns + 0 * rows, rows + 0 * columns], dim=-1)
        found = F.grid_sample(maps, at.flatten(1, 2), align_corners=True, padding_mode="zeros")
    return found.unflatten(2, (count, cells)).transpose(1, 2)


def last_cells(maps: Tensor) -> Tensor:
    """(x, y) of the last cell of maps (B, C, h, w), at least 1: what turns fractions into cells."""
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    return xy_like(maps, (max(width - 1, 1), max(height - 1, 1)))
