"""A COCO-form json, as its user wrote it -> facts; nothing but a file that is no such json is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.doctor.facts import Facts
from posekit.errors import DataError
from posekit.geometry import keypoint_box_xywh
from posekit.io.images import within_folder
from posekit.io.records import record_list
from posekit.structures import Skeleton

_FIELDS = ("images", "annotations")


def facts_of_coco(
    content: Any, file: str, image_dir: str | None = None, skeleton: Skeleton | None = None
) -> list[Facts]:
    """The people of a COCO-form file: one entry for each list of keypoint names that its categories have.

    Args:
        content: The file's content.
        file: Its name.
        image_dir: The folder of the images.
        skeleton: Of whose keypoints the people must be; None: of any.

    Raises:
        DataError: If it has no lists of images and annotations, or no category has such keypoints.
    """
    images, records = (record_list(content, name, file) for name in _FIELDS)
    kinds = _kinds(content, records, file, skeleton)
    rows: dict[Any, int] = {}
    for row, image in enumerate(images):
        rows.setdefault(_plain(image.get("id")), row)
    common = (
        file,
        image_dir,
        np.array([_integer(image.get("id")) for image in images], dtype=np.int64),
        [within_folder(str(image.get("file_name", "")), image_dir or "") for image in images],
        np.array([[_side(image, "height"), _side(image, "width")] for image in images]).reshape(-1, 2),
        any("crowdIndex" in image for image in images[:1]),
    )
    pairs = None if skeleton is None else skeleton.flip_pairs
    return [_facts(records, names, ids, rows, common, pairs) for names, ids in kinds.items()]


def _kinds(
    content: Any, records: Sequence[Mapping[str, Any]], file: str, skeleton: Skeleton | None
) -> dict[tuple[str, ...], set[Any] | None]:
    """Keypoint names -> the categories that have them; None: all categories."""
    kinds: dict[tuple[str, ...], set[Any] | None] = {}
    categories = content.get("categories")
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, Mapping) else None
        if isinstance(names, list) and names:
            ids = kinds.setdefault(tuple(map(str, names)), set())
            assert ids is not None
            ids.add(_plain(category.get("id")))
    if skeleton is not None:
        wanted = [_bare(name) for name in skeleton.keypoints]
        same = [ids for names, ids in kinds.items() if [_bare(name) for name in names] == wanted]
        if not same:
            found = [list(names) for names in kinds]
            raise DataError(
                f"{file}, field 'categories': expected one with the keypoints {list(skeleton.keypoints)} of "
                f"skeleton '{skeleton.name}', found {found or 'none with keypoints'}"
            )
        return {skeleton.keypoints: set().union(*(ids or () for ids in same))}
    if kinds:
        return kinds
    lengths = [len(r["keypoints"]) for r in records if isinstance(r.get("keypoints"), list)]
    if not lengths:
        raise DataError(f"{file}: expected annotations with 'keypoints', found none")
    return {tuple(str(k) for k in range(max(1, int(np.median(lengths)) // 3))): None}


def _facts(
    records: Sequence[Mapping[str, Any]],
    names: tuple[str, ...],
    categories: set[Any] | None,
    rows: Mapping[Any, int],
    common: tuple[Any, ...],
    pairs: tuple[tuple[str, str], ...] | None,
) -> Facts:
    file, image_dir, image_ids, image_names, sizes, crowded = common
    chosen = [
        number
        for number, record in enumerate(records)
        if (categories is None or _plain(record.get("category_id")) in categories)
        and not record.get("iscrowd")
    ]
    people = [_with_box(records[number]) for number in chosen]
    unreadable: dict[int, str] = {}
    points = _numbers(people, chosen, "keypoints", 3 * len(names), unreadable).reshape(-1, len(names), 3)
    boxes = _numbers(people, chosen, "bbox", 4, unreadable)
    flags = points[..., 2]
    odd = (np.isfinite(flags) & ~np.isin(flags, (0, 1, 2))).any(axis=1)
    unreadable.update({chosen[row]: "a flag v that is not 0, 1 or 2" for row in np.flatnonzero(odd)})
    ids = np.array([_integer(p.get("id")) for p in people], dtype=np.int64)
    for row in np.flatnonzero(ids < 0):
        kind = "'id' that is no whole number" if "id" in people[row] else "no 'id'"
        unreadable.setdefault(chosen[row], kind)
    image = np.array([rows.get(_plain(p.get("image_id")), -1) for p in people], dtype=np.int64)
    astray = np.flatnonzero(image < 0)
    texts = {str(known) for known in rows} if len(astray) else set()
    for row in astray:
        stated = _plain(people[row].get("image_id"))
        own, other = ("text", "a number") if isinstance(stated, str) else ("a number", "text")
        same = stated is not None and str(stated) in texts
        what = f"that is {own} where the image's 'id' is {other}" if same else "of no image"
        unreadable[chosen[row]] = f"an 'image_id' {what}"
    return Facts(
        file=file,
        names=names,
        image_dir=image_dir,
        image_ids=image_ids,
        image_names=image_names,
        sizes_hw=sizes,
        image=image,
        ids=ids,
        boxes=boxes,
        keypoints=points[..., :2],
        visible=np.nan_to_num(flags, nan=0, posinf=0, neginf=0).astype(np.int64),
        areas=_areas(people, boxes, crowded),
        stated=np.array([_number(p.get("num_keypoints")) for p in people], dtype=np.float64),
        record=np.array(chosen, dtype=np.int64),
        categories=np.array([_integer(p.get("category_id")) for p in people], dtype=np.int64),
        unreadable=unreadable,
        boxless=frozenset(number for number in chosen if "bbox" not in records[number]),
        left_out=_left_out(records, categories),
        named=categories is not None,
        pairs=pairs,
        raw=True,
    )


def _with_box(person: Mapping[str, Any]) -> Mapping[str, Any]:
    """The person; where it has no box and its keypoints can be read, with that which the loader makes."""
    keypoints = person.get("keypoints")
    if "bbox" in person or not isinstance(keypoints, list) or len(keypoints) % 3:
        return person
    sound = np.isfinite([_number(value) for value in keypoints]).all()
    box = keypoint_box_xywh(keypoints, (0, 0)) if sound else None
    return {**person, "bbox": box} if box else person


def _left_out(records: Sequence[Mapping[str, Any]], categories: set[Any] | None) -> dict[str, int]:
    """Why annotations are not of the people -> how many."""
    other = [c is not None and _plain(r.get("category_id")) not in c for r in records for c in (categories,)]
    crowds = sum(bool(r.get("iscrowd")) and not of_other for r, of_other in zip(records, other, strict=True))
    counts = {"of a category without these keypoints": sum(other), "a crowd ('iscrowd')": crowds}
    return {reason: number for reason, number in counts.items() if number}


def _numbers(
    people: Sequence[Mapping[str, Any]],
    chosen: Sequence[int],
    field: str,
    width: int,
    unreadable: dict[int, str],
) -> np.ndarray:
    """A field of lists as float64 (N, width); NaN where a record has no such list, which is noted."""
    try:
        array = np.array([person[field] for person in people])
        if array.shape == (len(people), width) and array.dtype.kind in "iuf" and np.isfinite(array).all():
            return array.astype(np.float64)
    except (KeyError, ValueError, OverflowError):
        pass
    rows = [_row(person.get(field), width) for person in people]
    for number, row, person in zip(chosen, rows, people, strict=True):
        if np.isnan(row).any():
            odd = f"no '{field}'" if field not in person else _what_is_odd(field, person[field], width)
            unreadable.setdefault(number, odd)
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _what_is_odd(field: str, value: Any, width: int) -> str:
    if not isinstance(value, list):
        return f"'{field}' that is no list of {width} numbers"
    if len(value) != width:
        return f"'{field}' with {len(value)} values where {width} numbers are expected"
    if any(isinstance(one, str) for one in value):
        return f"'{field}' with text where {width} numbers are expected"
    return f"'{field}' with something that is no finite number"


def _row(value: Any, width: int) -> list[float]:
    if not isinstance(value, list) or len(value) != width:
        return [np.nan] * width
    return [_number(v) for v in value]


def _number(value: Any) -> float:
    """A finite number within what a picture can have; else NaN."""
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if sound else float("nan")


def _integer(value: Any) -> int:
    sound = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62
    return value if sound else -1


def _side(image: Mapping[str, Any], key: str) -> float:
    value = _number(image.get(key))
    return value if value > 0 else float("nan")


def _plain(value: Any) -> Any:
    """An id that a dict can hold."""
    return value if isinstance(value, (int, str)) else None


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", str(name).strip().lower())


def _areas(people: Sequence[Mapping[str, Any]], boxes: np.ndarray, crowded: bool) -> np.ndarray:
    """The stated areas; CrowdPose states none, by its protocol 0.53 of the box."""
    if crowded:
        return np.asarray(0.53 * boxes[:, 2] * boxes[:, 3])
    return np.array([_number(person.get("area")) for person in people], dtype=np.float64)
