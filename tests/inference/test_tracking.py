"""Identity and smoothing over time, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from posekit.errors import ConfigError
from posekit.inference.tracking import OKSTracker, OneEuroFilter, PoseSmoother, pose_similarity
from posekit.structures import Pose, Skeleton

SKELETON = Skeleton("two", ("a", "b"), sigmas=(0.1, 0.2))


def pose(x: float, y: float = 0.0, scores=(1.0, 1.0), side: float = 10.0, person: int = 0) -> Pose:
    """A person of two joints at (x, y) and (x + 4, y)."""
    points = np.array([[x, y], [x + 4, y]], np.float32)
    box = np.array([x, y, x + side, y + side], np.float32)
    return Pose(points, np.array(scores, np.float32), box, person_id=person)


# --- similarity ---------------------------------------------------------------------------------------------


def test_similarity_by_hand():
    # d^2 = 4; area 100: exp(-4 / (2 * 100 * 0.2^2)) and exp(-4 / (2 * 100 * 0.4^2)).
    first, second = math.exp(-4 / 8), math.exp(-4 / 32)
    found = pose_similarity([pose(0), pose(2)], [pose(2)], SKELETON.sigmas)
    np.testing.assert_allclose(found, [[(first + second) / 2], [1.0]], rtol=1e-12)


def test_similarity_takes_the_mean_area_and_the_joints_both_show():
    # Areas 100 and 400: mean 250; joint b is not shown by the second.
    found = pose_similarity([pose(0)], [pose(2, scores=(0.9, 0.1), side=20)], SKELETON.sigmas)
    assert found[0, 0] == pytest.approx(math.exp(-4 / (2 * 250 * 0.04)))


def test_nothing_shown_is_no_similarity():
    hidden = pose(0, scores=(0, 0))
    assert pose_similarity([hidden], [hidden], SKELETON.sigmas, min_score=0.0).tolist() == [[0.0]]
    assert pose_similarity([], [pose(0)], SKELETON.sigmas).shape == (0, 1)


# --- tracking -----------------------------------------------------------------------------------------------


def ids(poses: list[Pose]) -> list[int]:
    return [each.person_id for each in poses]


def test_people_keep_their_number_whatever_their_order():
    track = OKSTracker(SKELETON)
    assert ids(track([pose(0), pose(100)])) == [0, 1]
    assert ids(track([pose(101), pose(1), pose(50)])) == [1, 0, 2]
    assert ids(track([pose(51), pose(2)])) == [2, 0]


def test_the_most_similar_pair_goes_first():
    track = OKSTracker(SKELETON, threshold=0.01)
    track([pose(0), pose(3)])
    # 2.5 is nearer to 3 (id 1) than to 0; the other, 4.5, must then be id 0, though 3 is nearer.
    assert ids(track([pose(2.5), pose(4.5)])) == [1, 0]
    track = OKSTracker(SKELETON, threshold=0.01)
    track([pose(0), pose(3)])
    assert ids(track([pose(4.5), pose(2.5)])) == [0, 1]


def test_below_the_threshold_somebody_new_begins():
    similarity = pose_similarity([pose(0)], [pose(3)], SKELETON.sigmas)[0, 0]
    for threshold, expected in ((similarity - 1e-6, [0]), (similarity + 1e-6, [1])):
        track = OKSTracker(SKELETON, threshold=threshold)
        track([pose(0)])
        assert ids(track([pose(3)])) == expected


@pytest.mark.parametrize(("missing", "expected"), [(0, [0]), (2, [0]), (3, [1])])
def test_a_person_out_of_sight_is_known_for_max_missing_frames(missing, expected):
    track = OKSTracker(SKELETON, max_missing=2)
    track([pose(0)])
    for _ in range(missing):
        assert track([]) == []
    assert ids(track([pose(0)])) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.1, 0.2, 0.3], [0]),
        ([0.1, 0.2, 0.6], [1]),  # as many frames, but longer
        ([0.02 * n for n in range(1, 21)], [0]),  # many frames, but not for long
        ([3.0], [0]),  # nothing came between
    ],
)
def test_a_person_out_of_sight_is_known_for_max_gap_seconds(times, expected):
    track = OKSTracker(SKELETON, max_missing=2, max_gap=0.5)
    track([pose(0)], 0.0)
    for time in times[:-1]:
        track([], time)
    assert ids(track([pose(0)], times[-1])) == expected


def test_a_pose_of_nothing_is_nobody_known():
    track = OKSTracker(SKELETON)
    track([pose(0)])
    assert ids(track([pose(0, scores=(0, 0)), pose(0)])) == [1, 0]


def test_memory_of_people_is_bounded():
    track = OKSTracker(SKELETON, max_missing=3)
    for i in range(100):
        track([pose(1000.0 * i)])
    assert len(track._known) <= 5


def test_impossible_trackers():
    with pytest.raises(ConfigError, match="sigmas"):
        OKSTracker(Skeleton("none", ("a", "b")))
    with pytest.raises(ConfigError, match="threshold"):
        OKSTracker(SKELETON, threshold=0)
    with pytest.raises(ConfigError, match="max_missing"):
        OKSTracker(SKELETON, max_missing=-1)
    with pytest.raises(ConfigError, match="max_gap"):
        OKSTracker(SKELETON, max_gap=float("nan"))


# --- the One-Euro filter ------------------------------------------------------------------------------------


def test_one_euro_by_hand():
    one_euro = OneEuroFilter(min_cutoff=1.0, beta=0.5, d_cutoff=2.0)
    first = one_euro(np.array([[0.0, 0.0]]), 0.0)
    assert first.tolist() == [[0.0, 0.0]]
    # After 0.1 s at (3, 4): speed (30, 40) against the filtered value; low-passed at 2 Hz from 0.
    a_speed = 1 / (1 + 1 / (2 * math.pi * 2.0 * 0.1))
    speed = a_speed * 50.0
    a = 1 / (1 + 1 / (2 * math.pi * (1.0 + 0.5 * speed) * 0.1))
    second = one_euro(np.array([[3.0, 4.0]]), 0.1)
    np.testing.assert_allclose(second, [[3 * a, 4 * a]], rtol=1e-12)
    # 0.3 s later, at the same place.
    a_speed2 = 1 / (1 + 1 / (2 * math.pi * 2.0 * 0.3))
    speed2 = speed + a_speed2 * (5 * (1 - a) / 0.3 - speed)
    a2 = 1 / (1 + 1 / (2 * math.pi * (1.0 + 0.5 * speed2) * 0.3))
    third = one_euro(np.array([[3.0, 4.0]]), 0.4)
    np.testing.assert_allclose(third, [[3 * a + a2 * 3 * (1 - a), 4 * a + a2 * 4 * (1 - a)]], rtol=1e-12)


def test_each_point_is_filtered_by_itself():
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(12, 3, 2)).cumsum(axis=0)
    together = OneEuroFilter(beta=0.3)
    alone = [OneEuroFilter(beta=0.3) for _ in range(3)]
    for i, points in enumerate(paths):
        filtered = together(points, i / 25)
        for k in range(3):
            np.testing.assert_allclose(filtered[k], alone[k](points[k : k + 1], i / 25)[0], rtol=1e-12)


def test_a_missing_point_is_left_and_taken_up_with_the_time_that_passed():
    with_gap, without = OneEuroFilter(), OneEuroFilter()
    for one_euro in (with_gap, without):
        one_euro(np.array([[0.0, 0.0]]), 0.0)
    wild = np.array([[99.0, 99.0]])
    np.testing.assert_array_equal(with_gap(wild, 0.1, np.array([False])), wild)
    np.testing.assert_array_equal(with_gap([[1.0, 2.0]], 0.2), without([[1.0, 2.0]], 0.2))


def test_after_a_long_gap_a_point_starts_anew():
    one_euro = OneEuroFilter()
    one_euro(np.zeros((1, 2)), 0.0)
    np.testing.assert_array_equal(one_euro(np.array([[7.0, 8.0]]), 2.0, max_gap=1.0), [[7.0, 8.0]])


def test_it_calms_a_resting_point_and_follows_a_moving_one():
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.01, size=(200, 1, 2))
    still, moving = OneEuroFilter(1.0, 10.0), OneEuroFilter(1.0, 10.0)
    rest = np.array([still(noise[i], i / 25) for i in range(200)])
    assert rest[50:].std() < 0.6 * noise[50:].std()
    for i in range(50):
        position = moving(np.array([[2.0 * i / 25, 0.0]]), i / 25)  # two person sizes a second
    assert 0 <= 2.0 * 49 / 25 - position[0, 0] < 0.03


def test_impossible_filters():
    for settings in ({"min_cutoff": 0.0}, {"d_cutoff": -1.0}, {"beta": -0.1}, {"min_cutoff": math.nan}):
        with pytest.raises(ConfigError, match="One-Euro"):
            OneEuroFilter(**settings)


# --- people -------------------------------------------------------------------------------------------------


def test_people_are_smoothed_apart_and_in_their_own_size():
    smooth = PoseSmoother(min_cutoff=1.0, beta=2.0)
    smooth([pose(0, side=10, person=5), pose(0, side=100, person=8)], 0.0)
    small, large = smooth([pose(1, side=10, person=5), pose(10, side=100, person=8)], 0.04)
    # The same motion in person sizes: the same share of it is taken.
    assert small.keypoints[0, 0] == pytest.approx(large.keypoints[0, 0] / 10, rel=1e-5)
    assert 0 < small.keypoints[0, 0] < 1
    assert [small.person_id, large.person_id] == [5, 8]


# Person sizes over seconds: a joint at rest, in a walk and in a run.
MOTIONS = {
    "rest": lambda t, phase: np.zeros_like(t * phase),
    "walk": lambda t, phase: 0.12 * np.sin(2 * np.pi * 0.9 * t + phase) + 0.5 * t,
    "run": lambda t, phase: 0.25 * np.sin(2 * np.pi * 1.5 * t + phase) + 1.5 * t,
}


@pytest.mark.parametrize("rate", [25, 30])
@pytest.mark.parametrize("size", [50.0, 800.0])
def test_the_defaults_calm_a_rest_and_do_not_lag_behind_a_run(rate, size):
    """The error left of 2 % of the person's size of noise; a filter that lags has a ratio far above 1."""
    rng = np.random.default_rng(0)
    times, phases = np.arange(0, 8, 1 / rate), rng.uniform(0, 2 * np.pi, (2, 24, 2))
    ratios = {}
    for name, motion in MOTIONS.items():
        truth = size * motion(times[:, None, None], phases[0])
        noisy = truth + 0.02 * size * rng.normal(size=truth.shape)
        smooth = PoseSmoother()
        box = np.array([0, 0, size, size], np.float32)
        found = [
            smooth([Pose(points.astype(np.float32), np.ones(24, np.float32), box)], time)[0].keypoints
            for points, time in zip(noisy, times, strict=True)
        ]
        error, before = (np.sqrt(((a - truth)[rate:] ** 2).mean()) for a in (np.array(found), noisy))
        ratios[name] = error / before
    assert ratios["rest"] < 0.7
    assert ratios["walk"] < 0.95
    assert ratios["run"] < 1.06


def test_unsure_joints_are_left_as_they_are():
    smooth = PoseSmoother(min_score=0.5)
    smooth([pose(0)], 0.0)
    (found,) = smooth([pose(3, scores=(0.9, 0.1))], 0.04)
    assert found.keypoints[0, 0] < 3
    assert found.keypoints[1, 0] == 7


def test_people_who_left_are_forgotten():
    smooth = PoseSmoother(max_gap=0.5)
    for i in range(50):
        smooth([pose(0, person=i)], i * 0.1)
    assert len(smooth._people) <= 7
    (back,) = smooth([pose(9, person=0)], 5.0)
    assert back.keypoints[0, 0] == 9
