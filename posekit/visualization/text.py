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


@lru_cache(maxsize=32)
def _font(height: int, bold: bool) -> Any:
    """DejaVu Sans at a line height in pixels; it comes with matplotlib and has most alphabets."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), round(height * 0.85)
    )


def text_width(text: str, height: int, bold: bool = False) -> int:
    """Width in pixels of one line of text."""
    return int(np.ceil(_font(height, bold).getlength(text)))


def draw_text(
    image: np.ndarray,
    text: str,
    xy: tuple[int, int],
    *,
    height: int = 14,
    colour: Colour = WHITE,
    background: Colour | None = None,
    bold: bool = False,
) -> np.ndarray:
    """Writes one line of text.

    Args:
        image: uint8 (H, W, 3) RGB.
        text: One line, any alphabet that DejaVu Sans has.
        xy: The upper left corner of the line, image pixels.
        height: Of the line, pixels.
        colour: Of the letters.
        background: Colour of a plate behind the line.
        bold: Bold letters.

    Returns:
        uint8 (H, W, 3): a new image.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.uint8))
    pen = ImageDraw.Draw(picture)
    x, y = xy
    if background is not None:
        pad = max(2, height // 5)
        pen.rectangle((x, y, x + text_width(text, height, bold) + 2 * pad, y + height + pad), background)
        x, y = x + pad, y + pad // 2
    pen.text((x, y + height * 0.5), text, fill=colour, font=_font(height, bold), anchor="lm")
    return np.asarray(picture).copy()
