"""json as bytes: read and written by orjson where that is installed (the extra ``fast``), else by Python.

The values are the same either way. orjson refuses some of what Python reads (NaN, other encodings than UTF-8,
half a surrogate pair), and then Python reads it; whole numbers of more than 64 bits, which it would take for
real ones, it does not get to see. Importing this imports nothing heavy.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
from typing import Any

_BLOCK = 1 << 20
_SAME_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_BEYOND_64_BITS = 19  # digits: -2**63 has as many


@functools.cache
def _orjson() -> Any:
    """The module, None if it is not installed."""
    return importlib.import_module("orjson") if importlib.util.find_spec("orjson") else None


def parse(content: bytes) -> Any:
    """The value of a json text.

    A whole number of 300 digits or more, too long for a real one, is infinity: no field takes that for an
    id or a number.

    Raises:
        ValueError: If it is no json, with the words of Python's own reader.
        RecursionError: If it is nested too deeply.
    """
    long = _has_long_integer(content)
    fast = None if long else _orjson()
    if fast is not None:
        try:
            return fast.loads(content)
        except ValueError:
            pass  # Python reads it, or says what is wrong
    return json.loads(content, parse_int=_integer if long else None)


def compact(value: Any, finite: bool) -> bytes:
    """A value as json without spaces; numpy arrays (C order, 64 bits) within it become lists.

    Args:
        value: Of dicts with text for keys, lists, plain values and arrays.
        finite: Whether all numbers are; NaN and infinities are written as Python writes them.
    """
    fast = _orjson() if finite else None
    if fast is not None:
        return bytes(fast.dumps(value, option=fast.OPT_SERIALIZE_NUMPY))
    return json.dumps(value, separators=(",", ":"), default=lambda array: array.tolist()).encode("utf-8")


def _has_long_integer(content: bytes) -> bool:
    """Whether a whole number may need more than 64 bits; a twentieth of a regular expression's time."""
    wanted = b"0" * _BEYOND_64_BITS
    for start in range(0, len(content), _BLOCK):
        # One byte more on the left, and on the right what a number that begins in the block needs.
        first = max(start - 1, 0)
        block = content[first : start + _BLOCK + len(wanted)].translate(_SAME_DIGITS)
        place = block.find(wanted)
        while place >= 0:
            # After a point it is a fraction, after a digit the rest of what has been looked at.
            judged = block[place - 1] in b".0" if place else first > 0
            if not judged:
                return True
            place = block.find(wanted, place + len(wanted))
    return False


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 300 else float("-inf" if text[0] == "-" else "inf")
