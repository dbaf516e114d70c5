"""Losses of dense detection on heatmaps: cross entropy, the focal loss and CornerNet's form of it.

The network's maps are logits; the head shows their sigmoid to the codec. Every function takes ``logits`` and
``target`` (B, K, h, w), targets from 0 to 1, and ``weight`` (B, K) or None, and returns a scalar.

===================================  ====================================================================
:func:`cross_entropy_loss`           Lin et al., "Focal loss", ICCV 2017, eq. 1 to 3, with soft targets
:func:`sigmoid_focal_loss`           eq. 5: alpha_t (1 - p_t)^gamma CE, torchvision's for soft targets
:func:`penalty_reduced_focal_loss`   Law & Deng, "CornerNet", ECCV 2018, eq. 1; CenterNet's
===================================  ====================================================================

For soft targets p_t = p y + (1 - p)(1 - y), and alpha_t likewise. ``"positives"`` as a divisor: how many
keypoints have a target, as RetinaNet divides by positive anchors and CornerNet by objects; otherwise as in
``losses.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.errors import ConfigError
from posekit.models.loss_base import HeatmapLoss, check_not_negative, check_shapes
from posekit.registry import MODELS

REDUCTIONS = ("mean", "sum_over_batch", "positives")
# CenterNet's bounds of a probability, whose logarithm is taken.
_CLAMP = 1e-4


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    alpha: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of each cell; with ``alpha`` balanced: alpha y + (1 - alpha)(1 - y) times it.

    Args:
        logits: (B, K, h, w).
        target: (B, K, h, w), 0 to 1.
        weight: (B, K), applied once. None: all 1.
        alpha: What a positive weighs, 0 to 1; None: all weigh 1.
        reduction: ``"mean"``, ``"sum_over_batch"`` or ``"positives"``.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On an impossible alpha or reduction.
    """
    return sigmoid_focal_loss(logits, target, weight, gamma=0.0, alpha=alpha, reduction=reduction)


def sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    reduction: str = "mean",
) -> Tensor:
    """The focal loss alpha_t (1 - p_t)^gamma CE of each cell.

    Args:
        logits: (B, K, h, w).
        target: (B, K, h, w), 0 to 1.
        weight: (B, K), applied once. None: all 1.
        gamma: Focusing exponent, at least 0.
        alpha: What a positive weighs, 0 to 1; None: all weigh 1 (torchvision's -1).
        reduction: ``"mean"``, ``"sum_over_batch"`` or ``"positives"``.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On an impossible gamma, alpha or reduction.
    """
    return _total(*_focal_parts(logits, target, weight, gamma, alpha, reduction))


def _focal_parts(
    logits: Tensor, target: Tensor, weight: Tensor | None, gamma: float, alpha: float | None, reduction: str
) -> tuple[Tensor, Tensor]:
    """Each cell's loss (B, K, h, w), and what each map's sum is multiplied by, (B, K)."""
    _check(gamma, alpha, reduction)
    check_shapes(logits, target, weight)
    target = target.detach()
    elements = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma != 0:
        p = logits.sigmoid()
        miss = 1 - (p * target + (1 - p) * (1 - target))
        # The gradient of x^gamma at 0 is infinite below 1, and times 0 not a number.
        elements = elements * (miss if gamma == 1 else miss.clamp(min=1e-12 if gamma < 1 else 0).pow(gamma))
    if alpha is not None:
        elements = elements * (alpha * target + (1 - alpha) * (1 - target))
    return elements, _scale(elements, (target.amax(dim=(2, 3)) > 0).to(elements), weight, reduction)


def penalty_reduced_focal_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    alpha: float = 2.0,
    beta: float = 4.0,
    positives: str = "peak",
    reduction: str = "positives",
) -> Tensor:
    """CornerNet's focal loss: a background cell near a keypoint costs less, by (1 - y)^beta.

    -(1 - p)^alpha log p where a keypoint is, -(1 - y)^beta p^alpha log(1 - p) elsewhere; p is clamped to
    [1e-4, 1 - 1e-4], as in CenterNet.

    Args:
        logits: (B, K, h, w).
        target: (B, K, h, w), 0 to 1.
        weight: (B, K), applied once, to the divisor too. None: all 1.
        alpha: Focusing exponent.
        beta: How fast the penalty grows away from a keypoint.
        positives: Where a keypoint is: ``"peak"``: the cells of its map's highest target, so that codecs
            which draw between cells have positives, too; ``"exact"``: the cells of target 1 (the releases).
        reduction: ``"positives"``: the sum divided by the weighted number of positive cells, or the sum
            where there are none; ``"mean"`` and ``"sum_over_batch"`` as elsewhere.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On an impossible setting.
    """
    return _total(*_penalty_parts(logits, target, weight, alpha, beta, positives, reduction))


def _penalty_parts(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    alpha: float,
    beta: float,
    positives: str,
    reduction: str,
) -> tuple[Tensor, Tensor]:
    """Each cell's loss (B, K, h, w), and what each map's sum is multiplied by, (B, K)."""
    _check_penalty(alpha, beta, positives, reduction)
    check_shapes(logits, target, weight)
    target = target.detach()
    highest = target.amax(dim=(2, 3), keepdim=True) if positives == "peak" else torch.ones_like(target)
    positive = (target == highest) & (highest > 0)
    p = logits.sigmoid().clamp(_CLAMP, 1 - _CLAMP)
    elements = -torch.where(
        positive, (1 - p).pow(alpha) * p.log(), (1 - target).pow(beta) * p.pow(alpha) * (1 - p).log()
    )
    return elements, _scale(elements, positive.sum(dim=(2, 3)).to(elements), weight, reduction)


def _scale(elements: Tensor, positives: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The weights over the divisor, (B, K); ``positives`` (B, K) are how many there are in each map."""
    weight = torch.ones_like(positives) if weight is None else weight
    if reduction == "mean":
        return weight / elements.numel()
    if reduction == "sum_over_batch":
        return weight / len(elements)
    count = (positives * weight).sum()
    return weight / torch.where(count > 0, count, torch.ones_like(count))


def _check(gamma: float, alpha: float | None, reduction: str) -> None:
    check_not_negative("gamma", gamma)
    if alpha is not None and (isinstance(alpha, bool) or not 0 <= alpha <= 1):
        raise ConfigError(f"'alpha' must be a number from 0 to 1, or None, found {alpha!r}")
    if reduction not in REDUCTIONS:
        raise ConfigError(f"'reduction' must be one of {list(REDUCTIONS)}, found {reduction!r}")


def _total(elements: Tensor, scale: Tensor) -> Tensor:
    """The loss that a kind's parts add up to, ()."""
    return (elements.sum(dim=(2, 3)) * scale).sum()


def _check_penalty(alpha: float, beta: float, positives: str, reduction: str) -> None:
    _check(alpha, None, reduction)
    check_not_negative("beta", beta)
    if positives not in ("peak", "exact"):
        raise ConfigError(f"'positives' must be 'peak' or 'exact', found {positives!r}")


class DenseLoss(HeatmapLoss, ABC):
    """A loss on logits: the head begins with few false positives and shows their sigmoid to the codec.

    Attributes:
        prior: The probability that every cell begins with, as RetinaNet's.
    """

    on_logits = True
    highest_peak = 1.0
    prior = 0.01

    @abstractmethod
    def parts(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Each cell's loss (B, K, h, w), and what each map's sum is multiplied by, (B, K)."""

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return _total(*self.parts(prediction, target, weight))

    def pixel_losses(self, prediction: Tensor, target: Tensor, weight: Tensor | None, grad: Tensor) -> Tensor:
        elements, scale = self.parts(prediction, target, weight)
        return elements * scale[..., None, None]


@MODELS.register_module()
class SigmoidFocalLoss(DenseLoss):
    """:func:`sigmoid_focal_loss` as a module; ``gamma=0`` is :func:`cross_entropy_loss`."""

    def __init__(self, gamma: float = 2.0, alpha: float | None = 0.25, reduction: str = "positives") -> None:
        super().__init__()
        _check(gamma, alpha, reduction)
        self.gamma, self.alpha, self.reduction = gamma, alpha, reduction

    def parts(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        return _focal_parts(logits, target, weight, self.gamma, self.alpha, self.reduction)


@MODELS.register_module()
class PenaltyReducedFocalLoss(DenseLoss):
    """:func:`penalty_reduced_focal_loss` as a module."""

    def __init__(
        self, alpha: float = 2.0, beta: float = 4.0, positives: str = "peak", reduction: str = "positives"
    ) -> None:
        super().__init__()
        _check_penalty(alpha, beta, positives, reduction)
        self.alpha, self.beta, self.positives, self.reduction = alpha, beta, positives, reduction

    def parts(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        settings = (self.alpha, self.beta, self.positives, self.reduction)
        return _penalty_parts(logits, target, weight, *settings)
