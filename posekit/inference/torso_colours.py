"""The colours of the upper body, by which people are known again without any training."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from posekit.errors import ConfigError
from posekit.structures import Pose, Skeleton

_CORNERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_STRIP = 0.1  # half the width of a side's strip, shares of its length


class TorsoColours:
    """The colours of the upper body, as an embedding: square roots of a smoothed histogram in CIE L*a*b*.

    The cosine of two is then the Bhattacharyya coefficient of the histograms. The trunk is the quadrangle of
    shoulders and hips, of somebody half hidden a strip along the side that is seen. It is split in an upper
    and a lower half, so that a shirt over trousers differs from the other way round. Lightness counts in
    fewer bins than colour: a person walks through shade.

    Args:
        skeleton: With left and right shoulders and hips.
        bins: Of L*, a*, b*.
        min_score: Joints scored below it are not seen; without a shoulder and the hip below it nothing
            is said.
        min_pixels: Of a trunk smaller than this nothing is said.

    Raises:
        ConfigError: If the skeleton lacks one of the joints, or a number is impossible.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        bins: tuple[int, int, int] = (4, 12, 12),
        min_score: float = 0.2,
        min_pixels: int = 30,
    ) -> None:
        missing = [name for name in _CORNERS if name not in skeleton.keypoints]
        if missing:
            raise ConfigError(
                f"TorsoColours: skeleton '{skeleton.name}' has no {', '.join(missing)}; it needs shoulders "
                "and hips"
            )
        if len(bins) != 3 or any(not isinstance(n, int) or not 1 <= n <= 256 for n in bins):
            raise ConfigError(f"TorsoColours: expected three numbers of bins in 1..256, found {bins!r}")
        self.corners = [skeleton.keypoints.index(name) for name in _CORNERS]
        self.bins, self.min_score, self.min_pixels = tuple(bins), min_score, min_pixels

    def __call__(self, image: np.ndarray, poses: Sequence[Pose]) -> np.ndarray:
        """float32 (n, 2 x bins), NaN where a trunk is not seen.

        Args:
            image: uint8 (H, W, 3), RGB.
            poses: In its pixels.
        """
        return np.stack([self._of(image, pose) for pose in poses]).astype(np.float32)

    def _of(self, image: np.ndarray, pose: Pose) -> np.ndarray:
        nothing = np.full(2 * int(np.prod(self.bins)), np.nan)
        points = pose.keypoints[self.corners].astype(np.float64).reshape(2, 2, 2)  # upper and lower, sides
        seen = (pose.scores[self.corners] >= self.min_score).reshape(2, 2) & np.isfinite(points).all(axis=2)
        sides = np.flatnonzero(seen.all(axis=0))
        if not len(sides):
            return nothing
        if len(sides) == 1:
            points = _strip(points[:, sides[0]])
        upper, lower = points
        height, width = image.shape[:2]
        corners = np.concatenate([upper, lower])
        low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(axis=0)) + 1, (width, height)).astype(int)
        if (high - low <= 0).any() or np.prod(high - low) < self.min_pixels:
            return nothing
        part = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2LAB)
        middle = (upper + lower) / 2
        counts = [
            self._histogram(part, np.stack([*first, *second[::-1]]) - low)
            for first, second in ((upper, middle), (middle, lower))
        ]
        if sum(count.sum() for count in counts) < self.min_pixels:
            return nothing
        return np.sqrt(np.concatenate([count / max(count.sum(), 1) for count in counts]) / 2)

    def _histogram(self, part: np.ndarray, corners: np.ndarray) -> np.ndarray:
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
        ranges = [0, 256] * 3
        counts = cv2.calcHist([part], [0, 1, 2], mask, list(self.bins), ranges).astype(np.float64)
        for axis in range(3):  # a colour at the edge of a bin counts for the next one, too
            wider = np.pad(counts, [(1, 1) if one == axis else (0, 0) for one in range(3)], mode="edge")
            before, after = (np.moveaxis(wider, axis, 0)[cut] for cut in (slice(None, -2), slice(2, None)))
            counts = counts / 2 + np.moveaxis(before + after, 0, axis) / 4
        return counts.ravel()


def _strip(side: np.ndarray) -> np.ndarray:
    """The corners (2, 2, 2) of a strip along a shoulder and its hip (2, 2)."""
    along = side[1] - side[0]
    across = _STRIP * np.array([along[1], -along[0]])
    return np.stack([side - across, side + across], axis=1)
