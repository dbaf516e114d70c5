"""In which form a file states boxes and keypoints, and both in pixels as posekit means them.

A form is believed where it fits and what the file should hold does not: then the joints lie in the box, both
in the picture. Where the form fits everybody and the right reading fails some, the whole file is taken to be
in it; otherwise those records alone. Fitting is judged with these tolerances, on which no clean record of
COCO, CrowdPose and LSP-extended (8,500 people) was taken for another form:

* 1 pixel and 1 % of the side beyond the picture: rounding, and boxes clipped at width instead of width - 1.
* A tenth of the box's side around it, and a quarter of the joints beyond that: annotators' boxes of people
  cut by something leave joints out (in COCO's slices 1 person in 200).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posekit.doctor.people import People
from posekit.doctor.stated_sizes import settled_sizes

RIGHT, CORNERS, CENTRE, EXCHANGED, POINTS_EXCHANGED, BOXES_EXCHANGED, CORNERS_EXCHANGED = range(7)
# Boxes as corners, with x and y of the keypoints exchanged; and that or CORNERS_EXCHANGED, its mirror image.
POINTS_AND_CORNERS, EITHER = 7, 8
# Coordinates up to this are fractions of the picture; a little above 1, as labelling tools round and clip.
_FRACTION = 1.02
_LEAST_SIDE = 16  # of a picture whose people are not all within one pixel
_BEYOND_PX, _BEYOND = 1.0, 0.01
_GROWN, _SHARE_IN_BOX, _SHARE_IN_IMAGE = 0.1, 0.75, 0.9
# A form of the whole file: it may fail this share of the people, noise, and must explain that many.
_NOISE, _SUPPORT, _FEW = 0.02, 0.05, 2
# A form of some records: it must explain so many, and that share of those that the right one does not. Of the
# others, those whose box fits the joints by that factor more tightly in this form go with them.
_PART, _PART_OF_WRONG, _TIGHTER = 0.005, 0.25, 1.3


@dataclass(frozen=True, eq=False)
class Reading:
    """Boxes and keypoints as posekit means them.

    Attributes:
        points: float64 (N, K, 2), pixels.
        boxes_xyxy: float64 (N, 4), pixels; NaN where not stated.
        sizes_wh: float64 (N, 2): of each person's picture; infinite where not known.
        form: int64 (N,): one of this module's constants.
        sure: bool (N,): whether nothing else fits.
        points_normalised: bool (N,).
        boxes_normalised: bool (N,).
    """

    points: np.ndarray
    boxes_xyxy: np.ndarray
    sizes_wh: np.ndarray
    form: np.ndarray
    sure: np.ndarray
    points_normalised: np.ndarray
    boxes_normalised: np.ndarray


class _Form(NamedTuple):
    """Keypoints and box of people -> the same in pixels, boxes as corners."""

    swaps_points: bool
    corners: Callable[[np.ndarray], np.ndarray]


def _from_size(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _from_centre(boxes: np.ndarray) -> np.ndarray:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _swapped(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [1, 0, 3, 2]]


FORMS = {
    RIGHT: _Form(False, _from_size),
    CORNERS: _Form(False, lambda boxes: boxes),
    CENTRE: _Form(False, _from_centre),
    EXCHANGED: _Form(True, lambda boxes: _from_size(_swapped(boxes))),
    POINTS_EXCHANGED: _Form(True, _from_size),
    BOXES_EXCHANGED: _Form(False, lambda boxes: _from_size(_swapped(boxes))),
    CORNERS_EXCHANGED: _Form(False, _swapped),
    POINTS_AND_CORNERS: _Form(True, lambda boxes: boxes),
    EITHER: _Form(False, _swapped),
}
_RIVALS = {CORNERS_EXCHANGED: POINTS_AND_CORNERS, POINTS_AND_CORNERS: CORNERS_EXCHANGED}


def read_forms(people: People) -> Reading:
    """Finds out the form of each record; boxes that are not the file's own are taken as they are."""
    sizes = _picture_sizes(people)
    normal_points = _normalised_points(people, sizes)
    scale = np.where(normal_points[:, None], sizes, 1)  # of whole pictures, whose size is known
    points = people.keypoints * scale[:, None]
    boxes, normal_boxes = _scaled_boxes(people, points, sizes)
    form, sure = np.zeros(len(people), np.int64), np.ones(len(people), bool)
    if people.boxes_stated:
        form, sure = _choose(points, people.labelled, boxes, sizes)
    swap = np.isin(form, [kind for kind, one in FORMS.items() if one.swaps_points])
    points = np.where(swap[:, None, None], points[..., ::-1], points)
    corners = np.select([form[:, None] == kind for kind in FORMS], [f.corners(boxes) for f in FORMS.values()])
    return Reading(points, corners, sizes, form, sure, normal_points, normal_boxes)


def _picture_sizes(people: People) -> np.ndarray:
    """Width and height of each person's picture (N, 2): the file's word, else the picture's own."""
    sizes = settled_sizes(people)[people.image][:, ::-1].copy() if len(people.sizes_hw) else np.zeros((0, 2))
    if not len(sizes):
        sizes = np.full((len(people), 2), np.inf)
    sizes[(people.image < 0) | ~np.isfinite(sizes).all(1)] = np.inf
    return sizes


def _normalised_points(people: People, sizes: np.ndarray) -> np.ndarray:
    """Whose labelled joints all lie within a pixel of the corner, and not all at one whole number."""
    points, labelled = people.keypoints, people.labelled
    largest = np.where(labelled[..., None], np.abs(points), 0).max(axis=(1, 2), initial=0)
    fractions = (labelled[..., None] & (points % 1 != 0)).any(axis=(1, 2))
    large = (sizes.min(axis=1) >= _LEAST_SIDE) & np.isfinite(sizes).all(axis=1)
    return (largest <= _FRACTION) & fractions & large


def _scaled_boxes(people: People, points: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the boxes in pixels, and which were fractions: those that then hold their joints."""
    boxes = people.boxes
    small = (np.abs(np.nan_to_num(boxes, nan=9)) <= _FRACTION).all(axis=1) & np.isfinite(sizes).all(axis=1)
    scaled = boxes * np.where(np.isfinite(sizes), sizes, 1)[:, [0, 1, 0, 1]]
    holds = np.zeros(len(people), bool)
    for kind in (RIGHT, CORNERS, CENTRE):
        holds |= _in_box(points, people.labelled, FORMS[kind].corners(scaled)) >= _SHARE_IN_BOX
    small &= sizes.min(axis=1, initial=np.inf) >= _LEAST_SIDE
    # Where half of them hold their joints, the others are of people whose boxes do not hold theirs.
    normal = small if (small & holds).sum() >= small.sum() / 2 else small & holds
    return np.where(normal[:, None], scaled, boxes), normal


def _in_box(points: np.ndarray, labelled: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The share of labelled joints in the grown box, float64 (N,); 1 of none."""
    grown = _GROWN * (corners[:, 2:] - corners[:, :2])
    low, high = corners[:, None, :2] - grown[:, None], corners[:, None, 2:] + grown[:, None]
    inside = ((points >= low) & (points <= high)).all(-1) & labelled
    number = labelled.sum(axis=1)
    return np.where(number > 0, inside.sum(axis=1) / np.maximum(number, 1), 1.0)


def _tightness(low: np.ndarray, high: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The IoU of boxes and the extents of joints, float64 (N,)."""
    both = np.minimum(high, corners[:, 2:]) - np.maximum(low, corners[:, :2])
    common = np.clip(both, 0, None).prod(axis=1)
    areas = (high - low).prod(axis=1) + np.clip(corners[:, 2:] - corners[:, :2], 0, None).prod(axis=1)
    with np.errstate(all="ignore"):
        return np.nan_to_num(common / (areas - common))


def extents(points: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest coordinates of labelled joints, (N, 2) each; NaN where there are none."""
    low = np.where(labelled[..., None], points, np.inf).min(axis=1)
    high = np.where(labelled[..., None], points, -np.inf).max(axis=1)
    known = labelled.any(axis=1, keepdims=True)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _fit(
    kind: int,
    points: np.ndarray,
    labelled: np.ndarray,
    boxes: np.ndarray,
    sizes: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Whether a form fits each person, bool (N,), and how tightly; ``ends``: the extents of the joints."""
    form = FORMS[kind]
    if form.swaps_points:
        points, ends = points[..., ::-1], (ends[0][:, ::-1], ends[1][:, ::-1])
    corners = form.corners(boxes)
    beyond = _BEYOND_PX + _BEYOND * np.where(np.isfinite(sizes), sizes, 0)
    inside = ((points >= -beyond[:, None]) & (points <= (sizes + beyond)[:, None])).all(-1) & labelled
    number = np.maximum(labelled.sum(axis=1), 1)
    in_image = (inside.sum(axis=1) / number >= _SHARE_IN_IMAGE) | ~labelled.any(axis=1)
    in_image &= (corners[:, :2] >= -beyond).all(axis=1) & (corners[:, 2:] <= sizes + beyond).all(axis=1)
    share = _in_box(points, labelled, corners)
    fits = in_image & (corners[:, 2:] > corners[:, :2]).all(axis=1) & (share >= _SHARE_IN_BOX)
    return fits, _tightness(*ends, corners)


def _also(kind: int, judged: np.ndarray, boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Who is in a form that all judged people are in, bool (N,): others too if their boxes fit as well."""
    others = np.setdiff1d(np.flatnonzero(np.isfinite(boxes).all(axis=1)), judged)
    corners = FORMS[kind].corners(boxes[others])
    beyond = _BEYOND_PX + _BEYOND * np.where(np.isfinite(sizes[others]), sizes[others], 0)
    fit = (corners[:, :2] >= -beyond).all(axis=1) & (corners[:, 2:] <= sizes[others] + beyond).all(axis=1)
    fit &= (corners[:, 2:] > corners[:, :2]).all(axis=1)
    found = np.zeros(len(boxes), bool)
    found[judged] = True
    found[others] = fit.sum() >= (1 - _NOISE) * len(others)
    return found


def _choose(
    points: np.ndarray, labelled: np.ndarray, boxes: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The form of each record, and whether nothing else fits it."""
    judged = np.flatnonzero(np.isfinite(boxes).all(axis=1) & labelled.any(axis=1))
    arrays = points[judged], labelled[judged], boxes[judged], sizes[judged]
    ends = extents(*arrays[:2])
    fits = {kind: _fit(kind, *arrays, ends) for kind in FORMS if kind != EITHER}
    right, tight = fits.pop(RIGHT)
    unexplained, n = ~right, len(judged)
    chosen, sure = np.zeros(n, np.int64), np.ones(n, bool)
    while n:
        kind = max(fits, key=lambda kind: int((unexplained & fits[kind][0]).sum()))
        fit, tighter = fits[kind][0], fits[kind][1] > _TIGHTER * tight
        support = unexplained & fit
        number = support.sum()
        if number < max(_FEW, _PART * n, _PART_OF_WRONG * unexplained.sum()):
            break
        # Of these two each holds the joints that the other does: only the pictures' bounds can tell.
        either = kind in _RIVALS and (support & ~fits[_RIVALS[kind]][0]).sum() <= _NOISE * number
        name = EITHER if either else kind
        many = number >= max(_FEW, _SUPPORT * n)
        if many and not chosen.any() and (right & ~fit).sum() <= _NOISE * n:
            form = np.full(len(points), name)
            form[~_also(kind, judged, boxes, sizes)] = RIGHT
            return form, form != EITHER
        chosen[support], sure[support] = name, not either
        if many:
            doubtful = right & fit & tighter & (chosen == RIGHT)
            chosen[doubtful], sure[doubtful] = name, False
        unexplained &= ~support
    form, certain = np.zeros(len(points), np.int64), np.ones(len(points), bool)
    form[judged], certain[judged] = chosen, sure
    return form, certain
