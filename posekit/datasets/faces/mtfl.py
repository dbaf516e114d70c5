"""MTFL: 5 points and 4 attributes of faces.

Zhang et al., "Facial landmark detection by deep multi-task learning", ECCV 2014.

==========  ==================================================================  =================
column      values                                                              mirrored
==========  ==================================================================  =================
gender      1 male, 2 female                                                    stays
smile       1 smiling, 2 not                                                    stays
glasses     1 with, 2 without                                                   stays
pose        1 left profile, 2 left, 3 frontal, 4 right, 5 right profile         1 <-> 5, 2 <-> 4
==========  ==================================================================  =================

Left is the picture's here: a nose that points to the picture's left is pose 1 or 2. -1 is not known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posekit.datasets.faces.table import POINTS, face_skeleton, face_table
from posekit.datasets.faces.text_files import AnySkeleton
from posekit.datasets.table import PersonTable
from posekit.errors import DataError
from posekit.io.face_csv import number_column, read_face_csv
from posekit.io.files import read_bytes, under
from posekit.registry import DATASETS
from posekit.skeletons import MTFL5

UNKNOWN = -1
VALUES = {"gender": (1, 2), "smile": (1, 2), "glasses": (1, 2), "pose": (1, 2, 3, 4, 5)}
MIRROR = {"pose": {1: 5, 2: 4, 4: 2, 5: 1}}


@DATASETS.register_module()
def load_mtfl(
    ann_file: str,
    image_dir: str,
    data_root: str = "",
    skeleton: AnySkeleton = MTFL5,
    on_bad_record: str = "error",
    box: str = POINTS,
) -> PersonTable:
    """Reads MTFL's ``training.txt`` or ``testing.txt``, or a csv of the same.

    Args:
        ann_file: A list as published: image, x1..x5, y1..y5, gender, smile, glasses, pose; its points are
            taken as they stand. Or a csv ``image,x0,y0,...,x4,y4,gender,smile,glasses,pose``, of which empty
            cells are not known.
        image_dir: Folder of the images.
        data_root: Put in front of both.
        skeleton: Of the points.
        on_bad_record: "error" or "skip", as of :func:`~posekit.datasets.faces.text_files.load_face_csv`.
        box: "points", or "image", where pictures are crops of faces already.

    Raises:
        DataError: On a faulty line, or an attribute of another value.
    """
    path = under(data_root, ann_file)
    read = _csv if Path(path).suffix.lower() == ".csv" else _list
    images, points, labelled, columns = read(path)
    for name, known in VALUES.items():
        wrong = ~np.isin(columns[name], (UNKNOWN, *known))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{path}, face {row + 1} ({images[row]}), '{name}': expected one of {list(known)}, or "
                f"{UNKNOWN}: not known, found {columns[name][row]:g}"
            )
    return face_table(
        face_skeleton(skeleton, 5, path),
        under(data_root, image_dir),
        images,
        np.nan_to_num(points),
        2 * labelled,
        path,
        box,
        columns={name: column.astype(np.int64) for name, column in columns.items()},
        mirror=MIRROR,
        on_bad_record=on_bad_record,
    )


def _csv(path: str) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rows = read_face_csv(path)
    columns = {name: number_column(rows, name, UNKNOWN) for name in VALUES}
    face_skeleton(MTFL5, rows.points.shape[1], path)
    return rows.images, rows.points, rows.labelled, columns


def _list(path: str) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    found = [line.split() for line in lines if line.strip()]
    wrong = next((i for i, words in enumerate(found) if len(words) != 15), None)
    if wrong is not None:
        raise DataError(
            f"{path}, face {wrong + 1}: expected an image, ten coordinates and four attributes, found "
            f"{len(found[wrong])} words"
        )
    try:
        numbers = np.array([words[1:] for words in found], np.float64).reshape(-1, 14)
    except ValueError as error:
        raise DataError(f"{path}: expected numbers behind each image's name: {error}") from error
    points = np.stack([numbers[:, :5], numbers[:, 5:10]], axis=2)
    columns = {name: numbers[:, 10 + i] for i, name in enumerate(VALUES)}
    return [words[0].replace("\\", "/") for words in found], points, np.ones(points.shape[:2], bool), columns
