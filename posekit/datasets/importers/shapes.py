"""Loose shapes of one picture - named points and boxes - put together to people, for LabelMe and CVAT.

Shapes with the same group number are one person. Without a number, all are one person if the picture has at
most one box without a number; if it has several, a point belongs to the only box that it lies in. A box's
label says what the person is, a point's which keypoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from posekit.datasets.importers.labels import Category, Person, points_by_name
from posekit.errors import DataError
from posekit.io.categories import plain_name

UNNAMED = "object"
_ADVICE = "give the shapes of one person the same group number"


class NamedPoint(NamedTuple):
    """A keypoint: its name, group number or None, (x, y), v."""

    label: str
    group: str | None
    xy: tuple[float, float]
    v: int


class NamedBox(NamedTuple):
    """A person's box (x, y, width, height): what it is of, and its group number or None."""

    label: str
    group: str | None
    box_xywh: tuple[float, float, float, float]


class Group(NamedTuple):
    """A person in the making: a row of the pictures, a category, points by name, a box."""

    picture: int
    category: str
    named: dict[str, tuple[float, float, int]]
    box_xywh: tuple[float, float, float, float] | None


def groups_of_picture(
    points: Sequence[NamedPoint], boxes: Sequence[NamedBox], picture: int, where: str
) -> list[Group]:
    """The people that the shapes of a picture make.

    Raises:
        DataError: If a person has two points of a name or two boxes, or it is open whose a point is.
    """
    own: dict[str | int, NamedBox] = {}
    alone = [box for box in boxes if box.group is None]
    for box in boxes:
        key = box.group if box.group is not None else alone.index(box)
        if key in own:
            found = f"'{own[key].label:.40}' and '{box.label:.40}'"
            raise DataError(f"{where}: group {key!s:.40}: expected one box, found {found}; {_ADVICE}")
        own[key] = box
    members: dict[str | int, list[NamedPoint]] = {key: [] for key in own}
    for point in points:
        key = point.group if point.group is not None else _box_around(point, alone, where)
        members.setdefault(key, []).append(point)
    return [
        Group(
            picture,
            own[key].label if key in own else UNNAMED,
            _by_name(found, f"{where}: group {key:.40}" if isinstance(key, str) else where),
            own[key].box_xywh if key in own else None,
        )
        for key, found in members.items()
    ]


def _box_around(point: NamedPoint, boxes: Sequence[NamedBox], where: str) -> int:
    """The number of the box without a group that a point without a group belongs to."""
    if len(boxes) < 2:
        return 0
    x, y = point.xy
    around = [
        k for k, (_, _, (left, top, w, h)) in enumerate(boxes) if 0 <= x - left <= w and 0 <= y - top <= h
    ]
    if len(around) != 1:
        raise DataError(
            f"{where}: point '{point.label:.40}' at {x:g}, {y:g} without a group: expected it in one of the "
            f"{len(boxes)} boxes without a group, found it in {len(around)}; {_ADVICE}"
        )
    return around[0]


def _by_name(points: Iterable[NamedPoint], where: str) -> dict[str, tuple[float, float, int]]:
    named: dict[str, tuple[float, float, int]] = {}
    for point in points:
        if point.label in named:
            raise DataError(
                f"{where}: expected one point '{point.label:.40}' of a person, found two; {_ADVICE}"
            )
        named[point.label] = (*point.xy, point.v)
    return named


def settled(groups: Sequence[Group]) -> list[Group]:
    """Where one category alone has boxes, people without a box are of it too."""
    known = {group.category for group in groups if group.named} - {UNNAMED}
    if len(known) != 1:
        return list(groups)
    (category,) = known
    return [group._replace(category=category) if group.category == UNNAMED else group for group in groups]


def one_spelling(groups: Sequence[Group]) -> tuple[list[Group], list[str]]:
    """Names that differ by case, blanks or hyphens alone are one keypoint, unless somebody has two of them.

    Returns:
        The groups, with the commonest spelling (of equals the first); and a note for each other spelling.
    """
    count = Counter(name for group in groups for name in group.named)
    spellings: dict[str, list[str]] = {}
    for name in count:
        spellings.setdefault(plain_name(name), []).append(name)
    chosen: dict[str, str] = {}
    notes: list[str] = []
    for names in spellings.values():
        together = any(len(group.named.keys() & set(names)) > 1 for group in groups)
        best = max(names, key=lambda name: count[name])
        chosen |= {name: name if together else best for name in names}
        others = [name for name in names if chosen[name] != name]
        notes += [f"keypoint '{name:.40}' ({count[name]}) is taken for '{best:.40}'" for name in others]
    renamed = [
        group._replace(named={chosen[name]: point for name, point in group.named.items()}) for group in groups
    ]
    return renamed, notes


def categories_of(groups: Sequence[Group]) -> dict[str, Category]:
    """The categories that people are of; keypoints in the order in which they are first met."""
    names: dict[str, dict[str, None]] = {}
    for group in groups:
        names.setdefault(group.category, {}).update(dict.fromkeys(group.named))
    return {category: Category(tuple(found)) for category, found in names.items() if found}


def people_of(groups: Sequence[Group], categories: dict[str, Category]) -> list[Person]:
    """The people of groups, but for those of a category without keypoints."""
    return [
        Person(
            group.picture,
            group.category,
            points_by_name(group.named, categories[group.category].keypoints),
            group.box_xywh,
        )
        for group in groups
        if group.category in categories
    ]
