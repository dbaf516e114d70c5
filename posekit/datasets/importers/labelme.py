"""LabelMe: a json beside each picture, with points, and rectangles or polygons around people.

LabelMe draws the picture from (0, 0) to (width, height), so that its 0.5 is the centre of the first pixel,
posekit's 0: half a pixel is taken off. A point whose flag ``occluded`` or ``hidden`` is set is labelled but
hidden. Other shapes than points, rectangles and polygons are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posekit.datasets.importers.labels import (
    CORNER,
    HIDDEN,
    VISIBLE,
    Labels,
    Picture,
    box_of_corners,
    number,
)
from posekit.datasets.importers.shapes import (
    Group,
    NamedBox,
    NamedPoint,
    categories_of,
    groups_of_picture,
    one_spelling,
    people_of,
    settled,
)
from posekit.errors import DataError, shown
from posekit.io.files import read_object
from posekit.io.records import image_side, record_list, require

FORM = "LabelMe"
_OUTLINES = ("rectangle", "polygon")
_HIDDEN_FLAGS = ("occluded", "hidden")


def read_labelme(paths: Sequence[Path]) -> Labels:
    """The labels in LabelMe's files.

    Raises:
        DataError: On anything malformed, naming file, shape and field.
    """
    pictures: list[Picture] = []
    groups: list[Group] = []
    other: Counter[str] = Counter()
    for path in sorted(paths):
        content = read_object(path)
        pictures.append(_picture(content, path))
        points, boxes = _shapes(content, str(path), other)
        groups += groups_of_picture(points, boxes, len(pictures) - 1, str(path))
    groups, notes = one_spelling(settled(groups))
    categories = categories_of(groups)
    if not categories:
        raise DataError(
            f"{paths[0]}: expected shapes of type 'point' in {len(paths)} LabelMe files, found none"
        )
    notes += [f"{count} shapes of type '{kind}' are left out" for kind, count in other.items()]
    return Labels(FORM, categories, pictures, people_of(groups, categories), notes)


def _picture(content: Mapping[str, Any], path: Path) -> Picture:
    height, width = (image_side(content, key, str(path)) for key in ("imageHeight", "imageWidth"))
    name = require(content, "imagePath", str(path), str)
    return Picture(name, (height, width) if height and width else None)


def _shapes(
    content: Mapping[str, Any], path: str, other: Counter[str]
) -> tuple[list[NamedPoint], list[NamedBox]]:
    points, boxes = [], []
    for place, shape in enumerate(record_list(content, "shapes", path)):
        where = f"{path}: shapes[{place}]"
        label = str(require(shape, "label", where, (str, int)))
        kind = shape.get("shape_type", "polygon")
        group = None if shape.get("group_id") is None else str(shape["group_id"])
        if kind != "point" and kind not in _OUTLINES:
            other[str(kind)] += 1
            continue
        corners = _corners(shape, where)
        if kind == "point":
            if len(corners) != 1:
                raise DataError(f"{where}, field 'points': expected one x, y, found {len(corners)}")
            points.append(NamedPoint(label, group, corners[0], _visible(shape, where)))
        elif box := box_of_corners(corners):
            boxes.append(NamedBox(label, group, box))
    return points, boxes


def _corners(shape: Mapping[str, Any], where: str) -> list[tuple[float, float]]:
    where, found = f"{where}, field 'points'", require(shape, "points", where, list)
    if not found or not all(isinstance(point, list) and len(point) == 2 for point in found):
        raise DataError(f"{where}: expected a list of x, y, found {shown(found)}")
    return [(number(x, where) - CORNER, number(y, where) - CORNER) for x, y in found]


def _visible(shape: Mapping[str, Any], where: str) -> int:
    flags = shape.get("flags") or {}
    if not isinstance(flags, Mapping):
        raise DataError(f"{where}, field 'flags': expected an object, found {shown(flags)}")
    return HIDDEN if any(flags.get(name) for name in _HIDDEN_FLAGS) else VISIBLE
