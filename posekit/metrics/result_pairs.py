"""Which result is whose: any results, with boxes of a detector or none, and the people of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from posekit.datasets.matching import box_iou
from posekit.datasets.table import PersonTable
from posekit.errors import DataError
from posekit.geometry import xyxy_to_xywh
from posekit.metrics.oks import Detections, GroundTruth, match, pair_groups, pair_oks, rank_detections
from posekit.structures import Pose

#: Least similarity of a result and its person: a bad pose is still somebody's, one elsewhere is nobody's.
LEAST = 0.1


class ResultPairs(NamedTuple):
    """People and results.

    Attributes:
        people: int64 (P,), rows of the table.
        results: int64 (P,), the number of each one's result.
        missed: int64 (M,), rows of people with labelled keypoints and no result.
        strays: int64 (S,), numbers of the results that belong to nobody.
        measure: What they were matched by: "OKS", or "IoU" where the skeleton states no sigmas.
    """

    people: np.ndarray
    results: np.ndarray
    missed: np.ndarray
    strays: np.ndarray
    measure: str


def pair_results(
    table: PersonTable, poses: Sequence[Pose], areas: Mapping[int, float] | None = None
) -> ResultPairs:
    """Matches results and people as COCO's evaluation does.

    In each image the results take, by descending score (``box_score``), the most similar person still free,
    from a similarity of :data:`LEAST` on. People without labelled keypoints come last; what matches them is
    neither theirs nor a stray. Results on images that the table does not have are left out.

    Args:
        table: The annotated people.
        poses: The results.
        areas: Person id -> square pixels, for OKS; of those it does not have, the box's.

    Raises:
        DataError: If no result is on an image of the table, or one has another number of keypoints.
    """
    truth = _truth(table, areas or {})
    place = {image_id: i for i, image_id in enumerate(truth.image_ids.tolist())}
    known = np.array([i for i, pose in enumerate(poses) if pose.image_id in place], np.int64)
    if not len(known):
        raise DataError(f"none of the {len(poses)} results is on one of the {len(place)} images")
    ours = [poses[i] for i in known.tolist()]
    wrong = next((pose for pose in ours if len(pose.keypoints) != table.skeleton.num_keypoints), None)
    if wrong is not None:
        raise DataError(
            f"image {wrong.image_id}: expected {table.skeleton.num_keypoints} keypoints "
            f"({table.skeleton.name}), found a result of {len(wrong.keypoints)}"
        )
    image = np.array([place[pose.image_id] for pose in ours], np.int64)
    points = np.stack([pose.keypoints for pose in ours]).astype(np.float64)
    scores = np.array([pose.box_score for pose in ours], np.float64)
    nothing = np.zeros(len(ours), np.int64)
    found = Detections(image, nothing, points, scores, np.zeros(len(ours)))
    rows, rank = rank_detections(found, len(place), len(ours))
    result, person = pair_groups(image[rows], truth.image, len(place))
    if table.skeleton.sigmas:
        alike = pair_oks(truth, points[rows], person, result, np.array(table.skeleton.sigmas))
    else:
        boxes = np.stack([ours[i].box_xyxy for i in rows.tolist()])
        alike = _pair_iou(table.boxes_xyxy, boxes, person, result)
    taken = match(truth, (result, person, alike), rank, truth.ignore, np.array([LEAST]))[:, 0]
    own = (taken >= 0) & ~truth.ignore[taken]
    missed = np.setdiff1d(np.flatnonzero(~truth.ignore), taken[own])
    measure = "OKS" if table.skeleton.sigmas else "IoU"
    return ResultPairs(taken[own], known[rows[own]], missed, np.sort(known[rows[taken < 0]]), measure)


def _truth(table: PersonTable, areas: Mapping[int, float]) -> GroundTruth:
    order = np.argsort(table.image_ids, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    boxes = xyxy_to_xywh(table.boxes_xyxy).astype(np.float64)
    own = (areas.get(number) for number in table.person_ids.tolist())
    sizes = np.maximum(boxes[:, 2:].prod(axis=1), 1.0)
    nobody = np.zeros(len(table), np.int64)
    return GroundTruth(
        image_ids=table.image_ids[order],
        category_ids=np.array([1]),
        image=place[table.image_index],
        category=nobody,
        keypoints=np.concatenate([table.keypoints, table.visible[..., None]], axis=2, dtype=np.float64),
        boxes_xywh=boxes,
        areas=np.array([size if area is None else area for area, size in zip(own, sizes, strict=True)]),
        crowd=nobody > 0,
        ignore=(table.visible == 0).all(axis=1),
    )


def _pair_iou(
    people_xyxy: np.ndarray, results_xyxy: np.ndarray, person: np.ndarray, result: np.ndarray
) -> np.ndarray:
    """IoU of pairs, (P,)."""
    return np.array(
        [
            box_iou(people_xyxy[p : p + 1], results_xyxy[r : r + 1])[0, 0]
            for p, r in zip(person.tolist(), result.tolist(), strict=True)
        ],
        np.float64,
    ).reshape(-1)
