"""Crowds of jointed people drawn at random, as points: what bottom-up decoders must find again."""

from __future__ import annotations

import numpy as np

# COCO's 17 of a person who stands, in heights, from the middle of the hips; x to the right, y down.
_STANDING = np.array(
    [
        [0.0, -0.42], [0.02, -0.45], [-0.02, -0.45], [0.05, -0.43], [-0.05, -0.43],
        [0.11, -0.3], [-0.11, -0.3], [0.15, -0.13], [-0.15, -0.13], [0.17, 0.02], [-0.17, 0.02],
        [0.07, 0.0], [-0.07, 0.0], [0.08, 0.24], [-0.08, 0.24], [0.08, 0.47], [-0.08, 0.47],
    ]
)  # fmt: skip
# OpenPose's 18 of COCO's 17; the neck, number 1, is made.
_OPENPOSE = [0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]


def crowd(
    number: int, size_wh: tuple[int, int], seed: int, height: float = 110.0, columns: int = 7
) -> np.ndarray:
    """COCO's 17 of people on a loose grid, every joint moved a little: float64 (n, 17, 2), input pixels."""
    rng = np.random.default_rng(seed)
    rows = -(-number // columns)
    cell = np.array([size_wh[0] / columns, size_wh[1] / rows])
    places = np.array([(i % columns + 0.5, i // columns + 0.5) for i in range(number)]) * cell
    places += rng.uniform(-0.08, 0.08, places.shape) * cell
    sizes = height * rng.uniform(0.85, 1.1, (number, 1, 1))
    return _STANDING * sizes + rng.normal(0, 0.015, (number, 17, 2)) * sizes + places[:, None]


def openpose18(people: np.ndarray) -> np.ndarray:
    """COCO's 17 (n, 17, 2) as OpenPose's 18, with the neck between the shoulders."""
    points = people[:, _OPENPOSE].copy()
    points[:, 1] = people[:, 5:7].mean(axis=1)
    return points


def matched(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The found people in the order of the true ones, each the nearest by mean distance; all are there."""
    gaps = np.linalg.norm(found[:, None] - true[None], axis=-1).mean(axis=-1)
    order = gaps.argmin(axis=0)
    assert sorted(order.tolist()) == list(range(len(true))), "not everybody was found once"
    return found[order]
