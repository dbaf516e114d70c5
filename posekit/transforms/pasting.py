"""People, or things, cut out elsewhere and pasted into a picture: who hides whom, and crowds.

Sárándi et al., *How Robust is 3D Human Pose Estimation to Occlusion?* (IROS 2018 workshop), paste things; Bin
et al., *Adversarial Semantic Data Augmentation* (ECCV 2020), parts of people, whose joints are mistaken most.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import under
from posekit.io.image_size import pixel_limit, stated_size_hw
from posekit.io.images import cv2, file_bytes, is_truncated
from posekit.registry import DATASETS
from posekit.transforms.settings import number_range, probability, whole_range

OPAQUE = 128  # from this value of transparency on a pixel hides what is behind
_WIDEST = 2  # heights: who lies is no wider in a picture than that
_PLACES = 10  # tried, before a cut-out that would hide too much is left out


class Cutouts:
    """A folder of PNG files with transparency, each one person or thing (``tools/cut_out.py`` writes some).

    Args:
        folder: Where they lie; subfolders are not looked into.
        data_root: Put in front of it.

    Raises:
        ConfigError: If there is no such folder, or no PNG in it.
        DataError: If the first is no cut-out; the others are looked at when they are drawn.
    """

    def __init__(self, folder: str | Path, data_root: str | Path = "") -> None:
        try:
            self.folder = under(data_root, folder)
            files = [
                one for one in Path(self.folder).iterdir() if one.suffix.lower() == ".png" and one.is_file()
            ]
        except (OSError, TypeError, ValueError) as error:  # ValueError: a name with a NUL
            raise ConfigError(
                f"cut-outs {_named(folder, data_root)}: cannot be listed: "
                f"{getattr(error, 'strerror', None) or error}; state the folder that tools/cut_out.py wrote"
                f"{f', below {data_root}, or an absolute path' if data_root else ''}"
            ) from error
        self.names = sorted(one.name for one in files)
        if not self.names:
            raise ConfigError(f"cut-outs {self.folder}: expected PNG files with transparency, found none")
        self.read(0)  # a folder of other pictures is found out at once

    def __len__(self) -> int:
        return len(self.names)

    def read(self, number: int) -> np.ndarray:
        """One of them, uint8 (h, w, 4): RGB, and 255 where a pixel hides what is behind.

        Raises:
            DataError: If the file cannot be read or has no transparency.
        """
        path = Path(self.folder, self.names[number])
        content = file_bytes(path)
        data = np.frombuffer(content, np.uint8)
        height, width = stated_size_hw(content) or (0, 0)
        picture, found = None, "no whole picture"
        if height * width > pixel_limit():
            found = f"{width} x {height} pixels"
        elif data.size and not is_truncated(data):
            picture = _decoded(data)
        if picture is not None:
            found = f"{picture.dtype} {picture.shape}"
            if picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 4:
                if picture[..., 3].max() >= OPAQUE:
                    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
                found = "nothing in it that hides what is behind"
        raise DataError(
            f"{path}: expected a PNG of 8 bits with transparency, found {found}; mend it, or take it out of "
            "the folder"
        )

    def drawn(self, rng: np.random.Generator, height: float) -> np.ndarray:
        """One at random, mirrored half of the time, uint8 (h, w, 4).

        It is ``height`` pixels high; less where its width would be more than twice that.
        """
        number, mirrored = int(rng.integers(len(self.names))), rng.random() < 0.5
        picture = self.read(number)
        factor = min(height / picture.shape[0], _WIDEST * height / picture.shape[1])
        size = [max(1, round(side * factor)) for side in picture.shape[1::-1]]
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        # Colours by what they show, so that no rim of the transparent pixels' own colour is left.
        seen = picture[..., 3:].astype(np.float32) / 255
        weighted = cv2.resize(np.dstack([picture[..., :3] * seen, seen]), size, interpolation=how)
        alpha = weighted[..., 3:]
        colours = weighted[..., :3] / np.maximum(alpha, 1 / 255)
        resized = np.dstack([colours.clip(0, 255), alpha * 255]).round().astype(np.uint8)
        return resized[:, ::-1] if mirrored else resized


def _named(folder: Any, data_root: str | Path) -> str:
    return under(data_root, folder) if isinstance(folder, (str, Path)) else shown(folder)


def _decoded(data: np.ndarray) -> np.ndarray | None:
    try:
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # the caller names the file
        return None


def shared_part(
    cutout: np.ndarray, corner_xy: Sequence[int], size_hw: Sequence[int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where a cut-out with its first pixel at a corner covers a picture, and the part (h, w, 4) that does."""
    (x, y), (height, width) = corner_xy, cutout.shape[:2]
    left, top = min(max(x, 0), size_hw[1]), min(max(y, 0), size_hw[0])
    right, bottom = max(min(x + width, size_hw[1]), left), max(min(y + height, size_hw[0]), top)
    place = slice(top, bottom), slice(left, right)
    return place, cutout[max(-y, 0) :, max(-x, 0) :][: bottom - top, : right - left]


def paste(
    image: np.ndarray, cutout: np.ndarray, corner_xy: Sequence[int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Pastes a cut-out in place; what would lie outside is left out.

    Args:
        image: uint8 (H, W, 3), changed.
        cutout: uint8 (h, w, 4).
        corner_xy: Where its first pixel goes; may be negative.

    Returns:
        As :func:`shared_part`.
    """
    place, piece = shared_part(cutout, corner_xy, image.shape[:2])
    alpha = piece[..., 3:].astype(np.float32) / 255
    image[place] = np.rint(piece[..., :3] * alpha + image[place] * (1 - alpha)).astype(np.uint8)
    return place, piece


class Pasting:
    """What pasting at random has in common: cut-outs, how often, how many, and how high.

    Args:
        folder: See :class:`PasteCutouts`; so are the others.
        data_root: Put in front of the folder.
        prob: Of anything at all.
        number: Range.
        height: Range, shares of the picture's.

    Raises:
        ConfigError: On a setting out of range, or a folder without cut-outs.
    """

    def __init__(
        self, folder: str, data_root: str, prob: float, number: Sequence[int], height: Sequence[float]
    ) -> None:
        self.cutouts = Cutouts(folder, data_root)
        self.prob = self.share("prob", prob)
        self.number = whole_range(type(self).__name__, "number", number, 1, 50)
        self.height = number_range(type(self).__name__, "height", height, 0.02, 4)

    def share(self, name: str, value: float) -> float:
        """A setting from 0 to 1."""
        return probability(type(self).__name__, name, value)

    def count(self, rng: np.random.Generator) -> int:
        """How many are pasted; often 0, else within the range."""
        return 0 if rng.random() >= self.prob else int(rng.integers(self.number[0], self.number[1] + 1))


@DATASETS.register_module()
class PasteCutouts(Pasting):
    """Pastes people or things into crops, at random: a pixel change, as ``TopDownDataset(pixels=...)`` takes.

    A keypoint that is hidden keeps its label, as with the occluders of
    :class:`~posekit.transforms.pixels.Pixels`: COCO labels hidden joints, too.

    Args:
        folder: Of cut-outs, see :class:`Cutouts`; below ``data_root``.
        data_root: Put in front of the folder.
        prob: Probability that anything is pasted.
        number: Range of how many, both included.
        height: Range of their heights, as shares of the crop's.
        most_hidden: Of the crop's inner half (half its height and width), at most this share may be hidden by
            all together: someone else would be the person in the middle.

    Raises:
        ConfigError: On a setting out of range, or a folder without cut-outs.
    """

    def __init__(
        self,
        folder: str,
        data_root: str = "",
        prob: float = 0.3,
        number: Sequence[int] = (1, 2),
        height: Sequence[float] = (0.4, 1.2),
        most_hidden: float = 0.5,
    ) -> None:
        super().__init__(folder, data_root, prob, number, height)
        self.most_hidden = self.share("most_hidden", most_hidden)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes a picture.

        Args:
            image: uint8 (H, W, 3), RGB; it is left as it is.
            rng: What is pasted where is drawn from it.

        Returns:
            uint8 (H, W, 3), RGB.
        """
        if not (count := self.count(rng)):
            return image
        image = image.copy()
        size_hw = image.shape[:2]
        inner = tuple(slice(side // 4, side - side // 4) for side in size_hw)
        hidden = np.zeros(size_hw, bool)
        for _ in range(count):
            cutout = self.cutouts.drawn(rng, size_hw[0] * float(rng.uniform(*self.height)))
            for _ in range(_PLACES):
                # Its middle is anywhere in the picture.
                middle = rng.uniform(0, 1, 2) * size_hw[::-1]
                x, y = np.rint(middle - np.array(cutout.shape[1::-1]) / 2).astype(int).tolist()
                place, piece = shared_part(cutout, (x, y), size_hw)
                covered = hidden.copy()
                covered[place] |= piece[..., 3] >= OPAQUE
                if covered[inner].mean() <= self.most_hidden:
                    paste(image, cutout, (x, y))
                    hidden = covered
                    break
        return image

    def __repr__(self) -> str:
        settings = (
            f"prob={self.prob}, number={self.number}, height={self.height}, most_hidden={self.most_hidden}"
        )
        return f"PasteCutouts({len(self.cutouts)} of {self.cutouts.folder}, {settings})"
