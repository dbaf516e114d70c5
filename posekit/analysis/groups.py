"""The people by what makes them hard: size, hidden keypoints, number of keypoints, others beside them.

As Ronchi & Perona (ICCV 2017, section 4) divide them, and by categories where there are several.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from posekit.geometry import xywh_to_xyxy
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.oks import pair_groups

SIDES = (32, 64, 96, 128)  # square roots of areas, pixels; COCO's medium people are 32 to 96
OVERLAP_IOU = 0.1  # from which the paper counts a person as overlapping


class Groups(NamedTuple):
    """A way to divide the people.

    Attributes:
        names: Of the groups.
        group: int64 (G,), of each person; -1: none.
    """

    names: tuple[str, ...]
    group: np.ndarray


def groups_of(people: CocoPeople) -> dict[str, Groups]:
    """All ways, by their names.

    Args:
        people: G people; crowds and people without labelled keypoints are in no group.
    """
    found = {
        "size": _sizes(people),
        "hidden": _hidden(people),
        "keypoints": _counts(people),
        "crowding": _crowding(people),
    }
    if len(people.category_names) > 1:
        found["category"] = Groups(people.category_names, people.truth.category)
    counted = ~people.truth.ignore
    return {name: Groups(own.names, np.where(counted, own.group, -1)) for name, own in found.items()}


def _sizes(people: CocoPeople) -> Groups:
    """By the square root of the area."""
    names = (f"below {SIDES[0]}²", *(f"{a}² to {b}²" for a, b in pairwise(SIDES)))
    return Groups((*names, f"above {SIDES[-1]}²"), np.digitize(np.sqrt(people.truth.areas), SIDES))


def _hidden(people: CocoPeople) -> Groups:
    """By the share of labelled keypoints that are hidden (v = 1)."""
    visible = people.truth.keypoints[..., 2]
    share = (visible == 1).sum(axis=1) / np.maximum((visible > 0).sum(axis=1), 1)
    names = ("none hidden", "up to a quarter", "up to a half", "more than half")
    return Groups(names, np.digitize(share, (0, 0.25, 0.5), right=True))


def _counts(people: CocoPeople) -> Groups:
    """By the number of labelled keypoints; the paper's 1-5, 6-10, 11-15, 16-17 of COCO's 17."""
    most = people.num_keypoints
    bounds = sorted({most * tenths // 10 for tenths in (3, 6, 9)} - {0, most})
    ends = (*bounds, most)
    starts = (1, *(bound + 1 for bound in bounds))
    names = tuple(f"{a} to {b}" if b > a else f"{a}" for a, b in zip(starts, ends, strict=True))
    return Groups(names, np.digitize(people.labelled.sum(axis=1), bounds, right=True))


def _crowding(people: CocoPeople) -> Groups:
    """By how many other people's boxes overlap the person's by an IoU of :data:`OVERLAP_IOU` or more."""
    beside = neighbours(people)
    return Groups(("nobody overlaps", "1 or 2 overlap", "3 or more overlap"), np.digitize(beside, (1, 3)))


def neighbours(people: CocoPeople) -> np.ndarray:
    """How many people's boxes overlap each person's: int64 (G,). Crowd regions are no people."""
    truth = people.truth
    rows = np.flatnonzero(~truth.crowd)
    boxes, image = xywh_to_xyxy(truth.boxes_xywh[rows]), truth.image[rows]
    first, second = pair_groups(image, image, len(truth.image_ids))
    first, second = first[first != second], second[first != second]
    near = np.bincount(first[_iou(boxes, first, second) >= OVERLAP_IOU], minlength=len(rows))
    counts = np.zeros(len(truth), np.int64)
    counts[rows] = near
    return counts


def _iou(boxes_xyxy: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of pairs of boxes (P,); 0 of empty ones."""
    a, b = boxes_xyxy[first], boxes_xyxy[second]
    common = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
