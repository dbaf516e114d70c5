"""Focal MSE: the squared error weighed by how much of a keypoint a pixel holds.

================================= ======================================================================
:func:`focal_mse_loss`            w (y + delta)^gamma (p - y)^2, the paper's form
:func:`symmetric_focal_mse_loss`  w (max(y, p) + delta)^gamma (p - y)^2: a false peak, too, costs in full
================================= ======================================================================

``prediction``, ``target``, ``weight`` and ``reduction`` are as in ``losses.py``. gamma = 0 is ``mse_loss``
bit for bit in either.

The factor also changes the loss's overall scale, and with it the best learning rate. ``normalise=True``
divides it by its mean over the batch, every pixel counted with its keypoint's weight (a keypoint of weight 0
does not count): an error that is the same everywhere then costs what it costs in MSE, whatever gamma and
delta. Under several processes each normalises its own part of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from posekit.models.loss_base import (
    HeatmapLoss,
    check_not_negative,
    check_reduction,
    check_shapes,
    reduce_elements,
)
from posekit.registry import MODELS

if TYPE_CHECKING:
    from typing_extensions import Self


def focal_mse_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    gamma: float = 1.0,
    delta: float = 0.1,
    reduction: str = "mean",
    normalise: bool = False,
) -> torch.Tensor:
    """Mean of w (y + delta)^gamma (p - y)^2: pixels near a keypoint count more than background.

    Xu & Feng, Computer Systems & Applications 29(10), 2020, with delta 1e-3 (:meth:`FocalMSELoss.paper`). The
    default is what helped in ``posekit/docs/results.md``: with 1e-3 a false peak in the background is all but
    free. The paper leaves the reduction open; see ``losses.py``.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w), y >= 0 (a negative y counts as 0 in the factor).
        weight: (B, K), applied once. None: all 1.
        gamma: Focusing exponent, finite, >= 0.
        delta: What the background (y = 0) weighs, to the power gamma; finite, >= 0.
        reduction: ``"mean"`` or ``"sum_over_batch"``.
        normalise: Rescale the factors to mean 1 over the batch; see the module.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On an impossible gamma, delta or reduction.
    """
    return _focal(prediction, target, target, weight, gamma, delta, reduction, normalise)


def symmetric_focal_mse_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    gamma: float = 1.0,
    delta: float = 0.1,
    reduction: str = "mean",
    normalise: bool = False,
) -> torch.Tensor:
    """Mean of w (max(y, p) + delta)^gamma (p - y)^2: false peaks cost as much as missing ones.

    :func:`focal_mse_loss` weighs a false peak in the background with delta^gamma, next to nothing. Here the
    factor does not change when p and y are exchanged. p carries no gradient in it, and counts as no more than
    the highest target of the batch: the factors then have the same range as in :func:`focal_mse_loss` for a
    codec of any peak, and a prediction that overshoots early in training is not pulled back ever harder.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w), y >= 0.
        weight: (B, K), applied once. None: all 1.
        gamma: Focusing exponent, finite, >= 0.
        delta: What a pixel without target and response weighs, to the power gamma; finite, >= 0.
        reduction: ``"mean"`` or ``"sum_over_batch"``.
        normalise: Rescale the factors to mean 1 over the batch; see the module.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On an impossible gamma, delta or reduction.
    """
    check_shapes(prediction, target, weight)
    highest = target.detach().amax()
    presence = torch.maximum(target.detach(), torch.minimum(prediction.detach(), highest))
    return _focal(prediction, target, presence, weight, gamma, delta, reduction, normalise)


def _focal(
    prediction: torch.Tensor,
    target: torch.Tensor,
    presence: torch.Tensor,
    weight: torch.Tensor | None,
    gamma: float,
    delta: float,
    reduction: str,
    normalise: bool,
) -> torch.Tensor:
    """The mean of w (presence + delta)^gamma (p - y)^2; a negative presence counts as 0."""
    check_not_negative("gamma", gamma)
    check_not_negative("delta", delta)
    check_shapes(prediction, target, weight)
    elements = (prediction - target.detach()).square()
    if gamma != 0:
        factor = presence.detach().clamp(min=0) + delta
        if gamma != 1:
            factor = factor.pow(gamma)
        elements = factor * elements
    loss = reduce_elements(elements, weight, reduction)
    return loss * _scale_to_mean_one(factor, weight) if gamma != 0 and normalise else loss


def _scale_to_mean_one(factor: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """1 / the weighted mean of factors (B, K, h, w); 1 where that mean is 0, as then the loss is."""
    per_keypoint = factor.mean(dim=(2, 3))
    weight = torch.ones_like(per_keypoint) if weight is None else weight
    total = (per_keypoint * weight).sum()
    return torch.where(total > 0, weight.sum() / total, torch.ones_like(total))


@MODELS.register_module()
class FocalMSELoss(HeatmapLoss):
    """:func:`focal_mse_loss` as a module."""

    @classmethod
    def paper(cls) -> Self:
        """As in the paper: gamma 1, delta 1e-3."""
        return cls(gamma=1.0, delta=1e-3)

    def __init__(
        self, gamma: float = 1.0, delta: float = 0.1, reduction: str = "mean", normalise: bool = False
    ) -> None:
        super().__init__()
        check_not_negative("gamma", gamma)
        check_not_negative("delta", delta)
        check_reduction(reduction)
        self.gamma, self.delta, self.reduction, self.normalise = gamma, delta, reduction, normalise

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        settings = (self.gamma, self.delta, self.reduction, self.normalise)
        return focal_mse_loss(prediction, target, weight, *settings)

    def extra_repr(self) -> str:
        return (
            f"gamma={self.gamma}, delta={self.delta}, reduction={self.reduction!r}, "
            f"normalise={self.normalise}"
        )


@MODELS.register_module()
class SymmetricFocalMSELoss(FocalMSELoss):
    """:func:`symmetric_focal_mse_loss` as a module."""

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        settings = (self.gamma, self.delta, self.reduction, self.normalise)
        return symmetric_focal_mse_loss(prediction, target, weight, *settings)
