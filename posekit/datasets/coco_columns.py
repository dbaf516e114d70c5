"""The people of COCO's annotations as columns, checked array-wise, a block of records at a time.

A block in which anything is odd is read record by record instead (:mod:`posekit.datasets.coco_records`),
which has every message: what is kept, counted and said is the same, and a faulty record costs its block.
So does a record without a box; with ``extra`` columns all blocks are read that way.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from posekit.datasets.coco_records import AnnotationReader, columns
from posekit.geometry import xywh_to_xyxy

_BLOCK = 4096


def in_blocks(records: list[Any]) -> Iterator[list[Any]]:
    """A list of records, a block at a time; of an empty one, one that is empty."""
    return (records[start : start + _BLOCK] for start in range(0, max(len(records), 1), _BLOCK))


class _OddError(Exception):
    """Something in a block is to be looked at record by record."""


@dataclass
class AnnotationColumns:
    """Reads a list of annotations; arguments are those of ``coco_records.AnnotationReader``, by its names."""

    path: str
    num_keypoints: int
    categories: frozenset[int]
    row_of_image: Mapping[int, int]
    counts: Counter[str]
    sizes_hw: Sequence[tuple[int, int]]
    extra: Mapping[str, Any]
    any_area: bool = False

    def __post_init__(self) -> None:
        self._seen: set[int] = set()
        self._by_one: AnnotationReader | None = None

    def read_all(self, blocks: Iterable[list[Any]], on_bad_record: str) -> dict[str, np.ndarray]:
        """The columns of all people that are kept; the others are counted. There is one block at least.

        Raises:
            DataError: With ``on_bad_record`` "error", on the first faulty record.
        """
        found, start = [], 0
        for block in blocks:
            try:
                found.append(self._columns(block))
            except (KeyError, TypeError, ValueError, OverflowError, _OddError):
                found.append(self._one_by_one(block, start, on_bad_record))
            start += len(block)
        found = [block for block in found if len(block["person_ids"])] or found[:1]
        return {name: np.concatenate([block[name] for block in found]) for name in found[0]}

    def _one_by_one(self, records: Any, start: int, on_bad_record: str) -> dict[str, np.ndarray]:
        if self._by_one is None:
            self._by_one = AnnotationReader(**{own.name: getattr(self, own.name) for own in fields(self)})
            self._by_one.seen = self._seen
        rows = self._by_one.read_all(records, on_bad_record, start)
        return columns(rows, self.num_keypoints, self.extra)

    def _columns(self, records: list[Any]) -> dict[str, np.ndarray]:
        if self.extra:
            raise _OddError
        ids = _integers([record["id"] for record in records])
        person_ids, unique = np.array(ids, np.int64), set(ids)
        if len(unique) != len(ids) or not self._seen.isdisjoint(unique):
            raise _OddError
        category = _integers([record["category_id"] for record in records])
        reasons = np.array(["" if one in self.categories else "other_category" for one in category], "U20")
        rows, points = self._chosen(records, reasons)
        image = _integers([records[row]["image_id"] for row in rows.tolist()])
        boxes_xywh = _lists([records[row]["bbox"] for row in rows.tolist()], 4)
        if not (boxes_xywh[:, 2:] > 0).all():
            raise _OddError
        found = {
            "image_index": np.array([self.row_of_image[one] for one in image], np.int32),
            "person_ids": person_ids[rows],
            "boxes_xyxy": xywh_to_xyxy(boxes_xywh),
            "annotated_wh": boxes_xywh[:, 2:],
            "category_ids": np.array([category[row] for row in rows.tolist()], np.int64),
            "box_scores": np.ones(len(rows), np.float32),
            "keypoints": points[..., :2].astype(np.float32),
            "visible": points[..., 2].astype(np.uint8),
        }
        self._seen |= unique
        for reason in dict.fromkeys(reasons.tolist()):  # in the order in which they are met
            if reason:
                self.counts[reason] += int((reasons == reason).sum())
        return found

    def _chosen(self, records: list[Any], reasons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are kept, and their points (N, K, 3); the others' ``reasons`` are filled in."""
        rows = np.flatnonzero(reasons == "")
        crowd = [records[row].get("iscrowd", 0) for row in rows.tolist()]
        if not set(crowd) <= {0, 1, None}:
            raise _OddError
        rows = _without(rows, np.array([bool(one) for one in crowd], bool), reasons, "crowd")
        if not self.any_area:
            areas = np.array(array("d", [records[row].get("area", 1) for row in rows.tolist()]))
            if not (np.abs(areas) < 1e30).all():
                raise _OddError
            rows = _without(rows, areas <= 0, reasons, "no_area")
        if not self.num_keypoints:
            return rows, np.zeros((len(rows), 0, 3))
        points = _lists([records[row]["keypoints"] for row in rows.tolist()], 3 * self.num_keypoints)
        points = points.reshape(len(rows), self.num_keypoints, 3)
        visible = points[..., 2]
        if not ((visible == 0) | (visible == 1) | (visible == 2)).all():
            raise _OddError
        labelled = np.asarray((visible > 0).any(axis=1))
        return _without(rows, ~labelled, reasons, "no_labelled_keypoint"), points[labelled]


def _without(rows: np.ndarray, left_out: np.ndarray, reasons: np.ndarray, reason: str) -> np.ndarray:
    reasons[rows[left_out]] = reason
    return rows[~left_out]


def _integers(values: list[Any]) -> list[int]:
    if set(map(type, values)) - {int}:
        raise _OddError
    return values


def _lists(values: list[Any], width: int) -> np.ndarray:
    """float64 (N, width) of N lists of so many numbers, each below 1e9."""
    if set(map(type, values)) - {list} or set(map(len, values)) - {width}:
        raise _OddError
    numbers = array("d")
    for value in values:
        numbers.fromlist(value)  # refuses all but numbers
    found = np.array(numbers).reshape(-1, width)
    if not (np.abs(found) < 1e9).all():  # NaN is refused as well
        raise _OddError
    return found
