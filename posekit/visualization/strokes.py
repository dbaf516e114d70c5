"""Lines, discs and rings with even edges, blended into a picture in place.

Pictures are uint8 (H, W, 3) RGB; points are (x, y) pixels, an integer being a pixel's centre. OpenCV's own
lines have whole widths and end on whole pixels, which shows on small pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from posekit.visualization.text import Colour

_BAND = 32  # rows blended at once, at least: a long slanting line then touches little besides itself


class Layer(NamedTuple):
    """One line of several with the same course, the lower ones first.

    Attributes:
        width: Pixels.
        colour: RGB.
        alpha: 0 (invisible) to 1 (opaque).
        radius: The line is drawn all around its course at this distance, so around a point as a ring.
    """

    width: float
    colour: Colour
    alpha: float
    radius: float = 0.0


def stroke(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, layers: Sequence[Layer]) -> None:
    """Blends a line with round ends into ``canvas``; from a point to itself it is a disc.

    A pixel's cover is taken from its centre's distance to the line, so edges are even at any angle and width.

    Args:
        canvas: uint8 (H, W, 3), changed in place.
        start: float64 (2,), finite; as far outside the picture as it may be.
        end: float64 (2,), finite.
        layers: What is drawn along it.
    """
    reach = max(layer.width / 2 + layer.radius for layer in layers) + 1
    (dx, dy), length2 = end - start, float(((end - start) ** 2).sum())
    for top, bottom, left, right in _bands(canvas.shape, start, end, reach):
        region = canvas[top:bottom, left:right]
        xs = np.arange(left, right) - start[0]
        ys = (np.arange(top, bottom) - start[1])[:, None]
        along = np.clip((xs * dx + ys * dy) / length2, 0, 1) if length2 > 0 else 0.0
        distance = np.hypot(xs - along * dx, ys - along * dy)
        blended = region.astype(np.float64)
        for layer in layers:
            off = np.abs(distance - layer.radius)
            weight = layer.alpha * np.clip(layer.width / 2 - off + 0.5, 0, 1)[..., None]
            blended += (np.array(layer.colour) - blended) * weight
        region[:] = np.rint(blended).astype(np.uint8)


def _bands(
    shape: tuple[int, ...], start: np.ndarray, end: np.ndarray, reach: float
) -> Iterator[tuple[int, int, int, int]]:
    """The parts of the picture that a line comes within ``reach`` of: (top, bottom, left, right)."""
    height, width = shape[:2]
    (x1, y1), (x2, y2) = (start, end) if start[1] <= end[1] else (end, start)
    first = int(np.clip(np.floor(y1 - reach), 0, height))
    last = int(np.clip(np.ceil(y2 + reach + 1), 0, height))
    step = max(_BAND, 2 * int(np.ceil(min(reach, height))))
    for top in range(first, last, step):
        bottom = min(top + step, last)
        # The piece of the line between these rows, and what it reaches beyond them.
        rise = y2 - y1
        near = np.array([top - reach, bottom + reach])
        share = np.clip((near - y1) / rise, 0, 1) if rise > 0 else np.array([0.0, 1.0])
        xs = x1 + share * (x2 - x1)
        left = int(np.clip(np.floor(xs.min() - reach), 0, width))
        right = int(np.clip(np.ceil(xs.max() + reach + 1), 0, width))
        if left < right:
            yield top, bottom, left, right
