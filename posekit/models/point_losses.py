"""Losses on coordinates, for networks that regress points: pure functions, and the modules that configs name.

The definitions are MMPose's. Every function takes ``prediction`` and ``target`` (B, K, 2), in one unit, and
``weight`` (B, K), (B, K, 2) or None, and returns a scalar. The weight, where there is one, multiplies both,
so it bends curves too. The target carries no gradient.
:class:`~posekit.models.coordinate_head.CoordinateHead` calls them with pixels of the network's input, so the
settings of the wing losses are pixels of the input as well.

======================  ===================================================================
:func:`l1_loss`         mean of |p - y| over all B*K*2 numbers
:func:`smooth_l1_loss`  Girshick, Fast R-CNN, ICCV 2015, eq. 3, the same mean
:func:`l2_loss`         half the squared error, summed over points and axes, mean over B
:func:`wing_loss`       Feng et al., CVPR 2018, eq. 5, summed likewise
:func:`soft_wing_loss`  Lin et al., TIP 2021 (structure-coherent features), summed likewise
:func:`euclidean_loss`  mean of the distances between points (MPJPE; DSNT)
======================  ===================================================================

Residual log-likelihood, which learns how sure it is, is in ``rle.py``.

A module's ``curve`` is its loss as a function of one number's distance, before any sum or mean.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from posekit.errors import ConfigError
from posekit.registry import MODELS


def l1_loss(
    prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean of |w p - w y|.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.

    Raises:
        ValueError: On shapes that do not fit.
    """
    return _distances(prediction, target, weight).mean()


def smooth_l1_loss(
    prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, beta: float = 1.0
) -> torch.Tensor:
    """Mean of d^2 / (2 beta) below beta and d - beta / 2 from there on, d = |w p - w y|.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.
        beta: Where the line begins.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: If beta is not positive.
    """
    _check_positive(beta=beta)
    return _smooth_l1_curve(_distances(prediction, target, weight), beta).mean()


def l2_loss(
    prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Half of (w p - w y)^2, summed over points and axes, mean over the batch.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.

    Raises:
        ValueError: On shapes that do not fit.
    """
    return _per_person(_distances(prediction, target, weight).square() / 2)


def wing_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    omega: float = 10.0,
    epsilon: float = 2.0,
) -> torch.Tensor:
    """Wing loss, summed over points and axes, mean over the batch.

    Feng et al., "Wing loss for robust facial landmark localisation", CVPR 2018, eq. 5:
    omega ln(1 + d / epsilon) below omega, d - C from there on, d = |w p - w y|;
    C = omega - omega ln(1 + omega / epsilon) joins the two.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.
        omega: Where the line begins; the paper's best is 10 with epsilon 2, on inputs of 64 x 64 pixels.
        epsilon: Curvature of the logarithm.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: If omega or epsilon is not positive.
    """
    _check_positive(omega=omega, epsilon=epsilon)
    return _per_person(_wing_curve(_distances(prediction, target, weight), omega, epsilon))


def soft_wing_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    omega1: float = 2.0,
    omega2: float = 20.0,
    epsilon: float = 0.5,
) -> torch.Tensor:
    """Soft wing loss, summed over points and axes, mean over the batch.

    Lin et al., "Structure-coherent deep feature learning for robust face alignment", TIP 2021:
    d = |w p - w y| below omega1, omega2 ln(1 + d / epsilon) + B from there on;
    B = omega1 - omega2 ln(1 + omega1 / epsilon) joins the two.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.
        omega1: Where the logarithm begins.
        omega2: Its height.
        epsilon: Its curvature.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: If a parameter is not positive.
    """
    _check_positive(omega1=omega1, omega2=omega2, epsilon=epsilon)
    return _per_person(_soft_wing_curve(_distances(prediction, target, weight), omega1, omega2, epsilon))


def euclidean_loss(
    prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over all B*K points of |w p - w y|, the distance in the plane.

    Args:
        prediction: (B, K, 2).
        target: (B, K, 2).
        weight: (B, K) or (B, K, 2). None: all 1.

    Raises:
        ValueError: On shapes that do not fit.
    """
    # The norm's gradient at 0 is 0, where that of a square root is not finite.
    return torch.linalg.vector_norm(_distances(prediction, target, weight), dim=-1).mean()


class PointLoss(nn.Module, ABC):
    """A loss on coordinates as a module: called with prediction, target and weight, as the functions are.

    Attributes:
        units: What it is given: ``"pixels"`` of the network's input, or ``"fractions"`` of its sides.
        numbers_per_keypoint: 2, or 4 of a loss that also reads how sure a network is.
    """

    units = "pixels"
    numbers_per_keypoint = 2

    @abstractmethod
    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss, (); arguments and errors as of the function."""

    @abstractmethod
    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        """The loss of each single number whose error has this magnitude; same shape."""


@MODELS.register_module()
class L1Loss(PointLoss):
    """:func:`l1_loss` as a module."""

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return l1_loss(prediction, target, weight)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return distances.abs()


@MODELS.register_module()
class SmoothL1Loss(PointLoss):
    """:func:`smooth_l1_loss` as a module."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        _check_positive(beta=beta)
        self.beta = beta

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return smooth_l1_loss(prediction, target, weight, self.beta)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return _smooth_l1_curve(distances.abs(), self.beta)


@MODELS.register_module()
class L2Loss(PointLoss):
    """:func:`l2_loss` as a module."""

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return l2_loss(prediction, target, weight)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return distances.square() / 2


@MODELS.register_module()
class WingLoss(PointLoss):
    """:func:`wing_loss` as a module."""

    def __init__(self, omega: float = 10.0, epsilon: float = 2.0) -> None:
        super().__init__()
        _check_positive(omega=omega, epsilon=epsilon)
        self.omega, self.epsilon = omega, epsilon

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return wing_loss(prediction, target, weight, self.omega, self.epsilon)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return _wing_curve(distances.abs(), self.omega, self.epsilon)


@MODELS.register_module()
class SoftWingLoss(PointLoss):
    """:func:`soft_wing_loss` as a module."""

    def __init__(self, omega1: float = 2.0, omega2: float = 20.0, epsilon: float = 0.5) -> None:
        super().__init__()
        _check_positive(omega1=omega1, omega2=omega2, epsilon=epsilon)
        self.omega1, self.omega2, self.epsilon = omega1, omega2, epsilon

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return soft_wing_loss(prediction, target, weight, self.omega1, self.omega2, self.epsilon)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return _soft_wing_curve(distances.abs(), self.omega1, self.omega2, self.epsilon)


@MODELS.register_module()
class EuclideanLoss(PointLoss):
    """:func:`euclidean_loss` as a module."""

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return euclidean_loss(prediction, target, weight)

    def curve(self, distances: torch.Tensor) -> torch.Tensor:
        return distances.abs()


def _smooth_l1_curve(distances: torch.Tensor, beta: float) -> torch.Tensor:
    return F.smooth_l1_loss(distances, torch.zeros_like(distances), beta=beta, reduction="none")


def _wing_curve(distances: torch.Tensor, omega: float, epsilon: float) -> torch.Tensor:
    offset = omega - omega * math.log1p(omega / epsilon)
    curve = omega * torch.log1p(distances / epsilon)
    return torch.where(distances < omega, curve, distances - offset)


def _soft_wing_curve(distances: torch.Tensor, omega1: float, omega2: float, epsilon: float) -> torch.Tensor:
    offset = omega1 - omega2 * math.log1p(omega1 / epsilon)
    curve = omega2 * torch.log1p(distances / epsilon) + offset
    return torch.where(distances < omega1, distances, curve)


def _distances(prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """|w p - w y|, (B, K, 2)."""
    if prediction.ndim != 3 or prediction.shape[2] != 2 or prediction.shape != target.shape:
        raise ValueError(
            f"expected prediction and target of one shape (B, K, 2), found {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    if weight is None:
        return (prediction - target.detach()).abs()
    if weight.shape not in (prediction.shape, prediction.shape[:2]):
        raise ValueError(
            f"expected a weight of shape {tuple(prediction.shape[:2])} or {tuple(prediction.shape)}, found "
            f"{tuple(weight.shape)}"
        )
    return ((prediction - target.detach()) * weight.reshape(*prediction.shape[:2], -1)).abs()


def _per_person(elements: torch.Tensor) -> torch.Tensor:
    return elements.sum(dim=(1, 2)).mean()


def _check_positive(**settings: float) -> None:
    for name, number in settings.items():
        if not 0 < number < math.inf:
            raise ConfigError(f"'{name}' must be a positive number, found {number!r}")
