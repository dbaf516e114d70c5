"""What is predicted for one image: its poses, and what the reader of them must know."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from posekit.errors import DataError
from posekit.structures import Pose

GIVEN, DETECTED, WHOLE_FRAME = "given", "detector", "whole frame"
# A box with a coordinate beyond this is no place in any image.
_FARTHEST = 1e6
_LEAST_SIDE = 1e-3


class People(list[Pose]):
    """The poses of one image, in the order of the boxes; a list with a few facts beside it.

    Attributes:
        box_source: Where the boxes came from: "given", "detector" or "whole frame". The last means that the
            image was taken for one person, because there were neither boxes nor a detector; the pose's box is
            then that of the last look.
        image_size_hw: Height and width of the image, pixels; (0, 0) if it could not be read.
        unusable: Numbers of the boxes that no crop can be cut from (not finite, without area, wholly outside
            the image) or without a finite score; their poses are (0, 0) with the score 0.
        error: Why there are no poses, if the image cannot be used; None otherwise.
        unclear: How many of those that were looked for were taken for no person, and left out: their joints
            are too unsure. Boxes that were given are never left out so.
    """

    def __init__(
        self,
        poses: Iterable[Pose] = (),
        box_source: str = GIVEN,
        image_size_hw: tuple[int, int] = (0, 0),
        unusable: tuple[int, ...] = (),
        error: DataError | None = None,
        unclear: int = 0,
    ) -> None:
        super().__init__(poses)
        self.box_source = box_source
        self.image_size_hw = image_size_hw
        self.unusable = unusable
        self.error = error
        self.unclear = unclear

    def replaced(self, poses: Iterable[Pose]) -> People:
        """The same image with other poses, e.g. smoothed ones."""
        return People(poses, self.box_source, self.image_size_hw, self.unusable, self.error, self.unclear)


def check_boxes(boxes: object, scores: object = None) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as float64 (n, 4) and their scores as float64 (n,), 1 by default.

    Args:
        boxes: (n, 4) xyxy image pixels, or one box (4,); n may be 0.
        scores: (n,), or None.

    Raises:
        DataError: If they are no numbers or of another shape.
    """
    try:
        array = np.asarray(boxes, dtype=np.float64)
        array = array.reshape(-1, 4) if array.size == 0 or array.shape == (4,) else array
        values = np.ones(len(array)) if scores is None else np.asarray(scores, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"boxes: expected numbers (n, 4), x1 y1 x2 y2 in pixels: {error}") from error
    if array.ndim != 2 or array.shape[1] != 4:
        raise DataError(f"boxes: expected the shape (n, 4), x1 y1 x2 y2 in pixels, found {array.shape}")
    if len(values) != len(array):
        raise DataError(f"box scores: expected one per box ({len(array)}), found {len(values)}")
    return array, values


def usable_boxes(boxes_xyxy: np.ndarray, image_size_hw: tuple[int, int]) -> np.ndarray:
    """Which boxes (n, 4) are finite, have an area and touch the image: bool (n,)."""
    height, width = image_size_hw
    with np.errstate(invalid="ignore"):  # a comparison with NaN is False, which is what is meant
        near = (np.abs(boxes_xyxy) <= _FARTHEST).all(axis=1)
        sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= _LEAST_SIDE).all(axis=1)
    touches = (boxes_xyxy[:, :2] < (width, height)).all(axis=1) & (boxes_xyxy[:, 2:] > 0).all(axis=1)
    return near & sides & touches
