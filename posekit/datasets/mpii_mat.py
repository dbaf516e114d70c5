"""The official MPII annotation, ``mpii_human_pose_v1_u12_1.mat``: a MATLAB struct array with gaps.

``RELEASE.annolist(i)`` holds ``image.name`` and ``annorect(j)``: ``x1, y1, x2, y2`` (the head box),
``scale``, ``objpos.x/.y`` and ``annopoints.point(k)`` with ``x, y, id`` (0-15) and ``is_visible``. Any of
them may be absent or empty, an array of one is a bare struct, and ``is_visible`` is a number, a string or
empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError, shown
from posekit.io.mat import read_mat

NUM_JOINTS = 16


@dataclass
class MPIIPerson:
    """One person as any of the files states it: 1-based, nothing moved yet.

    Attributes:
        image: Image name.
        where: The record, for messages.
        position: The body's rough position (x, y).
        scale: Body height / 200 px.
        joints: (16, 2).
        visible: (16,): 0 not labelled, 1 hidden, 2 visible.
        image_size_hw: (0, 0) where the file does not say.
        row: Its number among the people of its part, in the file's order.
        head_xyxy: The head box; NaN where the file does not say.
    """

    image: str
    where: str
    position: tuple[float, float]
    scale: float
    joints: np.ndarray
    visible: np.ndarray
    image_size_hw: tuple[int, int] = (0, 0)
    row: int = 0
    head_xyxy: np.ndarray = field(default_factory=lambda: np.full(4, np.nan))


class AnnoRect(NamedTuple):
    """An annorect of a test image: what the file states, and its row among :func:`read_official`'s people.

    Everybody with a position in the file has one here: the evaluation counts people by it.
    """

    position: tuple[float, float] | None
    scale: float | None
    row: int | None


def read_official(
    path: str, annotated: bool, on_bad_record: str, counts: Counter[str]
) -> tuple[list[MPIIPerson], int]:
    """The people of the official file in its order.

    Args:
        path: The file.
        annotated: True for the people of training images with labelled joints; False for the people of
            test images, who have a position and a scale alone.
        on_bad_record: "error" or "skip".
        counts: Gets no_position (or no positive scale) and no_keypoints, of people left out, and bad_record.

    Returns:
        The people, and how many rows they are of: faulty people that were skipped keep theirs.

    Raises:
        DataError: If it is another file, or on a faulty record.
    """
    annolist, img_train = _release(path)
    people: list[MPIIPerson] = []
    row = 0
    for number in np.flatnonzero((img_train > 0) == annotated):
        for where, image, person in _people_of(annolist[number], f"{path}: annolist({number + 1})"):
            try:
                read = _read_person(person, image, where, annotated, counts)
            except DataError:
                if on_bad_record == "error":
                    raise
                counts["bad_record"] += 1
                row += 1
                continue
            if read is not None:
                people.append(replace(read, row=row))
                row += 1
    return people, row


def read_test_images(path: str) -> list[tuple[str, list[AnnoRect]]]:
    """All test images of the official file in its order, each with its name and all its annorects.

    Raises:
        DataError: If it is another file.
    """
    annolist, img_train = _release(path)
    images = []
    row = 0
    for number in np.flatnonzero(img_train <= 0):
        entry, where = annolist[number], f"{path}: annolist({number + 1})"
        rects = []
        for where_person, image, person in _people_of(entry, where):
            rect = _test_rect(person, image, where_person, row)
            rects.append(rect)
            row += rect.row is not None
        name = _get(_get(entry, "image"), "name", "")
        if not isinstance(name, str):
            raise DataError(f"{where}, field 'image.name': expected a file name, found {shown(name)}")
        images.append((name, rects))
    return images


def _test_rect(person: Any, image: str, where: str, row: int) -> AnnoRect:
    try:
        has_row = _read_person(person, image, where, False, Counter()) is not None
    except DataError:  # it was skipped on loading, or there would be nothing to submit; it kept its row
        has_row = True
    objpos = _get(person, "objpos")
    position = None if objpos is None else (_raw_number(objpos, "x"), _raw_number(objpos, "y"))
    scale = None if _get(person, "scale") is None else _raw_number(person, "scale")
    return AnnoRect(position, scale, row if has_row else None)


def _raw_number(struct: Any, name: str) -> float:
    """A number that is passed on as it is, NaN where it is none."""
    value = np.asarray(_get(struct, name, np.nan))
    return float(value) if value.size == 1 and value.dtype.kind in "iuf" else float("nan")


def _release(path: str) -> tuple[list[Any], np.ndarray]:
    """``RELEASE.annolist``, and ``RELEASE.img_train`` of the same length."""
    release = read_mat(path, struct_as_record=False, squeeze_me=True).get("RELEASE")
    if release is None or not hasattr(release, "annolist"):
        raise DataError(f"{path}, field 'RELEASE.annolist': expected the official MPII struct, found none")
    annolist = _as_list(release.annolist)
    img_train = np.atleast_1d(_get(release, "img_train", np.zeros(0)))
    if img_train.shape != (len(annolist),) or img_train.dtype.kind not in "iufb":
        raise DataError(
            f"{path}, field 'RELEASE.img_train': expected {len(annolist)} numbers, one an image, found "
            f"{img_train.dtype} of shape {img_train.shape}"
        )
    return annolist, img_train


def _people_of(entry: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    people = _as_list(_get(entry, "annorect"))
    if not people:
        return
    image = _get(_get(entry, "image"), "name")
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}, field 'image.name': expected a file name, found {shown(image)}")
    for number, person in enumerate(people):
        yield f"{where}.annorect({number + 1}) ({image})", image, person


def _read_person(
    person: Any, image: str, where: str, annotated: bool, counts: Counter[str]
) -> MPIIPerson | None:
    points = _as_list(_get(_get(person, "annopoints"), "point"))
    x, y = (_number(_get(person, "objpos"), axis, where, "objpos.") for axis in "xy")
    scale = _number(person, "scale", where)
    if annotated and not points:
        counts["no_keypoints"] += 1
        return None
    # The HRNet release's own reading of the file writes (-1, -1) for no position.
    if x is None or y is None or x == -1 or scale is None or scale <= 0:
        counts["no_position"] += 1
        return None
    joints, visible = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS)
    for point in points if annotated else ():
        _read_point(point, where, joints, visible)
    head = [_number(person, side, where) for side in ("x1", "y1", "x2", "y2")]
    head_xyxy = np.array([np.nan if side is None else side for side in head])
    return MPIIPerson(image, where, (x, y), scale, joints, visible, head_xyxy=head_xyxy)


def _read_point(point: Any, where: str, joints: np.ndarray, visible: np.ndarray) -> None:
    joint = _number(point, "id", where, "annopoints.point.")
    xy = [_number(point, axis, where, "annopoints.point.") for axis in "xy"]
    if joint is None or joint not in range(len(joints)):
        raise DataError(f"{where}, field 'annopoints.point.id': expected 0 to 15, found {joint}")
    if xy[0] is None or xy[1] is None:
        raise DataError(f"{where}, field 'annopoints.point.x' or '.y': expected a number, found none")
    if visible[int(joint)] > 0:
        raise DataError(
            f"{where}, field 'annopoints.point.id': expected each id once, found {int(joint)} twice"
        )
    joints[int(joint)] = xy
    # Head top and upper neck, from an earlier annotation, have no flag: they are taken as visible.
    hidden = str(_get(point, "is_visible", "")).strip() in ("0", "0.0")
    visible[int(joint)] = 1 if hidden else 2


def _get(struct: Any, name: str, default: Any = None) -> Any:
    """A field, or the default where it is absent or an empty array."""
    value = getattr(struct, name, default)
    return default if isinstance(value, np.ndarray) and value.size == 0 else value


def _as_list(value: Any) -> list[Any]:
    """Several structs, one or none as a list."""
    if value is None:
        return []
    return list(value.reshape(-1)) if isinstance(value, np.ndarray) else [value]


def _number(struct: Any, name: str, where: str, prefix: str = "") -> float | None:
    """A finite number, or None where it is absent or empty; ``prefix`` leads to the struct, for messages."""
    value = _get(struct, name)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):  # a text, a struct or several numbers
        number = float("nan")
    if not np.isfinite(number):
        raise DataError(f"{where}, field '{prefix}{name}': expected a finite number, found {shown(value)}")
    return number
