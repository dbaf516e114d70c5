"""One image on its way through the predictor: decoded and with its boxes, later with its poses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.inference.people import GIVEN, WHOLE_FRAME, People, check_boxes, usable_boxes
from posekit.io.pictures import load_rgb
from posekit.structures import Pose

# A narrower box than the whole frame: around the joints surer than this, if there are so many,
_SURE, _LEAST_JOINTS = 0.2, 5
# with this share of its sides (of half the longer one, if that is more) added on every side.
_WIDENED = 0.35


class Request(NamedTuple):
    """One image to predict on; ``boxes`` None: to be found."""

    image: Any
    boxes: Any = None
    box_scores: Any = None


class Scene(NamedTuple):
    """One decoded image, uint8 (H, W, 3) RGB, with its boxes (n, 4) and their scores (n,)."""

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    box_source: str

    def usable(self) -> np.ndarray:
        """Which boxes a crop can be cut from: bool (n,)."""
        return usable_boxes(self.boxes, self.image.shape[:2])


def open_scene(request: Request) -> Scene | DataError:
    """The decoded image with the boxes given, or the whole frame; or why it cannot be used."""
    try:
        image = load_rgb(request.image)
        if request.boxes is not None:
            return Scene(image, *check_boxes(request.boxes, request.box_scores), GIVEN)
    except DataError as error:
        return error
    height, width = image.shape[:2]
    return Scene(image, np.array([[0.0, 0.0, width, height]]), np.ones(1), WHOLE_FRAME)


def narrowed(scene: Scene, points: np.ndarray, scores: np.ndarray) -> Scene | None:
    """The scene with a box around the joints that were found in it, widened, within the image.

    Args:
        scene: Of one person.
        points: (1, K, 2), image pixels.
        scores: (1, K).

    Returns:
        None where too few joints are sure, or lie in one place.
    """
    sure = points[0][scores[0] >= _SURE].astype(np.float64)
    if len(sure) < min(_LEAST_JOINTS, points.shape[1]):
        return None
    low, high = sure.min(axis=0), sure.max(axis=0)
    sides = high - low
    margin = _WIDENED * np.maximum(sides, sides.max() / 2)
    size_wh = scene.image.shape[1::-1]
    box = np.concatenate([np.maximum(low - margin, 0), np.minimum(high + margin, size_wh)])
    closer = scene._replace(boxes=box[None])
    return closer if closer.usable().all() else None


def people_of(scene: Scene, points: np.ndarray, scores: np.ndarray) -> People:
    """The poses (n, K, 2) and their scores (n, K) of a scene, in the order of its boxes."""
    with np.errstate(over="ignore"):  # of an unusable box
        boxes = scene.boxes.astype(np.float32)
    poses = [
        Pose(keypoints, keypoint_scores, box, box_score, person_id=number)
        for number, (keypoints, keypoint_scores, box, box_score) in enumerate(
            zip(points, scores, boxes, scene.scores.tolist(), strict=True)
        )
    ]
    unusable = tuple(np.flatnonzero(~scene.usable()).tolist())
    return People(poses, scene.box_source, scene.image.shape[:2], unusable)
