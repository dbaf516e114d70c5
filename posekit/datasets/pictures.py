"""Annotated pictures: do their files show what the annotation was made on?

An annotation states each picture's width and height; a file holds a picture, and perhaps an EXIF entry that
says how to turn it. The one policy, for training, testing, detectors and drawings:

====================================  =============================================================
the stated size is ...                the picture is ...
====================================  =============================================================
that of the stored rows               read as stored, as all releases read annotated data
that of the picture turned by EXIF    turned: the labels were made on it upright
that of the stored rows, exchanged    read as stored, and its own size holds
another                               refused, or its people are left out, as ``on_bad_record`` says
not stated                            as the set's other pictures
====================================  =============================================================

Where the size tells nothing of a turn (a square picture, half a turn, no size), or tells that of the stored
rows while the labels leave them, the labels decide: of a set whose labels leave the stored rows and fit the
turned ones, all pictures are turned. What nothing decides is read as stored, and said.

Headers are compared at the start: of some pictures of the file, the same for every reader of it, and of those
whose labels leave the stated size. Where one disagrees, or carries a turn, all are; with
``on_bad_record="skip"`` as well. Every picture that is read is compared again, by its decoded size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.turns import Agreement, other_size, settle
from posekit.errors import DataError
from posekit.io.images import STORED, Header, Size, read_header, read_image, relation

SAMPLED = 256  # headers compared at every start: some 10 ms
# In ``counts``: people that were left out because their picture is of another size than stated.
OTHER_SIZE = "picture_of_other_size"


def label_reach(count: int, image: np.ndarray, far_xy: np.ndarray) -> np.ndarray:
    """How far the labels of each of ``count`` pictures reach to the right and down, float64 (M, 2) pixels.

    Args:
        count: M.
        image: int (n,), the pictures that the labels are on.
        far_xy: (n, 2), each label's greatest x and y.
    """
    reach = np.zeros((count, 2))
    np.maximum.at(reach, image, np.nan_to_num(far_xy, nan=0.0))
    return reach


def compare_pictures(
    image_dir: str,
    names: Sequence[str],
    sizes_hw: np.ndarray,
    reach_xy: np.ndarray,
    ann_file: str,
    on_bad_record: str = "error",
) -> Agreement:
    """Compares the stated sizes of a set with its files, and says once what was found.

    Pictures that cannot be read are somebody else's to report.

    Args:
        image_dir: The folder.
        names: Of the M pictures.
        sizes_hw: int (M, 2), the stated sizes; 0: not stated.
        reach_xy: (M, 2), from :func:`label_reach`.
        ann_file: The file, for messages.
        on_bad_record: "error" or "skip".

    Raises:
        DataError: If a picture is of another size and may not be skipped, or if some labels were made on
            turned pictures and others on stored ones.
    """
    stated = np.array(sizes_hw, dtype=np.int64).reshape(-1, 2)
    every = np.arange(len(names))
    if not len(names) or not Path(image_dir).is_dir():
        return Agreement(stated, False, every[:0])
    # By more than a pixel's rounding; those of unknown size as well.
    suspects = np.flatnonzero((reach_xy > stated[:, ::-1] + 1).any(axis=1) | ~stated.any(axis=1))
    sample = every[np.linspace(0, len(names) - 1, min(SAMPLED, len(names))).astype(int)]
    headers = _headers(image_dir, names, np.union1d(sample, suspects))
    kinds = {row: relation(stated[row], header) for row, header in headers.items()}
    sound = all(kind == STORED and headers[row].orientation == 1 for row, kind in kinds.items())
    if sound and on_bad_record == "error":
        return Agreement(stated, False, every[:0])
    headers |= _headers(image_dir, names, np.setdiff1d(every, np.array(list(headers), int)))
    return settle(image_dir, names, stated, reach_xy, headers, ann_file, on_bad_record)


def _headers(image_dir: str, names: Sequence[str], rows: np.ndarray) -> dict[int, Header]:
    headers = {row: read_header(image_dir, names[row]) for row in rows.tolist()}
    return {row: header for row, header in headers.items() if header is not None}


def read_annotated(
    path: str,
    stated_hw: Size,
    turn_by_exif: bool = False,
    ann_file: str = "the annotation",
    read: Callable[..., np.ndarray] = read_image,
) -> np.ndarray:
    """Reads a picture as its labels mean it.

    Args:
        path: The file.
        stated_hw: Height and width by the annotation; 0: not stated.
        turn_by_exif: What :class:`Agreement` says of the set.
        ann_file: The file, for messages.
        read: What decodes a path; a second argument is "apply" where the EXIF entry turns it.

    Returns:
        What ``read`` gives; the stated size, or that with width and height exchanged.

    Raises:
        DataError: If it cannot be read, or is of another size.
    """
    image = _decode(path, turn_by_exif, read)
    size = image.shape[:2]
    if not all(stated_hw) or size == stated_hw:
        return image
    if size == stated_hw[::-1]:
        other = _decode(path, not turn_by_exif, read)
        # ``read`` may have used the same memory again.
        return other if other.shape[:2] == stated_hw else _decode(path, turn_by_exif, read)
    raise DataError(other_size(path, stated_hw, size, ann_file))


def _decode(path: str, turned: bool, read: Callable[..., np.ndarray]) -> np.ndarray:
    return read(path, "apply") if turned else read(path)


def read_picture(table: Any, image: int, read: Callable[..., np.ndarray] = read_image) -> np.ndarray:
    """Picture number ``image`` of a ``PersonTable``, as :func:`read_annotated` reads it."""
    height, width = table.image_sizes_hw[image].tolist()
    return read_annotated(table.image_path(image), (height, width), table.turn_by_exif, table.ann_file, read)
