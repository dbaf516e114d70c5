"""Boxes: their form, their size, and whether they hold their joints."""

from __future__ import annotations

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.doctor.reading import (
    BOXES_EXCHANGED,
    CENTRE,
    CORNERS,
    CORNERS_EXCHANGED,
    EITHER,
    POINTS_AND_CORNERS,
    extents,
)
from posekit.doctor.records import find_twins

# Pixels: from a shorter side below it no crop can be cut that shows a person. The smallest labelled person
# of the clean sets has 20.
TINY = 4.0
# A box is tiny, too, if it has less than this share of the area of its joints' extent, of at least three.
_SHARE_OF_EXTENT, _JOINTS = 0.05, 3
# Joints outside of the box grown by this share of its sides; a person's box is another's if more than half of
# at least two labelled joints are. Of COCO's slices nobody is so.
_GROWN = 0.25

_FORMS = {
    CORNERS: ("boxes_as_corners", "'bbox' holds two corners, x1, y1, x2, y2"),
    CENTRE: ("boxes_as_centre", "'bbox' holds the centre, width and height"),
    BOXES_EXCHANGED: ("boxes_exchanged", "'bbox' has x and y exchanged, y, x, height, width"),
    CORNERS_EXCHANGED: (
        "boxes_as_corners",
        "'bbox' holds two corners with x and y exchanged, y1, x1, y2, x2",
    ),
    POINTS_AND_CORNERS: ("boxes_as_corners", "'bbox' holds two corners, x1, y1, x2, y2"),
}


def check_box_form(facts: Facts) -> list[Finding]:
    """Boxes in another form than x, y, width, height."""
    found = []
    for form, (kind, words) in _FORMS.items():
        rows = facts.reading.form == form
        found += of_people(
            kind, rows, len(facts), words,
            "Read as the left upper corner, width and height, it cuts another part of the picture than the "
            "person, and another size.",
            "Write x, y, width, height; --fix does.",
            mended=True,
        )  # fmt: skip
    found += of_people(
        "boxes_or_keypoints_exchanged", facts.reading.form == EITHER, len(facts),
        "'bbox' holds two corners, and x and y are exchanged either in it or in the keypoints: both fit",
        "Half of what is to be learnt lies elsewhere in the picture.",
        "Look at the sheet: if the joints lie on people, write the box's x before y, else the keypoints'.",
    )  # fmt: skip
    rows = facts.reading.boxes_normalised
    return found + of_people(
        "boxes_normalised", rows, len(facts),
        "'bbox' holds fractions of the picture",
        "Read as pixels, the crop is one pixel of the picture's corner.",
        "Multiply by the picture's width and height; --fix does.",
        mended=True,
    )  # fmt: skip


def tiny_boxes(facts: Facts) -> np.ndarray:
    """Bool (N,): labelled people whose box is too small to be theirs, or to show anything."""
    corners = facts.reading.boxes_xyxy
    sides = corners[:, 2:] - corners[:, :2]
    low, high = extents(facts.reading.points, facts.labelled)
    with np.errstate(invalid="ignore"):
        small = (sides < TINY).any(axis=1)
        area = np.clip(sides, 0, None).prod(axis=1)
        small |= (area < _SHARE_OF_EXTENT * (high - low).prod(axis=1)) & (facts.labelled.sum(1) >= _JOINTS)
    return small & facts.labelled.any(axis=1) & np.isfinite(corners).all(axis=1)


def check_tiny(facts: Facts) -> list[Finding]:
    """Boxes of a few pixels."""
    rows = np.flatnonzero(tiny_boxes(facts)) if facts.boxes_stated else np.zeros(0, np.int64)
    sides = facts.reading.boxes_xyxy[rows, 2:] - facts.reading.boxes_xyxy[rows, :2]
    typical = f"{np.median(sides.min(axis=1)):.3g}" if len(rows) else ""
    return of_people(
        "box_tiny", rows, len(facts),
        f"the box is far smaller than the person, or has no size (shorter side {typical} pixels, median)",
        "A crop is cut to the box: it shows a few pixels, enlarged.",
        "State boxes in pixels of the picture; from the joints' extent and a margin, if there are no others.",
    )  # fmt: skip


def check_joints_in_box(facts: Facts) -> list[Finding]:
    """People most of whose joints are outside their box."""
    if not facts.boxes_stated:
        return []
    outside, labelled = joints_outside(facts), facts.labelled.sum(axis=1)
    share = outside.sum(axis=1) / np.maximum(labelled, 1)
    rows = np.flatnonzero((share > 0.5) & (labelled >= 2) & ~tiny_boxes(facts))
    return of_people(
        "joints_outside_box", rows[np.argsort(-share[rows], kind="stable")], len(facts),
        "most labelled joints are outside the box",
        "The crop is cut to the box, and what is to be learnt is not in it.",
        "Look at the sheet: the box is another person's, or in another form than x, y, width, height.",
    )  # fmt: skip


def joints_outside(facts: Facts) -> np.ndarray:
    """Bool (N, K): labelled joints outside their box grown by a quarter of its sides."""
    corners, points = facts.reading.boxes_xyxy, facts.reading.points
    margin = _GROWN * (corners[:, 2:] - corners[:, :2])
    low, high = (corners[:, :2] - margin)[:, None], (corners[:, 2:] + margin)[:, None]
    return ((points < low) | (points > high)).any(axis=-1) & facts.labelled


def check_shared_boxes(facts: Facts) -> list[Finding]:
    """Several people of a picture with one box, such as the whole picture."""
    if not facts.boxes_stated or not len(facts):
        return []
    known = facts.labelled.any(axis=1) & (facts.image >= 0) & np.isfinite(facts.boxes).all(axis=1)
    known[find_twins(facts)[0]] = False  # the same person again, which is a finding of its own
    place = np.column_stack([facts.image, facts.boxes, ~known * np.arange(1, len(facts) + 1)])
    _, group, size = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    return of_people(
        "box_shared", known & (size[group.reshape(-1)] > 1), len(facts),
        "the box is another person's of the picture too, to the digit",
        "One crop is to be learnt with the labels of several people.",
        "State each person's own box; from the joints' extent and a margin, if there are no others.",
    )  # fmt: skip
