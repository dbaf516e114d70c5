"""The categories of a COCO file: which hold the keypoints that are asked for, and which of these are meant.

A file may have several with the same keypoints (AP-10K: one for each species) or with different ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from posekit.errors import ConfigError, DataError, shown
from posekit.io.records import require

ALL = "all"
_NUMBERED = re.compile(r"(k|kp|kpt|keypoint|joint|point|p)?[\s_\-]*\d+", re.IGNORECASE)
Category = str | int | Sequence[str | int] | None


def same_names(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether keypoint names agree, but for case, blanks and hyphens."""
    return [plain_name(name) for name in first] == [plain_name(name) for name in second]


def are_numbers(names: Sequence[str]) -> bool:
    """Whether keypoints are merely numbered ("kp0", "joint 3"), and their names so say nothing."""
    return all(_NUMBERED.fullmatch(name) for name in names)


def plain_name(name: Any) -> str:
    """A keypoint's name without what spellings differ in."""
    return re.sub(r"[\s\-]+", "_", str(name).strip().lower())


def named_categories(categories: Sequence[Mapping[str, Any]], wanted: Category, where: str) -> frozenset[int]:
    """The ids of the categories with these names or ids; None and "all": of every one.

    Raises:
        ConfigError: If there is none such, listing those that there are.
    """
    if wanted is None or wanted == ALL or (isinstance(wanted, (list, tuple)) and ALL in wanted):
        return frozenset(category["id"] for category in categories)
    chosen = set()
    for one in [wanted] if isinstance(wanted, (str, int)) else wanted:
        found = [c["id"] for c in categories if one in (c["id"], str(c["id"]), c.get("name"))]
        if not found:
            known = ", ".join(f"{c['id']} {c.get('name', '')!s:.40}" for c in categories[:20])
            raise ConfigError(f"{where}: no category {one!r} with keypoints; expected one of: {known}")
        chosen.update(found)
    return frozenset(chosen)


def person_categories(
    content: Any,
    path: str,
    keypoints: Sequence[str],
    skeleton: str,
    annotated: bool = True,
    wanted: Category = None,
) -> frozenset[int]:
    """Ids of the categories with these keypoints: 'person', in COCO.

    Args:
        content: The json file's.
        path: The file, for messages.
        keypoints: Names that a category must have, in this order; none: any category will do, those named
            'person' first.
        skeleton: What they are called together, for messages.
        annotated: False: where no category states keypoints, as in the image lists of COCO's test sets,
            the one named 'person' will do.
        wanted: Names or ids of those that are meant; None or "all": all.

    Raises:
        ConfigError: If there is none of that name or id.
        DataError: If none has these keypoints, or a wanted one has others.
    """
    categories = list(require(content, "categories", path, list))
    for number, category in enumerate(categories):
        require(category, "id", f"{path}: categories[{number}]", int)
    named = named_categories(categories, wanted, path)
    people = frozenset(c["id"] for c in categories if c.get("name") == "person") & named
    if not keypoints:
        return people if people and wanted is None else named
    with_keypoints = [
        (c["id"], require(c, "keypoints", f"{path}: category id {c['id']}", list))
        for c in categories
        if c["id"] in named and "keypoints" in c
    ]
    matching = frozenset(i for i, names in with_keypoints if same_names(names, keypoints))
    if not matching and not annotated and not with_keypoints:
        matching = people
    others = [(i, names) for i, names in with_keypoints if i not in matching]
    if not matching or (others and wanted not in (None, ALL)):
        raise DataError(_message(path, keypoints, skeleton, others))
    return matching


def _message(path: str, keypoints: Sequence[str], skeleton: str, others: list[tuple[int, list[Any]]]) -> str:
    wanted = f"the {len(keypoints)} keypoints of skeleton '{skeleton}'"
    if not others:
        return f"{path}, field 'categories': expected one with {wanted}, found none with 'keypoints'"
    category_id, names = others[0]
    where = f"{path}: category id {category_id}, field 'keypoints': expected {wanted}"
    if len(names) != len(keypoints):
        return f"{where} {list(keypoints)}, found {len(names)}: {shown(names)}"
    k = next(
        k for k, (a, b) in enumerate(zip(names, keypoints, strict=True)) if plain_name(a) != plain_name(b)
    )
    return f"{where}, number {k} being '{keypoints[k]}', found {shown(names[k])}"
