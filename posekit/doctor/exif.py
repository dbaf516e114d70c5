"""The EXIF orientation of an encoded picture: how viewers, phones and labelling tools turn it.

JPEG, PNG and WebP carry the same small TIFF block, each in a place of its own.
"""

from __future__ import annotations

UPRIGHT = 1
#: Orientations that exchange width and height.
TURNED = (5, 6, 7, 8)
_TAG = 0x0112


def orientation(data: bytes) -> int:
    """The orientation 1 to 8 that a picture's first bytes state; 1 where they state none."""
    if data.startswith(b"\xff\xd8"):
        block = _of_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        block = _chunk(data, 8, b"eXIf", "big", 4, 4)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        block = _chunk(data, 12, b"EXIF", "little", 0, 0)
    else:
        block = b""
    return _of_tiff(block.removeprefix(b"Exif\0\0"))


def _of_jpeg(data: bytes) -> bytes:
    """The block in the APP1 segment."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)
    return b""


def _chunk(data: bytes, at: int, name: bytes, order: str, name_after: int, check_bytes: int) -> bytes:
    """The content of a chunk: PNG states length, name, content, checksum, RIFF name, length, content."""
    while at + 8 <= len(data):
        found = data[at + name_after : at + name_after + 4]
        length = int.from_bytes(data[at + 4 - name_after : at + 8 - name_after], order)  # type: ignore[arg-type]
        if found == name:
            return data[at + 8 : at + 8 + length]
        at += 8 + length + (check_bytes or length % 2)
    return b""


def _of_tiff(block: bytes) -> int:
    order = {b"II": "little", b"MM": "big"}.get(block[:2])
    if order is None:
        return UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], order)  # type: ignore[arg-type]

    first = number(4, 4)
    for entry in range(first + 2, first + 2 + 12 * min(number(first, 2), 200), 12):
        if number(entry, 2) == _TAG:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
