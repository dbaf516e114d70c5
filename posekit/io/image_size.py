"""The size that an image file states in its header, read without decoding anything.

A header of a few bytes may claim a picture of 100,000 x 100,000; decoding it would fill the memory. Formats:
JPEG, PNG, GIF, BMP and WebP. What OpenCV reads beside these is held to the same limit by OpenCV itself.

PIL reads such headers too, but takes 15 times as long (29 us of the 2.5 ms that a 640x480 JPEG takes), has a
pixel limit of its own for the whole process, and notices a truncated file only by decoding it once more.
"""

from __future__ import annotations

from collections.abc import Callable

from posekit.io.files import environment_number

MAX_PIXELS = 100_000_000


def pixel_limit() -> int:
    """Pixels that an image may have: 100 million, or what ``POSEKIT_MAX_PIXELS`` says.

    Raises:
        ConfigError: If that is no positive whole number.
    """
    return environment_number("POSEKIT_MAX_PIXELS", MAX_PIXELS)


def stated_size_hw(data: bytes) -> tuple[int, int] | None:
    """Height and width by an encoded image's header; None where it states none or is of another format."""
    for start, read in _READERS.items():
        if data.startswith(start):
            return read(data)
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The size in the start-of-frame segment."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _png(data: bytes) -> tuple[int, int] | None:
    return _pair(data, 20, 16, 4, "big") if data[12:16] == b"IHDR" else None


def _gif(data: bytes) -> tuple[int, int] | None:
    return _pair(data, 8, 6, 2)


def _bmp(data: bytes) -> tuple[int, int] | None:
    if data[14:18] == b"\x0c\0\0\0":  # OS/2
        return _pair(data, 20, 18, 2)
    size = _pair(data, 22, 18, 4)
    # A negative height: the rows stand from the top down.
    return None if size is None else (min(size[0], 2**32 - size[0]), size[1])


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if data[8:12] != b"WEBP" or len(data) < 30:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return (height, width) if kind == b"VP8 " else None


def _pair(
    data: bytes, height_at: int, width_at: int, size: int, order: str = "little"
) -> tuple[int, int] | None:
    if len(data) < max(height_at, width_at) + size:
        return None
    height, width = (int.from_bytes(data[at : at + size], order) for at in (height_at, width_at))  # type: ignore[arg-type]
    return height, width


_READERS: dict[bytes, Callable[[bytes], tuple[int, int] | None]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG": _png,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"RIFF": _webp,
}
