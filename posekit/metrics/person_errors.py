"""What a score is made of, person by person, from what the metric takes (:mod:`posekit.metrics.errors`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.metrics.errors import PAIRING_OKS, SIMILARITY, PersonErrors
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.oks import Detections, GroundTruth, match, ranked_pairs
from posekit.metrics.pck import weights_of_mean
from posekit.metrics.pckh import MPII_LEFT_OUT_OF_MEAN
from posekit.metrics.poses import PoseArrays, first_of_each_person
from posekit.structures import Skeleton


def errors_of_pck(poses: PoseArrays, table: PersonTable, sizes: np.ndarray, threshold: float) -> PersonErrors:
    """The errors behind PCK's mean, ``mean12`` for LSP's joints.

    Args:
        poses: Image pixels.
        table: N people.
        sizes: float64 (N,), pixels; NaN leaves a person out.
        threshold: In sizes.
    """
    names = table.skeleton.keypoints
    mean, weights = weights_of_mean(names)
    return _of_table(poses, table, sizes, threshold, f"PCK@{threshold:g}/{mean}", weights)


def errors_of_pckh(poses: PoseArrays, table: PersonTable, threshold: float) -> PersonErrors:
    """The errors behind PCKh's ``mean_weighted``, which pools its joints.

    Args:
        poses: Image pixels.
        table: N people with a head size.
        threshold: In head sizes.
    """
    weights = np.ones(table.skeleton.num_keypoints)
    weights[list(MPII_LEFT_OUT_OF_MEAN)] = 0
    name = f"PCKh@{threshold:g}/mean_weighted"
    return _of_table(poses, table, table.head_sizes, threshold, name, weights, pooled=True)


def errors_of_nme(
    poses: PoseArrays,
    table: PersonTable,
    sizes: np.ndarray,
    name: str,
    threshold: float,
    groups: Mapping[str, np.ndarray],
) -> PersonErrors:
    """The errors behind an NME, the mean over faces.

    Args:
        poses: Image pixels.
        table: N faces.
        sizes: float64 (N,), pixels; NaN leaves a face out, as does a lack of labelled keypoints.
        name: The score's.
        threshold: Of a failure, in sizes.
        groups: Name -> bool (N,).
    """
    known = np.isfinite(sizes) & (table.visible > 0).any(axis=1)
    columns = np.stack([np.zeros(len(table), bool), *groups.values()], axis=1)[known, 1:]
    errors = _of_table(
        poses, table, np.where(known, sizes, np.nan), threshold, name, np.ones(table.skeleton.num_keypoints)
    )
    return replace(errors, groups=columns.astype(np.int64), group_names=tuple(groups))


def _of_table(
    poses: PoseArrays,
    table: PersonTable,
    sizes: np.ndarray,
    threshold: float,
    score: str,
    weights: np.ndarray,
    pooled: bool = False,
) -> PersonErrors:
    known = np.isfinite(sizes)
    table = table.select(known)
    return PersonErrors(
        image_id=table.image_ids[table.image_index],
        person_id=table.person_ids,
        predicted=first_of_each_person(poses, table.person_ids),
        truth=table.keypoints,
        valid=table.visible > 0,
        norm=np.asarray(sizes, np.float64)[known],
        threshold=threshold,
        joints=table.skeleton.keypoints,
        flip_pairs=_flip_pairs(table.skeleton),
        weights=weights,
        pooled=pooled,
        score=score,
    )


def errors_of_oks(
    predicted: np.ndarray, people: CocoPeople, sigmas: Sequence[float] | np.ndarray, skeleton: Skeleton
) -> PersonErrors:
    """The errors of a COCO file's people: those with labelled keypoints that are no crowd.

    Args:
        predicted: float64 (G, K, 2), image pixels, a row for each of ``people``; NaN: no pose.
        people: G people.
        sigmas: (K,).
        skeleton: Of the K keypoints.
    """
    truth = people.truth
    # A person of no area has no scale to measure by; COCO's sets have none with keypoints.
    rows = np.flatnonzero(~truth.ignore & people.labelled.any(axis=1) & (truth.areas > 0))
    return PersonErrors(
        image_id=truth.image_ids[truth.image[rows]],
        person_id=people.annotation_ids[rows],
        predicted=predicted[rows],
        truth=truth.keypoints[rows, :, :2],
        valid=people.labelled[rows],
        norm=np.sqrt(truth.areas[rows]),
        threshold=SIMILARITY,
        joints=skeleton.keypoints,
        flip_pairs=_flip_pairs(skeleton),
        weights=np.ones(skeleton.num_keypoints),
        sigmas=np.asarray(sigmas, np.float64),
        score="AP",
    )


def pair_with_people(
    people: CocoPeople, detections: Detections, sigmas: Sequence[float] | np.ndarray, max_detections: int
) -> np.ndarray:
    """The pose of each person where poses belong to nobody, by COCO's greedy pairing at a low OKS.

    Args:
        people: G people.
        detections: D poses, of the people's images.
        sigmas: (K,).
        max_detections: At most so many of an image take part, the best.

    Returns:
        float64 (G, K, 2), image pixels; NaN for a person that no pose reaches.
    """
    return points_of_rows(people, detections, pair_rows(people.truth, detections, sigmas, max_detections))


def points_of_rows(people: CocoPeople, detections: Detections, rows: np.ndarray) -> np.ndarray:
    """The keypoints of each person's pose, float64 (G, K, 2); NaN where its row (G,) is -1."""
    predicted = np.full((len(rows), people.num_keypoints, 2), np.nan)
    predicted[rows >= 0] = detections.keypoints[rows[rows >= 0], :, :2]
    return predicted


def pair_rows(
    truth: GroundTruth, detections: Detections, sigmas: Sequence[float] | np.ndarray, max_detections: int
) -> np.ndarray:
    """The row of each person's pose, as :func:`pair_with_people` finds it: int64 (G,), -1 for none."""
    rows, rank, pairs = ranked_pairs(truth, detections, sigmas, max_detections)
    matched = match(truth, pairs, rank, truth.ignore, np.array([PAIRING_OKS]))[:, 0]
    pose_of = np.full(len(truth), -1)
    found = np.flatnonzero(matched >= 0)
    pose_of[matched[found]] = rows[found]
    return pose_of


def _flip_pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    index = skeleton.keypoints.index
    return [(index(a), index(b)) for a, b in skeleton.flip_pairs]
