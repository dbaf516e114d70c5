"""Box AP and AR of people, by pycocotools' ``COCOeval(iouType="bbox")`` itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from posekit.errors import DataError, shown
from posekit.io.files import read_json
from posekit.io.records import require, require_id

# pycocotools' twelve numbers in its order: at most 100 boxes an image unless the name says 1 or 10; S, M, L:
# people of an area below 32^2, from 32^2 to 96^2, and above, square pixels.
SCORE_NAMES = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR", "ARS", "ARM", "ARL")


def person_category(content: Any, path: str) -> int:
    """The id of a COCO file's category of people: named "person", or the only one there is.

    Raises:
        DataError: If there is none.
    """
    categories = require(content, "categories", path, list)
    ids: dict[str, int] = {}
    for number, category in enumerate(categories):
        category_id = require_id(category, "id", f"{path}: categories[{number}]")
        ids[str(category.get("name"))] = category_id
    if "person" in ids:
        return ids["person"]
    if len(ids) == 1:
        return next(iter(ids.values()))
    raise DataError(f"{path}, field 'categories': expected one named 'person', found {shown(sorted(ids))}")


class PersonTruth:
    """The annotated boxes of people, crowds included, of a COCO file.

    Args:
        path: The file; ``area`` and ``iscrowd`` may be missing in it.

    Raises:
        DataError: If it is no such file, naming the record and the field.
    """

    def __init__(self, path: str) -> None:
        from pycocotools.coco import COCO

        self.path = path
        content = read_json(path)
        self.category = person_category(content, path)
        images = require(content, "images", path, list)
        self.image_ids = [require_id(im, "id", f"{path}: images[{n}]") for n, im in enumerate(images)]
        annotations = require(content, "annotations", path, list)
        kept = [self._read(annotation, number) for number, annotation in enumerate(annotations)]
        boxes = [annotation for annotation in kept if annotation is not None]
        # pycocotools takes a match with the annotation of id 0 for none, so they are numbered anew.
        self.annotations = [{**annotation, "id": number} for number, annotation in enumerate(boxes, start=1)]
        self._coco = COCO()
        self._coco.dataset = {
            "images": [{"id": image_id} for image_id in self.image_ids],
            "categories": [{"id": self.category, "name": "person"}],
            "annotations": self.annotations,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco.createIndex()

    def _read(self, annotation: Any, number: int) -> dict[str, Any] | None:
        where = f"{self.path}: annotations[{number}]"
        if require(annotation, "category_id", where, int) != self.category:
            return None
        box = require(annotation, "bbox", where, list)
        if len(box) != 4 or not all(isinstance(v, (int, float)) and abs(v) < 1e9 for v in box):
            raise DataError(f"{where}, field 'bbox': expected x, y, width, height, found {shown(box)}")
        return {
            "image_id": require_id(annotation, "image_id", where),
            "category_id": self.category,
            "bbox": [float(v) for v in box],
            "area": float(annotation.get("area", box[2] * box[3])),
            "iscrowd": int(annotation.get("iscrowd") or 0),
        }

    def score(
        self, detections: Sequence[Mapping[str, Any]], image_ids: Iterable[int] | None = None
    ) -> dict[str, float]:
        """Scores a detector's boxes.

        Args:
            detections: COCO results: image_id, category_id, bbox [x, y, width, height], score.
            image_ids: The images that count; None: all of the file.

        Returns:
            :data:`SCORE_NAMES` -> 0 to 1; -1 where there is nothing to find.
        """
        from pycocotools.cocoeval import COCOeval

        scored = sorted(set(self.image_ids if image_ids is None else image_ids))
        if not scored or not detections:
            nothing = bool(self.annotations)
            return dict.fromkeys(SCORE_NAMES, 0.0 if nothing else -1.0)
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._coco.loadRes([dict(detection) for detection in detections])
            evaluation = COCOeval(self._coco, found, "bbox")
            evaluation.params.imgIds = scored
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return dict(zip(SCORE_NAMES, (float(value) for value in evaluation.stats), strict=True))
