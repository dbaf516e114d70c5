"""The same object labelled more than once: merged, and how far its labels differ is OKS's sigma.

COCO's sigmas are such figures (https://cocodataset.org/#keypoints-eval): sigma_k^2 = E[d_k^2 / s^2], d_k
being the distance of a label from the true point and s^2 the object's area. With n labels of a point, the
squared distances to their mean, over n - 1, estimate it without bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posekit.datasets.importers.labels import Person
from posekit.datasets.matching import box_iou
from posekit.geometry import xywh_to_xyxy

# Two labellings of one object differ, on average over its points, by less than this part of sqrt(area), and
# their boxes overlap (in IoU) by at least that much.
SAME, OVERLAP = 0.15, 0.3
LEAST_REPEATS = 10
SMALLEST, LARGEST = 0.01, 0.2


def merge_repeats(people: Sequence[Person], areas: Sequence[float]) -> tuple[list[Person], np.ndarray, int]:
    """Joins the labels of objects that were labelled several times in one picture.

    Args:
        people: Of one category.
        areas: Of each, square pixels.

    Returns:
        The people, each once: points are the mean of their labels, v the largest, box and area the first's;
        float64 (R, K) the variances of the R objects with labels that differ, in areas, NaN where a keypoint
        has fewer than two; and how many labels were merged into others.
    """
    merged, variances, number = [], [], 0
    for group in _groups(people, areas):
        members = [people[row] for row in group]
        number += len(members) - 1
        different = _without_copies(members)
        if len(different) > 1:
            variances.append(_variance(different) / areas[group[0]])
        merged.append(members[0] if len(different) == 1 else replace(members[0], points=_mean(different)))
    k = people[0].points.shape[0] if people else 0
    return merged, np.array(variances).reshape(-1, k), number


def sigmas_of_repeats(variances: np.ndarray) -> tuple[float, ...]:
    """Sigmas (K,) of the variances that :func:`merge_repeats` finds; none for fewer than 10 objects.

    A keypoint with fewer than 10 repeats takes the mean over all keypoints.
    """
    if len(variances) < LEAST_REPEATS:
        return ()
    known = np.isfinite(variances)
    total = np.where(known, variances, 0.0)
    count = known.sum(axis=0)
    own = total.sum(axis=0) / np.maximum(count, 1)
    squared = np.where(count >= LEAST_REPEATS, own, total.sum() / known.sum())
    return tuple(round(float(s), 4) for s in np.clip(np.sqrt(squared), SMALLEST, LARGEST))


def _groups(people: Sequence[Person], areas: Sequence[float]) -> list[list[int]]:
    """Rows that are of one object, the first row first."""
    by_picture: dict[int, list[list[int]]] = {}
    for row, person in enumerate(people):
        groups = by_picture.setdefault(person.picture, [])
        own = next((g for g in groups if _same(people[g[0]], person, areas[g[0]])), None)
        if own is None:
            groups.append([row])
        else:
            own.append(row)
    return sorted(group for groups in by_picture.values() for group in groups)


def _same(first: Person, second: Person, area: float) -> bool:
    """By their points: people may share a box, hardly all their joints. With overlapping boxes, if any."""
    both = (first.points[:, 2] > 0) & (second.points[:, 2] > 0)
    if both.sum() < min(3, len(both)):
        return False
    distance = np.hypot(*(first.points[both, :2] - second.points[both, :2]).T)
    boxes = [np.array([person.box_xywh or (0, 0, 1, 1)]) for person in (first, second)]
    overlap = box_iou(*(xywh_to_xyxy(box) for box in boxes)).item()
    return bool(distance.mean() < SAME * np.sqrt(area)) and overlap >= OVERLAP


def _without_copies(members: Sequence[Person]) -> list[Person]:
    """A label that is the same to the last digit was copied, not made again."""
    different: list[Person] = []
    for person in members:
        if not any(np.array_equal(person.points, other.points) for other in different):
            different.append(person)
    return different


def _stack(members: Sequence[Person]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = np.stack([person.points for person in members])
    labelled = points[..., 2] > 0
    count = labelled.sum(axis=0)
    mean = (points[..., :2] * labelled[..., None]).sum(axis=0) / np.maximum(count, 1)[:, None]
    return points, labelled, mean


def _mean(members: Sequence[Person]) -> np.ndarray:
    points, _, mean = _stack(members)
    return np.concatenate([mean, points[..., 2].max(axis=0)[:, None]], axis=1)


def _variance(members: Sequence[Person]) -> np.ndarray:
    points, labelled, mean = _stack(members)
    squared = ((points[..., :2] - mean) ** 2).sum(axis=-1) * labelled
    count = labelled.sum(axis=0)
    return np.where(count > 1, squared.sum(axis=0) / np.maximum(count - 1, 1), np.nan)
