"""From a head's prediction of many people to their poses in the pictures, by one inverse warp for each."""

from __future__ import annotations

import numpy as np

from posekit.geometry import apply_warp, invert_warp
from posekit.models.heads import Prediction
from posekit.structures import Pose, Sample


def people_of(prediction: Prediction, sample: Sample) -> list[list[Pose]]:
    """The people of each picture, image pixels, from the surest down.

    Args:
        prediction: Of N people, with their ``owner`` and ``person_scores``.
        sample: The batch of B pictures they were found on.
    """
    assert prediction.points is not None
    assert prediction.scores is not None
    assert prediction.owner is not None
    assert prediction.person_scores is not None
    owner = prediction.owner.cpu().numpy()
    inverse = invert_warp(sample.warp.cpu().numpy().astype(np.float64))
    points = apply_warp(prediction.points.cpu().double().numpy(), inverse[owner])
    scores, person_scores = prediction.scores.cpu().numpy(), prediction.person_scores.cpu().numpy()
    return [
        found_people(points[rows], scores[rows], person_scores[rows], image_id)
        for image_id, rows in (
            (image_id, owner == picture) for picture, image_id in enumerate(sample.image_id.tolist())
        )
    ]


def found_people(
    points_image: np.ndarray, scores: np.ndarray, person_scores: np.ndarray, image_id: int
) -> list[Pose]:
    """People who were found without a detector, from the surest down.

    Args:
        points_image: (P, K, 2), image pixels.
        scores: (P, K); 0 or less where a part was not found, which then lies at (0, 0) with its score.
        person_scores: (P,).
        image_id: Of the picture.

    Returns:
        Poses. Their box is the one around the parts found, its score the person's; ``person_id`` counts the
        people of the picture from 0.
    """
    poses: list[Pose] = []
    for row in np.argsort(-person_scores, kind="stable").tolist():
        found = scores[row] > 0
        points = np.where(found[:, None], points_image[row], 0)
        edges = points[found] if found.any() else points[:1]
        poses.append(
            Pose(
                keypoints=points.astype(np.float32),
                scores=scores[row].astype(np.float32),
                box_xyxy=np.concatenate([edges.min(axis=0), edges.max(axis=0)]).astype(np.float32),
                box_score=float(person_scores[row]),
                image_id=image_id,
                person_id=len(poses),
            )
        )
    return poses
