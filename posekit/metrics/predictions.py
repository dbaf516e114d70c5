"""Predictions as files: ``results.json``, COCO's keypoint results form, and MPII's ``pred.mat``.

Coordinates are 0-based image pixels except in ``pred.mat``: 1-based, as the official evaluation wants them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.geometry import xywh_to_xyxy, xyxy_to_xywh
from posekit.io import records as rec
from posekit.io.files import atomic_file, compact_json, read_json
from posekit.metrics.poses import PoseArrays, first_of_each_person, select_poses, to_detections
from posekit.structures import Pose

__all__ = [
    "NOWHERE",
    "PoseArrays",
    "first_of_each_person",
    "read_poses",
    "select_poses",
    "to_detections",
    "write_mpii_predictions",
    "write_results",
]

# Where nobody was predicted: far from every image, so that it counts as wrong, and finite, as evaluators
# want it.
NOWHERE = -1e4


def write_results(
    path: str | Path,
    poses: PoseArrays,
    scores: np.ndarray,
    category_id: int | np.ndarray,
    ground_truth_boxes: bool,
) -> None:
    """Writes a COCO keypoint results file, atomically.

    Each record has image_id, category_id, keypoints ([x, y, score] x K, flat), score, box_xywh, the person
    box, and, where more was predicted, ``extra``: name -> a number or nested lists. The box is not called
    ``bbox``: pycocotools would take its area for AP and AR of medium and large people, where the releases'
    files, which have no box, give the keypoints' extent.

    Args:
        path: The file.
        poses: N poses.
        scores: (N,).
        category_id: Of all poses, or int (N,), of each.
        ground_truth_boxes: Write each pose's annotation_id: the person whose box it was.
    """
    count = len(scores)
    keypoints = np.ascontiguousarray(poses.keypoints, np.float64).reshape(count, 3 * poses.keypoints.shape[1])
    boxes = np.ascontiguousarray(xyxy_to_xywh(poses.boxes_xyxy), np.float64)
    scores = np.asarray(scores, np.float64)
    extra = {name: column.tolist() for name, column in poses.extra.items()}
    results: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": category,
            "keypoints": keypoints[i],
            "score": score,
            "box_xywh": boxes[i],
            **({"annotation_id": person_id} if ground_truth_boxes else {}),
        }
        for i, (image_id, category, person_id, score) in enumerate(
            zip(
                poses.image_ids.tolist(),
                np.broadcast_to(category_id, count).tolist(),
                poses.person_ids.tolist(),
                scores.tolist(),
                strict=True,
            )
        )
    ]
    for i, result in enumerate(results if extra else ()):
        result["extra"] = {name: column[i] for name, column in extra.items()}
    numbers = (keypoints, boxes, scores, *poses.extra.values())
    with atomic_file(path) as file:
        file.write(compact_json(results, finite=all(np.isfinite(column).all() for column in numbers)))


def read_poses(path: str | Path) -> list[Pose]:
    """Reads keypoint results in COCO's form, e.g. what :func:`write_results` wrote, to draw them.

    The box is the record's ``box_xywh`` or ``bbox``, else the keypoints' extent; ``box_score`` is the
    record's score, 1 if it states none; ``person_id`` is -1 without annotation_id.

    Raises:
        DataError: If the file is not such a list.
    """
    records = rec.record_list(read_json(path), None, path)
    return [_pose_of(record, f"{path}: results[{number}]") for number, record in enumerate(records)]


def _pose_of(record: Mapping[str, Any], where: str) -> Pose:
    stated = record.get("keypoints")
    count = len(stated) // 3 if isinstance(stated, list) else 1
    keypoints = rec.numbers([record], "keypoints", where, 3 * max(count, 1)).reshape(-1, 3)
    extra = record.get("extra", {})
    if not isinstance(extra, Mapping):
        raise DataError(f"{where}, field 'extra': expected an object, found {shown(extra)}")
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, and drawn nowhere
        return Pose(
            keypoints=keypoints[:, :2].astype(np.float32),
            scores=keypoints[:, 2].astype(np.float32),
            box_xyxy=_box_of(record, keypoints, where).astype(np.float32),
            box_score=float(rec.numbers([{"score": 1.0, **record}], "score", where)[0]),
            image_id=int(rec.integers([record], "image_id", where)[0]),
            person_id=int(rec.integers([{"annotation_id": -1, **record}], "annotation_id", where)[0]),
            extra={name: np.asarray(value) for name, value in extra.items()},
        )


def _box_of(record: Mapping[str, Any], keypoints: np.ndarray, where: str) -> np.ndarray:
    for name in ("box_xywh", "bbox"):
        if record.get(name):
            return xywh_to_xyxy(rec.numbers([record], name, where, 4)[0])
    return np.concatenate([keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)])


def write_mpii_predictions(path: str | Path, predicted: np.ndarray) -> None:
    """Writes ``preds`` (N, 16, 2), 1-based, as the official MPII evaluation takes it; atomically.

    Args:
        path: The ``.mat`` file.
        predicted: (N, 16, 2), 0-based pixels in the order of the ground truth; NaN (nobody predicted)
            becomes a point far outside the image.
    """
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"preds": np.where(np.isnan(predicted), NOWHERE, predicted) + 1.0})
    with atomic_file(path) as file:
        file.write(buffer.getvalue())
