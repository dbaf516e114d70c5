"""From a head's prediction to poses in the image: one inverse warp for each sample."""

from __future__ import annotations

import numpy as np

from posekit.geometry import apply_warp, invert_warp
from posekit.models.heads import Prediction
from posekit.structures import Pose, Sample


def poses_of(prediction: Prediction, sample: Sample) -> list[Pose]:
    """Takes a head's prediction back to image pixels.

    Args:
        prediction: Of B crops. Without points the poses have no keypoints: (0, 2).
        sample: The batch they were predicted from.
    """
    points_image, scores = _in_image(prediction, sample)
    boxes, box_scores = sample.box_xyxy.cpu().numpy(), sample.box_score.cpu().numpy()
    image_ids, person_ids = sample.image_id.tolist(), sample.person_id.tolist()
    extra = {name: value.cpu().numpy() for name, value in prediction.extra.items()}
    return [
        Pose(
            keypoints=points_image[i].astype(np.float32),
            scores=person_scores,
            box_xyxy=boxes[i],
            box_score=float(box_scores[i]),
            image_id=image_ids[i],
            person_id=person_ids[i],
            extra={name: values[i] for name, values in extra.items()},
        )
        for i, person_scores in enumerate(scores)
    ]


def _in_image(prediction: Prediction, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Points float64 (B, K, 2), image pixels, and scores float32 (B, K)."""
    count = len(sample.box_score)
    if prediction.points is None:
        return np.zeros((count, 0, 2)), np.zeros((count, 0), np.float32)
    # float64 on the host only: Apple's GPUs have none.
    inverse = invert_warp(sample.warp.cpu().numpy().astype(np.float64))
    points_image = apply_warp(prediction.points.cpu().double().numpy(), inverse)
    scores = prediction.scores
    if scores is None:  # of a head that does not say how sure it is
        return points_image, np.ones(points_image.shape[:2], np.float32)
    return points_image, scores.float().cpu().numpy()


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
