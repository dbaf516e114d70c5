"""From people in the network's input to a head's prediction, or to poses in the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from posekit.bottomup.assembly import Assembled
from posekit.models.heads import Prediction
from posekit.models.poses import found_people
from posekit.structures import Pose


def prediction_of(people: Sequence[Assembled]) -> Prediction:
    """The people of B pictures as one prediction, input pixels."""
    points, scores, person_scores = (
        torch.from_numpy(np.concatenate(values)).float() for values in zip(*people, strict=True)
    )
    owner = np.repeat(np.arange(len(people)), [len(one.points) for one in people])
    return Prediction(points, scores, owner=torch.from_numpy(owner), person_scores=person_scores)


def poses_of(people: Assembled, scale_xy: Sequence[float] = (1.0, 1.0), image_id: int = 0) -> list[Pose]:
    """The people as poses of a picture that was merely resized, from the surest down.

    A pixel of the picture at x, an integer being its centre, lies at scale (x + 1/2) - 1/2 in the input, as
    resizing has it. A ``PoseEstimator`` goes back by its sample's warp instead.

    Args:
        people: In input pixels.
        scale_xy: Input pixels for a pixel of the picture, as
            :class:`~posekit.detection.letterbox.Letterboxed` says.
        image_id: Of the picture.

    Returns:
        Poses in pixels of the picture; see :func:`~posekit.models.poses.found_people`.
    """
    points = (people.points + 0.5) / np.asarray(scale_xy, np.float64) - 0.5
    return found_people(points, people.scores, people.person_scores, image_id)
