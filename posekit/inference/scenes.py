"""One image on its way through the predictor: decoded and with its boxes, later with its poses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.inference.people import (
    GIVEN,
    PERSON_SCORE,
    WHOLE_FRAME,
    People,
    check_boxes,
    unusable_words,
    usable_boxes,
)
from posekit.io.pictures import load_rgb
from posekit.structures import Pose

# A narrower box than the whole frame: around the joints surer than this, if there are so many,
_SURE, _LEAST_JOINTS = 0.2, 5
# widened by this: there is more of a person than joints. Of a face, the points reach as far as its box.
WIDENED, WIDENED_FACE = 0.35, 0.0


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
        """Which boxes a crop can be cut from, with a finite score: bool (n,)."""
        return usable_boxes(self.boxes, self.image.shape[:2]) & np.isfinite(self.scores)


class Found(NamedTuple):
    """What is predicted for n boxes.

    Attributes:
        points: float32 (n, K, 2), image pixels.
        scores: float32 (n, K).
        extra: What else, by name, each (n, ...).
    """

    points: np.ndarray
    scores: np.ndarray
    extra: dict[str, np.ndarray]

    def taken(self, rows: np.ndarray) -> Found:
        """Those of some boxes."""
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Found(self.points[rows], self.scores[rows], extra)

    def spread(self, usable: np.ndarray) -> Found:
        """Its rows as those of the usable boxes, bool (m,), among rows of zeros for the others."""

        def among_zeros(values: np.ndarray) -> np.ndarray:
            rows = np.zeros((len(usable), *values.shape[1:]), values.dtype)
            rows[usable] = values
            return rows

        extra = {name: among_zeros(values) for name, values in self.extra.items()}
        return Found(among_zeros(self.points), among_zeros(self.scores), extra)


def joined(parts: Sequence[Found], num_keypoints: int) -> Found:
    """One after the other; of no parts, K keypoints of nobody."""
    if not parts:
        return Found(
            np.zeros((0, num_keypoints, 2), np.float32), np.zeros((0, num_keypoints), np.float32), {}
        )
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in parts[0].extra}
    points = np.concatenate([part.points for part in parts])
    return Found(points, np.concatenate([part.scores for part in parts]), extra)


def open_scene(request: Request) -> Scene | DataError:
    """The decoded image with the boxes given, or the whole frame; or why they are no use."""
    try:
        image = load_rgb(request.image)
        if request.boxes is not None:
            scene = Scene(image, *check_boxes(request.boxes, request.box_scores), GIVEN)
            if len(scene.boxes) and not scene.usable().any():
                raise DataError(unusable_words(scene.boxes, scene.scores, image.shape[:2]))
            return scene
    except DataError as error:
        return error
    height, width = image.shape[:2]
    return Scene(image, np.array([[0.0, 0.0, width, height]]), np.ones(1), WHOLE_FRAME)


def narrowed(scene: Scene, found: Found, widened: float = WIDENED) -> Scene | None:
    """The scene with a box around the joints that were found in it, widened, within the image.

    Args:
        scene: Of one person.
        found: That person.
        widened: By this share of the box's sides (of half the longer one, if that is more) on every side.

    Returns:
        None where too few joints are sure, or lie in one place.
    """
    sure = found.points[0][found.scores[0] >= _SURE].astype(np.float64)
    if len(sure) < max(min(_LEAST_JOINTS, found.points.shape[1]), 1):
        return None
    low, high = sure.min(axis=0), sure.max(axis=0)
    sides = high - low
    margin = widened * np.maximum(sides, sides.max() / 2)
    size_wh = scene.image.shape[1::-1]
    box = np.concatenate([np.maximum(low - margin, 0), np.minimum(high + margin, size_wh)])
    closer = scene._replace(boxes=box[None])
    return closer if closer.usable().all() else None


def people_of(scene: Scene, found: Found, threshold: float = 0.0) -> People:
    """The poses of a scene, in the order of its boxes; none of a box that is of no use.

    Args:
        scene: The image with its boxes.
        found: What is predicted for them, with the people's scores among its ``extra`` if they are known.
        threshold: Of those scores; who was looked for and is below it is left out.
    """
    usable = scene.usable()
    clear: np.ndarray = np.ones(len(usable), bool)
    if scene.box_source != GIVEN and PERSON_SCORE in found.extra:
        clear = found.extra[PERSON_SCORE] >= threshold
    poses = [
        Pose(
            found.points[number],
            found.scores[number],
            scene.boxes[number].astype(np.float32),
            float(scene.scores[number]),
            person_id=number,
            extra={name: values[number] for name, values in found.extra.items()},
        )
        for number in np.flatnonzero(usable & clear).tolist()
    ]
    return People(
        poses,
        scene.box_source,
        scene.image.shape[:2],
        tuple(np.flatnonzero(~usable).tolist()),
        unusable_words(scene.boxes, scene.scores, scene.image.shape[:2]),
        unclear=int((usable & ~clear).sum()),
    )
