"""COCO-format keypoint files -> ``PersonTable``; COCO itself, CrowdPose, LSP's json and anybody's own.

Boxes in the files are (x, y, width, height), 0-based; keypoints are (x, y, v) with v = 0, 1, 2.
People are kept as in the HRNet release: not a crowd region, area above 0, at least one labelled keypoint,
and something left of the box inside the image. What is left out is counted by its reason. Rows are grouped
by image in the order of the file's images, so that one decoded image serves its people in turn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.coco_records import AnnotationReader, DetectionReader, PersonRow
from posekit.datasets.fields import image_side, require, require_id
from posekit.datasets.skeletons import get_skeleton
from posekit.datasets.table import GROUND_TRUTH, PersonTable, build_table, check_policy
from posekit.errors import DataError
from posekit.files import read_json, under
from posekit.geometry import clean_box_xyxy, xywh_to_xyxy
from posekit.registry import DATASETS
from posekit.structures import Skeleton


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
) -> PersonTable:
    """Reads a COCO-format keypoint annotation.

    Args:
        ann_file: The json file (may be gzipped).
        image_dir: Folder that the file names are relative to.
        skeleton: The keypoints that the file must hold, in its order.
        data_root: Put in front of the three paths.
        clean_boxes: Clip annotated boxes to the image and shrink them by one, as the HRNet release does.
        on_bad_record: "error" stops at the first faulty person; "skip" leaves them out and counts them.
        detections: A COCO detection-results json whose boxes replace the annotated ones. They are not
            cleaned (as in the release), carry no keypoints, and keep their score. ``ann_file`` then needs
            images and categories alone, as ``image_info_test-dev2017.json`` has them.
        score_threshold: Detections scoring below are left out and counted.

    Returns:
        The table. ``counts`` may hold: crowd, other_category, no_area, no_labelled_keypoint,
        box_outside_image, bad_record, low_score, keypoints_outside_image.

    Raises:
        DataError: On a wrong file or record, naming it.
    """
    check_policy(on_bad_record)
    skeleton = get_skeleton(skeleton)
    path = under(data_root, ann_file)
    content = read_json(path)
    images = _read_images(content, path)
    categories = person_categories(content, path, skeleton, annotated=detections is None)
    counts: Counter[str] = Counter()
    row_of_image = {image_id: row for row, image_id in enumerate(images[1])}
    if detections is None:
        annotations = require(content, "annotations", path, list)
        reader = AnnotationReader(path, skeleton.num_keypoints, categories, row_of_image, counts)
        people = _columns(reader.read_all(annotations, on_bad_record), skeleton.num_keypoints)
        if clean_boxes:
            people = _clean(people, np.asarray(images[2]).reshape(-1, 2), images[1], path, counts)
        source = GROUND_TRUTH
    else:
        results = under(data_root, detections)
        detector = DetectionReader(results, categories, row_of_image, counts, score_threshold)
        rows = detector.read_all(read_json(results), on_bad_record)
        people = _columns(rows, skeleton.num_keypoints)
        source = Path(results).name
    order = np.argsort(people["image_index"], kind="stable")
    return build_table(
        skeleton,
        under(data_root, image_dir),
        images,
        {name: column[order] for name, column in people.items()},
        path,
        source,
        {reason: number for reason, number in counts.items() if number},
        on_bad_record,
        annotated=detections is None,
    )


def _read_images(content: Any, path: str) -> tuple[list[str], list[int], list[tuple[int, int]]]:
    names, ids, sizes = [], [], []
    seen: set[int] = set()
    for number, image in enumerate(require(content, "images", path, list)):
        image_id = require_id(image, "id", f"{path}: images[{number}]")
        where = f"{path}: image id {image_id}"
        if image_id in seen:
            raise DataError(f"{where}, field 'id': expected unique ids, found it again in images[{number}]")
        seen.add(image_id)
        names.append(require(image, "file_name", where, str))
        ids.append(image_id)
        sizes.append((image_side(image, "height", where), image_side(image, "width", where)))
    return names, ids, sizes


def _plain(name: Any) -> str:
    return re.sub(r"[\s\-]+", "_", str(name).strip().lower())


def person_categories(content: Any, path: str, skeleton: Skeleton, annotated: bool = True) -> frozenset[int]:
    """Ids of the categories with this skeleton's keypoints: 'person', in COCO.

    Args:
        content: The json file's.
        path: The file, for messages.
        skeleton: What the keypoints must be.
        annotated: False: where no category states keypoints, as in the image lists of COCO's test sets,
            the one named 'person' will do.

    Raises:
        DataError: If there is none.
    """
    wanted = [_plain(name) for name in skeleton.keypoints]
    others = []
    matching = set()
    people = set()
    for number, category in enumerate(require(content, "categories", path, list)):
        category_id = require(category, "id", f"{path}: categories[{number}]", int)
        if "keypoints" not in category:
            if category.get("name") == "person":
                people.add(category_id)
            continue
        names = require(category, "keypoints", f"{path}: category id {category_id}", list)
        if [_plain(name) for name in names] == wanted:
            matching.add(category_id)
        else:
            others.append((category_id, names))
    if not matching and not annotated and not others:
        matching = people
    if not matching:
        raise DataError(_category_message(path, skeleton, others))
    return frozenset(matching)


def _category_message(path: str, skeleton: Skeleton, others: list[tuple[int, list[Any]]]) -> str:
    wanted = f"the {skeleton.num_keypoints} keypoints of skeleton '{skeleton.name}'"
    if not others:
        return f"{path}, field 'categories': expected one with {wanted}, found none with 'keypoints'"
    category_id, names = others[0]
    where = f"{path}: category id {category_id}, field 'keypoints': expected {wanted}"
    if len(names) != skeleton.num_keypoints:
        return f"{where} {list(skeleton.keypoints)}, found {len(names)}: {names}"
    k = next(
        k for k, (a, b) in enumerate(zip(names, skeleton.keypoints, strict=True)) if _plain(a) != _plain(b)
    )
    return f"{where}, number {k} being '{skeleton.keypoints[k]}', found {names[k]!r}"


def _columns(rows: list[PersonRow], num_keypoints: int) -> dict[str, np.ndarray]:
    """Rows to arrays."""
    points = np.zeros((len(rows), num_keypoints, 3), dtype=np.float32)
    for row, target in zip(rows, points, strict=True):
        if row.keypoints is not None:
            target[:] = np.asarray(row.keypoints, dtype=np.float32).reshape(num_keypoints, 3)
    return {
        "image_index": np.array([row.image_index for row in rows], dtype=np.int32),
        "person_ids": np.array([row.person_id for row in rows], dtype=np.int64),
        "boxes_xyxy": xywh_to_xyxy(np.array([row.box_xywh for row in rows]).reshape(-1, 4)),
        "box_scores": np.array([row.score for row in rows], dtype=np.float32),
        "keypoints": points[..., :2],
        "visible": points[..., 2].astype(np.uint8),
    }


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
    return {name: column[kept] for name, column in (people | {"boxes_xyxy": boxes}).items()}
