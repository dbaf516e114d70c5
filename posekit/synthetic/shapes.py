"""Convex outlines by support functions: numpy alone, the same on every machine.

Everything solid (limbs, trunk, head, objects) is the convex hull of two ellipsoids, which in a picture is
the convex hull of two ellipses c + M B (B the unit ball). Its support in direction n is
max over both of c.n + |M^T n|, reached at c + M M^T n / |M^T n|. The V directions are fixed, so an outline is
both a polygon (the support points, for drawing) and V half-planes (for asking whether a point lies in it),
and moving or scaling it is one addition or multiplication.

Image coordinates: x right, y down.
"""

from __future__ import annotations

import numpy as np

NUM_DIRECTIONS = 20
_ANGLES = np.arange(NUM_DIRECTIONS) * (2 * np.pi / NUM_DIRECTIONS)
DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_TINY = 1e-12


def ellipse_pair_hulls(centres: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outlines of P hulls of two ellipses each.

    Args:
        centres: float64 (P, 2, 2), the two centres.
        axes: float64 (P, 2, 2, A), the two matrices M of A (usually 3, projected) semi-axes.

    Returns:
        Support heights float64 (P, V) and support points float64 (P, V, 2).
    """
    reach = np.swapaxes(axes, -1, -2) @ DIRECTIONS.T  # (P, 2, A, V)
    length = np.sqrt((reach * reach).sum(axis=2)) + _TINY  # (P, 2, V)
    heights = centres @ DIRECTIONS.T + length
    points = centres[..., None] + (axes @ reach) / length[:, :, None]  # (P, 2, 2, V)
    farther = heights[:, 1] > heights[:, 0]
    chosen = np.where(farther[:, None], points[:, 1], points[:, 0])  # (P, 2, V)
    return np.maximum(heights[:, 0], heights[:, 1]), np.swapaxes(chosen, 1, 2)


def polygon_hull(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline of the convex hull of N points.

    Args:
        points: float64 (N, 2).

    Returns:
        Support heights float64 (V,) and support points float64 (V, 2).
    """
    along = points @ DIRECTIONS.T
    return along.max(axis=0), points[along.argmax(axis=0)]


def contains(heights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points lie in which outlines.

    Args:
        heights: float64 (Q, V), support heights.
        points: float64 (N, 2).

    Returns:
        bool (N, Q).
    """
    along = points.astype(np.float64) @ DIRECTIONS.T
    inside = np.ones((len(points), len(heights)), dtype=bool)
    for column in range(NUM_DIRECTIONS):  # many small arrays stay in the cache; one large one would not
        inside &= along[:, column, None] <= heights[:, column]
    return inside


def topmost(heights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The last outline (the one drawn on top) over each point.

    Args:
        heights: float64 (Q, V), in drawing order.
        points: float64 (N, 2).

    Returns:
        int64 (N,): its index, -1 where there is none.
    """
    if not len(heights):
        return np.full(len(points), -1)
    inside = contains(heights, points)[:, ::-1]
    return np.where(inside.any(axis=1), len(heights) - 1 - inside.argmax(axis=1), -1)
