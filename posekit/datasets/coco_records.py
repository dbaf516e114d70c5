"""The records of COCO's annotations, one by one, each checked.

A record is kept, left out for a reason that is counted, or faulty: then its message names the file, the
record, the field, what was expected and what was found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.datasets.table import EXTRA
from posekit.errors import DataError, shown
from posekit.geometry import keypoint_box_xywh, xywh_to_xyxy
from posekit.io.records import require, require_id

#: Whose boxes a data set has: the annotated, a detector's in their place, or a detector's matched to them.
ANNOTATED, DETECTED, MATCHED = "annotated", "detected", "detected_matched"
Number = (int, float)
SKIP_REMEDY = "; mend it, or leave such records out and count them: on_bad_record='skip'"


class PersonRow:
    """One person on the way into the table."""

    __slots__ = ("box_xywh", "category_id", "extra", "image_index", "keypoints", "person_id", "score")

    def __init__(
        self,
        image_index: int,
        person_id: int,
        box_xywh: Any,
        category_id: int,
        keypoints: Any = None,
        score: float = 1.0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.image_index, self.person_id, self.box_xywh = image_index, person_id, box_xywh
        self.category_id = category_id
        self.keypoints, self.score, self.extra = keypoints, score, extra


def columns(rows: list[PersonRow], num_keypoints: int, extra: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The columns that rows make in a table."""
    points = np.zeros((len(rows), num_keypoints, 3), dtype=np.float32)
    for row, target in zip(rows, points, strict=True):
        if row.keypoints is not None:
            target[:] = np.asarray(row.keypoints, dtype=np.float32).reshape(num_keypoints, 3)
    boxes_xywh = np.array([row.box_xywh for row in rows], dtype=np.float64).reshape(-1, 4)
    return {
        "image_index": np.array([row.image_index for row in rows], dtype=np.int32),
        "person_ids": np.array([row.person_id for row in rows], dtype=np.int64),
        "boxes_xyxy": xywh_to_xyxy(boxes_xywh),
        "annotated_wh": boxes_xywh[:, 2:],
        "category_ids": np.array([row.category_id for row in rows], dtype=np.int64),
        "box_scores": np.array([row.score for row in rows], dtype=np.float32),
        "keypoints": points[..., :2],
        "visible": points[..., 2].astype(np.uint8),
        **{
            f"{EXTRA}{name}": np.array([missing if row.extra is None else row.extra[name] for row in rows])
            for name, missing in extra.items()
        },
    }


def left_out(counts: Mapping[str, int]) -> str:
    """The end of a message: who was left out, and why; empty where nobody was."""
    reasons = ", ".join(f"{reason} {number}" for reason, number in counts.items() if number)
    return f"; left out: {reasons}" if reasons else ""


class RecordReader(ABC):
    """Walks the records of a list; a faulty one raises or is counted, as the policy says."""

    def __init__(
        self,
        path: str,
        categories: frozenset[int],
        row_of_image: Mapping[int, int],
        counts: Counter[str],
    ) -> None:
        self.path, self.categories = path, categories
        self.row_of_image, self.counts = row_of_image, counts

    @abstractmethod
    def read(self, number: int, record: Any) -> PersonRow | None:
        """One record; None if it is left out, which is counted here."""

    def read_all(self, records: Any, on_bad_record: str, first: int = 0) -> list[PersonRow]:
        """The people of records, of which the first is number ``first`` of its file."""
        if not isinstance(records, list):
            raise DataError(f"{self.path}: expected a list of records, found {type(records).__name__}")
        rows = []
        for number, record in enumerate(records, first):
            try:
                row = self.read(number, record)
            except DataError:
                if on_bad_record == "error":
                    raise
                self.counts["bad_record"] += 1
                continue
            if row is not None:
                rows.append(row)
        return rows

    def image_row(self, record: Mapping[str, Any], where: str) -> int:
        image_id = require(record, "image_id", where, int)
        if image_id not in self.row_of_image:
            raise DataError(
                f"{where}, field 'image_id': expected the id of one of the {len(self.row_of_image)} images, "
                f"found {shown(image_id)}{SKIP_REMEDY}"
            )
        return self.row_of_image[image_id]

    def box(self, record: Mapping[str, Any], where: str) -> list[float]:
        box = require(record, "bbox", where, list)
        # A comparison with NaN is False, so NaN is refused here as well.
        numbers = len(box) == 4 and all(isinstance(v, Number) and abs(v) < 1e9 for v in box)
        if not numbers or not (box[2] > 0 and box[3] > 0):
            raise DataError(
                f"{where}, field 'bbox': expected x, y and a positive width and height, found "
                f"{shown(box)}{SKIP_REMEDY}"
            )
        return box


class AnnotationReader(RecordReader):
    """Ground truth, by the HRNet release's rules."""

    def __init__(
        self,
        path: str,
        num_keypoints: int,
        categories: frozenset[int],
        row_of_image: Mapping[int, int],
        counts: Counter[str],
        sizes_hw: Sequence[tuple[int, int]],
        extra: Mapping[str, Any],
        any_area: bool = False,
    ) -> None:
        super().__init__(path, categories, row_of_image, counts)
        self.num_keypoints, self.any_area = num_keypoints, any_area
        self.sizes_hw, self.extra = sizes_hw, extra
        self.seen: set[int] = set()
        self._lengths: dict[str, int | None] = {}

    def read(self, number: int, record: Any) -> PersonRow | None:
        person_id = require_id(record, "id", f"{self.path}: annotations[{number}]")
        where = f"{self.path}: annotation id {person_id}"
        if person_id in self.seen:
            raise DataError(f"{where}, field 'id': expected unique ids, found it twice")
        self.seen.add(person_id)
        reason = self._left_out(record, where)
        keypoints = None
        if reason is None and self.num_keypoints:
            keypoints = self._keypoints(record, where)
            if not any(v > 0 for v in keypoints[2::3]):
                reason = "no_labelled_keypoint"
        if reason is not None:
            self.counts[reason] += 1
            return None
        image = self.image_row(record, where)
        return PersonRow(
            image,
            person_id,
            self._box(record, image, keypoints, where),
            record["category_id"],
            keypoints,
            extra=self._extra(record, where),
        )

    def _box(self, record: Mapping[str, Any], image: int, keypoints: Any, where: str) -> list[float]:
        """The stated box, or that of the keypoints; where none are asked for, the whole image's."""
        if "bbox" in record:
            return self.box(record, where)
        height, width = self.sizes_hw[image]
        if not self.num_keypoints and height and width:
            return [0, 0, width, height]
        box = keypoint_box_xywh(keypoints, (height, width)) if keypoints else None
        return self.box({"bbox": box} if box else record, where)

    def _extra(self, record: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The further columns' values."""
        return {name: self._value(record, name, missing, where) for name, missing in self.extra.items()}

    def _value(self, record: Mapping[str, Any], name: str, missing: Any, where: str) -> Any:
        value = record.get(name, missing) if missing is not None else require(record, name, where)
        numbers = value if isinstance(value, list) else [value]
        length = len(value) if isinstance(value, list) else None
        sound = all(isinstance(v, Number) and abs(v) < 1e30 for v in numbers)
        if not sound or self._lengths.setdefault(name, length) != length:
            wanted = "a finite number, or as many in every record"
            raise DataError(f"{where}, field '{name}': expected {wanted}, found {shown(value)}")
        return value

    def _left_out(self, record: Mapping[str, Any], where: str) -> str | None:
        if require(record, "category_id", where, int) not in self.categories:
            return "other_category"
        crowd = record.get("iscrowd", 0)
        if crowd not in (0, 1, None):  # the text "0" would count as true
            raise DataError(f"{where}, field 'iscrowd': expected 0 or 1, found {shown(crowd)}")
        if crowd:
            return "crowd"
        area = 1 if self.any_area else record.get("area", 1)
        if not isinstance(area, Number) or not abs(area) < 1e30:
            raise DataError(f"{where}, field 'area': expected a finite number, found {shown(area)}")
        return "no_area" if area <= 0 else None

    def _keypoints(self, record: Mapping[str, Any], where: str) -> list[float]:
        keypoints = require(record, "keypoints", where, list, SKIP_REMEDY)
        if len(keypoints) != 3 * self.num_keypoints:
            raise DataError(
                f"{where}, field 'keypoints': expected {3 * self.num_keypoints} numbers "
                f"({self.num_keypoints} keypoints of x, y, v), found {len(keypoints)}"
            )
        for at, value in enumerate(keypoints):
            if not isinstance(value, Number) or not abs(value) < 1e9:
                raise DataError(
                    f"{where}, field 'keypoints': expected finite numbers, found {shown(value)} "
                    f"as number {at}"
                )
        wrong = [v for v in keypoints[2::3] if v not in (0, 1, 2)]
        if wrong:
            raise DataError(f"{where}, field 'keypoints': expected v = 0, 1 or 2, found {shown(wrong[0])}")
        return keypoints
