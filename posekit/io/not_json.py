"""What a file is that should be json and is not: the usual mishaps, and what to do."""

from __future__ import annotations

import json


def what_instead(content: bytes) -> str:
    """What a file that is no JSON is, and the remedy; "" if it is none of the usual kinds."""
    text = content.strip()
    if not text:
        return "the file is empty; get or write it again"
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself; run 'git lfs pull' in its repository"
    if text[:20].lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page (HTML), as of a login or an error; download the file itself"
    return "it has a JSON value on each line (JSON lines); write them as one list" if _is_lines(text) else ""


def _is_lines(text: bytes) -> bool:
    """Whether the first two lines are JSON objects, each by itself."""
    lines = text.split(b"\n", 2)[:2]
    try:
        return len(lines) == 2 and all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False
