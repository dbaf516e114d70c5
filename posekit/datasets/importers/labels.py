"""What an annotation file of any form says, and the checks that all readers share.

Points are (x, y, v): pixels of the picture in the size that the file states, 0-based, an integer being a
pixel's centre; v as COCO has it, 0 not labelled, 1 labelled but hidden, 2 labelled and visible. Boxes are
(x, y, width, height) in the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from posekit.errors import DataError, shown

UNSEEN, HIDDEN, VISIBLE = 0, 1, 2
#: Tools that draw a picture from (0, 0) to (width, height) call the first pixel's centre 0.5.
CORNER = 0.5


@dataclass(frozen=True)
class Category:
    """A kind of object and its K keypoints.

    Attributes:
        keypoints: Their names, as the file has them; they may repeat.
        limbs: Pairs of keypoint numbers, from 0.
        flip_pairs: Pairs that change places in a mirrored picture; None where the file does not say.
        sigmas: K OKS constants, or none.
    """

    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] | None = None
    sigmas: tuple[float, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture: its name in the file, its size (height, width) as stated there, and its part, if any."""

    name: str
    size_hw: tuple[int, int] | None = None
    part: str | None = None


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled object: a row of ``Labels.pictures``, a category's name, float64 (K, 3), what it fills."""

    picture: int
    category: str
    points: np.ndarray
    box_xywh: tuple[float, float, float, float] | None = None
    area: float | None = None


@dataclass(frozen=True)
class Labels:
    """The content of annotation files.

    Attributes:
        form: What they are, in words.
        categories: Those with keypoints, by name.
        pictures: Each once.
        people: Everybody with a category, labelled or not.
        notes: What the user should know of how they were read.
    """

    form: str
    categories: dict[str, Category]
    pictures: list[Picture]
    people: list[Person]
    notes: list[str] = field(default_factory=list)


def number(value: Any, where: str, wanted: str = "a finite number") -> float:
    """A finite number from a number or its text.

    Raises:
        DataError: If it is none.
    """
    try:
        found = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not abs(found) < 1e9:
        raise DataError(f"{where}: expected {wanted}, found {shown(value)}")
    return found


def visibility(value: Any, where: str) -> int:
    """COCO's v.

    Raises:
        DataError: If it is not 0, 1 or 2.
    """
    found = number(value, where, "0 (not labelled), 1 (hidden) or 2 (visible)")
    if found not in (UNSEEN, HIDDEN, VISIBLE):
        raise DataError(
            f"{where}: expected 0 (not labelled), 1 (hidden) or 2 (visible), found {shown(value)}"
        )
    return int(found)


def box_of_corners(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float] | None:
    """The box (x, y, width, height) around points (N, 2); None if it has no area."""
    corners = np.asarray(points, np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = (float(side) for side in high - low)
    return (float(low[0]), float(low[1]), width, height) if width > 0 and height > 0 else None


def points_by_name(named: dict[str, tuple[float, float, int]], keypoints: Iterable[str]) -> np.ndarray:
    """Points (K, 3) in the order of ``keypoints``; zeros for those without a label."""
    return np.array([named.get(name, (0.0, 0.0, UNSEEN)) for name in keypoints], np.float64).reshape(-1, 3)
