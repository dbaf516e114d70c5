"""A detector's boxes in COCO's results form: in the place of annotated people, or matched to them."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.datasets.coco_records import DETECTED, Number, PersonRow, RecordReader, columns, left_out
from posekit.datasets.matching import match_by_image
from posekit.errors import DataError, shown
from posekit.io.files import read_json
from posekit.io.records import require


class DetectionReader(RecordReader):
    """A detector's boxes, in the COCO results form."""

    def __init__(
        self,
        path: str,
        categories: frozenset[int],
        row_of_image: Mapping[int, int],
        counts: Counter[str],
        score_threshold: float,
    ) -> None:
        super().__init__(path, categories, row_of_image, counts)
        self.score_threshold = score_threshold

    def read(self, number: int, record: Any) -> PersonRow | None:
        where = f"{self.path}: detection {number}"
        category_id = require(record, "category_id", where, int)
        if category_id not in self.categories:
            self.counts["other_category"] += 1
            return None
        image_row = self.image_row(record, where)
        score = require(record, "score", where, Number)
        if not abs(score) < 1e30:
            raise DataError(f"{where}, field 'score': expected a finite number, found {shown(score)}")
        if score < self.score_threshold:
            self.counts["low_score"] += 1
            return None
        return PersonRow(image_row, number, self.box(record, where), category_id, score=float(score))


def check_detections(results: str, ann_file: str, image_dir: str) -> None:
    """Looks for a file of detections, and says how to make it.

    Raises:
        DataError: If it is not there.
    """
    if not os.path.exists(results):  # noqa: PTH110 (False, too, for a name that no file can have)
        raise DataError(
            f"{results}: file not found. It holds a detector's boxes on the images of {ann_file}: put a "
            "published file there, or make it by\n"
            f"  python tools/detect.py {ann_file} --image-dir {image_dir} --out {results}\n"
            "or take the annotated boxes: detections=None in 'source', without 'boxes'"
        )


def read_detections(file: Any) -> dict[str, np.ndarray]:
    """The columns of a detector's people on the images of a ``CocoFile``.

    Raises:
        DataError: On a faulty record; of a file whose people are the detections, if none is left.
    """
    asked, counts = file.reading, file.counts
    reader = DetectionReader(
        asked.results, file.categories, file.row_of_image(), counts, asked.score_threshold
    )
    rows = reader.read_all(read_json(asked.results), asked.on_bad_record)
    if asked.boxes == DETECTED and not rows:
        raise DataError(
            f"{asked.results}: expected at least one usable detection, found none{left_out(counts)}"
        )
    return columns(rows, asked.skeleton.num_keypoints, asked.extra)


def warn_of_boxes(results: str, detected: Mapping[str, np.ndarray], sizes_hw: np.ndarray) -> None:
    """Says which boxes can hardly be meant as they stand.

    Args:
        results: The detections' file.
        detected: Their columns.
        sizes_hw: int (M, 2), the sizes in which the pictures are read; 0 where unknown.
    """
    for doubt in _doubts(detected, sizes_hw):
        warnings.warn(f"{results}: {doubt}", stacklevel=4)


def _doubts(detected: Mapping[str, np.ndarray], sizes_hw: np.ndarray) -> list[str]:
    """What is said of boxes that can hardly be meant as they stand.

    A box may reach over its picture's edge, as some detectors' do; of pictures without a stated size (0)
    only what needs none is said.
    """
    boxes, image = detected["boxes_xyxy"], detected["image_index"]
    low_xy, wh, count = boxes[:, :2], detected["annotated_wh"], len(boxes)
    if not count:
        return []
    size_wh = np.where(sizes_hw > 0, sizes_hw, np.inf)[image, ::-1]
    outside = int(((low_xy >= size_wh) | (boxes[:, 2:] <= 0)).any(axis=1).sum())
    beyond = int((boxes[:, 2:] > 1.05 * size_wh).any(axis=1).sum())
    fit_as_corners = ((wh > low_xy) & (wh <= 1.05 * size_wh)).all()
    different = np.unique(np.column_stack([image, detected["category_ids"], boxes]), axis=0)
    repeated = count - len(different)
    doubts = [
        (
            max(low_xy.max(), wh.max()) <= 1.5,
            "field 'bbox': expected pixels, found no number above 1.5 in any detection; are they fractions "
            "of the picture? Multiply them by its width and height",
        ),
        (
            beyond > count / 2 and fit_as_corners,
            f"field 'bbox': as x, y, width, height {beyond} of {count} boxes reach beyond their pictures; "
            "are they corners x1, y1, x2, y2?",
        ),
        (
            outside > 0,
            f"field 'bbox': {outside} of {count} boxes lie wholly outside their pictures; "
            "are they of these pictures, in their own pixels?",
        ),
        (
            repeated > count / 10,  # in COCO's detections of the HRNet release 1 % are such
            f"{repeated} of {count} detections repeat the box of another of their picture to the last digit; "
            "each becomes a person",
        ),
    ]
    return [words for holds, words in doubts if holds]


def find_matches(people: dict[str, np.ndarray], detected: dict[str, np.ndarray], iou: float) -> np.ndarray:
    """The detection of each annotated person, -1 for none; by the boxes as annotated, before any cleaning."""
    boxes, images = "boxes_xyxy", "image_index"
    return match_by_image(people[boxes], people[images], detected[boxes], detected[images], iou)


def take_matched(people: dict[str, np.ndarray], detected: dict[str, np.ndarray]) -> int:
    """Gives people the boxes and scores of their detections; returns how many have one."""
    match = people.pop("match")
    found = match >= 0
    for name in ("boxes_xyxy", "box_scores"):
        people[name] = people[name].copy()
        people[name][found] = detected[name][match[found]]
    return int(found.sum())
