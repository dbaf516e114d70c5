"""People cut out of their pictures: who is foreground is told from keypoints, or read from COCO's polygons.

Pasted into other pictures (:class:`~posekit.transforms.pasting.Cutouts`) they make what few photos have:
people who hide each other, and crowds. Dwibedi, Misra & Hebert, *Cut, Paste and Learn* (ICCV 2017); Ghiasi et
al., *Simple Copy-Paste* (CVPR 2021).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from posekit.datasets.pictures import read_picture
from posekit.datasets.table import OUTSIDE, PersonTable
from posekit.errors import DataError, shown
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
_TOP, _NECK = ("head_top", "head"), ("neck", "upper_neck")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_HEAD_OF_TORSO = 0.45  # length of a head, where the face alone is labelled
_LEAN = 1.2  # across for each pixel down, from the shoulders to the hips
_FARTHEST = 1e6  # pixels, of a polygon's points
_LONGEST_STEM = 50  # characters of a photo's name in a cut-out's
_MARGIN = 0.2  # of the box's sides, around it
_LEAST_SHARE, _MOST_SHARE = 0.03, 0.8  # of the picture: a mask of less or more is held to have failed


def person_mask(
    image: np.ndarray, keypoints: np.ndarray, labelled: np.ndarray, skeleton: Skeleton
) -> np.ndarray | None:
    """Who is foreground, by GrabCut (Rother, Kolmogorov & Blake, SIGGRAPH 2004) begun from the keypoints.

    Limbs, torso and head are person, what is farther from them than a torso's length is not, and colours
    decide between. Clothes of the background's colour are lost, and what the person holds may stay.
    Keypoints that lie outside the picture by more than its size do not count.

    Args:
        image: uint8 (H, W, 3), RGB, of about the person's box.
        keypoints: (K, 2), pixels of ``image``.
        labelled: (K,), whether each counts.
        skeleton: Whose keypoints they are.

    Returns:
        bool (H, W); None without shoulders and hips, or where no more than a sliver is found or nearly
        everything is.
    """
    size_wh = np.array(image.shape[1::-1])
    near = labelled & ((keypoints > -size_wh) & (keypoints < 2 * size_wh)).all(axis=1)
    place = _labelled(keypoints, near, skeleton)
    if not all(name in place for name in _TORSO):
        return None
    new_wh = np.maximum(np.rint(size_wh * min(1.0, _WORKED_SIDE / size_wh.max())), 1).astype(int)
    # Pixel centres: (x + 1/2) s - 1/2.
    place = {name: (at + 0.5) * (new_wh / size_wh) - 0.5 for name, at in place.items()}
    small = cv2.resize(image, new_wh.tolist(), interpolation=cv2.INTER_AREA)
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


def _labelled(keypoints: np.ndarray, counts: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray]:
    return {name: keypoints[k].astype(np.float64) for k, name in enumerate(skeleton.keypoints) if counts[k]}


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
    top, neck = ([place[name] for name in names if name in place] for names in (_TOP, _NECK))
    if top and neck:
        ends = top[0], neck[0]
        return (ends[0] + ends[1]) / 2, float(np.linalg.norm(ends[0] - ends[1]))
    face = [place[name] for name in _FACE if name in place]
    return (np.mean(face, axis=0), _HEAD_OF_TORSO * torso) if face else None


def _pixel(at: np.ndarray) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))


def check_polygons(segmentation: Any, where: str) -> None:
    """Looks at what pycocotools reads unchecked, by memory as large as the numbers.

    Raises:
        DataError: If it is neither polygons nor a crowd's run lengths.
    """
    if segmentation is None or isinstance(segmentation, Mapping):
        return
    pieces = segmentation if isinstance(segmentation, list) else [segmentation]
    for piece in pieces:
        whole = isinstance(piece, list) and len(piece) >= 6 and len(piece) % 2 == 0
        if not whole or not all(_is_place(one) for one in piece):
            raise DataError(
                f"{where}, field 'segmentation': expected polygons, each a list of x, y, x, y, ... of three "
                f"points or more, pixels; found {shown(piece)}; mend it, or leave the field out"
            )


def _is_place(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and abs(float(value)) < _FARTHEST


def polygon_mask(segmentation: Any, size_hw: Sequence[int]) -> np.ndarray | None:
    """COCO's polygons as bool (H, W); None if there are none, or run lengths, as crowds have them.

    Args:
        segmentation: As :func:`check_polygons` lets it pass.
        size_hw: Of the photo.
    """
    from pycocotools import mask as coco_mask

    if not isinstance(segmentation, list) or not segmentation:
        return None
    # What lies far outside takes memory and shows nothing.
    limits = np.array(size_hw[::-1], np.float64)
    clipped = [
        np.clip(np.reshape(piece, (-1, 2)).astype(np.float64), -limits, 2 * limits).ravel().tolist()
        for piece in segmentation
    ]
    pieces = coco_mask.frPyObjects(clipped, *size_hw)
    return np.asarray(coco_mask.decode(coco_mask.merge(pieces))).astype(bool)


def cut_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of a picture that holds all of a mask, uint8 (h, w, 4): RGB, and how much each pixel is part.

    The edge is a pixel soft, so that no line shows where it is pasted.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    alpha = cv2.GaussianBlur(mask[part].astype(np.uint8) * 255, (3, 3), 0, borderType=cv2.BORDER_CONSTANT)
    return np.dstack([image[part], np.where(mask[part], alpha, 0).astype(np.uint8)])


def stands(keypoints: np.ndarray, labelled: np.ndarray, skeleton: Skeleton) -> bool:
    """Whether a person sits or stands: leaning by at most 50 degrees, with a labelled head on top."""
    place = _labelled(keypoints, labelled, skeleton)
    if not all(name in place for name in _TORSO):
        return False
    left, right, right_hip, left_hip = (place[name] for name in _TORSO)
    shoulders, hips = (left + right) / 2, (left_hip + right_hip) / 2
    across, down = (hips - shoulders).tolist()
    tops = [place[name][1] for name in (*_TOP, *_FACE) if name in place]
    upright = down > 0 and abs(across) <= _LEAN * down
    return upright and bool(tops) and all(top <= shoulders[1] for top in tops)


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
    on_bad_record: str = "error",
    progress: bool = False,
) -> CutPeople:
    """Cuts people out of their photos, by their polygons where the file has them, else by their keypoints.

    Only people with a labelled keypoint are cut out. ``left_out`` has those whom the table's reader left out,
    too.

    Args:
        table: The people.
        content: The COCO file that they are of; its ``segmentation`` is asked for polygons.
        out: A new or empty folder; a person's file is ``<photo>_<annotation id>.png``.
        standing: Leave out of whom the keypoints do not say that they sit or stand (:func:`stands`).
        least_side: Leave out whose cut-out's longer side is shorter, pixels, or the other than a sixth of it.
        on_bad_image: "error"; or "skip": people of photos that cannot be read are left out and counted.
        on_bad_record: "error"; or "skip": people whose polygons are faulty are left out and counted.
        progress: Shows a bar.

    Raises:
        ConfigError: If ``out`` has something in it or cannot be written.
        DataError: If polygons are faulty or a photo cannot be read, or nobody is left.
    """
    polygons, faulty = _polygons(table, content, on_bad_record)
    left_out = Counter({reason: n for reason, n in table.counts.items() if reason != OUTSIDE})
    written = 0
    order = np.argsort(table.image_index, kind="stable").tolist()
    last: tuple[int, np.ndarray | None] = -1, None
    with new_folder(Path(out)) as folder:
        for row in tqdm(order, desc="people", unit="person", disable=not progress):
            if int(table.person_ids[row]) in faulty:
                left_out["faulty_polygons"] += 1
                continue
            labelled = table.visible[row] > 0
            if standing and not stands(table.keypoints[row], labelled, table.skeleton):
                left_out["not_seen_to_sit_or_stand"] += 1
                continue
            index = int(table.image_index[row])
            if last[0] != index:
                last = index, _photo(table, index, on_bad_image)
            if last[1] is None:
                left_out["photo_unreadable"] += 1
                continue
            found = _cut_person(table, row, last[1], polygons.get(int(table.person_ids[row])))
            if isinstance(found, str):
                left_out[found] += 1
                continue
            if max(found.shape[:2]) < least_side or min(found.shape[:2]) < least_side / 6:
                left_out["small"] += 1
                continue
            stem = Path(os.fsdecode(table.image_names[index])).stem[:_LONGEST_STEM]
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


def _polygons(
    table: PersonTable, content: Mapping[str, Any], on_bad_record: str
) -> tuple[dict[int, Any], set[int]]:
    """Annotation id -> its polygons, and the ids of faulty ones; before anything is cut out."""
    wanted, found, faulty = set(table.person_ids.tolist()), {}, set()
    for number, one in enumerate(content["annotations"]):
        person = one.get("id")
        if person in wanted:
            found[person] = one.get("segmentation")
            try:
                check_polygons(found[person], f"{table.ann_file}: annotations[{number}] (id {person})")
            except DataError:
                if on_bad_record != "skip":
                    raise
                faulty.add(person)
    return found, faulty


def _cut_person(table: PersonTable, row: int, image: np.ndarray, segmentation: Any) -> np.ndarray | str:
    """The cut-out, or why there is none."""
    mask = polygon_mask(segmentation, image.shape[:2])
    if mask is not None:
        return cut_out(image, mask) if mask.any() else "polygons_outside_the_photo"
    low, high = np.split(table.boxes_xyxy[row].astype(np.float64), 2)
    margin = _MARGIN * (high - low)
    left, top = np.floor(low - margin).clip(0).astype(int).tolist()
    right, bottom = np.ceil(high + margin).clip(0).astype(int).tolist()
    window = image[top:bottom, left:right]
    if 0 in window.shape:
        return "box_outside_the_photo"
    labelled = table.visible[row] > 0
    if not all(name in _labelled(table.keypoints[row], labelled, table.skeleton) for name in _TORSO):
        return "no_shoulders_or_hips"
    mask = person_mask(window, table.keypoints[row] - (left, top), labelled, table.skeleton)
    return "not_told_from_the_background" if mask is None else cut_out(window, mask)
