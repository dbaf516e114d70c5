from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.metrics.nms import box_nms, crop_areas, oks_iou, oks_nms, rescore, soft_oks_nms
from posekit.metrics.oks import COCO_SIGMAS


def test_rescore_by_hand() -> None:
    keypoint_scores = np.array([[0.9, 0.5, 0.2, 0.1], [0.2, 0.1, 0.0, 0.0]])
    # Strictly above 0.2: 0.9 and 0.5, mean 0.7; nothing in the second.
    assert rescore(np.array([0.5, 0.9]), keypoint_scores, 0.2) == pytest.approx([0.35, 0.0])


def test_crop_areas_by_hand() -> None:
    boxes = np.array([[0, 0, 30, 80], [0, 0, 90, 80]])
    # Aspect 3:4: 30 x 80 becomes 60 x 80, 90 x 80 becomes 90 x 120; then 1.25 on both sides.
    assert crop_areas(boxes, 0.75) == pytest.approx([60 * 80 * 1.5625, 90 * 120 * 1.5625])
    assert crop_areas(boxes, None, 1.0) == pytest.approx([2400, 7200])


def poses(shifts: list[float]) -> np.ndarray:
    keypoints = np.zeros((len(shifts), 2, 3))
    keypoints[:, :, 0] = np.array(shifts)[:, None]
    return keypoints


def test_oks_by_hand() -> None:
    # d = 20, mean area 10000, sigma 0.1: exp(-400 / (2 * 10000 * 0.04)) = exp(-0.5)
    both = poses([0, 20])
    oks = oks_iou(both[0], both, 8000.0, np.array([8000.0, 12000.0]), [0.1, 0.1])
    assert oks == pytest.approx([1.0, np.exp(-0.5)])


def test_nms_by_hand() -> None:
    # The middle one is near both; the best keeps its place and takes only the middle with it.
    keypoints, areas = poses([0, 10, 20]), np.full(3, 1e4)
    kept = oks_nms(keypoints, areas, np.array([0.9, 0.8, 0.7]), [0.1, 0.1], 0.8)
    assert kept.tolist() == [0, 2]  # OKS at 10 px 0.88, at 20 px 0.61


def test_groups_leave_one_another_alone() -> None:
    keypoints, areas = poses([0, 0, 0, 0]), np.full(4, 1e4)
    kept = oks_nms(keypoints, areas, np.array([0.1, 0.2, 0.3, 0.4]), [0.1, 0.1], 0.9, np.array([5, 5, 2, 2]))
    assert kept.tolist() == [3, 1]


def test_empty() -> None:
    empty = np.zeros((0, 2, 3))
    assert oks_nms(empty, np.zeros(0), np.zeros(0), [0.1, 0.1]).tolist() == []
    assert soft_oks_nms(empty, np.zeros(0), np.zeros(0), [0.1, 0.1]).tolist() == []
    assert box_nms(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_box_nms_by_hand() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 5, 9, 14], [0, 9, 9, 18]])
    # With +1 the boxes are 10 x 10. IoU: first and second 50/150, first and third 10/190, second and
    # third 60/140.
    assert box_nms(boxes, np.array([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]
    assert box_nms(boxes, np.array([0.9, 0.8, 0.7]), 0.34).tolist() == [0, 1]


def plain_soft_oks_nms(
    keypoints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: list,
    threshold: float,
    max_kept: int,
) -> list[int]:
    """One image, pose by pose: take the best, let the others' scores decay, sort again."""
    order = np.argsort(scores, kind="stable")[::-1].tolist()
    current, kept = {row: scores[row] for row in order}, []
    while order and len(kept) < max_kept:
        best, *order = order
        kept.append(best)
        for row in order:
            oks = oks_iou(keypoints[best], keypoints[[row]], areas[best], areas[[row]], sigmas)[0]
            current[row] *= np.exp(-(oks**2) / threshold)
        ranked = np.argsort([current[row] for row in order], kind="stable")[::-1]
        order = [order[place] for place in ranked]
    return kept


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_groups_equal_one_call_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 40
    keypoints = np.concatenate([rng.integers(0, 5, (count, 3, 2)) * 20.0, rng.random((count, 3, 1))], 2)
    areas, scores = rng.uniform(3e3, 3e4, count), rng.choice([0.2, 0.5, 0.7, 0.9], count)
    groups, sigmas = rng.integers(0, 6, count), [0.3, 0.3, 0.3]
    together = oks_nms(keypoints, areas, scores, sigmas, 0.6, groups)
    soft_together = soft_oks_nms(keypoints, areas, scores, sigmas, 0.6, max_kept=4, groups=groups)
    one_by_one, soft = [], []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        part = keypoints[rows], areas[rows], scores[rows], sigmas, 0.6
        one_by_one += rows[oks_nms(*part)].tolist()
        soft += rows[plain_soft_oks_nms(*part, max_kept=4)].tolist()
    assert together.tolist() == one_by_one
    assert soft_together.tolist() == soft
    for a, b in pairwise(together):
        if groups[a] == groups[b]:
            assert scores[a] >= scores[b]


INPUTS = ("keypoints", "area", "box_score", "boxes_xyxys")


def test_golden() -> None:
    """Every field of the reference's groups: rescoring, OKS, OKS-NMS hard and soft, box NMS."""
    arrays = reference.load("nms.npz")
    for i in range(int(arrays["num_groups"])):
        group = {k.split("__", 1)[1]: v for k, v in arrays.items() if k.startswith(f"g{i}__")}
        keypoints, areas = group["keypoints"], group["area"]
        scores = group["rescored_inVis0.2"]
        for field, expected in group.items():
            name, _, level = field.rpartition("_")
            if name == "rescored":
                found = rescore(group["box_score"], keypoints[..., 2], float(level.removeprefix("inVis")))
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
            elif field.startswith("oks_iou_row0"):
                threshold = float(level.removeprefix("inVis")) if "inVis" in field else None
                found = oks_iou(keypoints[0], keypoints, areas[0], areas, COCO_SIGMAS, threshold)
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
            elif name == "oks_nms":
                assert (
                    oks_nms(keypoints, areas, scores, COCO_SIGMAS, float(level)).tolist() == expected.tolist()
                )
            elif name == "soft_oks_nms":
                found = soft_oks_nms(keypoints, areas, scores, COCO_SIGMAS, float(level))
                assert found.tolist() == expected.tolist()
            elif name == "oks_nms_0.9" and level.startswith("inVis"):
                threshold = float(level.removeprefix("inVis"))
                found = oks_nms(keypoints, areas, scores, COCO_SIGMAS, 0.9, keypoint_threshold=threshold)
                assert found.tolist() == expected.tolist()
            elif name in ("box_nms", "torchvision_nms"):
                boxes, pixel = group["boxes_xyxys"], 1.0 if name == "box_nms" else 0.0
                found = box_nms(boxes[:, :4], boxes[:, 4], float(level), pixel)
                assert found.tolist() == expected.tolist()
            else:
                assert field in INPUTS or field == "oks_nms_0.9_14kp_crowdpose_sigmas", "not compared"
        crowdpose = oks_nms(keypoints[:, :14], areas, scores, arrays["crowdpose_sigmas"], 0.9)
        assert crowdpose.tolist() == group["oks_nms_0.9_14kp_crowdpose_sigmas"].tolist()
