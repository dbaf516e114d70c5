"""Arranges many pictures on one sheet, and cuts a person out of a photo.

Images are uint8 (H, W, 3) RGB; boxes are image pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from posekit.geometry import crop_from_box, warp_matrix
from posekit.visualization.text import Colour, text_width, write_text

PAPER: Colour = (250, 250, 250)
FRAME: Colour = (38, 38, 38)
INK: Colour = (40, 40, 40)


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    *,
    cell_size_hw: tuple[int, int] = (240, 240),
    gap: int = 8,
    title: str = "",
) -> np.ndarray:
    """Lays pictures out row by row, each fitted into a cell and centred, its caption below.

    Args:
        images: N pictures, uint8 (H, W, 3) RGB of any size.
        columns: By default as many as make the sheet about 4:3.
        captions: N lines; one too long for its cell is set smaller, then cut.
        cell_size_hw: Height and width of a picture's cell, pixels.
        gap: Between cells, pixels.
        title: A line above all.

    Returns:
        uint8 (H', W', 3) RGB.

    Raises:
        ValueError: If there is no picture, or not a caption for each.
    """
    if not images:
        raise ValueError("contact_sheet: expected at least one image, found none")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"contact_sheet: expected {len(images)} captions, found {len(captions)}")
    height, width = cell_size_hw
    columns = columns or max(1, round(np.sqrt(len(images) * 4 / 3 * height / width)))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    line = max(13, height // 16) if captions is not None else 0
    cell_height = height + (line + 6 if line else 0)
    head = 34 if title else 0
    sheet = np.full(
        (head + gap + rows * (cell_height + gap), gap + columns * (width + gap), 3), PAPER, np.uint8
    )
    if title:
        _text_within(sheet, title, (gap, gap), sheet.shape[1] - 2 * gap, 20, bold=True)
    for i, image in enumerate(images):
        top = head + gap + (i // columns) * (cell_height + gap)
        left = gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = FRAME
        small, _ = fit(image, cell_size_hw)
        y, x = top + (height - small.shape[0]) // 2, left + (width - small.shape[1]) // 2
        sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
        if captions is not None:
            _text_within(sheet, captions[i], (left, top + height + 4), width, line)
    return sheet


def fit(image: np.ndarray, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Scales a picture to fit within ``size_hw``; its sides keep their ratio.

    Returns:
        uint8 (H', W', 3), and float64 (2,): the factors by which x and y have grown. A pixel p has moved to
        (p + 0.5) factor - 0.5.
    """
    height, width = image.shape[:2]
    scale = min(size_hw[0] / height, size_hw[1] / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=method), np.array([size[0] / width, size[1] / height])


def _text_within(
    sheet: np.ndarray, text: str, xy: tuple[int, int], width: int, height: int, *, bold: bool = False
) -> None:
    """Writes a line in place, no wider than ``width``: smaller by up to a fifth if need be, then cut."""
    smallest = max(9, round(0.8 * height))
    size = height
    while size > smallest and text_width(text, size, bold) > width:
        size -= 1
    if text_width(text, size, bold) > width:
        while text and text_width(text + "…", size, bold) > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    where = (xy[0], xy[1] + (height - size) // 2)
    write_text(sheet, text, where, height=size, colour=INK, bold=bold)


def crop_photo(
    image: np.ndarray, box_xyxy: np.ndarray, size_hw: tuple[int, int], padding: float = 1.4
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a person out of a photo, the box padded to the picture's shape; gray where the photo ends.

    Returns:
        The picture, uint8 (H, W, 3), and float64 (2, 3): the warp from the photo's pixels to its own.
    """
    center, size_wh = crop_from_box(box_xyxy, size_hw[1] / size_hw[0], padding)
    warp = warp_matrix(center, size_wh, size_hw)
    # Shrinking by an affine warp alone would skip pixels: cut an enlarged picture, then average it down.
    finer = int(np.clip(np.ceil(1 / warp[0, 0]), 1, 8))
    enlarged = warp * finer
    enlarged[:, 2] += (finer - 1) / 2
    cut = cv2.warpAffine(
        image,
        enlarged,
        (size_hw[1] * finer, size_hw[0] * finer),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FRAME,
    )
    return cv2.resize(cut, size_hw[::-1], interpolation=cv2.INTER_AREA), warp
