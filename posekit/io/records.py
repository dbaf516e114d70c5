"""Fields of JSON records, checked: one by one, or a whole column of a list of records as an array.

Every fault is a :class:`~posekit.errors.DataError` that names the file, the record, the field, what was
expected and what was found. A column is checked as a whole; its records are looked at one by one only once a
fault is known. Loaders, which may skip faulty records, read field by field (:func:`require`); metrics, which
may not, read columns (:func:`numbers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown

Records = Sequence[Mapping[str, Any]]


def require(
    container: Any, key: str, where: str, kind: type | tuple[type, ...] = object, remedy: str = ""
) -> Any:
    """``container[key]``, or a DataError naming the field, the kind expected, what was found and a remedy."""
    if not isinstance(container, Mapping):
        raise DataError(f"{where}: expected an object with '{key}', found {type(container).__name__}")
    if key not in container:
        raise DataError(
            f"{where}, field '{key}': expected it to be there; found only {shown(sorted(container))}{remedy}"
        )
    value = container[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(k.__name__ for k in kinds)
        raise DataError(
            f"{where}, field '{key}': expected {names}, found {type(value).__name__} {shown(value)}"
        )
    return value


def require_box(record: Any, where: str) -> list[float]:
    """The ``bbox`` of a record, four numbers x, y, width, height; arguments and errors as :func:`require`."""
    box: list[float] = require(record, "bbox", where, list)
    if len(box) != 4 or not all(type(v) in (int, float) and abs(v) < 1e9 for v in box):
        raise DataError(f"{where}, field 'bbox': expected x, y, width, height, found {shown(box)}")
    return box


def require_id(container: Any, key: str, where: str) -> int:
    """An integer field that fits int64, which tables keep ids in.

    Raises:
        DataError: As :func:`require`; also on an integer beyond it.
    """
    value: int = require(container, key, where, int)
    if not -(2**63) <= value < 2**63:
        raise DataError(f"{where}, field '{key}': expected an integer of 64 bits, found {shown(value)}")
    return value


def image_side(image: Mapping[str, Any], key: str, where: str) -> int:
    """A side of an image in pixels; 0 where the file is silent.

    Raises:
        DataError: If it is not a number from 0 on.
    """
    side = image.get(key, 0)
    # A comparison with NaN is False, so NaN is refused here as well.
    if isinstance(side, bool) or not isinstance(side, (int, float)) or not 0 <= side < 2**31:
        raise DataError(f"{where}, field '{key}': expected a positive number, found {shown(side)}")
    return int(side)


def record_list(parent: Any, key: str | None, file: str | Path) -> Records:
    """The list of objects ``parent[key]``, or ``parent`` itself if ``key`` is None.

    Raises:
        DataError: If it is missing, not a list, or holds something other than objects.
    """
    name = "the file" if key is None else f"'{key}'"
    if key is not None:
        if not isinstance(parent, Mapping):
            raise DataError(f"{file}: expected an object with {name}, found {describe(parent)}")
        if key not in parent:
            raise DataError(f"{file}: key {name} is missing; found {shown(sorted(map(str, parent)))}")
        parent = parent[key]
    if not isinstance(parent, list):
        raise DataError(f"{file}: expected {name} to be a list of objects, found {describe(parent)}")
    for i, record in enumerate(parent):
        if not isinstance(record, Mapping):
            raise DataError(f"{file}: {key or 'record'}[{i}]: expected an object, found {describe(record)}")
    return parent


def numbers(
    records: Records, field: str, where: str, width: int | None = None, remedy: str = ""
) -> np.ndarray:
    """One numeric field of all records.

    Args:
        records: N objects.
        field: The key.
        where: File and list, for messages, e.g. ``"gt.json: annotations"``.
        width: Length of the field's list; None: the field is one number.
        remedy: Ends the message where the field is missing.

    Returns:
        float64 (N,) or (N, width), finite.

    Raises:
        DataError: If a record lacks the field or it is not as many finite numbers.
    """
    expected = "a finite number" if width is None else f"a list of {width} finite numbers"
    empty = np.zeros((0,) if width is None else (0, width))
    return _column(records, field, where, "iuf", empty, expected, remedy)


def integers(records: Records, field: str, where: str) -> np.ndarray:
    """One integer field of all records, int64 (N,).

    Raises:
        DataError: If a record lacks the field or it is not an integer.
    """
    return _column(records, field, where, "iu", np.zeros(0, np.int64), "an integer")


def unique(ids: np.ndarray, field: str, where: str, remedy: str = "") -> None:
    """Raises DataError naming the first id that occurs twice."""
    values, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1][np.argmin(first[counts > 1])]
        rows = np.flatnonzero(ids == repeated)[:2].tolist()
        raise DataError(
            f"{where}: records {rows[0]} and {rows[1]} have the same '{field}' {repeated}{remedy}"
        )


def indices_of(
    ids: np.ndarray, known: np.ndarray, field: str, where: str, of: str, remedy: str = ""
) -> np.ndarray:
    """Places of ``ids`` in the ascending ``known`` ids.

    Raises:
        DataError: If an id is not among them.
    """
    place = np.searchsorted(known, ids)
    inside = place < len(known)
    unknown = np.flatnonzero(
        ~inside | (known[np.where(inside, place, 0)] != ids) if len(known) else ids == ids
    )
    if unknown.size:
        raise DataError(
            f"{where}[{unknown[0]}]: '{field}' is {ids[unknown[0]]}, which is not among the {len(known)} {of}"
            + (f" ({unknown.size} records have such an id)" if unknown.size > 1 else "")
            + remedy
        )
    return place


def describe(value: Any) -> str:
    """A value as a message shows it: short, with its kind."""
    if isinstance(value, list):
        odd = [v for v in value if not isinstance(v, int | float) or not abs(v) < float("inf")]
        return f"a list of {len(value)}" + (f" with {shown(odd)[1:-1]}" if odd else "")
    if isinstance(value, Mapping):
        return f"an object with keys {shown(sorted(map(str, value)))}"
    return f"str {shown(value)}" if isinstance(value, str) else shown(value)


def _column(
    records: Records,
    field: str,
    where: str,
    kinds: str,
    empty: np.ndarray,
    expected: str,
    remedy: str = "",
) -> np.ndarray:
    """A field of all records as numpy kinds of numbers, of the shape and dtype that ``empty`` has."""
    if not records:
        return empty
    if all(field in record for record in records):
        array = _array([record[field] for record in records], kinds, empty)
        if array is not None:
            return array
    for i, record in enumerate(records):
        name = f"{where}: id {record['id']}" if field != "id" and "id" in record else f"{where}[{i}]"
        if field not in record:
            raise DataError(f"{name}: '{field}' is missing; expected {expected}{remedy}")
        if _array([record[field]], kinds, empty) is None:
            raise DataError(f"{name}: expected '{field}' to be {expected}, found {describe(record[field])}")
    raise DataError(f"{where}: expected every '{field}' to be {expected}; they differ in kind")


def _array(values: list[Any], kinds: str, empty: np.ndarray) -> np.ndarray | None:
    """The values as one array; None if they are no finite numbers of these kinds and this shape."""
    try:
        array = np.array(values)
    except (ValueError, OverflowError):
        return None
    if array.dtype.kind not in kinds or array.shape != (len(values), *empty.shape[1:]):
        return None
    array = array.astype(empty.dtype)
    return array if np.isfinite(array).all() and bool not in map(type, values) else None
