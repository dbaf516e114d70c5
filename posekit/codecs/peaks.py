"""From heatmaps to sub-pixel peaks: the maximum, then one of the releases' refinements.

Cells are (x, y), an integer being a cell's centre. Refinements look at a patch around the maximum, never at
the whole map: blurring 64 x 17 maps whole costs ten times what decoding may take.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from posekit.codecs import grid

# Where a map has no peak: (0, 0) and score 0; or the release's answer with its raw score.
NO_PEAK_CHOICES = ("zero", "hrnet", "mmpose")


class Peaks(NamedTuple):
    """The maxima of maps.

    Attributes:
        cells: float32 (B, K, 2), whole numbers; (0, 0), or (-1, -1) for "mmpose", where there is none.
        values: float32 (B, K), the score.
        found: bool (B, K): the map has a peak that may be refined.
    """

    cells: torch.Tensor
    values: torch.Tensor
    found: torch.Tensor


def maxima(heatmaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First maximum in row-major order of each map: cells float32 (B, K, 2) and values (B, K)."""
    flat = heatmaps.detach().flatten(2)
    if grid.on_host(flat.device):
        # numpy's argmax is vectorised and ten times faster than torch's over a contiguous last axis.
        index = torch.from_numpy(flat.float().numpy().argmax(2)).long()
    else:
        index = flat.argmax(2)
    values = flat.gather(2, index.unsqueeze(-1)).squeeze(-1)
    width = heatmaps.shape[-1]
    rows = index.div(width, rounding_mode="floor")
    return torch.stack((index - rows * width, rows), dim=-1).float(), values


def find_peaks(heatmaps: torch.Tensor, no_peak: str = "zero") -> Peaks:
    """The maxima of maps (B, K, h, w), and what stands in where there is none.

    Args:
        heatmaps: (B, K, h, w).
        no_peak: ``"zero"``: (0, 0) and score 0 if the maximum is not positive, the map is constant or holds a
            NaN or an infinity at its maximum. ``"hrnet"``: (0, 0) with the raw maximum as score, which may be
            negative. ``"mmpose"``: (-1, -1), likewise. Neither release knows constant maps; both give a
            positive one its first cell and its value. NaN and infinity score 0 in all three.
    """
    cells, values = maxima(heatmaps)
    values = values.float()
    finite = values.isfinite()
    positive = finite & (values > 0)
    if no_peak == "zero":
        found = positive & ~_constant(heatmaps, cells, values)
        return Peaks(cells * found[..., None], torch.where(found, values, torch.zeros_like(values)), found)
    outside = 0.0 if no_peak == "hrnet" else -1.0
    cells = torch.where(positive[..., None], cells, torch.full_like(cells, outside))
    return Peaks(cells, torch.where(finite, values, torch.zeros_like(values)), positive)


def _constant(heatmaps: torch.Tensor, cells: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Which maps are constant, bool (B, K): only one whose first maximum is cell (0, 0) can be.

    A device looks at every map: to find out which ones can be, the host would have to wait for it.
    """
    if not grid.on_host(heatmaps.device):
        return heatmaps.detach().flatten(2).amin(2).float() == values
    constant = torch.zeros_like(values, dtype=torch.bool)
    candidates = (cells.sum(-1) == 0).nonzero(as_tuple=True)
    if len(candidates[0]):
        lowest = heatmaps.detach()[candidates].flatten(1).amin(1).float()
        constant[candidates] = lowest == values[candidates]
    return constant


def patches_around(heatmaps: torch.Tensor, cells: torch.Tensor, radius: int, border: str) -> torch.Tensor:
    """Squares of side 2 radius + 1 around cells, (B*K, side, side), of the maps' dtype.

    Args:
        heatmaps: (B, K, h, w).
        cells: (B, K, 2), whole numbers; those outside are moved to the nearest cell.
        radius: Cells on either side.
        border: What lies outside the map: ``"zero"``, or ``"reflect"`` for OpenCV's default (dcb|abcd|cba).
    """
    height, width = heatmaps.shape[-2:]
    reach = torch.arange(-radius, radius + 1, device=heatmaps.device)
    columns = cells[..., 0].long().clamp(0, width - 1).flatten()[:, None] + reach
    rows = cells[..., 1].long().clamp(0, height - 1).flatten()[:, None] + reach
    if border == "reflect":
        columns, rows = reflect(columns, width), reflect(rows, height)
    inside_x, inside_y = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    index = rows[:, :, None] * width + columns[:, None, :]
    patches = heatmaps.detach().reshape(-1, height * width).gather(1, index.flatten(1)).view(index.shape)
    if border == "zero":
        patches = patches.mul_(inside_y[:, :, None].to(patches.dtype)).mul_(
            inside_x[:, None, :].to(patches.dtype)
        )
    return patches


def reflect(index: torch.Tensor, length: int) -> torch.Tensor:
    """Indices reflected about 0 and length - 1, as often as needed."""
    if length == 1:
        return torch.zeros_like(index)
    index = index.remainder(2 * (length - 1))
    return torch.minimum(index, 2 * (length - 1) - index)


def quarter_offset(heatmaps: torch.Tensor, peaks: Peaks, border: str) -> torch.Tensor:
    """A quarter of a cell toward the higher neighbour, per axis; 0 where they are equal.

    Args:
        heatmaps: (B, K, h, w).
        peaks: Their maxima.
        border: ``"both"``: only where 1 < x < w - 1 and 1 < y < h - 1 (HRNet). ``"each"``: each axis by
            itself, the other needing only to be above 0 (MMPose).

    Returns:
        float32 (B, K, 2).
    """
    height, width = heatmaps.shape[-2:]
    x, y = peaks.cells.unbind(-1)
    column, row = x.long().clamp(0, width - 1), y.long().clamp(0, height - 1)
    flat = heatmaps.detach().flatten(2)

    def at(dx: int, dy: int) -> torch.Tensor:
        index = (row + dy).clamp(0, height - 1) * width + (column + dx).clamp(0, width - 1)
        return flat.gather(2, index.unsqueeze(-1)).squeeze(-1).float()

    inner_x, inner_y = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    if border == "both":
        inner_x = inner_y = inner_x & inner_y
    else:
        inner_x, inner_y = inner_x & (y > 0), inner_y & (x > 0)
    steps = torch.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), dim=-1)
    steps = torch.nan_to_num(steps, nan=0.0).sign() * 0.25
    return steps * torch.stack((inner_x, inner_y), dim=-1)


def heatmap_accuracy(
    prediction: torch.Tensor, target: torch.Tensor, threshold: float = 0.5, normalise: str = "hrnet"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of keypoints whose two maxima lie close, the training accuracy of the HRNet release.

    The distance is counted in tenths of the map. No host copy is made.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w); items whose maximum lies at x <= 1 or y <= 1 (empty ones among them) are left
            out.
        threshold: A keypoint counts as right below this distance.
        normalise: ``"hrnet"`` divides x by h / 10 and y by w / 10, as the release does, sides exchanged;
            ``"size"`` divides x by w / 10 and y by h / 10. They agree on square maps.

    Returns:
        The mean over the keypoints that have an item, float32 () (0 if none has), and the share of each
        keypoint, float32 (K,), -1 where none counts.
    """
    rows, columns = prediction.shape[-2:]
    predicted, labelled = _maxima_or_origin(prediction), _maxima_or_origin(target)
    sides = (rows, columns) if normalise == "hrnet" else (columns, rows)
    tenth = grid.xy_like(predicted, sides) / 10
    counted = (labelled > 1).all(-1)
    right = (torch.linalg.vector_norm((predicted - labelled) / tenth, dim=-1) < threshold) & counted
    items = counted.sum(0)
    share = torch.where(items > 0, right.sum(0) / items.clamp(min=1), -1.0)
    counted_keypoints = items > 0
    mean = (share * counted_keypoints).sum() / counted_keypoints.sum().clamp(min=1)
    return mean, share


def _maxima_or_origin(heatmaps: torch.Tensor) -> torch.Tensor:
    cells, values = maxima(heatmaps)
    return cells * (values > 0)[..., None]
