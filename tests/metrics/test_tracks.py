"""ID switches, MOTA and IDF1 of cases counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError, DataError
from posekit.metrics.tracks import FrameTracks, TrackScores, track_scores


def frames(*rows):
    """Frames in which true person i is found exactly where ``found[i]`` is; None: overlooked."""
    made = []
    for found in rows:
        numbers = [number for number in found if number is not None]
        similarity = [[float(number == one) for one in numbers] for number in found]
        made.append(
            FrameTracks(range(len(found)), numbers, np.reshape(similarity, (len(found), len(numbers))))
        )
    return made


def test_a_perfect_track():
    found = track_scores(frames((5, 7), (5, 7), (5, 7)))
    assert found == TrackScores(6, 6, 6, 0, 6)
    assert (found.mota, found.idf1) == (1, 1)


def test_a_number_that_changes():
    """Ristani's example: one person, number 1 for 3 frames, then 2 for 2: IDTP 3."""
    found = track_scores(frames((1,), (1,), (1,), (2,), (2,)))
    assert found == TrackScores(5, 5, 5, 1, 3)
    assert found.mota == pytest.approx(1 - 1 / 5)
    assert found.idf1 == pytest.approx(2 * 3 / (5 + 5))


def test_a_number_that_comes_back_is_two_switches_but_little_of_idf1():
    found = track_scores(frames((1,), (1,), (2,), (1,), (1,), (1,)))
    assert (found.switches, found.same_identity) == (2, 5)


def test_two_numbers_exchanged():
    found = track_scores(frames((1, 2), (1, 2), (1, 2), (2, 1)))
    assert found == TrackScores(8, 8, 8, 2, 6)
    # The best one-to-one matching of the whole video, not of each person: 1 is both's most frequent number.
    found = track_scores([FrameTracks([0], [1], [[1.0]])] * 3 + [FrameTracks([1], [1], [[1.0]])] * 2)
    assert found.same_identity == 3


def test_a_gap_is_a_miss_and_a_switch_is_seen_across_it():
    found = track_scores(frames((1,), (None,), (None,), (4,)))
    assert found == TrackScores(4, 2, 2, 1, 1)
    assert found.mota == pytest.approx(1 - (2 + 0 + 1) / 4)


def test_what_holds_from_before_goes_before_what_is_more_similar():
    """CLEAR MOT: the pair of the frame before stays while it is similar enough."""
    first = FrameTracks([0], [1], [[1.0]])
    found = track_scores([first, FrameTracks([0], [1, 2], [[0.6, 0.9]])])
    assert (found.matched, found.switches) == (2, 0)
    found = track_scores([first, FrameTracks([0], [1, 2], [[0.4, 0.9]])])
    assert (found.matched, found.switches) == (2, 1)


def test_more_pairs_go_before_more_similarity():
    found = track_scores([FrameTracks([0, 1], [1, 2], [[0.95, 0.4], [0.4, 0.1]])], 0.3)
    assert found.matched == 2


def test_the_threshold_and_nobody():
    assert track_scores([FrameTracks([0], [1], [[0.5]])]).matched == 1
    assert track_scores([FrameTracks([0], [1], [[0.49]])]) == TrackScores(1, 1, 0, 0, 0)
    empty = track_scores([FrameTracks([], [], np.zeros((0, 0)))])
    assert math.isnan(empty.mota)
    assert math.isnan(empty.idf1)
    false = track_scores([FrameTracks([], [3], np.zeros((0, 1)))])
    assert (false, false.idf1) == (TrackScores(0, 1, 0, 0, 0), 0)


def test_videos_add_up():
    one, two = track_scores(frames((1,), (2,))), track_scores(frames((1, 2)))
    assert one + two == TrackScores(4, 4, 4, 1, 3)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FrameTracks([0, 0], [1], [[1.0], [1.0]]), "frame 0: expected every true number once"),
        (FrameTracks([0], [1, 1], [[1.0, 1.0]]), "every found number once"),
        (FrameTracks([0], [1], [[1.0, 1.0]]), r"expected similarities \(1, 1\)"),
        (FrameTracks([0], [1], [[np.nan]]), "without NaN"),
    ],
)
def test_impossible_frames_are_refused(frame, words):
    with pytest.raises(DataError, match=words):
        track_scores([frame])


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"threshold in \(0, 1\], found 0"):
        track_scores([], 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from([None, 1, 2, 3, 4]), min_size=3, max_size=3), max_size=8))
def test_counts_fit_together(rows):
    rows = [[n if n not in row[:i] else None for i, n in enumerate(row)] for row in rows]
    found = track_scores(frames(*rows))
    assert found.matched == found.found <= found.true
    assert found.same_identity <= found.matched
    assert found.switches <= max(found.matched - 1, 0)
    renamed = [[None if n is None else 10 - n for n in row] for row in rows]
    assert track_scores(frames(*renamed)) == found
