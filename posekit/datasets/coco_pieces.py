"""The annotations of a large COCO file a piece at a time: as a whole, json makes eight times its size of it.

The text is cut where it looks as if the list, or a record, ended. That the cuts are right is seen when the
parts are parsed: what goes before the list must be json once the list is closed, what follows must be json
once an object is opened, and each piece, which ends with a record, must be json within brackets. JSON is read
from left to right, so that the whole is then json, and means the parts put together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from posekit.io.files import parse_json

_PIECE = 1 << 18  # bytes; more at once costs time: the cache, and Python's garbage collection
_BLANK = rb"[ \t\r\n]*"  # JSON's
# Not after a backslash: such a quotation mark is one of a longer name. That is asked second, as re is fifteen
# times as fast where it starts with what it looks for.
_FIRST = re.compile(rb'"annotations"(?<!\\"annotations")%b:%b\[' % (_BLANK, _BLANK))
_BETWEEN = re.compile(rb"\}%b,(?=%b\{)" % (_BLANK, _BLANK))
_LAST = re.compile(rb"\}%b\]" % _BLANK)


def cut_annotations(content: bytes) -> tuple[dict[str, Any], Iterator[list[Any]]]:
    """What a COCO file holds beside its annotations, of which the list is empty, and these in pieces.

    Raises:
        ValueError, RecursionError: Also from the pieces: if the text must be parsed as a whole, be it json
            or not.
    """
    first = _FIRST.search(content)
    last = first and _LAST.search(content, first.end())
    if not first or not last:
        raise ValueError("expected a list of annotations")
    before = parse_json(content[: first.end()] + b"]}")
    after = parse_json(b'{"": []' + content[last.end() :])
    if before.get("annotations") != [] or "annotations" in after:
        raise ValueError("expected one list of annotations, on the outermost level")
    return before | after, _pieces(content, first.end(), last.start() + 1)


def _pieces(content: bytes, start: int, end: int) -> Iterator[list[Any]]:
    while start < end:
        cut = _BETWEEN.search(content, start + _PIECE, end)
        stop, following = (cut.start() + 1, cut.end()) if cut else (end, end)
        yield parse_json(b"[" + content[start:stop] + b"]")
        start = following
