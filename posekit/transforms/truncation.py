"""People cut off as at the edge of a photo, whose crop a network has to read from part of a body.

In photos people are cut by the picture's edge: below the chest, at the knees, through a side. Their box is
that of what can be seen, so that a head alone fills a crop as a whole body does, and beyond the edge a crop
is black. Here the picture is taken to end where it does not: one or two straight cuts between labelled
keypoints leave a head, a torso, legs, a side. Keypoints beyond them are outside the picture: they have no
weight, and a network learns nothing of them rather than that they are there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from posekit.structures import PersonRecord

Window = tuple[float, float, float, float]
# Of the box's longer side: less is too little to see, a face some ten pixels high in most photos.
_SMALLEST = 0.1


class Truncated(NamedTuple):
    """What is left of a person.

    Attributes:
        box_xyxy: float64 (4,), image pixels: of what can be seen.
        window_xyxy: First and last column and row that are seen, infinite where nothing is cut.
    """

    box_xyxy: np.ndarray
    window_xyxy: Window


def truncate(rng: np.random.Generator, record: PersonRecord, min_keypoints: int) -> Truncated | None:
    """Cuts a person by one or two of the four sides of a picture's edge.

    Each cut lies between two labelled keypoints, after a number of them that is uniform from
    ``min_keypoints`` to all but one. Keypoints outside the person's box do not count: they may be outside the
    picture as it is.

    Args:
        rng: What the cuts are drawn from.
        record: The person.
        min_keypoints: So many labelled keypoints are left, or more.

    Returns:
        What is left; None where no keypoint can be spared, or hardly anything would be left.
    """
    box, points = np.asarray(record.box_xyxy, np.float64), np.asarray(record.keypoints, np.float64)
    points = points[(record.visible > 0) & ((points >= box[:2]) & (points <= box[2:])).all(axis=1)]
    window = np.array([-np.inf, -np.inf, np.inf, np.inf])
    kept = points
    for _ in range(rng.integers(1, 3)):
        if len(kept) <= min_keypoints:
            break
        axis, last = rng.integers(2), rng.integers(2)
        sign = 1 if last else -1  # the first or the last of the picture's columns (axis 0) or rows (axis 1)
        along = np.sort(sign * kept[:, axis])
        number = rng.integers(min_keypoints, len(kept))
        # Whole pixels, on the far side, so that keypoint ``number - 1`` is still seen.
        window[axis + 2 * last] = sign * np.ceil(rng.uniform(along[number - 1], along[number]))
        kept = kept[sign * kept[:, axis] <= sign * window[axis + 2 * last]]
    if len(kept) == len(points):
        return None
    seen = _seen_box(box, points, kept, window)
    sides = seen[2:] - seen[:2]
    if sides.min() <= 0 or sides.max() < _SMALLEST * (box[2:] - box[:2]).max():
        return None
    left, top, right, bottom = window.tolist()
    return Truncated(seen, (left, top, right, bottom))


def _seen_box(box: np.ndarray, points: np.ndarray, kept: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The box of what is left: to the cuts, elsewhere as far beyond the keypoints as the whole box was."""
    beyond = np.maximum([points.min(axis=0) - box[:2], box[2:] - points.max(axis=0)], 0)
    natural = np.concatenate([kept.min(axis=0) - beyond[0], kept.max(axis=0) + beyond[1]])
    seen = np.where(np.isfinite(window), window, natural)
    return np.concatenate([np.maximum(seen[:2], box[:2]), np.minimum(seen[2:], box[2:])])


def within_window(
    image: np.ndarray, warp: np.ndarray, window_xyxy: Window
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """The part of an image within a window, at least one pixel of it.

    Args:
        image: (H, W, C).
        warp: float64 (2, 3), image -> input pixels.
        window_xyxy: First and last column and row, infinite where there is no end.

    Returns:
        A view of the image, the warp from its pixels, and its first column and row.
    """
    ends = np.array([image.shape[1] - 1, image.shape[0] - 1])
    left, top = np.clip(window_xyxy[:2], 0, ends).astype(int).tolist()
    right, bottom = np.clip(window_xyxy[2:], (left, top), ends).astype(int).tolist()
    moved = warp.copy()
    moved[:, 2] += warp[:, :2] @ (left, top)
    return image[top : bottom + 1, left : right + 1], moved, (left, top)
