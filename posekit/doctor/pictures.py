"""What the image files say themselves: size, orientation, whether they can be read, and how they look."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posekit.doctor.exif import UPRIGHT, orientation
from posekit.errors import DataError
from posekit.io.image_size import stated_size_hw
from posekit.io.images import check_image_name, cv2, read_image, within_folder
from posekit.io.stored_sizes import image_size_hw

THUMB = 32
_HEAD = 1 << 16
_SMALL = 256  # of a picture with a longer shorter side, JPEG decodes an eighth of the pixels


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is known of M image files.

    Attributes:
        looked: bool (M,): which have been looked at.
        sizes_hw: float64 (M, 2), as stored; NaN where not known.
        turned: int64 (M,), the EXIF orientation, 1 where there is none.
        thumbs: uint8 (M, 32, 32), gray; None: not decoded.
        faults: Row of an image -> why it cannot be read.
    """

    looked: np.ndarray
    sizes_hw: np.ndarray
    turned: np.ndarray
    thumbs: np.ndarray | None
    faults: dict[int, str]

    @property
    def seen(self) -> np.ndarray:
        """Bool (M,): whose pictures could be decoded."""
        return self.looked & ~np.isin(np.arange(len(self.looked)), list(self.faults))


class _Look(NamedTuple):
    size_hw: tuple[float, float] = (float("nan"), float("nan"))
    turned: int = UPRIGHT
    thumb: np.ndarray | None = None
    fault: str = ""


def look_at(folder: str, names: Sequence[str], rows: Sequence[int], decode: bool = True) -> Pictures:
    """Looks at image files, several at a time.

    Args:
        folder: The images' folder.
        names: Of M images.
        rows: Which of them.
        decode: Whether to decode them, or to read their first bytes alone.
    """
    m = len(names)
    looked, sizes, turned = np.zeros(m, bool), np.full((m, 2), np.nan), np.full(m, UPRIGHT)
    thumbs = np.zeros((m, THUMB, THUMB), np.uint8) if decode else None
    faults = {}
    for row, look in zip(rows, _looks([(folder, names[row], decode) for row in rows]), strict=True):
        looked[row], sizes[row], turned[row] = True, look.size_hw, look.turned
        if look.fault:
            faults[row] = look.fault
        if thumbs is not None and look.thumb is not None:
            thumbs[row] = look.thumb
    return Pictures(looked, sizes, turned, thumbs, faults)


def _looks(jobs: list[tuple[str, str, bool]]) -> Iterator[_Look]:
    """In the order of the jobs; OpenCV decodes outside of Python's lock."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(lambda job: _look(*job), jobs)


def _look(folder: str, name: str, decode: bool) -> _Look:
    inside = within_folder(name, folder)
    path = Path(folder) / inside
    try:
        check_image_name(inside, folder)
        with path.open("rb") as file:
            head = file.read(_HEAD)
        size, turned = stated_size_hw(head) or image_size_hw(path), orientation(head)
        thumb = _thumb(path, head, size) if decode else None
    except (DataError, OSError) as error:
        return _Look(fault=f"{name}: {getattr(error, 'strerror', None) or error}")
    return _Look((float(size[0]), float(size[1])), turned, thumb)


def _thumb(path: Path, head: bytes, size_hw: tuple[int, int]) -> np.ndarray:
    """A gray picture of 32 x 32, as stored; raises DataError if the file is damaged."""
    gray = None
    if head.startswith(b"\xff\xd8") and min(size_hw) > _SMALL:
        data = path.read_bytes()
        if data.endswith(b"\xff\xd9"):
            flags = cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_IGNORE_ORIENTATION
            gray = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if gray is None:
        gray = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
