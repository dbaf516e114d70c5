"""COCO-format keypoint files -> ``PersonTable``; COCO itself, CrowdPose, LSP's json and anybody's own.

Boxes in the files are (x, y, width, height), 0-based; keypoints are (x, y, v) with v = 0, 1, 2.
People are kept as in the HRNet release: not a crowd region, area above 0, at least one labelled keypoint,
and something left of the box inside the image. What is left out is counted by its reason. Rows are grouped
by image in the order of the file's images, so that one decoded image serves its people in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posekit.datasets import coco_detections
from posekit.datasets.coco_columns import AnnotationColumns, in_blocks
from posekit.datasets.coco_records import ANNOTATED, DETECTED, MATCHED, left_out
from posekit.datasets.matching import MATCH_IOU
from posekit.datasets.pictures import OTHER_SIZE, Agreement, compare_pictures, label_reach
from posekit.datasets.table import GROUND_TRUTH, PersonTable, build_table, check_policy
from posekit.errors import ConfigError, DataError
from posekit.geometry import clean_box_xyxy
from posekit.io.categories import Category, person_categories
from posekit.io.files import read_json, under
from posekit.io.images import leaves_folder, within_folder
from posekit.io.records import image_side, require, require_id
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

FILE, BOX = "file", "box"
CACHED_FROM = 32 << 20  # bytes of a file (posekit.datasets.file_cache)


@DATASETS.register_module()
def load_coco(
    ann_file: str,
    image_dir: str,
    skeleton: Skeleton | str | Mapping[str, Any] = "coco17",
    data_root: str = "",
    clean_boxes: bool = True,
    on_bad_record: str = "error",
    detections: str | None = None,
    score_threshold: float = 0.0,
    boxes: str | None = None,
    match_iou: float = MATCH_IOU,
    extra: Mapping[str, Any] | Sequence[str] = (),
    category: Category = None,
    area: str = FILE,
) -> PersonTable:
    """Reads a COCO-format keypoint annotation.

    With the skeleton "none" nobody needs keypoints: everybody of the category named "person" is taken (of all
    categories, if none is named so), and a record without a box means the whole image.

    What was read of a file of 32 MiB or more is kept for the next start (:mod:`posekit.datasets.file_cache`).

    Args:
        ann_file: The json file (may be gzipped).
        image_dir: Folder that the file names are relative to.
        skeleton: The keypoints that the file must hold, in its order.
        data_root: Put in front of the three paths.
        clean_boxes: Clip annotated boxes to the image and shrink them by one, as the HRNet release does.
        on_bad_record: "error" stops at the first faulty person, or picture of another size than stated;
            "skip" leaves them out and counts them. Metrics that read the file do likewise.
        detections: A COCO detection-results json whose boxes replace the annotated ones. They are not
            cleaned (as in the release) and keep their score.
        score_threshold: Detections scoring below are left out and counted.
        boxes: What the people are. "detected", the default with ``detections``: the detections; they carry no
            keypoints, and ``ann_file`` needs images and categories alone, as ``image_info_test-dev2017.json``
            has them. "detected_matched", for training: the annotated people, each with the box of the
            detection matched to it, with the annotated box where none is
            (:mod:`posekit.datasets.matching`). "annotated", the default without.
        match_iou: Least IoU of an annotated box and the detection matched to it.
        extra: Further fields of the annotations that become columns of the table: names, each of a number or
            a list of numbers in every record; or name -> what stands for it where a record has none (-1).
        category: Names or ids of the categories that are taken; None or "all": all that have the skeleton's
            keypoints.
        area: "box": people whose ``area`` is 0 are taken as well, and metrics that read the file take
            0.53 x the box as everybody's area. "file": by the file.

    Returns:
        The table. ``counts`` may hold: crowd, other_category, no_area, no_labelled_keypoint,
        box_outside_image, bad_record, low_score, picture_of_other_size, keypoints_outside_image.

    Raises:
        ConfigError: If ``boxes`` does not go with ``detections``, detections cannot have an ``extra``, or
            there is no such category.
        DataError: On a wrong file or record, naming it; of missing detections also how to make them.
    """
    check_policy(on_bad_record)
    for name, value, known in (("area", area, (FILE, BOX)), ("clean_boxes", clean_boxes, (True, False))):
        if value not in known:
            raise ConfigError(f"load_coco: '{name}' must be {known[0]!r} or {known[1]!r}, found {value!r}")
    boxes = _check_boxes(boxes, detections, match_iou)
    extra = _check_extra(extra, boxes)
    skeleton = get_skeleton(skeleton)
    path, images_in = under(data_root, ann_file), under(data_root, image_dir)
    results = under(data_root, str(detections))
    if boxes != ANNOTATED:  # the annotation takes long to read
        coco_detections.check_detections(results, path, images_in)
    reading = CocoReading(
        path, images_in, skeleton, on_bad_record, extra, category, area, boxes, clean_boxes, results,
        score_threshold, match_iou,
    )  # fmt: skip
    if boxes == DETECTED or not _is_large(path):
        return reading.read().table()[0]
    from posekit.datasets.coco_cache import load_kept

    return load_kept(reading)


class CocoReading(NamedTuple):
    """What is asked of a COCO file."""

    path: str
    image_dir: str
    skeleton: Skeleton
    on_bad_record: str
    extra: Mapping[str, Any]
    category: Category
    area: str
    boxes: str
    clean_boxes: bool
    results: str
    score_threshold: float
    match_iou: float

    def read(self) -> CocoFile:
        return self.of(read_json(self.path))

    def of(self, content: Any, blocks: Iterable[list[Any]] | None = None) -> CocoFile:
        """What was read of the file's content; its annotations may come a block at a time."""
        images = read_images(content, self.path, self.image_dir, self.on_bad_record)
        names, detected = self.skeleton.keypoints, self.boxes == DETECTED
        categories = person_categories(
            content, self.path, names, self.skeleton.name, not detected, self.category
        )
        file = CocoFile(self, images, Counter(), categories, "annotations" in content, {})
        if not detected:
            records = require(content, "annotations", self.path, list)
            file.people.update(file.annotated(in_blocks(records) if blocks is None else blocks))
        return file


class CocoFile(NamedTuple):
    """What was read of a COCO file; its people are columns on the way into a table."""

    reading: CocoReading
    images: tuple[list[str], list[int], list[tuple[int, int]]]
    counts: Counter[str]
    categories: frozenset[int]
    has_annotations: bool
    people: dict[str, np.ndarray]

    def table(self, agreement: Agreement | None = None) -> tuple[PersonTable, np.ndarray]:
        """The table of the people, and how far the labels of each image reach (:func:`label_reach`).

        Args:
            agreement: How the pictures agree with the file, where that is known.
        """
        asked, people, images, counts = self.reading, self.people, self.images, self.counts
        source = GROUND_TRUTH
        if asked.boxes != ANNOTATED:
            detected = coco_detections.read_detections(self)
            source = Path(asked.results).name
            if asked.boxes == DETECTED:
                people = detected
            else:
                people["match"] = coco_detections.find_matches(people, detected, asked.match_iou)
        stated = np.asarray(images[2], dtype=np.int64).reshape(-1, 2)
        reach_xy = _reach(people, len(stated))
        if agreement is None:
            agreement = compare_pictures(
                asked.image_dir, images[0], stated, reach_xy, asked.path, asked.on_bad_record
            )
        people = _as_pictured(people, stated, agreement, counts)
        if asked.boxes != ANNOTATED:
            coco_detections.warn_of_boxes(asked.results, detected, agreement.sizes_hw)
        if asked.boxes != DETECTED and asked.clean_boxes:
            people = _clean(people, agreement.sizes_hw, images[1], asked.path, counts)
        if asked.boxes == MATCHED:
            number = coco_detections.take_matched(people, detected)
            of_all = f"{number} of {len(people['person_ids'])} people"
            source += f", matched to {of_all} at IoU {asked.match_iou:g}"
        order = np.argsort(people["image_index"], kind="stable")
        table = build_table(
            asked.skeleton,
            asked.image_dir,
            (images[0], images[1], agreement.sizes_hw),
            {name: column[order] for name, column in people.items()},
            asked.path,
            source,
            {reason: number for reason, number in counts.items() if number},
            asked.on_bad_record,
            annotated=asked.boxes != DETECTED,
            turn_by_exif=agreement.turn_by_exif,
            reading={
                "area": asked.area,
                "category": asked.category,
                "annotated": self.has_annotations,
                "images_left_out": tuple(np.asarray(images[1], np.int64)[agreement.other_size].tolist()),
            },
        )
        return table, reach_xy

    def annotated(self, blocks: Iterable[list[Any]]) -> dict[str, np.ndarray]:
        """The annotated people."""
        reader = AnnotationColumns(
            self.reading.path,
            self.reading.skeleton.num_keypoints,
            self.categories,
            self.row_of_image(),
            self.counts,
            self.images[2],
            self.reading.extra,
            any_area=self.reading.area == BOX,
        )
        return reader.read_all(blocks, self.reading.on_bad_record)

    def row_of_image(self) -> dict[int, int]:
        return {image_id: row for row, image_id in enumerate(self.images[1])}


def _is_large(path: str) -> bool:
    try:
        return Path(path).stat().st_size >= CACHED_FROM
    except (OSError, ValueError):
        return False  # reading it says what is wrong


def _check_boxes(boxes: str | None, detections: str | None, match_iou: float) -> str:
    """The kind of boxes, by default what there is."""
    if boxes is None:
        return ANNOTATED if detections is None else DETECTED
    kinds = (ANNOTATED, DETECTED, MATCHED)
    if boxes not in kinds:
        raise ConfigError(f"load_coco: 'boxes' must be one of {kinds}, found {boxes!r}")
    if (detections is None) != (boxes == ANNOTATED):
        given = "without 'detections'" if detections is None else f"with detections={detections!r}"
        raise ConfigError(f"load_coco: boxes={boxes!r} makes no sense {given}")
    if not 0 < match_iou <= 1:
        raise ConfigError(f"load_coco: 'match_iou' must be above 0 and at most 1, found {match_iou!r}")
    return boxes


def _check_extra(extra: Mapping[str, Any] | Sequence[str], boxes: str) -> dict[str, Any]:
    """Name -> what stands for a missing value; None: nothing does."""
    columns = dict(extra) if isinstance(extra, Mapping) else dict.fromkeys(extra)
    needed = [name for name, missing in columns.items() if missing is None]
    if boxes == DETECTED and needed:
        raise ConfigError(
            f"load_coco: detections have no {needed}; state what stands for it: extra=dict({needed[0]}=-1)"
        )
    return columns


def read_images(
    content: Any, path: str, image_dir: str = "", on_bad_record: str = "error"
) -> tuple[list[str], list[int], list[tuple[int, int]]]:
    """Names, ids and sizes (height, width; 0 where not stated) of a COCO file's images.

    Backslashes in names, as Windows writes them, become slashes; an absolute name within the image folder
    is made relative to it.

    Args:
        content: The file's.
        path: The file, for messages.
        image_dir: The folder of the images.
        on_bad_record: "skip" leaves an image of an unusable name out; its people then lack their image.

    Raises:
        DataError: On a field that is missing or of another kind, or a repeated id.
    """
    names, ids, sizes = [], [], []
    seen: set[int] = set()
    for number, image in enumerate(require(content, "images", path, list)):
        image_id = require_id(image, "id", f"{path}: images[{number}]")
        where = f"{path}: image id {image_id}"
        if image_id in seen:
            raise DataError(f"{where}, field 'id': expected unique ids, found it again in images[{number}]")
        seen.add(image_id)
        name = within_folder(require(image, "file_name", where, str), image_dir)
        if on_bad_record == "skip" and leaves_folder(name):
            continue
        names.append(name)
        ids.append(image_id)
        sizes.append((image_side(image, "height", where), image_side(image, "width", where)))
    return names, ids, sizes


def _reach(people: dict[str, np.ndarray], count: int) -> np.ndarray:
    points = np.where(people["visible"][..., None] > 0, people["keypoints"], 0)
    far_xy = np.concatenate([points, people["boxes_xyxy"][:, None, 2:]], axis=1).max(axis=1)
    return label_reach(count, people["image_index"], far_xy)


def _as_pictured(
    people: dict[str, np.ndarray], stated_hw: np.ndarray, agreement: Agreement, counts: Counter[str]
) -> dict[str, np.ndarray]:
    """The people whose pictures agree with the file."""
    image = people["image_index"]
    last_xy = stated_hw[image, ::-1]
    # A box that is the whole stated picture is the whole picture.
    whole = np.column_stack([np.zeros_like(last_xy), last_xy])
    of_whole = (people["boxes_xyxy"] == whole).all(axis=1)
    people["boxes_xyxy"][of_whole, 2:] = agreement.sizes_hw[image[of_whole], ::-1]
    kept = ~np.isin(image, agreement.other_size)
    counts[OTHER_SIZE] += int((~kept).sum())
    return {name: column[kept] for name, column in people.items()}


def _clean(
    people: dict[str, np.ndarray],
    sizes_hw: np.ndarray,
    image_ids: list[int],
    path: str,
    counts: Counter[str],
) -> dict[str, np.ndarray]:
    """Cleans the boxes, leaving out the people of whose box nothing remains."""
    sizes = sizes_hw[people["image_index"]]
    unknown = np.flatnonzero((sizes <= 0).any(axis=1))
    if len(unknown):
        image_id = image_ids[people["image_index"][unknown[0]]]
        raise DataError(
            f"{path}: image id {image_id}, fields 'height' and 'width': expected positive numbers to clip "
            "boxes with, found none (or set clean_boxes=False)"
        )
    boxes = clean_box_xyxy(people["boxes_xyxy"], sizes)
    kept = np.isfinite(boxes).all(axis=1)
    counts["box_outside_image"] += int((~kept).sum())
    if len(kept) and not kept.any() and (people["boxes_xyxy"] <= 1).all():
        raise DataError(
            f"{path}: annotations: field 'bbox': expected pixels, found no coordinate above 1; are they "
            f"fractions of the picture? Multiply them by its width and height{left_out(counts)}"
        )
    return {name: column[kept] for name, column in (people | {"boxes_xyxy": boxes}).items()}
