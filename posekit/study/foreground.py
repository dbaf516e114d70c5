"""Which pixels a loss listens to, and what predicted heatmaps look like: background, peaks, truth.

Foreground are the pixels whose target exceeds :data:`FOREGROUND` of the codec's peak (a Gaussian's inner
three standard deviations), background all others. Only keypoints with a weight count, and of three maps per
keypoint only the label map. Responses and heights are in units of the codec's peak, widths in cells. Maps of
peaks are (N, h, w), cells (x, y), an integer being a cell's centre.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from posekit.codecs.grid import working_dtype
from posekit.errors import ConfigError

FOREGROUND = 0.01
# A Gaussian over the whole map is nowhere 0; below this share of the peak its target counts as 0.
EMPTY = 1e-6
_SHARES = ("loss_share", "gradient_share", "background_response", "peak_height", "peak_width")


def heatmap_loss(model: nn.Module) -> nn.Module:
    """The loss of a model's heatmaps: the head's, or the label maps' part of it where there are offset maps.

    Raises:
        ConfigError: If the model has no heatmap head.
    """
    head: Any = getattr(model, "head", None)
    parts = head.modules() if isinstance(head, nn.Module) else ()
    own = next((part for part in parts if hasattr(part, "loss_function") and hasattr(part, "codec")), None)
    if own is None or not isinstance(own.loss_function, nn.Module):
        raise ConfigError(f"model: expected a heatmap head with a loss, found {type(model).__name__}")
    return getattr(own.loss_function, "label_loss", own.loss_function)


def account(
    loss: nn.Module, prediction: Tensor, target: Tensor, weight: Tensor | None, peak: float = 1.0
) -> Tensor:
    """The sums of one batch, for :func:`summarise`; those of several batches are added.

    The gradient is taken of the loss again, by the prediction alone: neither the network nor its gradients
    are touched.

    Args:
        loss: Called as ``loss(prediction, target, weight)``; its ``pixel_losses`` say each pixel's part.
        prediction: (B, C, h, w), C being K or, for a loss that reads offset maps, 3 K.
        target: (B, C, h, w).
        weight: (B, K). None: all 1.
        peak: The codec's.

    Returns:
        float64 (10,) on the host: for each of the five values the numerator and the denominator.
    """
    prediction = prediction.detach().float().requires_grad_()
    with torch.enable_grad():
        (grad,) = torch.autograd.grad(loss(prediction, target, weight), prediction)
    prediction = prediction.detach()
    parts = loss.pixel_losses(prediction, target, weight, grad)  # type: ignore[operator]
    step = getattr(loss, "maps_per_keypoint", 1)
    parts, grad, prediction, target = (maps[:, ::step] for maps in (parts, grad.abs(), prediction, target))
    foreground = target > FOREGROUND * peak
    counts = torch.ones_like(target[:, :, 0, 0], dtype=torch.bool) if weight is None else weight > 0
    maps, targets = prediction[counts] / peak, target[counts]
    empty = targets < EMPTY * peak
    heights = maps.amax(dim=(1, 2))
    widths = peak_widths(maps[heights > 0])
    pairs = (
        (parts[foreground], parts),
        (grad[foreground], grad),
        (maps[empty], empty),
        (heights, counts),
        (widths, heights > 0),
    )
    dtype = working_dtype(prediction.device)
    return torch.stack([part.sum(dtype=dtype) for pair in pairs for part in pair]).cpu().double()


def summarise(sums: Tensor) -> dict[str, float]:
    """The five values of :func:`account`'s sums; one that nothing was counted for is left out.

    ``loss_share`` and ``gradient_share``: of the loss and of the sum of its gradient's magnitudes, what comes
    from the foreground; ``background_response``: the mean prediction where the target is 0; ``peak_height``
    and ``peak_width``: means over the maps, see :func:`peak_widths`.
    """
    pairs = zip(_SHARES, sums[::2].tolist(), sums[1::2].tolist(), strict=True)
    return {name: part / whole for name, part, whole in pairs if whole > 0}


# --- peaks -----------------------------------------------------------------------------------------------


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
