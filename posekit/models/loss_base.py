"""What all losses on heatmaps share: the reduction, the checks, and the class that a head may ask."""

from __future__ import annotations

import math

import torch
from torch import nn

from posekit.errors import ConfigError

REDUCTIONS = ("mean", "sum_over_batch")


def reduce_elements(elements: torch.Tensor, weight: torch.Tensor | None, reduction: str) -> torch.Tensor:
    """Weights (B, K, h, w) by keypoint, (B, K) or None, and sums them over B*K*h*w or over B.

    Raises:
        ConfigError: On another reduction than ``"mean"`` or ``"sum_over_batch"``.
    """
    check_reduction(reduction)
    # Summing the pixels first keeps the weighting off the big tensor, forward and backward.
    per_keypoint = elements.sum(dim=(2, 3))
    if weight is not None:
        per_keypoint = per_keypoint * weight
    divisor = elements.numel() if reduction == "mean" else elements.shape[0]
    return per_keypoint.sum() / divisor


def check_shapes(prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> None:
    """Raises ValueError unless prediction and target are one (B, K, h, w) and the weight (B, K)."""
    if prediction.ndim != 4 or prediction.shape != target.shape:
        raise ValueError(
            f"expected prediction and target of one shape (B, K, h, w), found {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    if weight is not None and weight.shape != prediction.shape[:2]:
        raise ValueError(
            f"expected a weight of shape {tuple(prediction.shape[:2])}, found {tuple(weight.shape)}"
        )


def check_not_negative(name: str, number: float) -> None:
    """Raises ConfigError unless the argument is a finite number >= 0."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < math.inf:
        raise ConfigError(f"'{name}' must be a finite number >= 0, found {number!r}")


def check_reduction(reduction: str) -> None:
    """Raises ConfigError unless the reduction is one of :data:`REDUCTIONS`."""
    if reduction not in REDUCTIONS:
        raise ConfigError(f"'reduction' must be one of {list(REDUCTIONS)}, found {reduction!r}")


class HeatmapLoss(nn.Module):
    """What a head may ask of a loss.

    Attributes:
        maps_per_keypoint: 1, or 3 for a loss that reads offset maps too.
        highest_peak: The highest target value the formula is meant for.
        least_keypoints: How many keypoints it needs.
    """

    maps_per_keypoint = 1
    highest_peak = math.inf
    least_keypoints = 1

    def pixel_losses(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, grad: torch.Tensor
    ) -> torch.Tensor:
        """Each pixel's part of the loss, same shape as the prediction; the parts add up to the loss.

        A loss that is a sum of c (p - y)^2, whatever the c, has the gradient 2 c (p - y): the part is half
        the gradient times p - y. Losses of another form say their own.

        Args:
            prediction: (B, C, h, w).
            target: (B, C, h, w).
            weight: (B, K). None: all 1.
            grad: (B, C, h, w), the loss's gradient with respect to the prediction.
        """
        return 0.5 * grad * (prediction - target)
