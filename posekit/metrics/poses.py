"""Predicted poses as arrays, and COCO's test protocol on them: rescoring, OKS-NMS, the best of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from posekit.errors import DataError
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.nms import OKS_NMS, crop_areas
from posekit.metrics.oks import Detections, best_of_each_image, keypoint_areas, rescore
from posekit.structures import Pose


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
    groups: np.ndarray | None = None,
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
        groups: int (N,), within which poses vie with each other; None: the images.

    Returns:
        The poses that stay, in their order, and their scores (N',).
    """
    groups = poses.image_ids if groups is None else groups
    scores = poses.box_scores
    if rescore_threshold is not None:
        scores = rescore(scores, poses.keypoints[..., 2], rescore_threshold)
    if nms_threshold is not None:
        areas = crop_areas(poses.boxes_xyxy, aspect, padding)
        suppress = OKS_NMS[nms]
        kept = suppress(poses.keypoints, areas, scores, sigmas, nms_threshold, groups=groups)
        kept.sort()
        poses, scores, groups = poses.take(kept), scores[kept], groups[kept]
    if max_per_image is not None:
        best = best_of_each_image(groups, scores, max_per_image)
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


def groups_of(poses: PoseArrays, category_ids: np.ndarray) -> np.ndarray:
    """int64 (N,): poses of one image and one category have the same number."""
    if (category_ids == category_ids[:1]).all():  # as nearly always: nothing to sort
        return poses.image_ids
    _, category = np.unique(category_ids, return_inverse=True)
    _, image = np.unique(poses.image_ids, return_inverse=True)
    return category * (image.max(initial=0) + 1) + image


def to_detections(
    poses: PoseArrays, scores: np.ndarray, people: CocoPeople, category_ids: np.ndarray | None = None
) -> Detections:
    """Poses as detections of the ground truth.

    Poses of images or categories that are not scored are left out. An unmatched pose's area is its
    keypoints' extent, as pycocotools has it for results without a box.

    Args:
        poses: N poses.
        scores: (N,).
        people: The ground truth.
        category_ids: int (N,); None: all are of the ground truth's first category.
    """
    image_ids, known = people.truth.image_ids, people.truth.category_ids
    chosen = np.isin(poses.image_ids, image_ids)
    category = np.zeros(len(chosen), np.int64)
    if category_ids is not None:
        chosen &= np.isin(category_ids, known)
        category = np.searchsorted(known, category_ids)
    rows = np.flatnonzero(chosen)
    keypoints = poses.keypoints[rows]
    return Detections(
        np.searchsorted(image_ids, poses.image_ids[rows]),
        category[rows],
        keypoints,
        np.asarray(scores, np.float64)[rows],
        keypoint_areas(keypoints),
    )
