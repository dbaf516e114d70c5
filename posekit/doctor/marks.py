"""Coordinates counted from 1, where the pictures show it: every joint lies a pixel beside what it marks.

The mean picture about a keypoint, over people, shows what they have in common there. Where that is one spot,
as of markers, buttons, or things made by a program, its middle is where the keypoint should be.
"""

from __future__ import annotations

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.errors import DataError
from posekit.io.images import cv2, read_image

_MOST = 200  # people, evenly through the file
_PEOPLE = 12
_RADIUS = 9
# A spot holds this share of all that differs from the surroundings within a disc of so many pixels.
_WITHIN, _SHARE = 5.0, 0.8
# Counted from 1: so many keypoints at least are spots, and that share of them lies so near to a pixel left
# and above, as their median does. Of photos few keypoints are spots, and none of these lies there.
_SPOTS, _NEAR, _MOST_SPOTS = 3, 0.3, 0.6


def check_marks(facts: Facts) -> list[Finding]:
    """Keypoints that all lie a pixel right of and below what they mark."""
    middles = spot_middles(facts)
    near = np.abs(middles + 1).max(axis=1, initial=0) < _NEAR
    if len(middles) < _SPOTS or near.mean() < _MOST_SPOTS or _off(np.median(middles, axis=0)):
        return []
    return of_people(
        "one_based", np.ones(len(facts), bool), len(facts),
        f"what {len(middles)} keypoints mark lies a pixel left of and above them, on average",
        "Coordinates seem to be counted from 1, COCO's form counts from 0: everything is learnt a pixel off.",
        "Subtract 1 from x and y of keypoints and boxes, if the tool that wrote the file counts from 1.",
    )  # fmt: skip


def _off(middle: np.ndarray) -> bool:
    return bool(np.abs(middle + 1).max() >= _NEAR)


def spot_middles(facts: Facts) -> np.ndarray:
    """Where the spots lie that keypoints mark, from the keypoints, pixels: float64 (S, 2)."""
    pictures = facts.pictures
    if pictures is None or pictures.thumbs is None:
        return np.zeros((0, 2))
    rows = np.flatnonzero(facts.labelled.any(axis=1) & (facts.image >= 0))
    rows = rows[pictures.seen[facts.image[rows]]][:: max(1, -(-len(rows) // _MOST))]
    side = 2 * _RADIUS + 1
    total, number = np.zeros((len(facts.names), side, side, 3)), np.zeros(len(facts.names))
    for row in rows:
        try:
            picture = read_image(f"{facts.image_dir}/{facts.image_names[facts.image[row]]}")
        except DataError:
            continue
        for k in np.flatnonzero(facts.labelled[row]):
            x, y = facts.reading.points[row, k].tolist()
            total[k] += cv2.getRectSubPix(picture, (side, side), (x, y))
            number[k] += 1
    means = total[number >= _PEOPLE] / number[number >= _PEOPLE, None, None, None]
    found = [_middle(mean) for mean in means]
    return np.array([middle for middle in found if middle is not None]).reshape(-1, 2)


def _middle(mean: np.ndarray) -> np.ndarray | None:
    """The middle of the spot in a mean picture (D, D, 3), from its centre; None if there is no spot."""
    places = np.stack(np.meshgrid(*[np.arange(-_RADIUS, _RADIUS + 1)] * 2), axis=-1)
    ring = np.linalg.norm(places, axis=-1) > _RADIUS - 1
    differs = np.abs(mean - np.median(mean[ring], axis=0)).sum(axis=-1)
    differs = np.clip(differs - 2 * np.median(differs[ring]), 0, None)
    if not differs.any():
        return None
    middle = (differs[..., None] * places).sum(axis=(0, 1)) / differs.sum()
    within = np.linalg.norm(places - middle, axis=-1) <= _WITHIN
    return middle if differs[within].sum() >= _SHARE * differs.sum() else None
