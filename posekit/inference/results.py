"""Writes poses as they come in COCO's results form, so that a long video needs no memory for them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.geometry import xyxy_to_xywh
from posekit.inference.people import PERSON_SCORE
from posekit.io.files import atomic_file
from posekit.metrics.oks import rescore
from posekit.structures import Pose

PERSON = 1
Add = Callable[..., None]


@contextlib.contextmanager
def results_file(path: str | Path) -> Iterator[Add]:
    """Opens a results file, which appears under its name when the block ends well, or not at all.

    Yields:
        ``add(poses, image_id, **facts)``: appends poses; the facts (a file's name ...) go into each record.
    """
    with atomic_file(path) as file:
        file.write(b"[")
        separator = b"\n"

        def add(poses: Sequence[Pose], image_id: int, tracked: bool = False, **facts: Any) -> None:
            nonlocal separator
            for record in records_of(poses, image_id, tracked):
                file.write(separator + json.dumps({**record, **facts}).encode("ascii"))
                separator = b",\n"

        yield add
        file.write(b"\n]\n")


def records_of(poses: Sequence[Pose], image_id: int, tracked: bool = False) -> list[dict[str, Any]]:
    """Poses of one image as COCO results; beside them the box (``box_xywh``), its score and the person's.

    The score is the box's times the mean of the keypoint scores above 0.2, as the HRNet release ranks poses.
    ``person_score`` is there if scores are calibrated.

    Args:
        poses: In image pixels.
        image_id: Of all of them.
        tracked: Whether ``person_id`` lasts from frame to frame; it is then written as ``track_id``.
    """
    if not poses:
        return []
    keypoints = np.array([np.column_stack([pose.keypoints, pose.scores]) for pose in poses], np.float64)
    scores = rescore(np.array([pose.box_score for pose in poses]), keypoints[..., 2])
    boxes = xyxy_to_xywh([pose.box_xyxy for pose in poses])
    return [
        {
            "image_id": image_id,
            "category_id": PERSON,
            "keypoints": np.round(points, 3).ravel().tolist(),
            "score": round(float(score), 5),
            "box_xywh": np.round(box, 2).tolist(),
            "box_score": round(pose.box_score, 5),
            **{name: round(float(one), 5) for name, one in pose.extra.items() if name == PERSON_SCORE},
            **({"track_id": pose.person_id} if tracked else {}),
        }
        for pose, points, score, box in zip(poses, keypoints, scores, boxes, strict=True)
    ]
