"""Faces aligned by five points: one similarity to the usual template, numpy.

The points are left eye, right eye, nose tip, left and right corner of the mouth; left is the picture's left.
(x, y) pixels, an integer being a pixel's centre. The template of 112 x 112 is the one that ArcFace's release
and most public networks after it were trained with; that of 112 x 96 (height x width) is SphereFace's, the
same with 8 columns less on either side. Other sizes of these two shapes are theirs, resized.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp
from posekit.registry import DATASETS
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms import Crop, Placement
from posekit.transforms.similarity import similarity_warp

FIVE_POINTS = Skeleton(
    name="five_points",
    keypoints=("left_eye", "right_eye", "nose", "left_mouth", "right_mouth"),
    flip_pairs=(("left_eye", "right_eye"), ("left_mouth", "right_mouth")),
    limbs=(("left_eye", "right_eye"), ("left_mouth", "right_mouth")),
)
_TEMPLATE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_TEMPLATE_112.flags.writeable = False


def template(size_hw: Sequence[int] = (112, 112)) -> np.ndarray:
    """Where the five points go in an aligned picture: float64 (5, 2).

    Args:
        size_hw: Height and width, of the shape 112 x 112 or 112 x 96.

    Raises:
        ConfigError: On another shape.
    """
    height, width = size_hw
    if height < 1 or (height * 96 != width * 112 and height != width):
        raise ConfigError(
            "alignment: expected a height and width of the shape 112 x 112 or 112 x 96, found "
            f"{height} x {width}"
        )
    left = 0 if height == width else 8
    return (_TEMPLATE_112 - (left, 0) + 0.5) * (height / 112) - 0.5


def alignment_warp(points: ArrayLike, size_hw: Sequence[int] = (112, 112)) -> np.ndarray:
    """The warps of faces to the template: image pixels -> aligned pixels.

    Args:
        points: (..., 5, 2), image pixels.
        size_hw: Height and width of the aligned picture.

    Returns:
        float64 (..., 2, 3).

    Raises:
        ConfigError: On a size that has no template.
        DataError: If points are not finite, or those of a face coincide.
        ValueError: On another shape.
    """
    points = np.asarray(points, np.float64)
    if points.shape[-2:] != (5, 2):
        raise ValueError(f"expected five points (..., 5, 2), found {points.shape}")
    warp = similarity_warp(points, template(size_hw))
    bad = ~np.isfinite(warp).all(axis=(-2, -1))
    if bad.any():
        raise DataError(
            f"alignment: {int(bad.sum())} of {bad.size} faces have points that are not finite or coincide, "
            f"first number {int(np.flatnonzero(bad)[0])}"
        )
    return warp


def align(image: np.ndarray, points: ArrayLike, size_hw: Sequence[int] = (112, 112)) -> np.ndarray:
    """The aligned face: bilinear, black outside the picture.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        points: (5, 2), image pixels.
        size_hw: Height h and width w of the result.

    Returns:
        uint8 (h, w, 3) or (h, w).

    Raises:
        ConfigError: On a size that has no template.
        DataError: If the points are not finite or coincide.
    """
    height, width = size_hw
    return cv2.warpAffine(image, alignment_warp(points, size_hw), (width, height), flags=cv2.INTER_LINEAR)


@DATASETS.register_module()
class Align:
    """Aligned crops for a ``TopDownDataset``: give it as ``augment``, in validation too.

    A placement of a crop is a similarity; this one is that of the record's five points (of those labelled,
    two at least), changed at random where asked. The crop needs ``convention="udp"``, whose mirror images are
    exact, and a size that has a :func:`template`; its padding is not used.

    Args:
        flip_prob: Probability of the mirror image.
        rotation: Degrees r: turned by up to r, uniformly.
        scale: s: enlarged by a factor within 1 - s and 1 + s, uniformly.
        shift: Moved by up to this share of the sides, uniformly.

    Raises:
        ConfigError: On a number outside its range.
    """

    def __init__(
        self, flip_prob: float = 0.0, rotation: float = 0.0, scale: float = 0.0, shift: float = 0.0
    ) -> None:
        for name, number, most in (
            ("flip_prob", flip_prob, 1),
            ("rotation", rotation, 180),
            ("scale", scale, 0.9),
            ("shift", shift, 1),
        ):
            if not 0 <= number <= most:
                raise ConfigError(f"Align: '{name}' must be in 0..{most}, found {number!r}")
        self.flip_prob, self.rotation, self.scale, self.shift = flip_prob, rotation, scale, shift

    @property
    def random(self) -> bool:
        """Whether there are random changes, which validation should not have."""
        return any((self.flip_prob, self.rotation, self.scale, self.shift))

    def check_skeleton(self, skeleton: Skeleton) -> None:
        """Raises ConfigError unless the keypoints are the five points."""
        if skeleton.keypoints != FIVE_POINTS.keypoints:
            raise ConfigError(
                f"Align: expected the keypoints {FIVE_POINTS.keypoints}, found those of skeleton "
                f"'{skeleton.name}'"
            )

    def draw(
        self, rng: np.random.Generator, record: PersonRecord, skeleton: Skeleton, crop: Crop
    ) -> Placement:
        """The aligned crop of a face.

        Raises:
            ConfigError: On a crop of another convention, aspect or size.
            DataError: If fewer than two different points are labelled.
        """
        placed = self.place(record, crop)
        flip = bool(rng.random() < self.flip_prob)
        turn = rng.uniform(-self.rotation, self.rotation)
        factor = 1 / rng.uniform(1 - self.scale, 1 + self.scale)
        moved = placed.center + rng.uniform(-self.shift, self.shift, 2) * placed.size_wh
        return Placement(moved, placed.size_wh * factor, placed.rotation_deg + turn, flip)

    def place(self, record: PersonRecord, crop: Crop) -> Placement:
        """Without any random change."""
        height, width = crop.input_size_hw
        if crop.convention != "udp" or crop.crop_aspect != width / height:
            raise ConfigError(
                "Align: expected a crop of convention='udp' and the input's aspect, found "
                f"'{crop.convention}' and {crop.crop_aspect:g}"
            )
        warp = similarity_warp(record.keypoints, template((height, width)), record.visible > 0)
        if not np.isfinite(warp).all():
            raise DataError(
                f"{record.image_path}: expected two different points of the five, to align the face by, "
                f"found {int((record.visible > 0).sum())} labelled"
            )
        scale = np.hypot(warp[0, 0], warp[1, 0])
        last = np.array([width - 1.0, height - 1.0])
        center = apply_warp(last[None] / 2, invert_warp(warp))[0]
        return Placement(center, last / scale, float(np.degrees(np.arctan2(warp[0, 1], warp[0, 0]))))
