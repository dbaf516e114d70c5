"""Maps of an input in other sizes, as they should have come from its own: for tests at several scales.

Sizes are (height, width), pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from posekit.codecs.grid import kept, pixels_per_cell


def resample_maps(
    heatmaps: torch.Tensor,
    input_size_hw: Sequence[int],
    to_input_size_hw: Sequence[int],
    alignment: str,
) -> torch.Tensor:
    """Maps of a resized input, as they should have come from the input at its own size; bilinear.

    Resizing an image takes a pixel to (pixel + 0.5) * new side / old side - 0.5. Where that puts a cell
    depends on the tie between cells and pixels at either size, so aligned and strided maps differ by a
    fraction of a cell. Beyond the outer cells the border is repeated.

    Args:
        heatmaps: (B, C, h, w), of any stride.
        input_size_hw: Size of the input that they came from, pixels.
        to_input_size_hw: Size of the input in whose cells they are wanted.
        alignment: ``"strided"`` or ``"aligned"``.

    Returns:
        float32 (B, C, h', w') with the same stride.
    """
    resampled = heatmaps.float()
    for axis in (0, 1):
        side, to_side, cells = int(input_size_hw[axis]), int(to_input_size_hw[axis]), heatmaps.shape[2 + axis]
        weights = _resampling(side, to_side, cells, alignment, heatmaps.device)
        resampled = weights @ resampled if axis == 0 else resampled @ weights.T
    return resampled


@kept
def _resampling(side: int, to_side: int, cells: int, alignment: str, device: torch.device) -> torch.Tensor:
    """One axis of :func:`resample_maps` as a matrix, float32 (new cells, cells)."""
    to_cells_ = max(round(cells * to_side / side), 1)
    own, wanted = (
        pixels_per_cell((s, s), (c, c), alignment)[0] for s, c in ((side, cells), (to_side, to_cells_))
    )
    pixels = torch.arange(to_cells_, dtype=torch.float64) * wanted
    where = ((pixels + 0.5) * (side / to_side) - 0.5) / own
    return _between_cells(where, cells).float().to(device)


def _between_cells(where: torch.Tensor, length: int) -> torch.Tensor:
    """Linear interpolation of a line of cells at N places as a matrix, float64 (N, length)."""
    where = where.clamp(0, length - 1)
    lower = where.floor().clamp(max=max(length - 2, 0))
    share = where - lower
    weights = where.new_zeros(len(where), length)
    weights.scatter_add_(1, lower.long()[:, None], (1 - share)[:, None])
    upper = (lower.long() + 1).clamp(max=length - 1)
    return weights.scatter_add_(1, upper[:, None], share[:, None])
