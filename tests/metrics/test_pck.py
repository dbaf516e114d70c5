from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import DataError
from posekit.metrics.pck import (
    assign_by_distance,
    box_sizes,
    neck_head_sizes,
    pck,
    person_sizes,
    torso_sizes,
)
from posekit.skeletons import LSP14

LSP = list(LSP14.keypoints)
TORSO = ["right_hip", "left_hip", "right_shoulder", "left_shoulder"]


def test_torso_is_the_longer_diagonal() -> None:
    # right hip (0, 40) - left shoulder (30, 0): 50; left hip (20, 40) - right shoulder (0, 0): 44.7
    keypoints = np.array([[(0, 40), (20, 40), (0, 0), (30, 0)]], float)
    assert torso_sizes(keypoints, np.ones((1, 4), bool), TORSO) == pytest.approx([50.0])


def test_torso_needs_all_four_joints() -> None:
    keypoints = np.random.default_rng(0).random((5, 4, 2))
    labelled = np.ones((5, 4), bool)
    labelled[np.arange(4), np.arange(4)] = False
    sizes = torso_sizes(keypoints, labelled, TORSO)
    assert np.isnan(sizes).tolist() == [True, True, True, True, False]


def test_torso_of_a_point_is_no_size() -> None:
    assert np.isnan(torso_sizes(np.ones((1, 4, 2)), np.ones((1, 4), bool), TORSO)).all()


def test_skeleton_without_torso_is_refused() -> None:
    with pytest.raises(DataError, match=r"norm 'torso' needs.*left_shoulder.*choose another norm"):
        torso_sizes(np.zeros((1, 1, 2)), np.ones((1, 1), bool), ["nose"])


def test_other_sizes_by_hand() -> None:
    assert box_sizes(np.array([[5, 5, 30, 40], [0, 0, 0, 0]])) == pytest.approx([40, np.nan], nan_ok=True)
    keypoints = np.array([[(0, 0), (3, 4)]], float)
    for neck in ("neck", "upper_neck"):
        assert neck_head_sizes(keypoints, np.ones((1, 2), bool), [neck, "head_top"]) == pytest.approx([5])


def test_annotated_head_size_is_preferred() -> None:
    keypoints, labelled, names = (
        np.array([[(0, 0), (3, 4)]], float),
        np.ones((1, 2), bool),
        ["neck", "head_top"],
    )
    boxes = np.zeros((1, 4))
    assert person_sizes("head", keypoints, labelled, names, boxes, np.array([9.0])) == pytest.approx([9])
    assert person_sizes("head", keypoints, labelled, names, boxes, np.array([np.nan])) == pytest.approx([5])


def lsp_people(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 100, (count, 14, 2))
    return truth + rng.normal(size=truth.shape) * 12, truth, rng.random((count, 14)) < 0.9


def test_by_hand() -> None:
    """Torso 50: at 0.2 a distance of 10 is right, 11 is wrong; neck and head top in mean14 only."""
    truth = np.zeros((2, 14, 2))
    predicted = truth.copy()
    predicted[0, 0, 0], predicted[1, 0, 0] = 10, 11  # right ankle: 50 percent
    predicted[:, 12] = 40  # neck: 0
    scores = pck(predicted, truth, np.ones((2, 14), bool), np.full(2, 50.0), LSP)
    assert scores["PCK@0.2/right_ankle"] == 50.0
    assert scores["PCK@0.2/neck"] == 0.0
    assert scores["PCK@0.2/mean12"] == pytest.approx((50 + 11 * 100) / 12)
    assert scores["PCK@0.2/mean14"] == pytest.approx((50 + 12 * 100) / 14)
    assert scores["PCK@0.2/mean"] == scores["PCK@0.2/mean14"]


def test_people_without_size_are_left_out_and_missing_predictions_are_wrong() -> None:
    truth = np.zeros((3, 14, 2))
    predicted = truth.copy()
    predicted[1] = np.nan
    predicted[2] = 1e3
    scores = pck(predicted, truth, np.ones((3, 14), bool), np.array([50.0, 50.0, np.nan]), LSP)
    assert scores["PCK@0.2/mean14"] == pytest.approx(50.0)


def test_means_of_lsp_only_for_its_joints() -> None:
    names = [f"k{i}" for i in range(14)]
    predicted, truth, labelled = lsp_people(0)
    assert "PCK@0.5/mean12" not in pck(predicted, truth, labelled, np.full(12, 30.0), names, 0.5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_properties(seed: int) -> None:
    predicted, truth, labelled = lsp_people(seed)
    sizes = torso_sizes(truth, labelled, LSP)
    if not np.isfinite(sizes).any():
        return
    means = [pck(predicted, truth, labelled, sizes, LSP, t)[f"PCK@{t:g}/mean"] for t in (0.05, 0.1, 0.2, 0.5)]
    assert (np.diff(means) >= 0).all()
    assert means[0] >= 0
    assert means[-1] <= 100
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = pck(predicted[order], truth[order], labelled[order], sizes[order], LSP)
    assert shuffled == pytest.approx(pck(predicted, truth, labelled, sizes, LSP), nan_ok=True)
    perfect = pck(truth, truth, labelled, sizes, LSP)
    assert all(value == 100 for value in perfect.values() if not np.isnan(value))


def test_assignment_takes_the_most_similar_pair_first() -> None:
    truth = np.array([[(0, 0), (10, 0)], [(100, 0), (110, 0)]], float)
    predicted = np.array([[(99, 0), (109, 0)], [(3, 0), (13, 0)], [(2, 0), (12, 0)]], float)
    pairs = assign_by_distance(predicted, truth, np.ones((2, 2), bool))
    assert sorted(pairs) == [(0, 1), (2, 0)]
