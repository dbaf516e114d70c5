"""The errors posekit raises at its public edges.

Every message names the file or config, the record, the field, what was expected and what was found.
The tools catch :class:`PosekitError`, print its message and exit with status 2; anything else is a bug
and keeps its traceback.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from numbers import Integral
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 3, 12, 12, 8
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def shown(value: Any) -> str:
    """A value as a message shows it: a long, deep or self-containing one is cut while it is written."""
    return _SHORT.repr(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: near names, or all of them if none is near and they are few."""
    known = sorted(set(known))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "; did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"; expected one of: {shown}" if known else ""


def is_whole(value: object, least: int = 1) -> bool:
    """Whether a setting is a whole number of at least ``least``; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_share(value: object) -> bool:
    """Whether a setting is a number from 0 to 1; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


class PosekitError(Exception):
    """Base of every error that a user's input can cause."""


class DataError(PosekitError, ValueError):
    """An annotation, results, detections or image file that cannot be used as it stands."""


class ConfigError(PosekitError, ValueError):
    """A config that names an unknown key or carries an impossible value."""


class CheckpointError(PosekitError, RuntimeError):
    """A checkpoint that is damaged, unsafe to load or made for another architecture."""


class PeerError(PosekitError):
    """Another process of the job failed first, or is gone."""


class LostProcessError(PosekitError, RuntimeError):
    """A process that this one depends on has ended."""
