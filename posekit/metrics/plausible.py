"""Results that can hardly be meant as they stand: what is said of them beside the score.

A score of 0 tells nobody that x and y are exchanged. Nothing here changes a score. Coordinates are 0-based
image pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.oks import Detections, GroundTruth

_LOOKED_AT = 300  # people, evenly chosen
# In sizes of the person (square root of the box): poses of a trained network err by some .1 typically, poses
# thrown at random over a picture by 1 and more.
_ELSEWHERE, _THERE = 1.0, 0.3
_FRACTION = 1.5  # pixels: the greatest coordinate of poses in fractions of the picture


def result_notes(people: CocoPeople, detections: Detections, path: str) -> list[str]:
    """What is to be said of results that lie elsewhere than people, that are missing, or that are repeated.

    Args:
        people: The ground truth.
        detections: The file's.
        path: The file, for messages.
    """
    truth = people.truth
    wanted = np.flatnonzero(people.labelled.any(axis=1) & ~truth.crowd)
    groups = _groups(truth, truth.image, truth.category)
    found = _groups(truth, detections.image, detections.category)
    lost = int((~np.isin(groups[wanted], found)).sum())
    repeated = len(found) - len(
        {(g, k.tobytes()) for g, k in zip(found.tolist(), detections.keypoints, strict=True)}
    )
    notes = [
        (
            lost > len(wanted) / 2,
            f"{lost} of {len(wanted)} people are in images without a result. For a subset: --images",
        ),
        (
            repeated > 0,
            f"{repeated} results repeat another of their image to the last digit, and count as false poses",
        ),
    ]
    elsewhere = _elsewhere(truth, wanted, groups, detections, found)
    return [f"{path}: {text}" for holds, text in (*notes, (bool(elsewhere), elsewhere)) if holds]


def _groups(truth: GroundTruth, image: np.ndarray, category: np.ndarray) -> np.ndarray:
    return category * len(truth.image_ids) + image


def _elsewhere(
    truth: GroundTruth, wanted: np.ndarray, groups: np.ndarray, detections: Detections, found: np.ndarray
) -> str:
    """A sentence about results that are nowhere near the people of their image, or ""."""
    some = wanted[np.isin(groups[wanted], found)]
    some = some[np.linspace(0, len(some) - 1, min(_LOOKED_AT, len(some))).astype(int)]
    pairs = [(person, detections.keypoints[found == groups[person], :, :2]) for person in some.tolist()]

    def distance(read: Callable[[int, np.ndarray], np.ndarray]) -> float:
        return float(np.median([_error(truth, person, read(person, poses)) for person, poses in pairs]))

    if not pairs or not (far := distance(lambda _, poses: poses)) > _ELSEWHERE:
        return ""
    said = f"the poses are nowhere near the people of their images ({far:.2g} of a person's size off)"
    scale = _median_place(truth.keypoints[some]) / np.median(
        np.concatenate([p for _, p in pairs]), axis=(0, 1)
    )
    readings: list[tuple[Callable[[int, np.ndarray], np.ndarray], str]] = [
        (lambda _, poses: poses[..., ::-1], "x and y are exchanged"),
        (
            lambda person, poses: poses + truth.boxes_xywh[person, :2],
            "they are pixels of the box, without its left upper corner",
        ),
        (
            lambda _, poses: poses * scale,
            f"they are pixels of a picture {1 / scale[0]:.3g} x as wide and {1 / scale[1]:.3g} x as high",
        ),
    ]
    if np.abs(np.concatenate([p for _, p in pairs])).max() <= _FRACTION:
        return f"{said}: they are fractions of the picture, not its pixels"
    reasons = [why for read, why in readings if distance(read) < _THERE]
    return f"{said}: {reasons[0]}" if reasons else f"{said}; are they of these images, in their own pixels?"


def _median_place(keypoints: np.ndarray) -> np.ndarray:
    return np.median(keypoints[keypoints[..., 2] > 0][:, :2], axis=0)


def _error(truth: GroundTruth, person: int, poses: np.ndarray) -> float:
    """The mean distance of a person's labelled keypoints to the nearest of some poses, in its sizes."""
    there = truth.keypoints[person, :, 2] > 0
    points = truth.keypoints[person, there, :2]
    size = np.sqrt(max(truth.boxes_xywh[person, 2:].prod(), np.ptp(points, axis=0).prod(), 1.0))
    return float(np.linalg.norm(poses[:, there] - points, axis=-1).mean(axis=1).min() / size)
