"""Means of the same people in two sets of runs: by hand, and intervals as right as they say."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.errors import DataError
from posekit.study.paired_means import compare_means, difference_scores, resampled_means


def test_resampled_means_are_of_the_same_people_for_all_runs():
    values = np.array([[1.0, 2.0, 6.0], [11.0, 12.0, 16.0]])
    drawn = resampled_means(values, np.arange(3), resamples=50)
    assert drawn.shape == (50, 2, 1)
    np.testing.assert_allclose(drawn[:, 1] - drawn[:, 0], 10)
    assert len(np.unique(drawn[:, 0].round(6))) > 3


def test_people_of_one_image_are_drawn_together():
    drawn = resampled_means(np.array([[1.0, 3.0, 10.0]]), np.array([7, 7, 9]), resamples=200)[:, 0, 0]
    assert set(drawn.round(6)) == {2.0, round(14 / 3, 6), 10.0}


def test_the_difference_is_first_less_second_of_those_who_are_in_all_runs():
    first = np.array([[1.0, 2.0, np.inf, 5.0]])
    second = np.array([[2.0, 2.0, 1.0, np.nan]])
    comparison, shared = compare_means(first, second, np.arange(4), resamples=500)
    assert shared.tolist() == [True, True, False, False]
    scores = difference_scores(comparison, "NME")
    assert scores["NME/difference"] == -0.5
    assert (scores["NME/people_low"], scores["NME/people_high"]) == (-1, 0)
    assert "NME/seeds_low" not in scores


def test_several_runs_on_each_side_have_an_interval_over_seeds():
    rng = np.random.default_rng(0)
    people = rng.gamma(2, 3, 400)
    runs = [people + shift + rng.normal(0, 0.5, 400) for shift in (0, 0.4, 0.1, 0.3)]
    comparison, _ = compare_means(np.stack(runs[:2]), np.stack(runs[2:]), np.arange(400), resamples=1000)
    assert comparison.seeds is not None
    widths = np.diff([comparison.people[:, 0], comparison.seeds[:, 0]], axis=1)[:, 0]
    assert widths[1] > 2 * widths[0]
    assert "NME/seeds_high" in difference_scores(comparison, "NME")


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(200):
        base = rng.gamma(2, 3, 150)
        pair = base + rng.normal(0, 1, (2, 150)) + [[0.2], [0.0]]
        comparison, _ = compare_means(pair[:1], pair[1:], np.arange(150), resamples=400, seed=trial)
        hits += comparison.people[0, 0] <= 0.2 <= comparison.people[1, 0]
    assert 180 <= hits <= 199


def test_nobody_in_common_is_told():
    with pytest.raises(DataError, match="predicted in all runs, found 1"):
        compare_means(np.array([[1.0, np.inf]]), np.array([[1.0, 2.0]]), np.arange(2))
