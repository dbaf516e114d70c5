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
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.files import read_mat

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


def read_official(path: str, annotated: bool, on_bad_record: str, counts: Counter[str]) -> list[MPIIPerson]:
    """The people of the official file in its order.

    Args:
        path: The file.
        annotated: True for the people of training images with labelled joints; False for the people of
            test images, who have a position and a scale alone.
        on_bad_record: "error" or "skip".
        counts: Gets no_position (or no positive scale) and no_keypoints, of people left out, and bad_record.

    Raises:
        DataError: If it is another file, or on a faulty record.
    """
    release = read_mat(path, struct_as_record=False, squeeze_me=True).get("RELEASE")
    if release is None or not hasattr(release, "annolist"):
        raise DataError(f"{path}, field 'RELEASE.annolist': expected the official MPII struct, found none")
    annolist = _as_list(release.annolist)
    img_train = np.atleast_1d(_get(release, "img_train", np.zeros(0)))
    if img_train.shape != (len(annolist),):
        raise DataError(
            f"{path}, field 'RELEASE.img_train': expected {len(annolist)} numbers, one an image, found "
            f"shape {img_train.shape}"
        )
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
    return people


def _people_of(entry: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    people = _as_list(_get(entry, "annorect"))
    if not people:
        return
    image = _get(_get(entry, "image"), "name")
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}, field 'image.name': expected a file name, found {image!r:.80}")
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
        raise DataError(f"{where}, field '{prefix}{name}': expected a finite number, found {value!r:.60}")
    return number
