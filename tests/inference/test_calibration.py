"""From peaks to probabilities, and who is a clear person."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.inference.calibration import (
    Calibration,
    cross_fitted,
    fit_curve,
    joints_of,
    reliability,
    threshold_of,
)
from posekit.structures import Pose

CURVE = {"peaks": (0.0, 0.2, 0.8), "right": (0.0, 0.1, 0.9)}


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Peaks, and joints right with the probability peak^2."""
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, 1, count)
    return peaks, rng.uniform(size=count) < peaks**2


def test_a_curve_is_found_again():
    curve = fit_curve(*drawn(20_000))
    peaks = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(np.interp(peaks, *curve), peaks**2, atol=0.03)
    Calibration(*curve)  # rises, and never falls
    assert curve[0][0] == curve[1][0] == 0


def test_groups_that_fall_are_joined():
    """Peaks 0..1 in 25 groups of ten; the second group is right less often than the first."""
    peaks = np.arange(250) / 250
    right = np.arange(250) >= 125
    right[:10] = np.arange(10) < 6
    right[10:20] = np.arange(10) < 2
    x, y = fit_curve(peaks, right)
    # Zeros follow, which pull the first groups down as far as the first one that is right.
    below = np.mean(right[:120])
    np.testing.assert_allclose(y[1], below, atol=1e-5)
    np.testing.assert_allclose(x[1], peaks[:120].mean(), atol=1e-5)
    np.testing.assert_allclose(y[2], 0.5, atol=1e-5)  # the group half of which is right
    assert y[-1] == 1


def test_too_few_joints():
    with pytest.raises(DataError, match="at least 200 labelled joints, found 199"):
        fit_curve(*drawn(199))
    with pytest.raises(DataError, match="maps are flat"):
        fit_curve(np.zeros(300), np.zeros(300, bool))
    with pytest.raises(DataError, match="at least one person"):
        threshold_of(np.zeros(0))


def test_each_half_is_judged_by_the_other():
    """Of people with even numbers everything is right, of the others nothing: each fools the other."""
    peaks, _ = drawn(1000)
    person = np.repeat(np.arange(100), 10)
    crossed = cross_fitted(joints(peaks, person % 2 == 0, person))
    assert (crossed[person % 2 == 0] == 0).all()
    assert (crossed[person % 2 == 1] > 0).all()


def joints(peaks, right, person):
    from posekit.inference.calibration import Joints

    return Joints(peaks, right, person)


def test_reliability_by_hand():
    said, found, count, error = reliability(
        np.array([0.05, 0.15, 0.15, 1.0]), np.array([False, True, False, True])
    )
    np.testing.assert_allclose(said[[0, 1, 9]], [0.05, 0.15, 1])
    np.testing.assert_allclose(found[[0, 1, 9]], [0, 0.5, 1])
    assert count.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert np.isnan(said[2])
    assert error == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)


def test_people_are_kept():
    scores = np.arange(100) / 100
    assert threshold_of(scores) == 0.05
    assert (scores >= threshold_of(scores)).mean() == 0.95
    assert threshold_of(scores, 1) == 0


def test_a_persons_score_is_the_mean_of_the_surest():
    calibration = Calibration(**CURVE, joints=2)
    np.testing.assert_allclose(calibration(np.array([0, 0.1, 0.5, 2])), [0, 0.05, 0.5, 0.9], atol=1e-6)
    scores = np.array([[0.1, 0.9, 0.5], [0, 0, 0.2]])
    np.testing.assert_allclose(calibration.of_people(scores), [0.7, 0.1])
    assert calibration.of_people(np.zeros((3, 0))).tolist() == [0, 0, 0]


def test_a_joint_is_right_within_a_share_of_the_box():
    class Table:
        boxes_xyxy = np.array([[0, 0, 40, 90.0], [0, 0, 0, 0]])  # of size 60, and none
        keypoints = np.zeros((2, 3, 2))
        visible = np.array([[2, 2, 0], [2, 2, 2]])

    points = np.array([[6, 0], [6.1, 0], [0, 0]], np.float32)
    poses = [Pose(points, np.array([0.1, 0.2, 0.3], np.float32), np.zeros(4))] * 2
    found = joints_of(Table, poses)
    np.testing.assert_allclose(found.peaks, [0.1, 0.2])
    assert found.right.tolist() == [True, False]
    assert found.person.tolist() == [0, 0]
    assert joints_of(Table, poses, within=0.2).right.all()


def test_a_card_holds_it():
    calibration = Calibration(**CURVE, joints=4, person_threshold=0.3, facts={"people": 3})
    assert Calibration.from_card(json.loads(json.dumps(calibration.to_card()))) == calibration


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({}, "expected 'peaks' and 'right'"),
        ([1], "expected 'peaks' and 'right'"),
        ({**CURVE, "colour": 1}, "expected 'peaks' and 'right'"),
        ({**CURVE, "peaks": (0.0, 0.2)}, "as many in 'right'"),
        ({**CURVE, "peaks": ("a", "b", "c")}, "from 2 to 200 numbers"),
        ({**CURVE, "peaks": (0.0, 0.2, 0.2)}, "'peaks' that rise"),
        ({**CURVE, "right": (0.0, 0.2, 0.1)}, "never falls"),
        ({**CURVE, "right": (0.0, 0.2, 1.1)}, r"within 0\.\.1"),
        ({**CURVE, "right": (0.0, 0.2, float("nan"))}, "from 2 to 200 numbers"),
        ({**CURVE, "within": 0}, "'within' above 0"),
        ({**CURVE, "joints": 1.5}, "a whole number above 0, found 0.1 and 1.5"),
        ({**CURVE, "joints": "all"}, "from 2 to 200|whole number"),
        ({**CURVE, "person_threshold": 2}, r"'person_threshold' in 0\.\.1, found 2"),
    ],
)
def test_what_is_no_calibration(stated, words):
    with pytest.raises(ConfigError, match=words):
        Calibration.from_card(stated)


def test_a_card_with_a_wrong_one_is_named(tmp_path):
    from posekit import Predictor
    from posekit.inference.bundle import bundled_models

    weights = bundled_models()["mobilenetv2_lsp14_160x160"]
    card = json.loads(weights.with_suffix(".json").read_text("utf-8"))
    path = tmp_path / "own.safetensors"
    path.write_bytes(weights.read_bytes())
    path.with_suffix(".json").write_text(json.dumps({**card, "calibration": {"peaks": 3}}))
    with pytest.raises(CheckpointError, match=r"own\.json: calibration: expected"):
        Predictor(checkpoint=path, device="cpu")
