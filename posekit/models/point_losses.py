"""Losses on coordinates, for networks that regress points: pure functions, MMPose's definitions.

Every function takes ``prediction`` and ``target`` (B, K, 2), in one unit, and ``weight`` (B, K), (B, K, 2)
or None, and returns a scalar. The weight, where there is one, multiplies prediction and target, so it bends
curves too. The target carries no gradient. posekit's heads give heatmaps; these serve heads of one's own.

======================  ===================================================================
:func:`l1_loss`         mean of |p - y| over all B*K*2 numbers
:func:`smooth_l1_loss`  Girshick, Fast R-CNN, ICCV 2015, eq. 3, the same mean
:func:`l2_loss`         half the squared error, summed over points and axes, mean over B
:func:`wing_loss`       Feng et al., CVPR 2018, eq. 5, summed likewise
:func:`soft_wing_loss`  Lin et al., TIP 2021 (structure-coherent features), summed likewise
======================  ===================================================================
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from posekit.errors import ConfigError


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
    distances = _distances(prediction, target, weight)
    return F.smooth_l1_loss(distances, torch.zeros_like(distances), beta=beta)


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
        omega: Where the line begins; the paper's best is 10 with epsilon 2 in pixels of 256.
        epsilon: Curvature of the logarithm.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: If omega or epsilon is not positive.
    """
    _check_positive(omega=omega, epsilon=epsilon)
    distances = _distances(prediction, target, weight)
    offset = omega - omega * math.log1p(omega / epsilon)
    curve = omega * torch.log1p(distances / epsilon)
    return _per_person(torch.where(distances < omega, curve, distances - offset))


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
    distances = _distances(prediction, target, weight)
    offset = omega1 - omega2 * math.log1p(omega1 / epsilon)
    curve = omega2 * torch.log1p(distances / epsilon) + offset
    return _per_person(torch.where(distances < omega1, distances, curve))


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
