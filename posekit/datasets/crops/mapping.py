"""Coordinates and records of a photo in a crop of it, and the way back.

A crop is cut at whole pixels and may be reduced by one factor s in both directions. A pixel's centre is an
integer, so x of the photo is (x - x0 + 0.5) s - 0.5 of the crop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.io import records as rec
from posekit.io.files import read_json, read_object

#: The field of a crop's image entry that says where it is from.
CROP = "crop"
# What COCO's records, COCO-WholeBody's and posekit's own hold in pixels, by how it is mapped.
_TRIPLES = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_BOXES_XYWH = ("bbox", "box_xywh", "face_box", "lefthand_box", "righthand_box")
_BOXES_XYXY = ("head_box",)
_LENGTHS = ("head_size",)
_AREAS = ("area",)
_PIXELS = (*_TRIPLES, *_BOXES_XYWH, *_BOXES_XYXY, *_LENGTHS, *_AREAS)
_SCORES = ("score", "box_score")
_DROPPED = ("segmentation",)
# Of annotations and results, what is no measure of the picture.
_PLAIN = (
    "id", "image_id", "category_id", "annotation_id", "iscrowd", "ignore", "num_keypoints", "score", "extra",
    "face_valid", "foot_valid", "lefthand_valid", "righthand_valid", "box_score",
)  # fmt: skip


@dataclass(frozen=True)
class CropFrame:
    """Where a crop lies in its photo.

    Attributes:
        x: Its first column.
        y: Its first row.
        scale: Crop pixels per photo pixel, at most 1.
    """

    x: int
    y: int
    scale: float = 1.0

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the photo, in crop pixels, float64."""
        moved = np.asarray(points, np.float64) - (self.x, self.y)
        return moved if self.scale == 1 else (moved + 0.5) * self.scale - 0.5

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the crop, in photo pixels, float64."""
        points = np.asarray(points, np.float64)
        return (points if self.scale == 1 else (points + 0.5) / self.scale - 0.5) + (self.x, self.y)

    def mapped(self, record: Mapping[str, Any], back: bool = False) -> dict[str, Any]:
        """An annotation or a result with all that is known to be in pixels mapped.

        Corners of boxes are points as keypoints are; sides and areas are those of the picture's scale.
        Keypoints with v = 0 stay as they are in an annotation; a result's last number is a score.

        Args:
            record: Of the photo.
            back: It is a result on the crop instead, for the photo.
        """
        move = self.to_photo if back else self.to_crop
        scale = 1 / self.scale if back else self.scale
        made = {key: value for key, value in record.items() if key not in _DROPPED}
        for key in made.keys() & set(_PIXELS):
            made[key] = _mapped(key, made[key], move, scale, keep_empty=not back)
        return made


def _mapped(key: str, value: Any, move: Any, scale: float, keep_empty: bool) -> Any:
    if value is None or value == []:
        return value
    numbers = np.asarray(value, np.float64)
    if key in _TRIPLES:
        triples = numbers.reshape(-1, 3)
        points = move(triples[:, :2])
        if keep_empty:
            points = np.where(triples[:, 2:] > 0, points, triples[:, :2])
        flat = np.concatenate([points, triples[:, 2:]], axis=1).reshape(-1).tolist()
        # v is a whole number and stays one.
        flat[2::3] = list(value)[2::3]
        return flat
    if key in _BOXES_XYWH:
        return [*move(numbers[:2]).tolist(), *(numbers[2:] * scale).tolist()]
    if key in _BOXES_XYXY:
        return move(numbers.reshape(-1, 2)).reshape(numbers.shape).tolist()
    return float(numbers * (scale**2 if key in _AREAS else scale))


def unmapped_fields(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the records' fields that are copied although nothing is known of them."""
    known = {*_PIXELS, *_DROPPED, *_PLAIN}
    found: Counter[str] = Counter()
    for record in records:
        found.update(record.keys() - known)
    return sorted(found)


def results_on_photos(results: str | Path, crops: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Keypoint results on crops, as results on the photos: scored against the photos' annotation.

    Args:
        results: A COCO results file on the crops.
        crops: The crops' annotation.

    Returns:
        The records, in the file's order, with the photos' image ids; and the names of fields that are left
        out, since nothing is known of them.

    Raises:
        DataError: If the annotation is none of crops, or a record cannot be mapped.
    """
    frames, counts = read_frames(crops), _keypoint_counts(crops)
    records = rec.record_list(read_json(results), None, str(results))
    made = []
    for number, record in enumerate(records):
        where = f"{results}: results[{number}]"
        image_id = rec.require(record, "image_id", where, int)
        if image_id not in frames:
            raise DataError(
                f"{where}, field 'image_id': expected one of the {len(frames)} crops of {crops}, found "
                f"{shown(image_id)}; are these results on the photos already?"
            )
        if record.get("annotation_id") not in (None, image_id):
            raise DataError(
                f"{where}, field 'annotation_id': expected {image_id}, for a crop's image id is its "
                f"annotation's, found {shown(record['annotation_id'])}; are these results of other pictures?"
            )
        check_numbers(record, where, _SCORES)
        stated, expected = record.get("keypoints"), _of_category(record, counts)
        if stated is not None and expected is not None and len(stated) != 3 * expected:
            raise DataError(
                f"{where}, field 'keypoints': expected {3 * expected} numbers, for category "
                f"{record['category_id']} of {crops} has {expected} keypoints, found {len(stated)}"
            )
        photo_id, frame = frames[image_id]
        known = {key: value for key, value in record.items() if key in (*_PIXELS, *_PLAIN)}
        made.append({**frame.mapped(known, back=True), "image_id": photo_id})
    return made, unmapped_fields(records)


def check_numbers(record: Mapping[str, Any], where: str, others: Sequence[str] = ()) -> None:
    """Raises DataError unless fields in pixels are as many finite numbers as needed, and ``others`` one."""
    for key in (*_PIXELS, *others):
        if record.get(key) in (None, []):
            continue
        if key in _TRIPLES:
            stated = record[key]
            rec.numbers([record], key, where, 3 * max(len(stated) // 3 if isinstance(stated, list) else 1, 1))
        else:
            rec.numbers([record], key, where, 4 if key in (*_BOXES_XYWH, *_BOXES_XYXY) else None)


def _keypoint_counts(crops: str | Path) -> dict[Any, int]:
    """Id of each category that has keypoints -> how many."""
    content = read_object(crops)
    categories = rec.record_list(content, "categories", str(crops)) if "categories" in content else []
    return {c.get("id"): len(c["keypoints"]) for c in categories if c.get("keypoints")}


def _of_category(record: Mapping[str, Any], counts: Mapping[Any, int]) -> int | None:
    category = record.get("category_id")
    return counts.get(category) if isinstance(category, int) else None


def read_frames(crops: str | Path) -> dict[int, tuple[int, CropFrame]]:
    """Image id of each crop -> image id of its photo, and where it lies in it.

    Raises:
        DataError: If the file is no annotation of crops.
    """
    content = read_object(crops)
    frames = {}
    for number, image in enumerate(rec.record_list(content, "images", str(crops))):
        image_id = rec.require_id(image, "id", f"{crops}: images[{number}]")
        where = f"{crops}: image id {image_id}"
        remedy = "; state the annotations.json that tools/crop_dataset.py wrote"
        crop = rec.require(image, CROP, where, dict, remedy)
        within = f"{where}, field '{CROP}'"
        scale = rec.require(crop, "scale", within, (int, float))
        if not 0 < scale <= 1:
            raise DataError(f"{within}, field 'scale': expected above 0 and at most 1, found {shown(scale)}")
        x, y = (rec.require(crop, key, within, int) for key in ("x", "y"))
        frames[image_id] = rec.require(crop, "image_id", within, int), CropFrame(x, y, scale)
    return frames
