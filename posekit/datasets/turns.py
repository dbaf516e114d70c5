"""Pictures that are not what their annotation says: turned, with sides exchanged, of another size.

The policy is told in :mod:`posekit.datasets.pictures`, which asks for this only where something disagrees.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.io.images import EXCHANGED, OTHER, STORED, TURNED, UNKNOWN, Header, Size, relation


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


def settle(
    image_dir: str,
    names: Sequence[str],
    stated: np.ndarray,
    reach_xy: np.ndarray,
    headers: Mapping[int, Header],
    ann_file: str,
    on_bad_record: str,
) -> Agreement:
    """Finds out how pictures are to be read of which some are not what the annotation says.

    Arguments and errors are those of :func:`~posekit.datasets.pictures.compare_pictures`.

    Args:
        image_dir: The folder.
        names: Of the M pictures.
        stated: int (M, 2), the stated sizes.
        reach_xy: (M, 2).
        headers: Of all pictures that have one.
        ann_file: The file, for messages.
        on_bad_record: "error" or "skip".
    """
    kinds = {row: relation(stated[row], header) for row, header in headers.items()}
    for row, kind in kinds.items():
        own, said = (np.array(hw[::-1]) + 1 for hw in (headers[row].size_hw, stated[row]))
        if kind == EXCHANGED and (reach_xy[row] <= said).all() and (reach_xy[row] > own).any():
            kinds[row] = OTHER  # the labels fit what is stated: the picture lies on its side
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
        raise DataError(other_size(path, stated[row], headers[row].size_hw, ann_file) + more)
    _say(ann_file, kinds, headers, evidence)
    return Agreement(sizes, turn, other)


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
    kinds: dict[int, int], headers: Mapping[int, Header], reach_xy: np.ndarray, ann_file: str
) -> _Evidence:
    """Looks at the pictures that a turn makes another size of; a label tells where it leaves one of them."""
    turned = stored = against_size = stored_by_size = 0
    for row, kind in kinds.items():
        size, other = headers[row].size_hw, headers[row].turned_hw
        if size == other or kind in (EXCHANGED, OTHER):
            continue
        fits, fits_turned = (bool((reach_xy[row] <= np.array(hw[::-1]) + 1).all()) for hw in (size, other))
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


def _say(ann_file: str, kinds: dict[int, int], headers: Mapping[int, Header], evidence: _Evidence) -> None:
    found = list(kinds.values())
    told = found.count(TURNED)
    silent = {row for row, kind in kinds.items() if headers[row].orientation != 1 and kind != TURNED}
    # Of these the stated size is that of the stored rows alone.
    stored = {r for r in silent if kinds[r] == STORED and headers[r].size_hw != headers[r].turned_hw}
    turn = evidence.turned > evidence.stored
    by_labels = stored if evidence.against_size else set()
    by_size = stored - by_labels if turn else set()
    rest = len(silent - by_labels - by_size)
    words = [
        (told, "are labelled upright, as their EXIF entry turns them, and are read so"),
        (len(by_labels), "are labelled upright, though their size is stated as stored, and are turned"),
        (
            len(by_size),
            "carry an EXIF turn, but their size is stated as stored, and they are read so; if they were "
            "labelled upright, state the size of the turned picture",
        ),
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


def other_size(path: Path | str, stated_hw: Sequence[int] | np.ndarray, size_hw: Size, ann_file: str) -> str:
    """The message about a picture whose labels were made on one of another size."""
    return (
        f"{path}: the picture is {size_hw[1]} x {size_hw[0]} (width x height), {ann_file} states "
        f"{stated_hw[1]} x {stated_hw[0]}; its labels do not fit. Scale them, state the right 'width' and "
        "'height', or put the labelled picture there; on_bad_record='skip' leaves such people out"
    )
