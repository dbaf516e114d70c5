"""Pictures of any size for a network that wants one longest side, and multiples of its coarsest stride."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from posekit.io.images import cv2
from posekit.models.estimator import IMAGENET_MEAN

# What is no picture: the mean of photos, which a normalised network sees as zeros.
FILL = tuple(round(value) for value in IMAGENET_MEAN)


class Letterboxed(NamedTuple):
    """A picture in the corner of the network's input.

    Attributes:
        image: uint8 (h, w, 3), :data:`FILL` to the right and below.
        scale_xy: float64 (2,): a box of the picture times it is one of the input.
    """

    image: np.ndarray
    scale_xy: np.ndarray


def letterbox(image: np.ndarray, longest: int, multiple: int) -> Letterboxed | None:
    """Resizes a picture so that its longer side is ``longest``, and pads it to multiples of ``multiple``.

    Args:
        image: uint8 (H, W, 3).
        longest: Pixels.
        multiple: Pixels.

    Returns:
        None if nothing would be left of a side.
    """
    size_wh = np.array(image.shape[1::-1])
    new_wh = np.round(size_wh * (longest / max(*size_wh, 1))).astype(int)
    if min(new_wh) < 1:
        return None
    width, height = -(-new_wh // multiple) * multiple
    padded = np.full((height, width, 3), FILL, np.uint8)
    padded[: new_wh[1], : new_wh[0]] = resized(image, new_wh.tolist())
    return Letterboxed(padded, new_wh / size_wh)


def resized(image: np.ndarray, size_wh: Sequence[int]) -> np.ndarray:
    """A picture of another size; every old pixel counts where it shrinks."""
    if tuple(size_wh) == image.shape[1::-1]:
        return image
    shrinks = size_wh[0] < image.shape[1] and size_wh[1] < image.shape[0]
    return cv2.resize(image, tuple(size_wh), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
