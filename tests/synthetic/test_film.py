"""Rendered films: the same from the same seed, and their truth is what is drawn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tool_runs import caller

from posekit.errors import ConfigError
from posekit.synthetic.film import LEAST_SEEN, film, noisy


@pytest.fixture(scope="module")
def frames():
    return list(film(3, people=3, seconds=1.5, rate=8))


def test_a_seed_is_a_film(frames):
    again = list(film(3, people=3, seconds=1.5, rate=8))
    assert [frame.time for frame in frames] == [n / 8 for n in range(12)]
    for one, other in zip(frames, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal([p.keypoints for p in one.poses], [p.keypoints for p in other.poses])
    other = next(iter(film(4, people=3, seconds=1, rate=1)))
    assert (other.image != frames[0].image).mean() > 0.5


@pytest.mark.parametrize("seeds", [(-2, 1), (3, 3)])
def test_seeds_of_films_count_up_from_0(seeds, monkeypatch, capsys):
    status, said = caller("track_films", monkeypatch, capsys)("--seeds", *seeds)
    assert status == 2
    assert f"--seeds: expected FROM of at least 0 and below TO, found {list(seeds)}" in said


def test_the_room_stays_and_people_move(frames):
    first, last = frames[0], frames[-1]
    assert first.image.shape == (200, 360, 3)
    assert 0.3 < (first.image == last.image).all(axis=2).mean() < 1
    steps = [
        np.abs(after.keypoints - before.keypoints).max()
        for one, two in pairwise(frames)
        for before in one.poses
        for after in two.poses
        if before.person_id == after.person_id
    ]
    assert 1 < max(steps) < 40


def test_what_is_hidden_has_no_score(frames):
    for frame in frames:
        assert len({pose.person_id for pose in frame.poses}) == len(frame.poses)
        for pose in frame.poses:
            seen = pose.keypoints[pose.scores > 0]
            assert len(seen) >= LEAST_SEEN
            assert ((seen >= 0) & (seen <= (359, 199))).all()
            assert (seen >= pose.box_xyxy[:2]).all()
            assert (seen <= pose.box_xyxy[2:]).all()


def test_pillars_hide(frames):
    bare = list(film(3, people=3, seconds=1.5, rate=8, pillars=0))
    seen = [sum((pose.scores > 0).sum() for frame in one for pose in frame.poses) for one in (frames, bare)]
    assert seen[0] < seen[1]


def test_noise_and_drop_outs(frames):
    poses = frames[0].poses
    same = noisy(poses, np.random.default_rng(0), noise=0, missing=0, hidden=0)
    assert sorted(float(p.keypoints.sum()) for p in same) == sorted(float(p.keypoints.sum()) for p in poses)
    assert {pose.person_id for pose in same} == {0}
    assert noisy(poses, np.random.default_rng(0), missing=1) == []
    (blind, *_) = noisy(poses, np.random.default_rng(0), missing=0, hidden=1)
    assert not blind.scores.any()


def test_impossible_films_are_refused():
    with pytest.raises(ConfigError, match="people, seconds and rate above 0"):
        next(film(0, people=0))
