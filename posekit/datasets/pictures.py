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

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.io.images import Header, read_header, read_image

SAMPLED = 256  # headers compared at every start: some 10 ms
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
    kinds = {row: relation(_size(stated, row), header) for row, header in headers.items()}
    sound = all(kind == STORED and headers[row].orientation == 1 for row, kind in kinds.items())
    if sound and on_bad_record == "error":
        return Agreement(stated, False, every[:0])
    headers |= _headers(image_dir, names, np.setdiff1d(every, np.array(list(headers), int)))
    kinds = {row: relation(_size(stated, row), header) for row, header in headers.items()}
    evidence = _evidence(kinds, headers, reach_xy, ann_file)
    turn = evidence.turned > evidence.stored
    sizes = stated.copy()
    for row, kind in kinds.items():
        upright = turn if kind == UNKNOWN else kind == STORED and evidence.against_size
        if kind == EXCHANGED or upright or (kind == UNKNOWN and not stated[row].any()):
            sizes[row] = headers[row].turned_hw if upright else headers[row].size_hw
    other = np.array([row for row, kind in kinds.items() if kind == OTHER], int)
    if len(other) and on_bad_record == "error":
        row = int(other[0])
        more = f" (and {len(other) - 1} more of {len(kinds)} pictures)" if len(other) > 1 else ""
        path = Path(image_dir) / names[row]
        raise DataError(_other_size(path, _size(stated, row), headers[row].size_hw, ann_file) + more)
    _say(ann_file, kinds, headers, evidence)
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


def _size(sizes_hw: np.ndarray, row: int) -> Size:
    height, width = sizes_hw[row].tolist()
    return height, width


def _headers(image_dir: str, names: Sequence[str], rows: np.ndarray) -> dict[int, Header]:
    headers = {row: read_header(image_dir, names[row]) for row in rows.tolist()}
    return {row: header for row, header in headers.items() if header is not None}


class _Evidence(NamedTuple):
    """How many pictures tell which way up they were labelled.

    Attributes:
        turned: As EXIF turns them, by their stated size or their labels.
        stored: As stored, by their labels.
        against_size: Turned by their labels, though the stated size is that of the stored rows.
    """

    turned: int
    stored: int
    against_size: int


def _evidence(
    kinds: dict[int, int], headers: dict[int, Header], reach_xy: np.ndarray, ann_file: str
) -> _Evidence:
    """Looks at the pictures that a turn makes another size of; a label tells where it leaves one of them."""
    turned = stored = against_size = stored_by_size = 0
    for row, kind in kinds.items():
        size, other = headers[row].size_hw, headers[row].turned_hw
        if size == other or kind in (EXCHANGED, OTHER):
            continue
        fits, fits_turned = ((reach_xy[row] <= np.array(hw[::-1]) + 1).all() for hw in (size, other))
        by_labels = fits_turned and not fits
        turned += kind == TURNED or by_labels
        against_size += kind == STORED and by_labels
        stored += kind != TURNED and fits and not fits_turned
        stored_by_size += kind == STORED and fits and not fits_turned
    if against_size and stored_by_size:
        raise DataError(
            f"{ann_file}: pictures with an EXIF turn are labelled in two ways: the labels of "
            f"{stored_by_size} fit the stored rows alone, those of {against_size} the turned picture alone, "
            "and the stated sizes are those of the stored rows. Turn the files themselves, drop the entry, "
            "and mend the labels that do not fit then"
        )
    return _Evidence(turned, stored, against_size)


def _say(ann_file: str, kinds: dict[int, int], headers: dict[int, Header], evidence: _Evidence) -> None:
    found = list(kinds.values())
    told = found.count(TURNED)
    silent = {row for row, kind in kinds.items() if headers[row].orientation != 1 and kind != TURNED}
    by_labels = {row for row in silent if kinds[row] == STORED and evidence.against_size}
    by_labels -= {row for row in silent if headers[row].size_hw == headers[row].turned_hw}
    rest = len(silent - by_labels)
    turn = evidence.turned > evidence.stored
    words = [
        (told, "are labelled upright, as their EXIF entry turns them, and are read so"),
        (len(by_labels), "are labelled upright, though their size is stated as stored, and are turned"),
        (found.count(EXCHANGED), "have width and height exchanged in the annotation; their own size holds"),
        (found.count(OTHER), "are of another size than the annotation states, and are left out"),
        (rest * turn, "carry an EXIF turn that their size does not show; they are turned, as others are"),
        (
            rest * (not turn and not evidence.stored),
            "carry an EXIF turn, and neither sizes nor labels say whether they were labelled so; they are "
            "read as stored",
        ),
    ]
    said = "; ".join(f"{number} {what}" for number, what in words if number)
    if said:
        warnings.warn(f"{ann_file}: of {len(kinds)} pictures {said}", stacklevel=4)


def _other_size(path: Path | str, stated_hw: Size, size_hw: Size, ann_file: str) -> str:
    return (
        f"{path}: the picture is {size_hw[1]} x {size_hw[0]} (width x height), {ann_file} states "
        f"{stated_hw[1]} x {stated_hw[0]}; its labels do not fit. Scale them, state the right 'width' and "
        "'height', or put the labelled picture there; on_bad_record='skip' leaves such people out"
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
