"""Sizes of stored pictures, read from the files themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from posekit.errors import DataError
from posekit.io.image_size import stated_size_hw
from posekit.io.images import check_link, file_bytes, leaves_folder, read_image


def image_size_hw(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the stored picture; of a JPEG only the header is read.

    Raises:
        DataError: If the file is missing or no image.
    """
    head = file_bytes(path, 1 << 16)
    size = stated_size_hw(head) if head.startswith(b"\xff\xd8") else None
    if size is None or not all(size):
        height, width = read_image(path).shape[:2]
        size = height, width
    return size


def fill_image_sizes(
    image_dir: str | os.PathLike[str], names: Sequence[str], sizes_hw: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Image sizes, those that an annotation does not state (0, 0) being read from the files.

    A file that is absent or unreadable, or a link that leads out of the folder, leaves its size unknown;
    whoever needs the picture says so.
    """
    root = Path(image_dir)
    if all(all(size) for size in sizes_hw) or not root.is_dir():
        return list(sizes_hw)
    filled = []
    for name, size in zip(names, sizes_hw, strict=True):
        if not all(size) and not leaves_folder(name):
            with contextlib.suppress(DataError):
                check_link(root, name)
                size = image_size_hw(root / name)
        filled.append(size)
    return filled
