"""People cut out of their pictures: who is foreground is told from keypoints, or read from COCO's polygons.

Pasted into other pictures (:class:`~posekit.transforms.pasting.Cutouts`) they make what few photos have:
people who hide each other, and crowds. Dwibedi, Misra & Hebert, *Cut, Paste and Learn* (ICCV 2017); Ghiasi et
al., *Simple Copy-Paste* (CVPR 2021).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from posekit.datasets.pictures import read_picture
from posekit.datasets.table import PersonTable
from posekit.errors import DataError
from posekit.io.images import cv2
from posekit.io.new_folder import new_folder
from posekit.structures import Skeleton

# Longest side on which GrabCut works; the mask is enlarged again. Twice as fine takes six times as long.
_WORKED_SIDE = 160
_ROUNDS = 4
# Widths in lengths of the torso: what is person for certain, what probably is, and what may be.
_SURE, _LIKELY, _NEAR = 0.12, 0.5, 1.0
_SURE_HEAD, _LIKELY_HEAD, _NEAR_HEAD = 0.35, 0.6, 1.1  # radii, in lengths of the head
_TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_HEAD_OF_TORSO = 0.45  # length of a head, where the face alone is labelled
_LEAN = 1.2  # across for each pixel down, from the shoulders to the hips
_MARGIN = 0.2  # of the box's sides, around it
_LEAST_SHARE, _MOST_SHARE = 0.03, 0.8  # of the picture: a mask of less or more is held to have failed


def person_mask(
    image: np.ndarray, keypoints: np.ndarray, labelled: np.ndarray, skeleton: Skeleton
) -> np.ndarray | None:
    """Whom keypoints belong to, by GrabCut (Rother, Kolmogorov & Blake, SIGGRAPH 2004) begun from the body.

    Limbs, torso and head are person, what is farther from them than a torso's length is not, and colours
    decide between. Clothes of the background's colour are lost, and what the person holds may stay.

    Args:
        image: uint8 (H, W, 3), RGB, of about the person's box.
        keypoints: (K, 2), pixels of ``image``.
        labelled: (K,), whether each counts.
        skeleton: Whose keypoints they are.

    Returns:
        bool (H, W); None without shoulders and hips, or where no more than a sliver is found or nearly
        everything is.
    """
    place = {name: keypoints[k] for k, name in enumerate(skeleton.keypoints) if labelled[k]}
    if not all(name in place for name in _TORSO):
        return None
    factor = min(1.0, _WORKED_SIDE / max(image.shape[:2]))
    # Pixel centres: (x + 1/2) s - 1/2.
    place = {name: (np.asarray(at, np.float64) + 0.5) * factor - 0.5 for name, at in place.items()}
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    classes = _first_guess(small.shape[:2], place, skeleton)
    person = np.isin(classes, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if person.all() or not person.any():
        return None  # GrabCut needs colours of both
    colours = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    nowhere = (0, 0, 0, 0)  # a rectangle, which the classes make needless
    cv2.grabCut(small, classes, nowhere, *colours, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(classes, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    if not _LEAST_SHARE < found.mean() < _MOST_SHARE:
        return None
    height, width = image.shape[:2]
    return cv2.resize(found * 255, (width, height), interpolation=cv2.INTER_LINEAR) > 127


def _first_guess(size_hw: Sequence[int], place: dict[str, np.ndarray], skeleton: Skeleton) -> np.ndarray:
    """GrabCut's four classes, uint8 (h, w), drawn from the outside in."""
    corners = np.array([place[name] for name in _TORSO])
    side = float(np.linalg.norm(corners[:2] - corners[[3, 2]], axis=1).max())
    head = _head(place, side)
    torso = max(side, 1.5 * (head[1] if head else 0.0))
    classes = np.full(size_hw, cv2.GC_BGD, np.uint8)
    for kind, width, radius in (
        (cv2.GC_PR_BGD, _NEAR, _NEAR_HEAD),
        (cv2.GC_PR_FGD, _LIKELY / 2, _LIKELY_HEAD),
        (cv2.GC_FGD, _SURE / 2, _SURE_HEAD),
    ):
        for one, other in skeleton.limbs:
            if one in place and other in place:
                ends = _pixel(place[one]), _pixel(place[other])
                cv2.line(classes, *ends, kind, max(1, round(torso * width)))
        if kind != cv2.GC_PR_BGD:
            cv2.fillConvexPoly(classes, cv2.convexHull(np.rint(corners).astype(np.int32)), kind)
        if head is not None:
            cv2.circle(classes, _pixel(head[0]), max(1, round(head[1] * radius)), kind, -1)
    return classes


def _head(place: dict[str, np.ndarray], torso: float) -> tuple[np.ndarray, float] | None:
    """The head's middle and length, if any of it is labelled."""
    if "head_top" in place and "neck" in place:
        ends = place["head_top"], place["neck"]
        return (ends[0] + ends[1]) / 2, float(np.linalg.norm(ends[0] - ends[1]))
    face = [place[name] for name in _FACE if name in place]
    return (np.mean(face, axis=0), _HEAD_OF_TORSO * torso) if face else None


def _pixel(at: np.ndarray) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))


def polygon_mask(segmentation: Any, size_hw: Sequence[int]) -> np.ndarray | None:
    """COCO's polygons as bool (H, W); None for a crowd's run lengths, or if there are none."""
    from pycocotools import mask as coco_mask

    if not isinstance(segmentation, list) or not segmentation:
        return None
    pieces = coco_mask.frPyObjects(segmentation, *size_hw)
    return coco_mask.decode(coco_mask.merge(pieces)).astype(bool)


def cut_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of a picture that holds all of a mask, uint8 (h, w, 4): RGB, and how much each pixel is part.

    The edge is a pixel soft, so that no line shows where it is pasted.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    alpha = cv2.GaussianBlur(mask[part].astype(np.uint8) * 255, (3, 3), 0)
    return np.dstack([image[part], np.where(mask[part], alpha, 0).astype(np.uint8)])


def stands(keypoints: np.ndarray, labelled: np.ndarray, skeleton: Skeleton) -> bool:
    """Whether a person sits or stands: leaning by at most 50 degrees, and the head above the shoulders."""
    place = {name: keypoints[k] for k, name in enumerate(skeleton.keypoints) if labelled[k]}
    if not all(name in place for name in _TORSO):
        return False
    left, right, right_hip, left_hip = (place[name] for name in _TORSO)
    shoulders, hips = (left + right) / 2, (left_hip + right_hip) / 2
    across, down = (hips - shoulders).tolist()
    tops = [place[name][1] for name in ("head_top", *_FACE) if name in place]
    return down > 0 and abs(across) <= _LEAN * down and all(top <= shoulders[1] for top in tops)


class CutPeople(NamedTuple):
    """What :func:`write_cutouts` wrote: how many people, and reason -> how many it left out."""

    people: int
    left_out: dict[str, int]


def write_cutouts(
    table: PersonTable,
    content: Mapping[str, Any],
    out: str | Path,
    standing: bool = False,
    least_side: int = 48,
    on_bad_image: str = "error",
    progress: bool = False,
) -> CutPeople:
    """Cuts people out of their photos, by their polygons where the file has them, else by their keypoints.

    Args:
        table: The people.
        content: The COCO file that they are of; its ``segmentation`` is asked for polygons.
        out: A new or empty folder; a person's file is ``<photo>_<annotation id>.png``.
        standing: Leave out who neither sits nor stands (:func:`stands`).
        least_side: Leave out whose cut-out's longer side is shorter, pixels.
        on_bad_image: "error"; or "skip": people of photos that cannot be read are left out and counted.
        progress: Shows a bar.

    Raises:
        ConfigError: If ``out`` has something in it or cannot be written.
        DataError: If a photo cannot be read, or nobody is left.
    """
    polygons = {one.get("id"): one.get("segmentation") for one in content["annotations"]}
    left_out: Counter[str] = Counter()
    written = 0
    order = np.argsort(table.image_index, kind="stable").tolist()
    last: tuple[int, np.ndarray | None] = -1, None
    with new_folder(Path(out)) as folder:
        for row in tqdm(order, desc="people", unit="person", disable=not progress):
            labelled = table.visible[row] > 0
            if standing and not stands(table.keypoints[row], labelled, table.skeleton):
                left_out["neither_sits_nor_stands"] += 1
                continue
            index = int(table.image_index[row])
            if last[0] != index:
                last = index, _photo(table, index, on_bad_image)
            if last[1] is None:
                left_out["photo_unreadable"] += 1
                continue
            found = _cut_person(table, row, last[1], polygons.get(int(table.person_ids[row])))
            if found is None or max(found.shape[:2]) < least_side:
                left_out["not_told_from_the_background" if found is None else "small"] += 1
                continue
            stem = Path(os.fsdecode(table.image_names[index])).stem
            data = cv2.imencode(".png", cv2.cvtColor(found, cv2.COLOR_RGBA2BGRA))[1]
            (folder / f"{stem}_{int(table.person_ids[row])}.png").write_bytes(data.tobytes())
            written += 1
        if not written:
            raise DataError(
                f"{table.ann_file}: nobody could be cut out; left out: "
                + ", ".join(f"{reason} {number}" for reason, number in sorted(left_out.items()))
            )
    return CutPeople(written, dict(left_out))


def _photo(table: PersonTable, index: int, on_bad_image: str) -> np.ndarray | None:
    try:
        return read_picture(table, index)
    except DataError:
        if on_bad_image != "skip":
            raise
        return None


def _cut_person(table: PersonTable, row: int, image: np.ndarray, segmentation: Any) -> np.ndarray | None:
    mask = polygon_mask(segmentation, image.shape[:2])
    if mask is not None:
        return cut_out(image, mask) if mask.any() else None
    low, high = np.split(table.boxes_xyxy[row].astype(np.float64), 2)
    margin = _MARGIN * (high - low)
    left, top = np.floor(low - margin).clip(0).astype(int).tolist()
    right, bottom = np.ceil(high + margin).astype(int).tolist()
    window = image[top:bottom, left:right]
    keypoints = table.keypoints[row] - (left, top)
    if 0 in window.shape:
        return None
    mask = person_mask(window, keypoints, table.visible[row] > 0, table.skeleton)
    return None if mask is None else cut_out(window, mask)
