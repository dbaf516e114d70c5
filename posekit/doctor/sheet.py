"""The worst examples of each finding, drawn as the file has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from posekit.doctor.checks import Part
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding
from posekit.doctor.words import facts_of
from posekit.errors import DataError
from posekit.geometry import apply_warp, xywh_to_xyxy
from posekit.io.images import read_image
from posekit.skeletons import SKELETONS
from posekit.structures import Skeleton
from posekit.visualization import contact_sheet, crop_photo, draw_people, scores_from_visible

_EACH = 6
_CELL = (240, 240)
_LEAST_SHARE = 0.02  # of the picture, for a part of it to be shown alone


def finding_sheet(findings: Sequence[Finding], parts: Sequence[Part], each: int = _EACH) -> np.ndarray | None:
    """A sheet with the worst of each finding: joints and box at the places where the file's numbers put them.

    Args:
        findings: Those without examples, or whose pictures cannot be read, are left out.
        parts: What was examined.
        each: Examples of a finding at most.

    Returns:
        uint8 (H, W, 3) RGB; None where there is nothing to be shown.
    """
    tiles: list[np.ndarray] = []
    captions: list[str] = []
    for finding in findings:
        for picture, caption in _tiles(finding, facts_of(finding, parts), each):
            tiles.append(picture)
            captions.append(caption)
    if not tiles:
        return None
    title = "as the file has it · blue: the person's own left, orange: right"
    return contact_sheet(tiles, min(each, len(tiles)), captions, cell_size_hw=_CELL, title=title)


def _tiles(finding: Finding, facts: Facts, each: int) -> Iterator[tuple[np.ndarray, str]]:
    if facts.image_dir is None:
        return
    shown = [(np.array([row]), int(facts.image[row])) for row in finding.people[:each]]
    shown += [(np.flatnonzero(facts.image == row), int(row)) for row in finding.images[:each]]
    for people, image in shown:
        if image < 0:
            continue
        try:
            photo = read_image(Path(facts.image_dir) / facts.image_names[image])
        except DataError:
            continue
        who = facts.ids[people[0]] if len(finding.people) else facts.image_ids[image]
        yield _drawn(photo, facts, people), f"{finding.kind} · {who}"


def _drawn(photo: np.ndarray, facts: Facts, people: np.ndarray) -> np.ndarray:
    """The part of a photo about people, with their joints and boxes."""
    points, visible = facts.keypoints[people], np.clip(facts.visible[people], 0, 2)
    boxes = xywh_to_xyxy(facts.boxes[people])
    cut, warp = crop_photo(photo, _region(photo, points, facts.labelled[people], boxes), _CELL, 1.15)
    ends = apply_warp(boxes.reshape(-1, 2, 2), warp).reshape(-1, 4)
    return draw_people(
        cut, apply_warp(points, warp), scores_from_visible(visible), _skeleton(facts), boxes_xyxy=ends
    )


def _region(photo: np.ndarray, points: np.ndarray, labelled: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What of a photo to show, xyxy: the joints and boxes within it, or all of it if these are elsewhere."""
    last = np.array(photo.shape[1::-1]) - 1.0
    ends = np.concatenate([points[labelled], boxes[np.isfinite(boxes).all(axis=1)].reshape(-1, 2)])
    whole = np.concatenate([[0.0, 0.0], last])
    if not len(ends) or (ends.min(axis=0) < -last / 2).any() or (ends.max(axis=0) > 1.5 * last).any():
        return whole
    region = np.concatenate([np.clip(ends.min(axis=0), 0, last), np.clip(ends.max(axis=0), 0, last)])
    return region if (region[2:] - region[:2]).prod() > _LEAST_SHARE * last.prod() else whole


def _skeleton(facts: Facts) -> Skeleton:
    known = (one for one in SKELETONS.values() if one.keypoints == tuple(facts.names))
    return next(known, Skeleton("own", tuple(dict.fromkeys(facts.names))))
