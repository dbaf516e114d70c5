"""The tables of large COCO files: read in pieces, and kept for the next start."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import numpy as np

from posekit.datasets.coco_pieces import cut_annotations
from posekit.datasets.coco_records import MATCHED
from posekit.datasets.file_cache import FileCache
from posekit.datasets.pictures import compare_pictures
from posekit.datasets.table import EXTRA, PersonTable
from posekit.datasets.turns import Agreement
from posekit.io.files import read_bytes
from posekit.io.images import check_image_name


def load_kept(reading: Any) -> PersonTable:
    """The table that a ``CocoReading`` asks for, from an earlier start if there was one.

    Pictures are compared at every start; if they agree otherwise than they did then, the file is read again.
    """
    files = [reading.path, *([reading.results] if reading.boxes == MATCHED else [])]
    skeleton = reading.skeleton
    # Absolute names are looked for in the image folder, which may be another where the process is another.
    image_dir = reading.image_dir and os.path.abspath(reading.image_dir)  # noqa: PTH100 (as within_folder)
    settings = [image_dir, skeleton.name, skeleton.keypoints, reading.on_bad_record]
    cache = FileCache(files, [*settings, list(reading.extra.items()), *reading[5:]])
    kept = cache.load(lambda arrays: _kept(arrays, reading))
    agreement = None
    if kept is not None:
        table, names, stated_hw, reach_xy = kept
        agreement = compare_pictures(
            reading.image_dir, names, stated_hw, reach_xy, reading.path, reading.on_bad_record
        )
        if _agrees(table, agreement):
            return table
    file = _read(reading)
    table, reach_xy = file.table(agreement)
    said = [list(table.counts.items()), table.box_source, table.turn_by_exif]
    said += [table.reading[name] for name in ("annotated", "images_left_out")]
    cache.store({
        **table.arrays(),
        "said": np.frombuffer(json.dumps(said).encode("ascii"), np.uint8),
        "stated_hw": np.array(file.images[2], np.int64).reshape(-1, 2),
        "reach_xy": reach_xy,
    })  # fmt: skip
    return table


def _read(reading: Any) -> Any:
    # Whatever is wrong, or odd, the file as a whole says it.
    with contextlib.suppress(Exception):
        return reading.of(*cut_annotations(read_bytes(reading.path)))
    return reading.read()


def _kept(arrays: dict[str, Any], reading: Any) -> tuple[PersonTable, list[str], np.ndarray, np.ndarray]:
    """The table of an entry, its pictures' names and stated sizes, and how far their labels reach."""
    counts, source, turn, annotated, left_out = json.loads(arrays.pop("said").tobytes())
    stated_hw, reach_xy = arrays.pop("stated_hw"), arrays.pop("reach_xy")
    names = _names(arrays["image_names"], reading.path)
    extra = {name.removeprefix(EXTRA): arrays.pop(name) for name in list(arrays) if name.startswith(EXTRA)}
    stated = {"area": reading.area, "category": reading.category, "annotated": annotated}
    stated |= {"images_left_out": tuple(left_out), "on_bad_record": reading.on_bad_record}
    table = PersonTable(
        skeleton=reading.skeleton,
        image_dir=reading.image_dir,
        **arrays,
        extra=extra,
        ann_file=reading.path,
        box_source=source,
        counts=dict(counts),
        turn_by_exif=turn,
        reading=stated,
    )
    return table, names, stated_hw, reach_xy


def _names(encoded: np.ndarray, path: str) -> list[str]:
    """Image names; raises DataError or ValueError if one leads out of the image folder: anybody may write."""
    names = [name.decode("utf-8") for name in encoded.tolist()]
    first = encoded.view(np.uint8).reshape(len(names), -1)[:, 0]
    text = encoded.tobytes()
    if np.isin(first, [0, ord("/")]).any() or any(mark in text for mark in (b"..", b"\\", b":")):
        for name in names:
            check_image_name(name, path)
    return names


def _agrees(table: PersonTable, agreement: Agreement) -> bool:
    left_out = table.image_ids[agreement.other_size].tolist()
    return (
        table.turn_by_exif == agreement.turn_by_exif
        and table.reading["images_left_out"] == tuple(left_out)
        and np.array_equal(table.image_sizes_hw, agreement.sizes_hw)
    )
