"""Data sets of identities: ``labels.csv`` and a folder of pictures -> ``PersonTable``.

Every row is a person with the extra column ``identity``, the class number 0..C-1 of its identity, which is
what losses take; class numbers follow the identities' names in sorted order. Five points, where the file has
them, are the keypoints (:data:`~posekit.recognition.alignment.FIVE_POINTS`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.split import PARTS
from posekit.datasets.table import PersonTable, build_table
from posekit.errors import ConfigError, DataError, is_whole
from posekit.geometry import apply_warp, invert_warp
from posekit.io.files import under
from posekit.io.stored_sizes import image_size_hw
from posekit.recognition.alignment import FIVE_POINTS, similarity_warp, template
from posekit.recognition.files import identities_of, numbers_of, read_table
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

COORDINATES = tuple(f"{axis}{number}" for number in range(5) for axis in "xy")


@DATASETS.register_module()
def load_identities(
    ann_file: str,
    image_dir: str,
    data_root: str = "",
    skeleton: Skeleton | str | Mapping[str, Any] = FIVE_POINTS,
    part: str | None = None,
    num_test: int = 0,
    num_val: int = 0,
) -> PersonTable:
    """Reads a data set of identities, or a part of them.

    The parts share no identity: the identities are ordered by the SHA-1 of their names; the first
    ``num_test`` are "test", the next ``num_val`` "val", the rest "train".

    Args:
        ann_file: A csv with a column ``image`` and, unless the pictures are only to be embedded,
            ``identity``, any text; with the skeleton of five points also ``x0,y0 .. x4,y4``.
        image_dir: Folder of the pictures.
        data_root: Put in front of both.
        skeleton: :data:`~posekit.recognition.alignment.FIVE_POINTS`, or "none" for pictures of anything.
        part: "train", "val" or "test"; None: all.
        num_test: Identities in the test part.
        num_val: Identities in the validation part.

    Returns:
        The table; image and person ids are the file's rows, from 0, and stay so in a part. Boxes are what the
        aligned picture of 112 x 112 shows, upright; without points they are the whole picture. ``reading``
        states the number of ``identities``.

    Raises:
        ConfigError: On another skeleton, an unknown part or one without identities.
        DataError: On a missing file, column or picture, a picture that comes twice, an empty identity, or
            points that are no numbers or coincide.
    """
    skeleton = get_skeleton(skeleton)
    pointed = skeleton.keypoints == FIVE_POINTS.keypoints
    if not pointed and skeleton.keypoints:
        raise ConfigError(
            f"load_identities: expected the skeleton of five points or 'none', found '{skeleton.name}'"
        )
    path, folder = under(data_root, ann_file), under(data_root, image_dir)
    table = read_table(path, ("image", *(COORDINATES if pointed else ()), *(("identity",) if part else ())))
    names = table["image"]
    if len(set(names)) != len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: field 'image': expected every picture once, found {again!r} again")
    identities = identities_of(table, path) if "identity" in table else []
    rows = _rows_of_part(identities, len(names), part, num_test, num_val, path)
    people: dict[str, Any] = {"image_index": np.arange(len(rows)), "person_ids": rows}
    chosen = [names[row] for row in rows]
    if pointed:
        points = np.stack([numbers_of(table, name, path) for name in COORDINATES], axis=1)[rows]
        people["keypoints"] = points.reshape(-1, 5, 2)
        people["visible"] = np.full((len(rows), 5), 2)
        people["boxes_xyxy"] = _boxes(people["keypoints"], chosen, path)
        sizes = np.zeros((len(rows), 2), np.int64)
    else:
        people |= {"keypoints": np.zeros((len(rows), 0, 2)), "visible": np.zeros((len(rows), 0))}
        sizes = np.array([image_size_hw(Path(folder) / name) for name in chosen]).reshape(-1, 2)
        people["boxes_xyxy"] = np.hstack([np.zeros_like(sizes), sizes[:, ::-1]])
    reading: dict[str, Any] = {}
    if "identity" in table:
        known, identity = np.unique(np.array(identities)[rows], return_inverse=True)
        people["extra.identity"] = identity
        reading["identities"] = len(known)
    return build_table(
        skeleton, folder, (chosen, rows, sizes), people, path, annotated=False, reading=reading
    )


def _rows_of_part(
    identities: list[str], count: int, part: str | None, num_test: int, num_val: int, path: str
) -> np.ndarray:
    """The rows of a part, ascending."""
    if part is None:
        return np.arange(count)
    if part not in PARTS:
        raise ConfigError(f"load_identities: 'part' must be one of {PARTS}, found {part!r}")
    for name, number in (("num_test", num_test), ("num_val", num_val)):
        if not is_whole(number, 0):
            raise ConfigError(
                f"load_identities: '{name}' must be a whole number of at least 0, found {number!r}"
            )
    order = sorted(set(identities), key=lambda name: hashlib.sha1(name.encode()).hexdigest())
    if num_test + num_val > len(order):
        raise ConfigError(
            f"load_identities: num_test + num_val = {num_test} + {num_val} does not fit the {len(order)} "
            f"identities of {path}"
        )
    first, last = {
        "test": (0, num_test),
        "val": (num_test, num_test + num_val),
        "train": (num_test + num_val, len(order)),
    }[part]
    chosen = set(order[first:last])
    if not chosen:
        raise ConfigError(f"load_identities: part '{part}' of {path} has no identity; state num_{part}")
    return np.array([row for row, name in enumerate(identities) if name in chosen], np.int64)


def _boxes(points: np.ndarray, names: list[str], path: str) -> np.ndarray:
    """What an aligned picture shows, upright: its centre and, each way, its side in the photo."""
    warp = similarity_warp(points, template())
    bad = np.flatnonzero(~np.isfinite(warp).all(axis=(1, 2)))
    if len(bad):
        raise DataError(
            f"{path}: {names[bad[0]]}: expected five points apart from each other, found them in one place "
            f"({len(bad)} pictures)"
        )
    half = 56 / np.hypot(warp[:, 0, 0], warp[:, 1, 0])[:, None]
    centre = apply_warp(np.array([[55.5, 55.5]]), invert_warp(warp))[:, 0]
    return np.hstack([centre - half, centre + half])
