"""Faces from text: csv, 300-W's .pts files and WFLW's lists -> ``PersonTable``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.faces.table import FILE, POINTS, Mirror, face_skeleton, face_table
from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError, shown
from posekit.io.face_csv import number_column, read_face_csv
from posekit.io.files import read_bytes, under
from posekit.registry import DATASETS
from posekit.skeletons import IBUG68, WFLW98
from posekit.structures import Skeleton

AnySkeleton = Skeleton | str | Mapping[str, Any]
WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "make_up", "occlusion", "blur")
_IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg")


@DATASETS.register_module()
def load_face_csv(
    ann_file: str,
    image_dir: str,
    skeleton: AnySkeleton,
    data_root: str = "",
    on_bad_record: str = "error",
    box: str = POINTS,
    extra: Sequence[str] | Mapping[str, float] = (),
    mirror: Mirror | None = None,
) -> PersonTable:
    """Reads a csv ``image,x0,y0,...`` of faces (:mod:`posekit.io.face_csv`).

    Args:
        ann_file: The csv.
        image_dir: Folder of the images.
        skeleton: Of the points, in the csv's order.
        data_root: Put in front of both.
        on_bad_record: "error" stops at the first faulty face; "skip" leaves them out and counts them.
        box: "points": the tight box of the labelled points; "image": the whole picture, where that is a crop
            of the face already.
        extra: Further columns that become columns of the table: names, with a number in every row; or name ->
            what stands for an empty cell or a missing column (-1).
        mirror: What a mirrored image makes of such a column: name -> value -> value; other values stay.

    Returns:
        The table; a face's id is its row, from 1.

    Raises:
        ConfigError: If the skeleton has another number of points, a column is not there, or ``extra`` or
            ``mirror`` is of another form.
        DataError: On a faulty file, naming line and column.
    """
    if isinstance(extra, str):  # whose letters would be taken for names
        raise ConfigError(
            f"load_face_csv: 'extra' must be a list of names, or name -> number, found {extra!r}; write "
            f"{[extra]!r}"
        )
    rows = read_face_csv(under(data_root, ann_file))
    named = extra if isinstance(extra, Mapping) else dict.fromkeys(extra)
    return face_table(
        face_skeleton(skeleton, rows.points.shape[1], rows.file),
        under(data_root, image_dir),
        rows.images,
        np.nan_to_num(rows.points),
        2 * rows.labelled,
        rows.file,
        box,
        columns={name: number_column(rows, name, missing) for name, missing in named.items()},
        mirror=mirror,
        on_bad_record=on_bad_record,
    )


# --- 300-W -----------------------------------------------------------------------------------------------


@DATASETS.register_module()
def load_300w(
    folders: Sequence[str] | Mapping[str, int],
    data_root: str = "",
    skeleton: AnySkeleton = IBUG68,
    on_bad_record: str = "error",
    first_pixel: int = 1,
) -> PersonTable:
    """Reads folders of pictures, each with a .pts file of its name beside it, as 300-W is published.

    The usual protocol trains on ``["afw", "helen/trainset", "lfpw/trainset"]`` and tests on the full set,
    ``{"helen/testset": 0, "lfpw/testset": 0, "ibug": 1}``; with ``NMEMetric(groups=["subset"])`` subset 0 is
    the common, subset 1 the challenging one.

    Args:
        folders: The folders; or folder -> the number that its faces have in the column ``subset``. Of a list
            it is the folder's place, from 0.
        data_root: Put in front of each.
        skeleton: Of the points.
        on_bad_record: "error" or "skip", as of :func:`load_face_csv`.
        first_pixel: What the files count pixels from: they were made in MATLAB.

    Raises:
        DataError: If a folder has no .pts file, one is faulty or without its picture, or has other points.
    """
    numbered = folders if isinstance(folders, Mapping) else {name: i for i, name in enumerate(folders)}
    images: list[str] = []
    points, subsets = [], []
    for folder, subset in numbered.items():
        for path in _pts_files(Path(under(data_root, folder))):
            images.append(f"{folder}/{_picture_of(path)}")
            points.append(read_pts(path) - first_pixel)
            subsets.append(subset)
            if len(points[-1]) != len(points[0]):
                raise DataError(
                    f"{path}: expected {len(points[0])} points as before, found {len(points[-1])}"
                )
    faces = np.array(points).reshape(len(points), -1, 2)
    ann_file = data_root or ", ".join(numbered)
    return face_table(
        face_skeleton(skeleton, faces.shape[1], ann_file),
        data_root or ".",
        images,
        faces,
        np.full(faces.shape[:2], 2),
        ann_file,
        columns={"subset": np.array(subsets, np.int64)},
        on_bad_record=on_bad_record,
    )


def _pts_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.pts")) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder}: expected a folder with .pts files, as 300-W has them, found none")
    return found


def _picture_of(path: Path) -> str:
    """The name of the picture beside a .pts file."""
    for suffix in _IMAGE_SUFFIXES:
        if path.with_suffix(suffix).is_file():
            return path.with_suffix(suffix).name
    raise DataError(f"{path}: there is no picture {path.stem}{_IMAGE_SUFFIXES[0]} or so beside it")


def read_pts(path: str | os.PathLike[str]) -> np.ndarray:
    """The points of a .pts file as it states them, float64 (K, 2).

    Raises:
        DataError: If it is no such file, or states another number of points than it has.
    """
    text = read_bytes(path).decode("utf-8", "replace")
    head, opened, rest = text.partition("{")
    body, closed, _ = rest.partition("}")
    stated = [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith("n_points")]
    try:
        points = np.array([line.split() for line in body.splitlines() if line.strip()], np.float64)
    except ValueError as error:
        raise DataError(f"{path}: expected two numbers in each line within the braces: {error}") from error
    if not opened or not closed or points.ndim != 2 or points.shape[1] != 2 or stated != [str(len(points))]:
        raise DataError(
            f"{path}: expected 'n_points: K' and K lines of two numbers within braces, found n_points "
            f"{shown(stated)} and numbers of shape {points.shape}"
        )
    if not np.isfinite(points).all():
        raise DataError(f"{path}: expected finite numbers, found {points[~np.isfinite(points)][0]}")
    return points


# --- WFLW ------------------------------------------------------------------------------------------------


@DATASETS.register_module()
def load_wflw(
    ann_file: str,
    image_dir: str,
    data_root: str = "",
    skeleton: AnySkeleton = WFLW98,
    on_bad_record: str = "error",
    box: str = FILE,
) -> PersonTable:
    """Reads WFLW's ``list_98pt_rect_attr_train.txt`` or ``..._test.txt``.

    A line holds 98 points, a box (x1, y1, x2, y2), six attributes of 0 or 1 and the image's name. The
    attributes become columns: pose, expression, illumination, make_up, occlusion, blur; the test's subsets
    are their faces of 1.

    Args:
        ann_file: The list.
        image_dir: ``WFLW_images``.
        data_root: Put in front of both.
        skeleton: Of the points.
        on_bad_record: "error" or "skip", as of :func:`load_face_csv`.
        box: "file", or "points": the points' tight box, which several releases train on.

    Raises:
        DataError: On a line of another form.
    """
    path = under(data_root, ann_file)
    rows, images = _wflw_lines(path)
    attributes = rows[:, 200:206]
    wrong = ~np.isin(attributes, (0, 1)).all(axis=1)
    if wrong.any():
        line = int(np.argmax(wrong))
        raise DataError(
            f"{path}, line {line + 1}: expected six attributes of 0 or 1, found {attributes[line]}"
        )
    return face_table(
        face_skeleton(skeleton, 98, path),
        under(data_root, image_dir),
        images,
        rows[:, :196].reshape(-1, 98, 2),
        np.full((len(rows), 98), 2),
        path,
        box,
        rows[:, 196:200],
        dict(zip(WFLW_ATTRIBUTES, attributes.T.astype(np.int64), strict=True)),
        on_bad_record=on_bad_record,
    )


def _wflw_lines(path: str) -> tuple[np.ndarray, list[str]]:
    """Numbers (N, 206) and names."""
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    found = [line.split(maxsplit=206) for line in lines if line.strip()]
    for number, words in enumerate(found, 1):
        if len(words) != 207:
            raise DataError(
                f"{path}, line {number}: expected 196 coordinates, 4 numbers of a box, 6 attributes and a "
                f"name, found {len(words)} words"
            )
    try:
        numbers = np.array([words[:206] for words in found], np.float64).reshape(-1, 206)
    except ValueError as error:
        raise DataError(f"{path}: expected 206 numbers before each image's name: {error}") from error
    return numbers, [words[206].strip() for words in found]
