"""What predicted heatmaps look like: the background's response, height and width of peaks, and the truth's.

Maps are (N, h, w), cells (x, y), an integer being a cell's centre.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# A Gaussian over the whole map is nowhere 0; below this share of the peak its target counts as 0.
EMPTY = 1e-6


def peak_widths(maps: Tensor) -> Tensor:
    """The full width at half maximum of each map's highest peak, cells.

    The mean of the widths along the row and the column through the maximum, linear between cells; a Gaussian
    has 2.355 sigma. Where the map ends before one side has fallen to half, the other side counts twice; where
    neither falls, the width is the map's.

    Args:
        maps: (N, h, w) with positive maxima.

    Returns:
        (N,).
    """
    if not len(maps):
        return maps.new_zeros(0)
    place = maps.flatten(1).argmax(dim=1)
    row, column = place // maps.shape[2], place % maps.shape[2]
    each = torch.arange(len(maps), device=maps.device)
    return (_full_width(maps[each, row], column) + _full_width(maps[each, :, column], row)) / 2


def _full_width(profile: Tensor, top: Tensor) -> Tensor:
    """Widths (N,) of profiles (N, n) about their maxima at ``top`` (N,)."""
    last = profile.shape[1] - 1
    after, before = _half_width(profile, top), _half_width(profile.flip(1), last - top)
    nearer = torch.minimum(after, before)
    width = torch.where(after.isinf() | before.isinf(), 2 * nearer, after + before)
    return torch.where(nearer.isinf(), float(last + 1), width)


def _half_width(profile: Tensor, top: Tensor) -> Tensor:
    """The way (N,) from the maximum to where the profile first falls to half of it, or infinity."""
    half = profile.gather(1, top[:, None]) / 2
    below = (torch.arange(profile.shape[1], device=profile.device) > top[:, None]) & (profile < half)
    first = below.byte().argmax(dim=1, keepdim=True)
    above = profile.gather(1, (first - 1).clamp(min=0))
    part = (above - half) / (above - profile.gather(1, first))
    way = (first - 1 - top[:, None] + part)[:, 0]
    return torch.where(below.any(dim=1), way, math.inf)


def mean_where_empty(maps: Tensor, targets: Tensor, peak: float = 1.0) -> Tensor:
    """The mean (N,) of each map over the cells whose target is 0; NaN where there is none."""
    empty = targets < EMPTY * peak
    return (maps * empty).sum(dim=(1, 2)) / empty.sum(dim=(1, 2))


def local_maxima(maps: Tensor) -> Tensor:
    """The cells that none of their eight neighbours exceeds, bool (N, h, w)."""
    return maps == torch.nn.functional.max_pool2d(maps, kernel_size=3, stride=1, padding=1)


def response_at(maps: Tensor, cells: Tensor, places: Tensor | None = None) -> Tensor:
    """The share (N,) of each map's maximum that is reached at a place.

    At the place is the nearest cell and the eight around it, as far as they lie in the map. 0 where the place
    is not finite, none of the nine lies in the map or the map has no positive maximum.

    Args:
        maps: (N, h, w).
        cells: (N, 2).
        places: bool (N, h, w): which cells count. None: all.
    """
    rows, columns = (torch.arange(n, device=maps.device, dtype=cells.dtype) for n in maps.shape[1:])
    nearest = (cells + 0.5).floor()
    about = ((columns - nearest[:, :1]).abs() <= 1)[:, None] & ((rows - nearest[:, 1:]).abs() <= 1)[
        :, :, None
    ]
    if places is not None:
        about = about & places
    there = maps.masked_fill(~about, -math.inf).amax(dim=(1, 2))
    top = maps.amax(dim=(1, 2))
    return torch.where((top > 0) & about.any(dim=2).any(dim=1), there.clamp(min=0) / top, 0.0)
