"""Random changes of a crop before it is cut: half body, scale, rotation, mirror image, place, cut-off people.

They end in the crop's one warp. A draw depends on the random generator alone, which a data set seeds with
(seed, epoch, sample).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import ConfigError, is_whole
from posekit.geometry import crop_from_box
from posekit.registry import DATASETS
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms.crop import Crop, Placement
from posekit.transforms.similarity import rotation_matrix
from posekit.transforms.truncation import truncate

# The HRNet release draws randn() < 0.5, which is true with the probability Phi(0.5).
_PREFER_UPPER = 0.6914624612740131


class HalfBody(NamedTuple):
    """The crop of half a body: centre (2,) and width and height (2,), image pixels."""

    center: np.ndarray
    size_wh: np.ndarray


def half_body_box(
    keypoints: np.ndarray,
    visible: np.ndarray,
    upper_body: np.ndarray,
    prefer_upper: bool,
    aspect: float,
    padding: float = 1.5,
) -> HalfBody | None:
    """The HRNet release's crop of the upper or lower body.

    The preferred half is taken if more than two of its keypoints are labelled, otherwise the lower if more
    than two of it are, otherwise the upper.

    Args:
        keypoints: (K, 2), image pixels.
        visible: (K,), above 0 where labelled.
        upper_body: bool (K,).
        prefer_upper: Which half is preferred.
        aspect: Width / height of the crop.
        padding: Factor on the box of the half's keypoints, after widening to the aspect.

    Returns:
        The crop, centred on the mean of the keypoints; None where fewer than two are left or all coincide.
    """
    labelled = np.asarray(visible) > 0
    upper, lower = labelled & upper_body, labelled & ~np.asarray(upper_body)
    chosen = upper if (prefer_upper and upper.sum() > 2) or lower.sum() <= 2 else lower
    if chosen.sum() < 2:
        return None
    points = np.asarray(keypoints, dtype=np.float64)[chosen]
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    _, size_wh = crop_from_box(box, aspect, padding)
    return HalfBody(points.mean(axis=0), size_wh) if size_wh[0] > 0 else None


@DATASETS.register_module()
class Augment:
    """Random half body, scale, rotation, mirroring, shift, cut-off. The defaults are the focal MSE paper's.

    Args:
        flip_prob: Probability of the mirror image.
        rotation: Degrees r. "uniform": in [-r, r]; "clipped_normal": r N(0, 1) within [-2r, 2r].
        rotation_prob: Probability of rotating at all.
        scale: Range (low, high) of the factor on the crop's sides, or s for (1 - s, 1 + s). "uniform": even
            over the range; "clipped_normal": 1 + s N(0, 1) within it, s being half the range.
        sampling: "uniform" or "clipped_normal", the HRNet release's.
        half_body_prob: Probability of cropping half the body of a person with enough keypoints.
        half_body_min_keypoints: More labelled keypoints than this are enough.
        shift: The crop's centre moves by up to this fraction of the box's sides (of the box widened to the
            crop's aspect), uniformly, as a detector's boxes are off.
        truncate_prob: Probability of a person cut off as at the edge of a photo
            (:mod:`posekit.transforms.truncation`), in the place of half a body.
        truncate_min_keypoints: So many labelled keypoints are left, or more.

    Raises:
        ConfigError: On a probability or shift outside 0..1, an empty range or an unknown sampling.
    """

    def __init__(
        self,
        flip_prob: float = 0.5,
        rotation: float = 30.0,
        rotation_prob: float = 1.0,
        scale: float | Sequence[float] = (0.65, 1.35),
        sampling: str = "uniform",
        half_body_prob: float = 0.0,
        half_body_min_keypoints: int = 8,
        shift: float = 0.0,
        truncate_prob: float = 0.0,
        truncate_min_keypoints: int = 4,
    ) -> None:
        low_high = (1 - scale, 1 + scale) if isinstance(scale, (int, float)) else tuple(scale)
        if len(low_high) != 2 or not 0 < low_high[0] <= low_high[1] < float("inf"):
            raise ConfigError(f"augment: 'scale' must be a range (low, high) above 0, found {scale}")
        if not 0 <= rotation <= 180:
            raise ConfigError(f"augment: 'rotation' must be in 0..180 degrees, found {rotation}")
        if sampling not in ("uniform", "clipped_normal"):
            raise ConfigError(
                f"augment: 'sampling' must be 'uniform' or 'clipped_normal', found {sampling!r}"
            )
        for name in ("flip_prob", "rotation_prob", "half_body_prob", "shift", "truncate_prob"):
            if not 0 <= locals()[name] <= 1:
                raise ConfigError(f"augment: '{name}' must be in 0..1, found {locals()[name]}")
        if not is_whole(truncate_min_keypoints):
            raise ConfigError(
                "augment: 'truncate_min_keypoints' must be a whole number of at least 1, found "
                f"{truncate_min_keypoints!r}"
            )
        self.flip_prob = flip_prob
        self.rotation = float(rotation)
        self.rotation_prob = rotation_prob
        self.scale = (float(low_high[0]), float(low_high[1]))
        self.sampling = sampling
        self.half_body_prob = half_body_prob
        self.half_body_min_keypoints = half_body_min_keypoints
        self.shift = shift
        self.truncate_prob = truncate_prob
        self.truncate_min_keypoints = truncate_min_keypoints

    @classmethod
    def paper(cls, **changes: Any) -> Augment:
        """The focal MSE paper: scale uniform in 0.65..1.35, rotation in -30..30, half the crops mirrored."""
        return cls(**changes)

    @classmethod
    def hrnet_mpii(cls, **changes: Any) -> Augment:
        """The HRNet release on MPII."""
        return cls(**{**HRNET_MPII, **changes})

    @classmethod
    def hrnet_coco(cls, **changes: Any) -> Augment:
        """The HRNet release on COCO, with half-body crops."""
        return cls(**{**HRNET_COCO, **changes})

    def check_skeleton(self, skeleton: Skeleton) -> None:
        """Raises ConfigError if half-body crops are asked of a skeleton that names no upper body."""
        if self.half_body_prob > 0 and not skeleton.upper_body:
            raise ConfigError(
                f"augment: 'half_body_prob' is {self.half_body_prob}, but skeleton '{skeleton.name}' "
                "states no 'upper_body'"
            )

    def draw(
        self,
        rng: np.random.Generator,
        record: PersonRecord,
        skeleton: Skeleton,
        crop: Crop,
        base: Placement | None = None,
    ) -> Placement:
        """Draws the crop of a person.

        Args:
            rng: Where the random numbers come from.
            record: The person.
            skeleton: Its keypoints.
            crop: How a box becomes the input.
            base: The crop that is changed; None: the box's. A turned one stays turned by its angle, also
                where half a body or a part of the picture takes its place.
        """
        base = crop.place(record.box_xyxy) if base is None else base
        placed = self._half_body(rng, record, skeleton, crop) or base
        scale = self._draw_scale(rng)
        rotation = self._draw_rotation(rng) if rng.random() < self.rotation_prob else 0.0
        flip = bool(rng.random() < self.flip_prob)
        # What came later is drawn last, and nothing where it is off: the draws above are as ever.
        window = None
        if self.truncate_prob and rng.random() < self.truncate_prob:
            left = truncate(rng, record, self.truncate_min_keypoints)
            if left is not None:
                placed, window = crop.place(left.box_xyxy), left.window_xyxy
        center = placed.center
        if self.shift:
            moved = rng.uniform(-self.shift, self.shift, 2) * placed.size_wh / crop.padding
            center = center + moved @ rotation_matrix(base.rotation_deg)  # along the crop's sides
        return Placement(center, placed.size_wh * scale, base.rotation_deg + rotation, flip, window)

    def _half_body(
        self, rng: np.random.Generator, record: PersonRecord, skeleton: Skeleton, crop: Crop
    ) -> HalfBody | None:
        if self.half_body_prob == 0 or np.count_nonzero(record.visible) <= self.half_body_min_keypoints:
            return None
        if rng.random() >= self.half_body_prob:
            return None
        upper = bool(rng.random() < _PREFER_UPPER)
        mask = skeleton.upper_body_mask
        return half_body_box(record.keypoints, record.visible, mask, upper, crop.crop_aspect)

    def _draw_scale(self, rng: np.random.Generator) -> float:
        low, high = self.scale
        if self.sampling == "uniform":
            return float(rng.uniform(low, high))
        drawn = (low + high) / 2 + (high - low) / 2 * rng.standard_normal()
        return float(min(max(drawn, low), high))

    def _draw_rotation(self, rng: np.random.Generator) -> float:
        if self.sampling == "uniform":
            return float(rng.uniform(-self.rotation, self.rotation))
        drawn = self.rotation * rng.standard_normal()
        return float(min(max(drawn, -2 * self.rotation), 2 * self.rotation))


# The HRNet release's settings, to be unpacked into a config: dict(type=Augment, **HRNET_COCO).
HRNET_MPII: dict[str, Any] = {
    "flip_prob": 0.5,
    "rotation": 30.0,
    "rotation_prob": 0.6,
    "scale": (0.75, 1.25),
    "sampling": "clipped_normal",
}
HRNET_COCO: dict[str, Any] = {
    **HRNET_MPII,
    "rotation": 45.0,
    "scale": (0.65, 1.35),
    "half_body_prob": 0.3,
    "half_body_min_keypoints": 8,
}
