"""COCO-form json: one's own, Label Studio's "COCO with keypoints", CVAT's and Roboflow's exports.

Coordinates are taken as they stand (0-based, pixel centres). Ids may be numbers or texts; boxes, areas and
``num_keypoints`` may be missing; file names may be absolute or carry backslashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.datasets.importers.labels import Category, Labels, Person, Picture, number, visibility
from posekit.errors import DataError, shown
from posekit.io.records import image_side, record_list, require

FORM = "COCO-form json"


def read_coco_labels(content: Any, path: str) -> Labels:
    """The labels of a COCO-form file.

    Args:
        content: The json's.
        path: The file, for messages.

    Raises:
        DataError: On anything malformed, naming record and field.
    """
    with_points = [c for c in record_list(content, "categories", path) if c.get("keypoints")]
    named = {str(c.get("id")): c for c in with_points}
    if not named:
        raise DataError(
            f"{path}, field 'categories': expected one with 'keypoints' (a list of names), found none; is it "
            "a keypoint file? Export it as COCO *keypoints*, or add the names"
        )
    names = [_name(category) for category in with_points]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}, field 'categories': expected different names, found '{repeated:.40}' twice")
    stated = [str(c.get("id")) for c in content["categories"]]
    twice = next((key for key in named if stated.count(key) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, field 'categories': expected unique ids, found {twice:.40} twice")
    categories, notes = {}, []
    for key, category in named.items():
        where = f"{path}: category id {key}"
        categories[_name(category)] = _category(category, where)
        if _limbs(category.get("skeleton") or [], len(category["keypoints"])) is None:  # CrowdPose has COCO's
            notes.append(f"{where}: its 'skeleton' does not fit its keypoints, and is left out")
    pictures, rows = _pictures(content, path)
    people, crowds, unknown = [], 0, 0
    for place, record in enumerate(record_list(content, "annotations", path)):
        where = f"{path}: annotation id {record['id']}" if "id" in record else f"{path}: annotations[{place}]"
        key = str(require(record, "category_id", where, (int, str)))
        if key not in named:  # a bag, a car
            unknown += key not in stated
            continue
        own, crowd = named[key], record.get("iscrowd", 0)
        if crowd not in (0, 1, None):
            raise DataError(f"{where}, field 'iscrowd': expected 0 or 1, found {shown(crowd)}")
        if crowd:
            crowds += 1
            continue
        name = _name(own)
        people.append(_person(record, rows, name, len(categories[name].keypoints), where))
    notes += [f"{crowds} crowd regions are left out"] if crowds else []
    if unknown:
        words = f"{unknown} annotations are of a 'category_id' that 'categories' does not have"
        if not people:
            raise DataError(f"{path}: {words}, and none is of one with keypoints; compare the two fields")
        notes.append(f"{words}, and are left out")
    return Labels(FORM, categories, pictures, people, notes)


def _name(category: Mapping[str, Any]) -> str:
    return str(category.get("name") or f"category_{category.get('id')}")


def _category(category: Mapping[str, Any], where: str) -> Category:
    names = tuple(str(name) for name in require(category, "keypoints", where, list))
    sigmas = category.get("sigmas") or ()
    if sigmas and (not isinstance(sigmas, list) or len(sigmas) != len(names)):
        raise DataError(f"{where}, field 'sigmas': expected {len(names)} numbers, found {shown(sigmas)}")
    return Category(
        names,
        _limbs(category.get("skeleton") or [], len(names)) or (),
        sigmas=tuple(number(sigma, f"{where}, field 'sigmas'") for sigma in sigmas),
    )


def _limbs(limbs: Any, count: int) -> tuple[tuple[int, int], ...] | None:
    """COCO counts keypoints from 1; a list with a 0 in it counts from 0. None: it means other keypoints."""
    pairs = limbs if isinstance(limbs, list) else [limbs]
    if not all(isinstance(p, list) and len(p) == 2 and all(type(k) is int for k in p) for p in pairs):
        return None
    first = 0 if any(0 in pair for pair in pairs) else 1
    found = tuple((a - first, b - first) for a, b in pairs)
    return found if all(0 <= k < count for pair in found for k in pair) else None


def _pictures(content: Any, path: str) -> tuple[list[Picture], dict[str, int]]:
    pictures, rows = [], {}
    for place, image in enumerate(record_list(content, "images", path)):
        key = str(require(image, "id", f"{path}: images[{place}]", (int, str)))
        where = f"{path}: image id {key}"
        if key in rows:
            raise DataError(f"{where}, field 'id': expected unique ids, found it again in images[{place}]")
        rows[key] = place
        height, width = (image_side(image, side, where) for side in ("height", "width"))
        name = require(image, "file_name", where, str)
        pictures.append(Picture(name, (height, width) if height and width else None))
    return pictures, rows


def _person(
    record: Mapping[str, Any], rows: Mapping[str, int], category: str, count: int, where: str
) -> Person:
    image = str(require(record, "image_id", where, (int, str)))
    if image not in rows:
        raise DataError(
            f"{where}, field 'image_id': expected the id of one of the {len(rows)} images, "
            f"found {shown(record['image_id'])}"
        )
    area = record.get("area")
    return Person(
        rows[image],
        category,
        _points(record, count, where),
        _box(record.get("bbox"), f"{where}, field 'bbox'"),
        None if area is None else number(area, f"{where}, field 'area'"),
    )


def _points(record: Mapping[str, Any], count: int, where: str) -> np.ndarray:
    where = f"{where}, field 'keypoints'"
    values = record.get("keypoints") or [0] * 3 * count  # an object that nobody has labelled yet
    if not isinstance(values, list) or len(values) != 3 * count:
        found = len(values) if isinstance(values, list) else shown(values)
        raise DataError(
            f"{where}: expected {3 * count} numbers ({count} keypoints of x, y, v), found {found}"
        )
    points = np.zeros((count, 3))
    for k in range(count):
        x, y, v = values[3 * k : 3 * k + 3]
        if visibility(v, f"{where}, keypoint {k + 1}"):  # what is not labelled may stand anywhere
            points[k] = *(number(value, f"{where}, keypoint {k + 1}") for value in (x, y)), v
    return points


def _box(box: Any, where: str) -> tuple[float, float, float, float] | None:
    """A box; None where there is none, or none with an area."""
    if not box:
        return None
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{where}: expected x, y, width and height, found {shown(box)}")
    x, y, width, height = (number(value, where) for value in box)
    return (x, y, width, height) if width > 0 and height > 0 else None
