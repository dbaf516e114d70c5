"""Writes text on an image: uint8 (H, W, 3) RGB, positions (x, y) in its pixels.

OpenCV's own letters are ASCII and thin; these are DejaVu Sans, which comes with matplotlib.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


@lru_cache(maxsize=32)
def _font(height: int, bold: bool) -> Any:
    """DejaVu Sans at a line height in pixels; it comes with matplotlib and has most alphabets."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), max(1, round(height * 0.85))
    )


def text_width(text: str, height: int, bold: bool = False) -> int:
    """Width in pixels of one line of text."""
    return int(np.ceil(_font(height, bold).getlength(text)))


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever stands out more from a background (ITU-R BT.601 luma)."""
    luma = float(np.dot(background, (0.299, 0.587, 0.114)))
    return BLACK if luma > 140 else WHITE


def plate_size_hw(text: str, height: int, bold: bool = False) -> tuple[int, int]:
    """Height and width in pixels of the plate behind a line."""
    pad = max(2, height // 5)
    return height + pad, text_width(text, height, bold) + 2 * pad


def write_text(
    canvas: np.ndarray,
    text: str,
    xy: tuple[int, int],
    *,
    height: int = 14,
    colour: Colour = WHITE,
    background: Colour | None = None,
    bold: bool = False,
) -> None:
    """Writes one line of text in place; only the pixels around it are copied and changed.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        text: One line, any alphabet that DejaVu Sans has.
        xy: The upper left corner of the line, image pixels; the line may lie off the image.
        height: Of the line, pixels.
        colour: Of the letters.
        background: Colour of a plate behind the line.
        bold: Bold letters.
    """
    from PIL import Image, ImageDraw

    x, y = xy
    plate_height, plate_width = plate_size_hw(text, height, bold)
    # Accents and descenders may leave the line by a part of its height.
    left, top = max(0, x - height), max(0, y - height)
    region = canvas[top : max(0, y + plate_height + height), left : max(0, x + plate_width + height)]
    if not region.size:
        return
    picture = Image.fromarray(np.ascontiguousarray(region))
    pen = ImageDraw.Draw(picture)
    x, y = x - left, y - top
    if background is not None:
        pad = max(2, height // 5)
        pen.rectangle((x, y, x + plate_width, y + plate_height), background)
        x, y = x + pad, y + pad // 2
    pen.text((x, y + height * 0.5), text, fill=colour, font=_font(height, bold), anchor="lm")
    region[:] = np.asarray(picture)
