"""Reads lists of JSON records into checked arrays.

Every fault is a :class:`~posekit.errors.DataError` that names the file, the record, the field, what was
expected and what was found. The check runs on whole columns; records are looked at one by one only once a
fault is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown

Records = Sequence[Mapping[str, Any]]


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


def numbers(records: Records, field: str, where: str, width: int | None = None) -> np.ndarray:
    """One numeric field of all records.

    Args:
        records: N objects.
        field: The key.
        where: File and list, for messages, e.g. ``"gt.json: annotations"``.
        width: Length of the field's list; None: the field is one number.

    Returns:
        float64 (N,) or (N, width), finite.

    Raises:
        DataError: If a record lacks the field or it is not as many finite numbers.
    """
    shape = () if width is None else (width,)
    expected = "a finite number" if width is None else f"a list of {width} finite numbers"

    def convert(values: list[Any]) -> np.ndarray | None:
        try:
            array = np.array(values)
        except (ValueError, OverflowError):
            return None
        if array.dtype.kind not in "iuf" or array.shape != (len(values), *shape):
            return None
        array = array.astype(np.float64)
        return array if np.isfinite(array).all() else None

    return _column(records, field, where, convert, expected, np.zeros((0, *shape)))


def integers(records: Records, field: str, where: str) -> np.ndarray:
    """One integer field of all records, int64 (N,).

    Raises:
        DataError: If a record lacks the field or it is not an integer.
    """

    def convert(values: list[Any]) -> np.ndarray | None:
        try:
            array = np.array(values)
        except (ValueError, OverflowError):
            return None
        return array.astype(np.int64) if array.dtype.kind in "iu" and array.ndim == 1 else None

    return _column(records, field, where, convert, "an integer", np.zeros(0, np.int64))


def unique(ids: np.ndarray, field: str, where: str) -> None:
    """Raises DataError naming the first id that occurs twice."""
    values, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1][np.argmin(first[counts > 1])]
        rows = np.flatnonzero(ids == repeated)[:2].tolist()
        raise DataError(f"{where}: records {rows[0]} and {rows[1]} have the same '{field}' {repeated}")


def indices_of(ids: np.ndarray, known: np.ndarray, field: str, where: str, of: str) -> np.ndarray:
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
    convert: Callable[[list[Any]], np.ndarray | None],
    expected: str,
    empty: np.ndarray,
) -> np.ndarray:
    if not records:
        return empty
    if all(field in record for record in records):
        array = convert([record[field] for record in records])
        if array is not None:
            return array
    for i, record in enumerate(records):
        name = f"{where}: id {record['id']}" if field != "id" and "id" in record else f"{where}[{i}]"
        if field not in record:
            raise DataError(f"{name}: '{field}' is missing; expected {expected}")
        if convert([record[field]]) is None:
            raise DataError(f"{name}: expected '{field}' to be {expected}, found {describe(record[field])}")
    raise DataError(f"{where}: expected every '{field}' to be {expected}; they differ in kind")
