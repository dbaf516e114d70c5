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
not stated                            read as stored, unless the set's other pictures are turned
====================================  =============================================================

Some turns leave no trace in the size (a square picture, half a turn): they go by the set's other pictures.

Headers are compared at the start: of some pictures, and of those whose labels leave the stated size. Where
one disagrees, all are. Every picture that is read is compared again, by its decoded size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.io.images import Header, read_header, read_image

SAMPLED = 64  # headers compared at every start: some 10 ms
# In ``counts``: people that were left out because their picture is of another size than stated.
OTHER_SIZE = "picture_of_other_size"
STORED, TURNED, EXCHANGED, OTHER, UNKNOWN = range(5)

Size = tuple[int, int]


class Agreement(NamedTuple):
    """How a set's pictures agree with its annotation.

    Attributes:
        sizes_hw: int (M, 2), the size that each picture has when it is read; 0 where unknown.
        turn_by_exif: Whether pictures of which the size does not tell are to be turned.
        other_size: int (n,), the pictures that are of another size.
    """

    sizes_hw: np.ndarray
    turn_by_exif: bool
    other_size: np.ndarray


def compare_pictures(
    image_dir: str,
    names: Sequence[str],
    sizes_hw: np.ndarray,
    used: np.ndarray,
    suspects: np.ndarray,
    ann_file: str,
    on_bad_record: str = "error",
) -> Agreement:
    """Compares the stated sizes of a set with its files, and says once what was found.

    Pictures that cannot be read are somebody else's to report.

    Args:
        image_dir: The folder.
        names: Of the M pictures.
        sizes_hw: int (M, 2), the stated sizes; 0: not stated.
        used: int, the pictures with people.
        suspects: int, those to compare in any case.
        ann_file: The file, for messages.
        on_bad_record: "error" or "skip".

    Raises:
        DataError: If a picture is of another size and may not be skipped.
    """
    sizes = np.array(sizes_hw).reshape(-1, 2)
    silent = Agreement(sizes, False, np.zeros(0, int))
    if not len(used) or not Path(image_dir).is_dir():
        return silent
    sample = used[np.linspace(0, len(used) - 1, min(SAMPLED, len(used))).astype(int)]
    chosen = np.unique(np.concatenate([sample, suspects]).astype(int))
    headers = _headers(image_dir, names, chosen)
    found = {row: relation(tuple(sizes[row]), header) for row, header in headers.items()}
    if all(kind == STORED and not _is_ambiguous(headers[row]) for row, kind in found.items()):
        return silent
    headers |= _headers(image_dir, names, np.setdiff1d(used, chosen))
    found = {row: relation(tuple(sizes[row]), header) for row, header in headers.items()}
    turn = _set_is_turned(found, headers, sizes)
    for row, kind in found.items():
        if kind == EXCHANGED or (kind == UNKNOWN and not sizes[row].any()):
            sizes[row] = headers[row].turned_hw if turn and kind == UNKNOWN else headers[row].size_hw
    other = np.array([row for row, kind in found.items() if kind == OTHER], int)
    if len(other) and on_bad_record == "error":
        row = int(other[0])
        more = f" (and {len(other) - 1} more of {len(found)} pictures)" if len(other) > 1 else ""
        raise DataError(
            _other_size(Path(image_dir) / names[row], tuple(sizes_hw[row]), headers[row].size_hw, ann_file)
            + more
        )
    _say(ann_file, found, headers, turn)
    return Agreement(sizes, turn, other)


def relation(stated_hw: Size, header: Header) -> int:
    """How a stated size relates to a file: one of the constants above."""
    stored, turned = header.size_hw, header.turned_hw
    if not all(stated_hw):
        return UNKNOWN
    if stated_hw == stored:
        return STORED
    if stated_hw == turned:
        return TURNED
    return EXCHANGED if stated_hw == stored[::-1] else OTHER


def _is_ambiguous(header: Header) -> bool:
    """Whether a turn leaves the size as it is."""
    return header.orientation != 1 and header.size_hw == header.turned_hw


def _headers(image_dir: str, names: Sequence[str], rows: np.ndarray) -> dict[int, Header]:
    headers = {row: read_header(image_dir, names[row]) for row in rows.tolist()}
    return {row: header for row, header in headers.items() if header is not None}


def _set_is_turned(found: dict[int, int], headers: dict[int, Header], sizes: np.ndarray) -> bool:
    """Whether the pictures whose size tells are labelled as EXIF turns them."""
    told = [
        kind
        for row, kind in found.items()
        if headers[row].size_hw != headers[row].turned_hw and kind in (STORED, TURNED)
    ]
    return told.count(TURNED) > told.count(STORED)


def _say(ann_file: str, found: dict[int, int], headers: dict[int, Header], turn: bool) -> None:
    kinds = list(found.values())
    silent = sum(_is_ambiguous(headers[row]) for row in found)
    told = [
        (kinds.count(TURNED), "are labelled upright, as their EXIF entry turns them, and are read so"),
        (kinds.count(EXCHANGED), "have width and height exchanged in the annotation; their own size holds"),
        (kinds.count(OTHER), "are of another size than the annotation states; their people are left out"),
        (
            silent,
            "carry an EXIF turn that their size does not show; they are "
            + ("turned, as the set's others are" if turn else "read as stored"),
        ),
    ]
    said = "; ".join(f"{number} {what}" for number, what in told if number)
    if said:
        warnings.warn(f"{ann_file}: of {len(found)} pictures {said}", stacklevel=4)


def _other_size(path: Path | str, stated_hw: Size, size_hw: Size, ann_file: str) -> str:
    return (
        f"{path}: the picture is {size_hw[1]} x {size_hw[0]} (width x height), {ann_file} states "
        f"{stated_hw[1]} x {stated_hw[0]}; its labels do not fit. Scale them, state the right 'width' and "
        "'height', or put the labelled picture there; on_bad_record='skip' and on_bad_image='skip' leave "
        "such people out"
    )


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
    raise DataError(_other_size(path, stated_hw, size, ann_file))


def _decode(path: str, turned: bool, read: Callable[..., np.ndarray]) -> np.ndarray:
    return read(path, "apply") if turned else read(path)


def read_picture(table: Any, image: int, read: Callable[..., np.ndarray] = read_image) -> np.ndarray:
    """Picture number ``image`` of a ``PersonTable``, as :func:`read_annotated` reads it."""
    height, width = table.image_sizes_hw[image].tolist()
    return read_annotated(table.image_path(image), (height, width), table.turn_by_exif, table.ann_file, read)
