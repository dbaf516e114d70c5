"""From people in the network's input to poses in the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.bottomup.assembly import Assembled
from posekit.structures import Pose


def poses_of(people: Assembled, scale_xy: Sequence[float] = (1.0, 1.0), image_id: int = 0) -> list[Pose]:
    """The people as poses, from the surest down.

    A pixel of the picture at x, an integer being its centre, lies at scale (x + 1/2) - 1/2 in the input, as
    resizing has it.

    Args:
        people: In input pixels.
        scale_xy: Input pixels for a pixel of the picture, as
            :class:`~posekit.detection.letterbox.Letterboxed` says.
        image_id: Of the picture.

    Returns:
        Poses in pixels of the picture. A part that was not found lies at (0, 0) with the score 0. There being
        no detector, the box is the one around the parts found, and its score the person's.
    """
    scale = np.asarray(scale_xy, np.float64)
    poses: list[Pose] = []
    for row in np.argsort(-people.person_scores, kind="stable").tolist():
        found = people.scores[row] > 0
        points = np.where(found[:, None], (people.points[row] + 0.5) / scale - 0.5, 0)
        edges = points[found] if found.any() else points[:1]
        poses.append(
            Pose(
                keypoints=points.astype(np.float32),
                scores=people.scores[row].astype(np.float32),
                box_xyxy=np.concatenate([edges.min(axis=0), edges.max(axis=0)]).astype(np.float32),
                box_score=float(people.person_scores[row]),
                image_id=image_id,
                person_id=len(poses),
            )
        )
    return poses
