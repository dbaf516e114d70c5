"""Turns ``Pose`` lists into arrays, applies COCO's test protocol to them, and writes both result forms.

Two forms are written: ``results.json``, COCO's keypoint results form, and for MPII ``pred.mat``, which the
official evaluation accepts. Coordinates are 0-based image pixels except in ``pred.mat``, which is 1-based.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.geometry import xywh_to_xyxy, xyxy_to_xywh
from posekit.io.files import atomic_file, read_json
from posekit.metrics import records as rec
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.nms import OKS_NMS, crop_areas
from posekit.metrics.oks import Detections, best_of_each_image, keypoint_areas, rescore
from posekit.structures import Pose

# Where nobody was predicted: far from every image, so that it counts as wrong, and finite, as evaluators
# want it.
NOWHERE = -1e4


@dataclass(frozen=True, eq=False)
class PoseArrays:
    """A list of N poses as arrays, in image pixels.

    Attributes:
        keypoints: float64 (N, K, 3): x, y, score.
        boxes_xyxy: float64 (N, 4).
        box_scores: float64 (N,).
        image_ids: int64 (N,).
        person_ids: int64 (N,).
        extra: What else was predicted, by name, each (N, ...).
    """

    keypoints: np.ndarray
    boxes_xyxy: np.ndarray
    box_scores: np.ndarray
    image_ids: np.ndarray
    person_ids: np.ndarray
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def from_poses(cls, poses: Sequence[Pose], num_keypoints: int) -> PoseArrays:
        """Stacks poses.

        Raises:
            DataError: If a pose has another number of keypoints, or a coordinate is not finite.
        """
        count = len(poses)
        keypoints = np.zeros((count, num_keypoints, 3))
        boxes = np.zeros((count, 4))
        if count:
            wrong = next((p for p in poses if len(p.keypoints) != num_keypoints), None)
            if wrong is not None:
                raise DataError(
                    f"prediction for person {wrong.person_id} of image {wrong.image_id}: expected "
                    f"{num_keypoints} keypoints, found {len(wrong.keypoints)}"
                )
            keypoints[..., :2] = np.concatenate([p.keypoints for p in poses]).reshape(count, num_keypoints, 2)
            keypoints[..., 2] = np.concatenate([p.scores for p in poses]).reshape(count, num_keypoints)
            boxes[:] = np.concatenate([p.box_xyxy for p in poses]).reshape(count, 4)
        _check_poses_finite(keypoints, poses)
        return cls(
            keypoints,
            boxes,
            np.array([p.box_score for p in poses], np.float64),
            np.array([p.image_id for p in poses], np.int64),
            np.array([p.person_id for p in poses], np.int64),
            _stacked(poses),
        )

    def columns(self) -> dict[str, np.ndarray]:
        """All arrays by name, as processes exchange them; further columns as ``extra.NAME``."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "extra"}
        return own | {f"extra.{name}": column for name, column in self.extra.items()}

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray]) -> PoseArrays:
        """Undoes :meth:`columns`."""
        own = {name: column for name, column in columns.items() if not name.startswith("extra.")}
        extra = {name.removeprefix("extra."): columns[name] for name in columns if name not in own}
        return cls(**own, extra=extra)

    def take(self, rows: np.ndarray) -> PoseArrays:
        """The poses of ``rows``, in that order."""
        return self.from_columns({name: column[rows] for name, column in self.columns().items()})


def _stacked(poses: Sequence[Pose]) -> dict[str, np.ndarray]:
    """What else the poses carry, by name (N, ...).

    Raises:
        DataError: If they do not all carry the same.
    """
    names = set(poses[0].extra) if poses else set()
    for pose in poses:
        if set(pose.extra) != names:
            raise DataError(
                f"prediction for person {pose.person_id} of image {pose.image_id}: expected the further "
                f"columns {sorted(names)} as for the others, found {sorted(pose.extra)}"
            )
    return {name: np.stack([np.asarray(pose.extra[name]) for pose in poses]) for name in sorted(names)}


def _check_poses_finite(keypoints: np.ndarray, poses: Sequence[Pose]) -> None:
    bad = np.flatnonzero(~np.isfinite(keypoints).all(axis=(1, 2)))
    if bad.size:
        pose = poses[bad[0]]
        raise DataError(
            f"prediction for person {pose.person_id} of image {pose.image_id}: keypoints or scores are not "
            f"finite ({bad.size} of {len(poses)} predictions); has the training diverged?"
        )


def select_poses(
    poses: PoseArrays,
    sigmas: Sequence[float] | np.ndarray,
    rescore_threshold: float | None = 0.2,
    nms_threshold: float | None = 0.9,
    aspect: float | None = None,
    padding: float = 1.25,
    nms: str = "oks_nms",
    max_per_image: int | None = None,
) -> tuple[PoseArrays, np.ndarray]:
    """The COCO protocol on poses: rescoring, then OKS-NMS in each image, then the best of each image.

    Args:
        poses: Of all images.
        sigmas: (K,), for the NMS.
        rescore_threshold: Score = box score x mean of the keypoint scores above it; None: the box score.
        nms_threshold: Of the NMS; None: no NMS.
        aspect: The crops' width / height and
        padding: their padding: the NMS works with the crops' areas, as the HRNet release does.
        nms: One of :data:`~posekit.metrics.nms.OKS_NMS`.
        max_per_image: At most so many of an image stay, the best; None: all.

    Returns:
        The poses that stay, in their order, and their scores (N',).
    """
    scores = poses.box_scores
    if rescore_threshold is not None:
        scores = rescore(scores, poses.keypoints[..., 2], rescore_threshold)
    if nms_threshold is not None:
        areas = crop_areas(poses.boxes_xyxy, aspect, padding)
        suppress = OKS_NMS[nms]
        kept = suppress(poses.keypoints, areas, scores, sigmas, nms_threshold, groups=poses.image_ids)
        kept.sort()
        poses, scores = poses.take(kept), scores[kept]
    if max_per_image is not None:
        best = best_of_each_image(poses.image_ids, scores, max_per_image)
        poses, scores = poses.take(best), scores[best]
    return poses, scores


def first_of_each_person(poses: PoseArrays, person_ids: np.ndarray) -> np.ndarray:
    """Predictions in the order of ``person_ids``: float64 (N, K, 2), NaN for a person without one.

    A person predicted twice (a sampler's padding, a stand-in for an unreadable image) counts once.
    """
    predicted = np.full((len(person_ids), poses.keypoints.shape[1], 2), np.nan)
    found, first = np.unique(poses.person_ids, return_index=True)
    if not len(found):
        return predicted
    place = np.minimum(np.searchsorted(found, person_ids), len(found) - 1)
    known = found[place] == person_ids
    predicted[known] = poses.keypoints[first[place[known]], :, :2]
    return predicted


def write_results(
    path: str | Path, poses: PoseArrays, scores: np.ndarray, category_id: int, ground_truth_boxes: bool
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
        category_id: Of all poses.
        ground_truth_boxes: Write each pose's annotation_id: the person whose box it was.
    """
    boxes = xyxy_to_xywh(poses.boxes_xyxy)
    extra = {name: column.tolist() for name, column in poses.extra.items()}
    results: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": category_id,
            "keypoints": keypoints,
            "score": score,
            "box_xywh": box,
            **({"annotation_id": person_id} if ground_truth_boxes else {}),
        }
        for image_id, person_id, keypoints, score, box in zip(
            poses.image_ids.tolist(),
            poses.person_ids.tolist(),
            poses.keypoints.reshape(len(scores), -1).tolist(),
            np.asarray(scores, np.float64).tolist(),
            boxes.tolist(),
            strict=True,
        )
    ]
    for i, result in enumerate(results if extra else ()):
        result["extra"] = {name: column[i] for name, column in extra.items()}
    with atomic_file(path) as file:
        file.write(json.dumps(results, separators=(",", ":")).encode("utf-8"))


def read_poses(path: str | Path) -> list[Pose]:
    """Reads back what :func:`write_results` wrote, e.g. to draw it.

    ``person_id`` is -1 without annotation_id.

    Raises:
        DataError: If the file is not such a list.
    """
    records = rec.record_list(read_json(path), None, path)
    return [_pose_of(record, f"{path}: results[{number}]") for number, record in enumerate(records)]


def _pose_of(record: Mapping[str, Any], where: str) -> Pose:
    stated = record.get("keypoints")
    count = len(stated) // 3 if isinstance(stated, list) else 1
    keypoints = rec.numbers([record], "keypoints", where, 3 * max(count, 1)).reshape(-1, 3)
    box = rec.numbers([record], "box_xywh", where, 4)[0]
    extra = record.get("extra", {})
    if not isinstance(extra, Mapping):
        raise DataError(f"{where}, field 'extra': expected an object, found {shown(extra)}")
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, and drawn nowhere
        return Pose(
            keypoints=keypoints[:, :2].astype(np.float32),
            scores=keypoints[:, 2].astype(np.float32),
            box_xyxy=xywh_to_xyxy(box).astype(np.float32),
            image_id=int(rec.integers([record], "image_id", where)[0]),
            person_id=int(rec.integers([{"annotation_id": -1, **record}], "annotation_id", where)[0]),
            extra={name: np.asarray(value) for name, value in extra.items()},
        )


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


def to_detections(poses: PoseArrays, scores: np.ndarray, people: CocoPeople) -> Detections:
    """Poses as detections of the ground truth's first category.

    Poses of images that are not scored are left out. An unmatched pose's area is its keypoints' extent, as
    pycocotools has it for results without a box.
    """
    image_ids = people.truth.image_ids
    rows = np.flatnonzero(np.isin(poses.image_ids, image_ids))
    keypoints = poses.keypoints[rows]
    return Detections(
        np.searchsorted(image_ids, poses.image_ids[rows]),
        np.zeros(len(rows), np.int64),
        keypoints,
        np.asarray(scores, np.float64)[rows],
        keypoint_areas(keypoints),
    )
