"""Pictures of 16 bits of which a camera has used 12 or 10, so that they come out all but black."""

from __future__ import annotations

import warnings

import numpy as np

_DARK = 1 << 12
_told = False


def look_at_levels(encoded: np.ndarray, name: str) -> None:
    """Looks whether a picture that came out nearly black is one of those.

    Args:
        encoded: The file's bytes, uint8 (N,), which can be decoded.
        name: The file.
    """
    if not _told and _may_be_deep(encoded[:32].tobytes()):
        import cv2  # has been imported by whoever decoded it

        levels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        if levels is not None and levels.dtype == np.uint16:
            warn_of_dark_levels(levels, name)


def _may_be_deep(head: bytes) -> bool:
    """Whether an image file may have levels of 16 bits: a PNG that says so, TIFF, JPEG 2000, PGM, PPM."""
    if head.startswith(b"\x89PNG"):
        return head[24:25] == b"\x10"
    return head.startswith((b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"P5", b"P6"))


def warn_of_dark_levels(levels: np.ndarray, name: str) -> None:
    """Warns, the first time, of 16-bit levels so low that they may be a camera's of 12 or 10 bits.

    They are read as they stand. Whether the scene was dark or the camera counts to 4095 cannot be known from
    a picture; and stretched by its own maximum, each of a camera's pictures would come out in another
    brightness, and otherwise than in the viewer where it was looked at.

    Args:
        levels: uint16, any shape.
        name: Of the file, or what else it is.
    """
    global _told
    highest = int(levels.max(initial=0))
    if not 0 < highest < _DARK or _told:
        return
    _told = True
    bits = 10 if highest < 1024 else 12
    warnings.warn(
        f"{name}: has 16-bit levels, of which the highest is {highest} of 65535, as from a camera of {bits} "
        f"bits; read as they stand it is {'all but ' * (highest > 255)}black. If it is from one, multiply "
        f"the levels by {1 << 16 - bits}, or save 8 bits, before. Further such pictures are not named",
        stacklevel=4,
    )
