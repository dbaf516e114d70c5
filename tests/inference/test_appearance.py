"""People known again by what they look like, worked by hand; off by default."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError, DataError
from posekit.inference.appearance import Appearance, cosines, covered_shares
from posekit.inference.torso_colours import TorsoColours
from posekit.inference.tracking import OKSTracker, pose_similarity
from posekit.metrics.tracks import FrameTracks, track_scores
from posekit.skeletons import get_skeleton
from posekit.structures import Pose, Skeleton
from posekit.synthetic.film import film, noisy

SKELETON = Skeleton("two", ("a", "b"), sigmas=(0.1, 0.2))
NAN = float("nan")


def pose(x, look=(1.0, 0.0), side=10.0):
    """A person of two joints at (x, 0) and (x + 4, 0) with an embedding."""
    points = np.array([[x, 0], [x + 4, 0]], np.float32)
    box = np.array([x, 0, x + side, side], np.float32)
    return Pose(points, np.ones(2, np.float32), box, extra={"look": np.array(look, np.float32)})


def tracker(max_missing=0, **looks):
    return OKSTracker(SKELETON, max_missing=max_missing, appearance=Appearance("look", **looks))


def ids(poses):
    return [each.person_id for each in poses]


RED, BLUE, UNKNOWN = (1.0, 0.0), (0.0, 1.0), (NAN, NAN)


# --- the tracker ------------------------------------------------------------------------------------------


def test_who_was_lost_is_known_again_wherever_they_come_back():
    track = tracker()
    assert ids(track([pose(0, RED), pose(100, BLUE)])) == [0, 1]
    for _ in range(5):
        assert ids(track([pose(100, BLUE)])) == [1]
    assert ids(track([pose(100, BLUE), pose(300, RED)])) == [1, 0]
    assert ids(track([pose(101, BLUE), pose(301, RED), pose(500, RED)])) == [1, 0, 2]  # there is one of each


def test_without_appearance_nobody_is_known_again():
    track = OKSTracker(SKELETON, max_missing=0)
    track([pose(0)])
    track([])
    assert ids(track([pose(300)])) == [1]


@pytest.mark.parametrize(("missing", "expected"), [(3, 0), (4, 1)])
def test_lost_for_max_lost_frames(missing, expected):
    track = tracker(max_lost_frames=3)
    track([pose(0)])
    for _ in range(missing):
        track([])
    assert ids(track([pose(300)])) == [expected]


@pytest.mark.parametrize(("time", "expected"), [(10.0, 0), (10.1, 1)])
def test_lost_for_max_lost_seconds(time, expected):
    track = tracker(max_lost=10)
    track([pose(0)], 0.0)
    track([], 1.0)
    assert ids(track([pose(300)], time)) == [expected]


@pytest.mark.parametrize(("look", "expected"), [((0.6, 0.8), 0), ((0.59, 0.81), 1)])
def test_a_cosine_of_the_threshold_is_the_same_person(look, expected):
    track = tracker(threshold=0.6)
    track([pose(0, RED)])
    track([])
    assert ids(track([pose(300, look)])) == [expected]


def test_looks_decide_where_two_cross():
    """Two people at nearly the same place, found in the other's: OKS alone exchanges them."""
    frames = [[pose(0, RED), pose(3, BLUE)], [pose(2.2, RED), pose(0.8, BLUE)]]
    plain = OKSTracker(SKELETON, threshold=0.01)
    assert [ids(plain(poses)) for poses in frames] == [[0, 1], [1, 0]]
    track = OKSTracker(SKELETON, threshold=0.01, appearance=Appearance("look", 0.8, max_overlap=1))
    assert [ids(track(poses)) for poses in frames] == [[0, 1], [0, 1]]
    none = OKSTracker(SKELETON, threshold=0.01, appearance=Appearance("look", 0, max_overlap=1))
    assert [ids(none(poses)) for poses in frames] == [[0, 1], [1, 0]]


def test_similarity_by_hand():
    """(1 - w) OKS + w max(cosine, 0) has to reach the threshold; an unknown look leaves OKS."""
    oks = pose_similarity([pose(0)], [pose(1)], SKELETON.sigmas)[0, 0]
    for look, alike in ((RED, 1.0), (BLUE, 0.0), ((-1.0, 0.0), 0.0)):
        both = 0.75 * oks + 0.25 * alike
        for threshold, expected in ((both - 1e-6, 0), (both + 1e-6, 1)):
            if threshold > oks:
                continue
            track = OKSTracker(SKELETON, threshold, appearance=Appearance("look", weight=0.25, threshold=1.0))
            track([pose(0, RED)])
            assert ids(track([pose(1, look)])) == [expected if look != RED else 0]
    track = OKSTracker(SKELETON, oks - 1e-6, appearance=Appearance("look", weight=1.0))
    track([pose(0, RED)])
    assert ids(track([pose(1, UNKNOWN)])) == [0]


def test_alike_does_not_help_those_who_are_far():
    """However alike, a pair below the OKS threshold is no pair of one place; it is one of the lost."""
    track = tracker(threshold=0.95)
    track([pose(0, RED)])
    assert ids(track([pose(50, RED)])) == [0]
    track = tracker(threshold=0.95)
    track([pose(0, (0.8, 0.6))])  # OKS 0, cosine 0.8: 0.4 together, above the threshold of 0.3
    assert ids(track([pose(50, RED)])) == [1]


def test_the_mean_moves_by_its_momentum():
    looks = Appearance("look", momentum=0.25)
    mean = looks.learnt(None, np.array([1.0, 0.0]))
    mean = looks.learnt(mean, np.array([0.0, 1.0]))
    np.testing.assert_allclose(mean, np.array([0.75, 0.25]) / np.hypot(0.75, 0.25))
    np.testing.assert_array_equal(looks.learnt(mean, np.array([NAN, NAN])), mean)
    assert looks.learnt(None, np.array([NAN, NAN])) is None


def test_who_is_covered_is_not_learnt_from():
    track = tracker(momentum=1.0, max_overlap=0.3)
    track([pose(0, RED), pose(100, BLUE)])
    track([pose(0, BLUE), pose(6, BLUE, side=12), pose(100, BLUE)])  # red's box is covered by 4 / 10
    track([])
    assert ids(track([pose(300, RED)])) == [0]


def test_who_is_covered_is_not_taken_for_somebody_lost():
    track = tracker(patience_frames=0)
    track([pose(0, RED), pose(100, BLUE)])
    track([pose(100, BLUE)])
    assert ids(track([pose(100, BLUE), pose(104, RED, side=12)])) == [1, -1]  # it may be the picture of both
    assert ids(track([pose(100, BLUE), pose(140, RED)])) == [1, 0]


def test_unclear_looks_wait_for_a_number_while_somebody_is_lost():
    track = tracker(patience_frames=3)
    assert ids(track([pose(0, UNKNOWN)])) == [0]  # nobody is lost
    track([pose(0, RED)])
    track([])
    assert ids(track([pose(200, UNKNOWN)])) == [-1]
    assert ids(track([pose(201, UNKNOWN), pose(400, UNKNOWN)])) == [-1, -2]
    assert ids(track([pose(202, RED), pose(401, BLUE)])) == [0, 1]
    assert ids(track([pose(203, UNKNOWN), pose(402, UNKNOWN)])) == [0, 1]


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, -1), (0.6, 1)])
def test_nobody_waits_for_longer_than_patience(seconds, expected):
    track = tracker(patience=0.5)
    track([pose(0, RED)], 0.0)
    track([], 1.0)
    assert ids(track([pose(200, UNKNOWN)], 2.0)) == [-1]
    assert ids(track([pose(200, UNKNOWN)], 2.0 + seconds)) == [expected]


def test_bad_embeddings_are_refused():
    track = OKSTracker(SKELETON, appearance=Appearance("colour"))
    with pytest.raises(ConfigError, match=r"an extra 'colour', found \['look'\]"):
        track([pose(0)])
    track = OKSTracker(SKELETON, appearance=Appearance(lambda image, poses: np.zeros((3, 2))))
    with pytest.raises(ConfigError, match="image="):
        track([pose(0)])
    with pytest.raises(DataError, match=r"\(1, D\) of 1 poses, found float64 \(3, 2\)"):
        track([pose(0)], image=np.zeros((8, 8, 3), np.uint8))
    assert ids(track([])) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("weight", 1.1), ("threshold", NAN), ("max_lost", -1), ("patience", NAN), ("embed", 3)],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigError, match=f"'{field}' must be"):
        Appearance(**{"embed": "look", field: value})


def test_cosines_and_covers_by_hand():
    found = cosines([None, np.array([0.6, 0.8])], np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(found, [[NAN, NAN], [0.6, 0.8]])
    assert cosines([], np.zeros((2, 3))).shape == (0, 2)
    np.testing.assert_allclose(covered_shares([pose(0), pose(5, side=20), pose(90)]), [0.5, 50 / 400, 0])
    assert covered_shares([]).shape == (0,)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 8))
def test_numbers_are_never_twice_in_a_frame(seed, people, length):
    rng = np.random.default_rng(seed)
    track, used = tracker(max_missing=1), set()
    for _ in range(length):
        shown = [pose(float(x), rng.choice([RED, BLUE, UNKNOWN])) for x in rng.uniform(0, 60, people)]
        found = ids(track(shown[: rng.integers(people + 1)]))
        assert len(set(found)) == len(found)
        used |= {number for number in found if number >= 0}
    assert used == set(range(len(used)))  # 0, 1, 2 ... without a gap


# --- colours ----------------------------------------------------------------------------------------------

BODY = Skeleton("trunk", ("left_shoulder", "right_shoulder", "left_hip", "right_hip"))


def dressed(top, bottom, size=40):
    """A picture with a trunk at 10..30, and the pose on it."""
    image = np.zeros((size, size, 3), np.uint8)
    image[10:20, 10:31], image[20:31, 10:31] = top, bottom
    points = np.array([[30, 10], [10, 10], [30, 30], [10, 30]], np.float32)
    return image, Pose(points, np.ones(4, np.float32), np.array([10, 10, 30, 30], np.float32))


def test_colours_of_the_trunk():
    embed = TorsoColours(BODY)
    red, blue = (220, 30, 30), (30, 30, 220)
    image, person = dressed(red, blue)
    (vector,) = embed(image, [person])
    assert vector.shape == (2 * 4 * 12 * 12,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    (again,) = embed(
        np.roll(image, 5, axis=1), [replace(person, keypoints=person.keypoints + np.float32((5, 0)))]
    )
    np.testing.assert_allclose(again, vector, atol=1e-6)  # wherever the person is
    (other,) = embed(dressed(blue, red)[0], [person])
    assert vector @ other < 0.35  # a shirt over trousers is not the other way round
    (lighter,) = embed(dressed((226, 36, 36), blue)[0], [person])
    assert vector @ lighter > 0.9


def test_half_a_trunk_is_told_by_its_side():
    image, person = dressed((220, 30, 30), (30, 30, 220))
    scores = np.array([1, 0, 1, 0], np.float32)
    whole, half = TorsoColours(BODY, min_pixels=20)(image, [person, replace(person, scores=scores)])
    assert whole @ half > 0.7


@pytest.mark.parametrize("scores", [(1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 0, 0)])
def test_nothing_is_said_of_what_is_not_seen(scores):
    image, person = dressed((220, 30, 30), (30, 30, 220))
    (vector,) = TorsoColours(BODY)(image, [replace(person, scores=np.array(scores, np.float32))])
    assert np.isnan(vector).all()
    outside = replace(person, keypoints=person.keypoints + 500)
    assert np.isnan(TorsoColours(BODY)(image, [outside])).all()


def test_colours_need_shoulders_and_hips():
    with pytest.raises(ConfigError, match="no left_shoulder, right_shoulder, left_hip, right_hip"):
        TorsoColours(SKELETON)
    with pytest.raises(ConfigError, match="three numbers of bins"):
        TorsoColours(BODY, bins=(0, 1, 1))


# --- a rendered film --------------------------------------------------------------------------------------


def test_appearance_helps_on_a_rendered_film():
    skeleton = get_skeleton("mpii16")
    ways = {"oks": None, "colours": Appearance(TorsoColours(skeleton))}
    trackers = {way: OKSTracker(skeleton, appearance=looks) for way, looks in ways.items()}
    frames, rng = {way: [] for way in ways}, np.random.default_rng(0)
    for frame in film(1, people=3, seconds=5, rate=10):
        detected = noisy(frame.poses, rng)
        for way, track in trackers.items():
            found = [one for one in track(detected, frame.time, frame.image) if one.person_id >= 0]
            similarity = pose_similarity(frame.poses, found, skeleton.sigmas)
            frames[way].append(FrameTracks(ids(frame.poses), ids(found), similarity))
    oks, colours = (track_scores(frames[way]) for way in ways)
    assert colours.switches < oks.switches
    assert colours.idf1 > oks.idf1 + 0.2
