"""Faces from MATLAB files: COFW and AFLW-Full -> ``PersonTable``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.faces.table import FILE, face_skeleton, face_table
from posekit.datasets.faces.text_files import AnySkeleton
from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError
from posekit.io.files import atomic_file, under
from posekit.io.images import cv2
from posekit.io.mat import read_mat
from posekit.registry import DATASETS
from posekit.skeletons import AFLW19, COFW29

# Points, boxes and images in COFW's training and in its test file.
_COFW = (("phisTr", "bboxesTr", "IsTr"), ("phisT", "bboxesT", "IsT"))
AFLW_TRAIN = 20000
AFLW_PARTS = ("train", "test", "all")


# --- COFW ------------------------------------------------------------------------------------------------


@DATASETS.register_module()
def load_cofw(
    ann_file: str,
    image_dir: str,
    data_root: str = "",
    skeleton: AnySkeleton = COFW29,
    on_bad_record: str = "error",
    box: str = FILE,
    first_pixel: int = 1,
) -> PersonTable:
    """Reads COFW's training or test file; occluded points are labelled and hidden (visible 1).

    Its pictures are within the file: :func:`unpack_cofw` writes them into ``image_dir`` once.

    Args:
        ann_file: ``COFW_train.mat`` or ``COFW_test.mat``, version 5 to 7. Those with colours are of version
            7.3: save them anew by MATLAB or Octave, ``save('-v7', ...)``.
        image_dir: Where the pictures were unpacked to.
        data_root: Put in front of both.
        skeleton: Of the points.
        on_bad_record: "error" or "skip", as of :func:`~posekit.datasets.faces.text_files.load_face_csv`.
        box: "file", or "points": the points' tight box.
        first_pixel: What the file counts pixels from.

    Returns:
        The table, with the share of occluded points as the column ``occluded``.

    Raises:
        DataError: On a faulty file, or one of version 7.3.
    """
    path = under(data_root, ann_file)
    variables = read_mat(path)
    shapes, boxes, _ = _cofw_names(variables, path)
    numbers = _array(variables, shapes, path, 87)
    xywh = _array(variables, boxes, path, 4)
    if len(xywh) != len(numbers):
        raise DataError(f"{path}: '{boxes}' has {len(xywh)} faces, '{shapes}' {len(numbers)}")
    occluded = numbers[:, 58:] > 0.5
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) - first_pixel
    return face_table(
        face_skeleton(skeleton, 29, path),
        under(data_root, image_dir),
        [_cofw_image(row) for row in range(len(numbers))],
        np.stack([numbers[:, :29], numbers[:, 29:58]], axis=2) - first_pixel,
        np.where(occluded, 1, 2),
        path,
        box,
        xyxy,
        {"occluded": occluded.mean(axis=1)},
        on_bad_record=on_bad_record,
    )


def unpack_cofw(ann_file: str, image_dir: str) -> int:
    """Writes the pictures within COFW's file as ``000001.png`` and so on; returns how many.

    Raises:
        DataError: On a faulty file, or a picture that is none.
    """
    variables = read_mat(ann_file)
    *_, name = _cofw_names(variables, ann_file)
    pictures = np.asarray(variables[name], object).ravel()
    Path(image_dir).mkdir(parents=True, exist_ok=True)
    for row, picture in enumerate(pictures):
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            raise DataError(f"{ann_file}: '{name}', picture {row + 1}: expected bytes (H, W) or (H, W, 3)")
        ordered = picture if picture.ndim == 2 else picture[..., ::-1]  # OpenCV has blue first
        with atomic_file(Path(image_dir) / _cofw_image(row)) as file:
            file.write(cv2.imencode(".png", np.ascontiguousarray(ordered))[1].tobytes())
    return len(pictures)


def _cofw_image(row: int) -> str:
    return f"{row + 1:06d}.png"


def _cofw_names(variables: Mapping[str, Any], path: str) -> tuple[str, str, str]:
    for names in _COFW:
        if all(name in variables for name in names):
            return names
    raise DataError(
        f"{path}: expected the variables {list(_COFW[0])} or {list(_COFW[1])}, found {sorted(variables)}"
    )


# --- AFLW ------------------------------------------------------------------------------------------------


@DATASETS.register_module()
def load_aflw(
    ann_file: str,
    image_dir: str,
    part: str = "train",
    data_root: str = "",
    skeleton: AnySkeleton = AFLW19,
    on_bad_record: str = "error",
    box: str = FILE,
    first_pixel: int = 0,
) -> PersonTable:
    """Reads AFLW-Full's ``AFLWinfo_release.mat``: 24,386 faces with 19 points, all labelled.

    Points that the file's mask leaves out are hidden (visible 1); NME counts them. Faces of which it leaves
    none out are the frontal subset, with 1 in the column ``frontal``. AFLW's NME is that of the box:
    ``NMEMetric(norm="box_sqrt_wh", groups=["frontal"])``.

    Args:
        ann_file: The file.
        image_dir: AFLW's folder ``data/flickr``.
        part: "train": the first 20,000 faces of the file's order ``ra``; "test": the others; "all".
        data_root: Put in front of both paths.
        skeleton: Of the points.
        on_bad_record: "error" or "skip", as of :func:`~posekit.datasets.faces.text_files.load_face_csv`.
        box: "file", or "points": the points' tight box.
        first_pixel: What the file counts pixels from; it does not say.

    Raises:
        ConfigError: On another part.
        DataError: On a faulty file.
    """
    if part not in AFLW_PARTS:
        raise ConfigError(f"load_aflw: 'part' must be one of {list(AFLW_PARTS)}, found {part!r}")
    path = under(data_root, ann_file)
    variables = read_mat(path)
    numbers, edges = _array(variables, "data", path, 38), _array(variables, "bbox", path, 4)
    mask = _array(variables, "mask_new", path, 19) > 0.5
    order = _array(variables, "ra", path, None).astype(np.int64).ravel() - 1
    images = [str(np.ravel(cell)[0]) for cell in np.asarray(variables.get("nameList", ()), object).ravel()]
    lengths = {"bbox": len(edges), "mask_new": len(mask), "nameList": len(images), "ra": order.size}
    for name, length in lengths.items():
        if length != len(numbers):
            raise DataError(f"{path}: '{name}' has {length} faces, 'data' {len(numbers)}")
    if not np.array_equal(np.sort(order), np.arange(len(order))):
        raise DataError(f"{path}: 'ra': expected an order of the faces from 1 to {len(order)}")
    table = face_table(
        face_skeleton(skeleton, 19, path),
        under(data_root, image_dir),
        images,
        np.stack([numbers[:, :19], numbers[:, 19:]], axis=2) - first_pixel,
        np.where(mask, 2, 1),
        path,
        box,
        edges[:, [0, 2, 1, 3]] - first_pixel,  # left, right, top, bottom
        {"frontal": np.asarray(mask.all(axis=1), np.int64)},
        on_bad_record=on_bad_record,
    )
    chosen = {"train": order[:AFLW_TRAIN], "test": order[AFLW_TRAIN:], "all": order}[part]
    return table.select(np.isin(table.person_ids - 1, chosen))


def _array(variables: Mapping[str, Any], name: str, path: str, width: int | None) -> np.ndarray:
    """A variable as float64 (N, width), any width for None."""
    found = np.asarray(variables.get(name))
    if found.ndim != 2 or found.dtype.kind not in "iufb" or width not in (None, found.shape[1]):
        wanted = f"N x {width} numbers" if width else "numbers"
        raise DataError(f"{path}: '{name}': expected {wanted}, found {found.dtype} of shape {found.shape}")
    return found.astype(np.float64)
