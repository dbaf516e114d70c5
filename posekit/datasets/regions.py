"""Regions of pictures in which people are not labelled: crowds, and those without keypoints.

A network that is to find everybody would learn there that people are background. They are what a COCO-form
file has of the table's categories and the table has not: crowd regions, people without a labelled keypoint,
and whoever was left out of the table for another reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import DataError, shown
from posekit.geometry import apply_warp
from posekit.io.files import read_json
from posekit.io.images import cv2
from posekit.io.records import require, require_box, require_id


class Region(NamedTuple):
    """A part of a picture.

    Attributes:
        polygons: float64 (n, 2) each, image pixels, an integer being a pixel's centre.
        runs: COCO's uncompressed run lengths, column by column, 0 first; None: the polygons say it.
        size_hw: Of the picture of the runs.
    """

    polygons: tuple[np.ndarray, ...] = ()
    runs: np.ndarray | None = None
    size_hw: tuple[int, int] = (0, 0)


def unlabelled_regions(table: PersonTable) -> dict[int, list[Region]]:
    """The regions of each picture of a table, by its number; pictures without any are left out.

    Outlines are those of ``segmentation``: polygons, or run lengths as lists; a record without, or with
    compressed run lengths, counts as its box.

    Raises:
        DataError: If the table's file is not of COCO's form, or a record is at fault.
    """
    path = table.ann_file
    content = read_json(path)
    if not isinstance(content, Mapping) or "annotations" not in content:
        raise DataError(
            f"{path}: expected COCO's form, which says where people are not labelled, as MPII's does not; "
            f"found {shown(content)}"
        )
    known, categories = set(table.person_ids.tolist()), set(table.category_ids.tolist())
    number_of = {image_id: number for number, image_id in enumerate(table.image_ids.tolist())}
    found: dict[int, list[Region]] = {}
    for number, record in enumerate(require(content, "annotations", path, list)):
        person = require_id(record, "id", f"{path}: annotations[{number}]")
        where = f"{path}: annotation id {person}"
        if person in known or require(record, "category_id", where, int) not in categories:
            continue
        image = number_of.get(require(record, "image_id", where, int))
        if image is not None:
            size_hw = table.image_sizes_hw[image].tolist()
            found.setdefault(image, []).append(_region(record, size_hw, where))
    return found


def _region(record: Mapping[str, Any], size_hw: list[int], where: str) -> Region:
    outline = record.get("segmentation")
    if isinstance(outline, Mapping) and isinstance(outline.get("counts"), list):
        return _of_runs(outline, size_hw, where)
    if isinstance(outline, list) and outline:
        return Region(tuple(_polygon(points, where) for points in outline))
    x, y, width, height = require_box(record, where)
    return Region((_centred([x, y, x + width, y, x + width, y + height, x, y + height]),))


def _polygon(points: Any, where: str) -> np.ndarray:
    sound = isinstance(points, list) and len(points) >= 6 and len(points) % 2 == 0
    if not sound or not all(isinstance(v, (int, float)) and abs(v) < 1e6 for v in points):
        raise DataError(
            f"{where}, field 'segmentation': expected polygons of x, y, ... of at least three points, found "
            f"{shown(points)}"
        )
    return _centred(points)


def _centred(points: Sequence[float]) -> np.ndarray:
    """COCO's outlines count from the edge of the first pixel; here its centre is 0."""
    return np.asarray(points, np.float64).reshape(-1, 2) - 0.5


def _of_runs(outline: Mapping[str, Any], size_hw: list[int], where: str) -> Region:
    counts = outline["counts"]
    whole = all(isinstance(count, int) and count >= 0 for count in counts)
    # A few bytes may claim a mask that fills the memory: no other size than the picture's.
    if outline.get("size") != size_hw or not whole or sum(counts) != size_hw[0] * size_hw[1]:
        raise DataError(
            f"{where}, field 'segmentation': expected run lengths that add up to a 'size' which is the "
            f"picture's, {size_hw}, found {shown(outline)}"
        )
    return Region((), np.array(counts, np.int64), (size_hw[0], size_hw[1]))


def drawn_regions(regions: Sequence[Region], warp: np.ndarray, input_size_hw: Sequence[int]) -> np.ndarray:
    """Where regions lie in the network's input: uint8 (h, w), 1 there.

    Args:
        regions: Of one picture.
        warp: float64 (2, 3), image -> input pixels.
        input_size_hw: h and w.
    """
    height, width = int(input_size_hw[0]), int(input_size_hw[1])
    drawn = np.zeros((height, width), np.uint8)
    for region in regions:
        for polygon in region.polygons:
            cv2.fillPoly(drawn, [np.round(apply_warp(polygon, warp)).astype(np.int32)], 1)
        if region.runs is not None:
            values = np.arange(len(region.runs)) % 2
            rows, columns = region.size_hw
            mask = np.repeat(values, region.runs).reshape(columns, rows).T.astype(np.uint8)
            placed = cv2.warpAffine(
                np.ascontiguousarray(mask), warp, (width, height), flags=cv2.INTER_NEAREST
            )
            drawn[placed > 0] = 1
    return drawn
