"""Coordinates as the mean of a heatmap: differentiable, and finer than its cells.

Sun et al., "Integral human pose regression", ECCV 2018 (soft-argmax); Nibali et al., "Numerical coordinate
regression with convolutional neural networks", 2018 (DSNT), whose regularisers say what the heatmap is to
look like. Cells are (x, y), 0-based, an integer being a cell's centre. Maps (B, K, h, w) are probabilities:
each sums to 1.

===========================  =====================================================================
:func:`js_divergences`       Jensen-Shannon divergence of a map from a Gaussian at the true place
:func:`kl_divergences`       Kullback-Leibler divergence likewise
:func:`variance_errors`      (var_x - sigma^2)^2 + (var_y - sigma^2)^2, in cells
===========================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Where dsntnn has it; a logarithm of 0 otherwise.
_TINY = 1e-24


def spatial_softmax(logits: Tensor, beta: float = 1.0) -> Tensor:
    """softmax(beta logits) over the cells of each map (B, K, h, w)."""
    return torch.softmax(logits.flatten(2) * beta, dim=-1).reshape(logits.shape)


def mean_cells(maps: Tensor) -> Tensor:
    """The expectation of each map, (B, K, 2), cells."""
    columns, rows = maps.sum(dim=2), maps.sum(dim=3)
    x = (columns * _range(columns)).sum(-1)
    y = (rows * _range(rows)).sum(-1)
    return torch.stack([x, y], dim=-1)


def debiased(cells: Tensor, logits: Tensor) -> Tensor:
    """Means without the pull towards the middle that the background's probability has.

    Gu et al., "Removing the bias of integral pose regression", ICCV 2021, as MMPose has it: C / (C - 1) (e -
    1 / (2 C)), e the mean as a fraction i / w of the map, C the sum of exp(logits). That takes away a
    background that weighs 1 in all: one of logits near 0 weighs a cell's 1 in each, and hardly changes. Where
    C is not above 1 the means stay as they are.

    Args:
        cells: (B, K, 2), of :func:`mean_cells`.
        logits: (B, K, h, w), of which the maps are softmaxes.
    """
    size = cells.new_tensor([logits.shape[-1], logits.shape[-2]])
    # 1 / C by its logarithm: C itself overflows from logits of 89 on.
    share = torch.exp(-torch.logsumexp(logits.flatten(2), dim=-1)).unsqueeze(-1)
    above = share < 1
    safe = torch.where(above, share, torch.zeros_like(share))
    return torch.where(above, (cells / size - safe / 2) / (1 - safe) * size, cells)


def gaussians(centres: Tensor, size_hw: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians about centres (B, K, 2), cells, that sum to 1: (B, K, h, w)."""
    rows, columns = (
        torch.exp(
            -(torch.arange(n, dtype=centres.dtype, device=centres.device) - at[..., None]).square()
            / (2 * sigma**2)
        )
        for n, at in zip(size_hw, (centres[..., 1], centres[..., 0]), strict=True)
    )
    drawn = rows[..., :, None] * columns[..., None, :]
    return drawn / (drawn.sum(dim=(2, 3), keepdim=True) + _TINY)


def kl_divergences(maps: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """KL(map || Gaussian of ``sigma`` cells at ``centres``), (B, K)."""
    return _kl(maps, gaussians(centres, _size(maps), sigma))


def js_divergences(maps: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """Jensen-Shannon divergence of maps and Gaussians, (B, K), natural logarithm."""
    wanted = gaussians(centres, _size(maps), sigma)
    middle = 0.5 * (maps + wanted)
    return 0.5 * _kl(maps, middle) + 0.5 * _kl(wanted, middle)


def variance_errors(maps: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """Squared errors of the maps' variances, cells^2, added over x and y: (B, K), wherever they are."""
    means = mean_cells(maps)
    columns, rows = maps.sum(dim=2), maps.sum(dim=3)
    var_x = (columns * (_range(columns) - means[..., :1]).square()).sum(-1)
    var_y = (rows * (_range(rows) - means[..., 1:]).square()).sum(-1)
    return (var_x - sigma**2).square() + (var_y - sigma**2).square()


#: By name: maps (B, K, h, w), true cells (B, K, 2), sigma -> (B, K).
REGULARISERS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "js": js_divergences,
    "kl": kl_divergences,
    "variance": variance_errors,
}


def _kl(maps: Tensor, others: Tensor) -> Tensor:
    return (maps * ((maps + _TINY).log() - (others + _TINY).log())).sum(dim=(2, 3))


def _range(rows: Tensor) -> Tensor:
    return torch.arange(rows.shape[-1], dtype=rows.dtype, device=rows.device)


def _size(maps: Tensor) -> tuple[int, int]:
    return int(maps.shape[-2]), int(maps.shape[-1])
