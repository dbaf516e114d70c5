"""Rotations and similarities of the plane: pure numpy, float64. Points are (x, y), y downwards."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def rotation_matrix(degrees: float) -> np.ndarray:
    """float64 (2, 2): [[cos, sin], [-sin, cos]], which turns points counter-clockwise on the screen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def similarity_warp(source: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> np.ndarray:
    """The similarity (rotation, one scale, shift; no mirror image) that takes points nearest to others.

    Least squares, as Umeyama, TPAMI 1991, with the determinant kept positive; of the plane, this is a linear
    regression of complex numbers.

    Args:
        source: (..., K, 2).
        target: (..., K, 2), or (K, 2) for all.
        weight: (..., K), 0 for points that do not count; None: all count.

    Returns:
        float64 (..., 2, 3), see :func:`~posekit.geometry.apply_warp`; NaN where fewer than two different
        points are left.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    w = np.ones(a.shape[:-1]) if weight is None else np.asarray(weight, np.float64)
    w = w[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = w / w.sum(axis=-2, keepdims=True)
        centre_a = (share * a).sum(axis=-2, keepdims=True)
        centre_b = (share * b).sum(axis=-2, keepdims=True)
        # Of points in one place rounding leaves a spread.
        least = 1e-20 * (share * a * a).sum(axis=(-2, -1))
        a, b = a - centre_a, b - centre_b
        spread = (share * a * a).sum(axis=(-2, -1))
        spread = np.where(spread > least, spread, np.nan)
        cos = (share * a * b).sum(axis=(-2, -1)) / spread
        sin = (share[..., 0] * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])).sum(axis=-1) / spread
    linear = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
    shift = centre_b.swapaxes(-1, -2) - linear @ centre_a.swapaxes(-1, -2)
    return np.concatenate([linear, shift], axis=-1)
