"""Losses on heatmaps: pure functions, and the thin modules that configs name.

Every function takes ``prediction`` and ``target`` (B, K, h, w) and ``weight`` (B, K) or None, and returns a
scalar. The target carries no gradient. Each reading that papers and releases differ on has a name of its own:

================================= ======================================================================
:func:`mse_loss`                  w (p - y)^2, mean over all B*K*h*w: the weight once, not in the divisor
:func:`focal_mse_loss`            w (y + delta)^gamma (p - y)^2, the same mean; gamma = 0 is ``mse_loss``
:func:`symmetric_focal_mse_loss`  the same with max(y, p) in the place of the first y
:func:`joints_mse_loss`           HRNet release: (w p - w y)^2 / 2, the weight before the square
:func:`ohkm_mse_loss`             the mean of each sample's ``topk`` hardest keypoints
:func:`adaptive_wing_loss`        Wang, Bo & Fuxin, ICCV 2019
================================= ======================================================================

Reductions: ``"mean"`` divides by B*K*h*w, ``"sum_over_batch"`` by B alone. The focal ones are in
``focal_losses.py``, losses of offset maps in ``offset_losses.py``, of coordinates in ``point_losses.py``.
"""

from __future__ import annotations

import torch

from posekit.errors import ConfigError, is_whole
from posekit.models.focal_losses import (
    FocalMSELoss,
    SymmetricFocalMSELoss,
    focal_mse_loss,
    symmetric_focal_mse_loss,
)
from posekit.models.loss_base import (
    REDUCTIONS,
    HeatmapLoss,
    check_not_negative,
    check_reduction,
    check_shapes,
    reduce_elements,
)
from posekit.registry import MODELS

__all__ = [
    "COCO17_KEYPOINT_WEIGHTS",
    "REDUCTIONS",
    "AdaptiveWingLoss",
    "FocalMSELoss",
    "HeatmapLoss",
    "JointsMSELoss",
    "MSELoss",
    "OHKMMSELoss",
    "SymmetricFocalMSELoss",
    "adaptive_wing_loss",
    "focal_mse_loss",
    "joints_mse_loss",
    "mse_loss",
    "ohkm_mse_loss",
    "symmetric_focal_mse_loss",
]

# The HRNet release's USE_DIFFERENT_JOINTS_WEIGHT for COCO: elbows and knees 1.2, wrists and ankles 1.5.
COCO17_KEYPOINT_WEIGHTS = (1, 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5)  # fmt: skip


def mse_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Mean of w (p - y)^2; MMPose's KeypointMSELoss.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w).
        weight: (B, K), applied once; the divisor counts every element whatever its weight. None: all 1.
        reduction: ``"mean"`` or ``"sum_over_batch"``.

    Raises:
        ValueError: On shapes that do not fit.

    >>> mse_loss(torch.full((1, 1, 1, 2), 2.0), torch.zeros(1, 1, 1, 2), torch.tensor([[0.5]]))
    tensor(2.)
    """
    check_shapes(prediction, target, weight)
    return reduce_elements((prediction - target.detach()).square(), weight, reduction)


def joints_mse_loss(
    prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean of (w p - w y)^2 / 2: the HRNet release's JointsMSELoss, the weight being squared.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w).
        weight: (B, K). None: all 1, its ``use_target_weight=False``.

    Raises:
        ValueError: On shapes that do not fit.
    """
    squared = None if weight is None else weight.square()
    return 0.5 * mse_loss(prediction, target, squared)


def ohkm_mse_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    topk: int = 8,
    factor: float = 0.5,
) -> torch.Tensor:
    """Online hard keypoint mining: each sample's ``topk`` largest losses, mean over them and the batch.

    Chen et al., Cascaded pyramid network, CVPR 2018. A keypoint's loss is factor * mean over pixels of (w p -
    w y)^2; the HRNet release has factor 0.5, MMPose 1.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w).
        weight: (B, K), applied before the square. None: all 1.
        topk: Keypoints kept of each sample, at most K.
        factor: 0.5 (HRNet release) or 1 (MMPose).

    Raises:
        ValueError: On shapes that do not fit, or fewer than ``topk`` keypoints.
    """
    check_shapes(prediction, target, weight)
    if not 1 <= topk <= prediction.shape[1]:
        raise ValueError(f"expected 1 <= topk <= {prediction.shape[1]} keypoints, found topk {topk}")
    per_keypoint = factor * (prediction - target.detach()).square().mean(dim=(2, 3))
    if weight is not None:
        per_keypoint = per_keypoint * weight.square()
    return per_keypoint.topk(topk, dim=1).values.mean()


def adaptive_wing_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    alpha: float = 2.1,
    omega: float = 14.0,
    epsilon: float = 1.0,
    theta: float = 0.5,
) -> torch.Tensor:
    """Adaptive wing loss, mean over all elements; targets in [0, 1].

    Wang, Bo & Fuxin, ICCV 2019, eq. 4, with d = |w y - w p| and a = alpha - w y:
    omega ln(1 + (d / epsilon)^a) below theta, and from there on the line A d - C that continues it smoothly.

    Args:
        prediction: (B, K, h, w).
        target: (B, K, h, w).
        weight: (B, K), applied to prediction and target (MMPose), so it bends the curve too. None: all 1.
        alpha: Above the largest weighted target. Where a < 1 the slope grows beyond bounds toward d = 0;
            differences within rounding (d < the dtype's epsilon) count as none.
        omega: Height of the curved part.
        epsilon: Its width.
        theta: Where the line begins.

    Raises:
        ValueError: On shapes that do not fit.
    """
    check_shapes(prediction, target, weight)
    return _wing_elements(prediction, target.detach(), weight, alpha, omega, epsilon, theta).mean()


def _wing_elements(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    alpha: float,
    omega: float,
    epsilon: float,
    theta: float,
) -> torch.Tensor:
    """The curve of :func:`adaptive_wing_loss` at each pixel, (B, K, h, w)."""
    if weight is not None:
        prediction, target = prediction * weight[..., None, None], target * weight[..., None, None]
    distance = (target - prediction).abs()
    exponent = alpha - target
    corner = (theta / epsilon) ** exponent
    slope = omega * exponent * corner / (1 + corner) / theta
    line = slope * (distance - theta) + omega * torch.log1p(corner)
    # Clamped, so that the branches not taken stay finite and send back no NaN.
    least = torch.finfo(distance.dtype).eps
    curve = omega * torch.log1p((distance.clamp(least, theta) / epsilon) ** exponent)
    curve = torch.where(distance < least, 0.0, curve)
    return torch.where(distance < theta, curve, line)


@MODELS.register_module()
class MSELoss(HeatmapLoss):
    """:func:`mse_loss` as a module."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return mse_loss(prediction, target, weight, self.reduction)


@MODELS.register_module()
class JointsMSELoss(HeatmapLoss):
    """:func:`joints_mse_loss` as a module; ``use_weight=False`` ignores the weights."""

    def __init__(self, use_weight: bool = True) -> None:
        super().__init__()
        self.use_weight = use_weight

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return joints_mse_loss(prediction, target, weight if self.use_weight else None)


@MODELS.register_module()
class OHKMMSELoss(HeatmapLoss):
    """:func:`ohkm_mse_loss` as a module."""

    def __init__(self, topk: int = 8, factor: float = 0.5, use_weight: bool = True) -> None:
        super().__init__()
        if not is_whole(topk):
            raise ConfigError(f"'topk' must be a positive integer, found {topk!r}")
        check_not_negative("factor", factor)
        self.topk, self.factor, self.use_weight = topk, factor, use_weight
        self.least_keypoints = topk

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return ohkm_mse_loss(prediction, target, weight if self.use_weight else None, self.topk, self.factor)


@MODELS.register_module()
class AdaptiveWingLoss(HeatmapLoss):
    """:func:`adaptive_wing_loss` as a module; ``use_weight=False`` ignores the weights (MMPose's default)."""

    highest_peak = 1.0

    def __init__(
        self,
        alpha: float = 2.1,
        omega: float = 14.0,
        epsilon: float = 1.0,
        theta: float = 0.5,
        use_weight: bool = True,
    ) -> None:
        super().__init__()
        for name, number in (("alpha", alpha), ("omega", omega), ("epsilon", epsilon), ("theta", theta)):
            check_not_negative(name, number)
            if number == 0:
                raise ConfigError(f"'{name}' must be positive, found 0")
        self.alpha, self.omega, self.epsilon, self.theta = alpha, omega, epsilon, theta
        self.use_weight = use_weight

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        weight = weight if self.use_weight else None
        shape = (self.alpha, self.omega, self.epsilon, self.theta)
        return adaptive_wing_loss(prediction, target, weight, *shape)

    def pixel_losses(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, grad: torch.Tensor
    ) -> torch.Tensor:
        weight = weight if self.use_weight else None
        shape = (self.alpha, self.omega, self.epsilon, self.theta)
        return _wing_elements(prediction, target, weight, *shape) / prediction.numel()
