"""Detected boxes matched to annotated people, so that a network can be trained on what it will be tested on.

A detector's boxes are not those of an annotator: looser, shifted, cut. Xu & Feng (2020) crop by a Faster
R-CNN's boxes in training as well; a person whom the detector missed keeps the annotated box.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MATCH_IOU = 0.5


def box_iou(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) and (m, 4), float64 (n, m); 0 where both are empty."""
    first, second = np.asarray(first_xyxy, np.float64), np.asarray(second_xyxy, np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def match_boxes(
    people_xyxy: np.ndarray, detected_xyxy: np.ndarray, threshold: float = MATCH_IOU
) -> np.ndarray:
    """Assigns each person at most one detection and each detection to at most one person.

    The pair of the greatest IoU is taken first, then the greatest of those left; equal ones in the order of
    the rows.

    Args:
        people_xyxy: (n, 4), one image's.
        detected_xyxy: (m, 4), the same image's.
        threshold: Least IoU of a pair.

    Returns:
        int64 (n,): the row of each person's detection, -1 where there is none.
    """
    overlap = box_iou(people_xyxy, detected_xyxy)
    matches = np.full(len(overlap), -1, np.int64)
    taken = np.zeros(overlap.shape[1], bool)
    for pair in np.argsort(-overlap, axis=None, kind="stable"):
        person, detection = divmod(int(pair), overlap.shape[1])
        if overlap[person, detection] < threshold:
            break
        if matches[person] < 0 and not taken[detection]:
            matches[person], taken[detection] = detection, True
    return matches


def match_by_image(
    people_xyxy: np.ndarray,
    people_images: Sequence[int] | np.ndarray,
    detected_xyxy: np.ndarray,
    detected_images: Sequence[int] | np.ndarray,
    threshold: float = MATCH_IOU,
) -> np.ndarray:
    """As :func:`match_boxes`, for people and detections of many images at once.

    Args:
        people_xyxy: (N, 4).
        people_images: (N,), numbers of the images.
        detected_xyxy: (M, 4).
        detected_images: (M,).
        threshold: Least IoU of a pair.
    """
    people_images, detected_images = np.asarray(people_images), np.asarray(detected_images)
    order = np.argsort(detected_images, kind="stable")
    in_order = detected_images[order]
    matches = np.full(len(people_xyxy), -1, np.int64)
    by_image = np.argsort(people_images, kind="stable")
    for rows in np.split(by_image, np.flatnonzero(np.diff(people_images[by_image])) + 1):
        if not len(rows):
            continue
        image = people_images[rows[0]]
        found = order[slice(*np.searchsorted(in_order, [image, image + 1]))]
        if len(found):
            chosen = match_boxes(people_xyxy[rows], detected_xyxy[found], threshold)
            matches[rows] = np.where(chosen >= 0, found[chosen], -1)
    return matches
