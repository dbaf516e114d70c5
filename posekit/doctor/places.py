"""Coordinates: fractions, exchanged, beyond the picture, counted from 1, or (0, 0) in place of nothing."""

from __future__ import annotations

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.doctor.reading import EXCHANGED, POINTS_AND_CORNERS, POINTS_EXCHANGED

# Pixels and share of the side beyond the picture that are no rounding: no joint of COCO, LSP-extended and
# CrowdPose lies so.
_BEYOND_PX, _BEYOND = 2.0, 0.01
# Coordinates counted from 1: so many at least lie at the last place, width or height, and none at 0.
_LAST = 3
_SAME = 0.01


def check_fractions(facts: Facts) -> list[Finding]:
    """Keypoints as fractions of the picture."""
    return of_people(
        "keypoints_normalised", facts.reading.points_normalised, len(facts),
        "the keypoints are fractions of the picture",
        "Read as pixels, all of them are in the picture's corner.",
        "Multiply by the picture's width and height; --fix does.",
        mended=True,
    )  # fmt: skip


def check_exchanged(facts: Facts) -> list[Finding]:
    """Keypoints with x and y exchanged, their boxes with them or not."""
    form = facts.reading.form
    known = facts.pictures is not None
    doubt = "" if known else " (or the file's 'width' and 'height' are: give --images, and it can be told)"
    return [
        *of_people(
            "xy_exchanged", form == EXCHANGED, len(facts),
            f"x and y of keypoints and box are exchanged{doubt}",
            "What is to be learnt lies elsewhere in the picture, or outside it.",
            "Exchange them; --fix does." if known else "Exchange them.",
            mended=known,
        ),
        *of_people(
            "keypoints_exchanged", np.isin(form, (POINTS_EXCHANGED, POINTS_AND_CORNERS)), len(facts),
            "x and y of the keypoints are exchanged; the box's are not",
            "What is to be learnt lies elsewhere in the picture, or outside it.",
            "Write x before y; --fix does.",
            mended=True,
        ),
    ]  # fmt: skip


def check_beyond(facts: Facts) -> list[Finding]:
    """Labelled joints beyond the picture."""
    if not facts.boxes_stated:  # MPII's own hold some: joints that were guessed
        return []
    outside = joints_beyond(facts)
    number = outside.sum(axis=1)
    rows = np.flatnonzero(number)
    return of_people(
        "joints_beyond_picture", rows[np.argsort(-number[rows], kind="stable")], len(facts),
        f"{int(number.sum()):,} labelled joints lie beyond the picture",
        "They carry no weight in training, and count in a score.",
        "State v = 0 for them; if there are many, the labels may be those of another picture, or of its "
        "size before it was shrunk.",
    )  # fmt: skip


def joints_beyond(facts: Facts) -> np.ndarray:
    """Bool (N, K): labelled joints beyond the picture by more than rounding."""
    sizes, points = facts.reading.sizes_wh, facts.reading.points
    beyond = _BEYOND_PX + _BEYOND * np.where(np.isfinite(sizes), sizes, 0)[:, None]
    return ((points < -beyond) | (points > sizes[:, None] + beyond)).any(axis=-1) & facts.labelled


def check_corner(facts: Facts) -> list[Finding]:
    """Joints at exactly (0, 0) that are called labelled: an unlabelled one's place holder."""
    number = facts.in_corner.sum(axis=1)
    return of_people(
        "joint_in_corner", number > 0, len(facts),
        f"{int(number.sum()):,} joints at exactly (0, 0) are called labelled (v > 0)",
        "It is what stands for a joint that is not there: the picture's corner is learnt as its place.",
        "State v = 0 for them.",
    )  # fmt: skip


def check_one_based(facts: Facts) -> list[Finding]:
    """Coordinates that are counted from 1, where people at the pictures' edges show it.

    Clipped boxes lie against the edge: 0-based they begin at 0 and end at width, 1-based at 1 and width + 1
    (or width). Joints: 0-based they reach width - 1, 1-based width.
    """
    sizes = facts.reading.sizes_wh
    known = np.isfinite(sizes).all(axis=1)
    if facts.reading.form.any() or facts.reading.points_normalised.any():
        return []
    boxes, labelled = facts.boxes[known], facts.labelled[known]
    points, sizes = facts.keypoints[known], sizes[known]
    first = int((np.abs(boxes[:, :2] - 1) < _SAME).sum()) if facts.boxes_stated else 0
    below = int((boxes[:, :2] < 1 - _SAME).sum())
    joints_last = int(((np.abs(points - sizes[:, None]) < _SAME) & labelled[..., None]).sum())
    joints_below = int(((points < 1 - _SAME) & labelled[..., None]).sum())
    beyond = ((boxes[:, :2] + boxes[:, 2:] > sizes + 1 + _SAME).any(axis=1)).sum()
    joints_beyond = ((points > sizes[:, None] + _SAME) & labelled[..., None]).sum()
    by_boxes = first >= _LAST and below + beyond == 0
    by_joints = joints_last >= _LAST and joints_below + joints_beyond == 0
    if not (by_boxes or by_joints):
        return []
    what = [
        *([f"{first:,} box edges at 1 and none below"] if by_boxes else []),
        *([f"{joints_last:,} joint coordinates at width or height and none below 1"] if by_joints else []),
    ]
    return of_people(
        "one_based", np.ones(len(facts), bool), len(facts),
        f"coordinates seem to be counted from 1 ({'; '.join(what)})",
        "COCO's form counts from 0: everything is learnt a pixel too far right and low.",
        "Subtract 1 from x and y of keypoints and boxes, if the tool that wrote the file counts from 1.",
    )  # fmt: skip
