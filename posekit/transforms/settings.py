"""Settings of random changes: probabilities, and ranges that are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from posekit.errors import ConfigError, shown


def is_number(value: Any) -> bool:
    """Whether it is a real number; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def probability(of: str, name: str, value: Any) -> float:
    """A setting from 0 to 1; ConfigError of any other, in the name of ``of``."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ConfigError(f"{of}: '{name}' must be in 0..1, found {shown(value)}")
    return value


def number_range(
    of: str, name: str, value: Any, low: float, high: float, number: str = ""
) -> tuple[float, float]:
    """Two numbers, the lesser first, within bounds; with words in ``number``, whole ones; or ConfigError."""
    pair = tuple(value) if isinstance(value, (Sequence, np.ndarray)) else ()
    sound = len(pair) == 2 and all(map(is_number, pair)) and low <= pair[0] <= pair[1] <= high
    if not sound or (number and any(end != int(end) for end in pair)):
        raise ConfigError(
            f"{of}: '{name}' must be a range (low, high) {number}within {low}..{high}, found {shown(value)}"
        )
    return (float(pair[0]), float(pair[1]))


def whole_range(of: str, name: str, value: Any, low: int, high: int) -> tuple[int, int]:
    """As :func:`number_range`, of whole numbers."""
    first, last = number_range(of, name, value, low, high, "of whole numbers ")
    return int(first), int(last)
