"""How much of a photo the samples of a person may show.

A training sample is the person's box, widened to the input's aspect, padded, then scaled, turned and moved at
random; or half a body, or what a cut leaves of one. All of these are placements, and what they show at their
largest is what a stored crop has to hold for its samples to be those of the photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from posekit.geometry import crop_from_box
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms import Augment, Crop, Placement, half_body_box

#: Of the box's longer side: the side of the square that is stored where no config says what is needed.
PADDING = 2.5


@dataclass(frozen=True)
class Square:
    """A square around a person's box.

    Attributes:
        padding: Its side, in longer sides of the box.
    """

    padding: float = PADDING

    def __call__(self, record: PersonRecord) -> np.ndarray:
        """The region, float64 (4,) xyxy image pixels; it may lead out of the photo."""
        center, size_wh = crop_from_box(record.box_xyxy, 1.0, self.padding)
        return np.concatenate([center - size_wh / 2, center + size_wh / 2])


@dataclass(frozen=True)
class Reach:
    """All that the samples of a data set may show of a person.

    Attributes:
        crop: The data set's.
        augment: Likewise; None: none.
        skeleton: What the keypoints are.
    """

    crop: Crop
    augment: Augment | None
    skeleton: Skeleton

    def __call__(self, record: PersonRecord) -> np.ndarray:
        """The region, float64 (4,) xyxy image pixels; it may lead out of the photo."""
        regions = np.array([self._shown(placement) for placement in self._placements(record)])
        return np.concatenate([regions[:, :2].min(axis=0), regions[:, 2:].max(axis=0)])

    def _placements(self, record: PersonRecord) -> Iterator[Placement]:
        """The plain crop, and what the augmentation may put in its place."""
        yield self.crop.place(record.box_xyxy)
        augment = self.augment
        if augment is None:
            return
        if augment.half_body_prob and np.count_nonzero(record.visible) > augment.half_body_min_keypoints:
            for upper in (True, False):
                half = half_body_box(
                    record.keypoints,
                    record.visible,
                    self.skeleton.upper_body_mask,
                    upper,
                    self.crop.crop_aspect,
                )
                if half is not None:
                    yield Placement(half.center, half.size_wh)
        if augment.truncate_prob:
            # A cut leaves a box within the box. How far its crop reaches is a concave function of its sides,
            # so that the farthest is at a corner: of each axis all of it, or its first or last end.
            left, top, right, bottom = np.asarray(record.box_xyxy, np.float64).tolist()
            for x1, x2 in ((left, left), (left, right), (right, right)):
                for y1, y2 in ((top, top), (top, bottom), (bottom, bottom)):
                    yield self.crop.place(np.array([x1, y1, x2, y2]))

    def _shown(self, placement: Placement) -> np.ndarray:
        """What a placement shows at its largest, turned and moved as far as may be."""
        width, height = placement.size_wh.tolist()
        augment = self.augment
        half = np.array([width, height]) / 2
        if augment is not None:
            turn = _largest_rotation(augment)
            sides = np.array([_widest(width, height, turn), _widest(height, width, turn)])
            half = augment.scale[1] * sides / 2
            half += augment.shift * placement.size_wh / self.crop.padding
        return np.concatenate([placement.center - half, placement.center + half])


def _largest_rotation(augment: Augment) -> float:
    """Degrees."""
    if not augment.rotation_prob:
        return 0.0
    return augment.rotation * (2 if augment.sampling == "clipped_normal" else 1)


def _widest(along: float, across: float, degrees: float) -> float:
    """The extent along one axis of a rectangle turned by at most ``degrees``: along cos + across sin."""
    angle = min(math.radians(degrees), math.atan2(across, along))
    return along * math.cos(angle) + across * math.sin(angle)
