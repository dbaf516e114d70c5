"""Fields of annotation records, with errors that name the file, the record and the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posekit.errors import DataError, shown


def require(container: Any, key: str, where: str, kind: type | tuple[type, ...] = object) -> Any:
    """``container[key]``, or a DataError naming the field, the kind expected and what was found."""
    if not isinstance(container, Mapping):
        raise DataError(f"{where}: expected an object with '{key}', found {type(container).__name__}")
    if key not in container:
        raise DataError(
            f"{where}, field '{key}': expected it to be there; found only {shown(sorted(container))}"
        )
    value = container[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(k.__name__ for k in kinds)
        raise DataError(
            f"{where}, field '{key}': expected {names}, found {type(value).__name__} {shown(value)}"
        )
    return value


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
