"""Intervals that cover as often as they say, on people made up with a known difference."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.special import stdtrit

from posekit.study.statistics import (
    ScoreForm,
    compare,
    holm,
    observed_scores,
    resampled_scores,
    seed_variance,
    spread,
)

PEOPLE, JOINTS = 200, 10
PLAIN = ScoreForm(np.ones(JOINTS))
# A joint is wrong if person + joint of the person + luck of the run is above a level: sd 1, 0.6 and 0.5.
SPREAD = (1.0, 0.6, 0.5)
LEVELS = np.linspace(-0.3, 0.8, JOINTS)
GAIN = 0.15  # by which the other loss's level is higher


def simulated(rng: np.random.Generator, seeds: int = 1, seed_effect: float = 0.0) -> np.ndarray:
    """Two losses' runs: bool (2 seeds, P, K), the first loss's runs first."""
    person = rng.normal(0, SPREAD[0], (1, PEOPLE, 1)) + rng.normal(0, SPREAD[1], (1, PEOPLE, JOINTS))
    luck = rng.normal(0, SPREAD[2], (2 * seeds, PEOPLE, JOINTS))
    level = LEVELS + np.repeat([0.0, GAIN], seeds)[:, None, None]
    return person + luck + rng.normal(0, seed_effect, (2 * seeds, 1, 1)) < level


def true_difference(seed_effect: float = 0.0) -> float:
    """Of the headlines, percentage points, over all people and all seeds."""
    total = float(np.sqrt(sum(s**2 for s in SPREAD) + seed_effect**2))
    rates = [[NormalDist(0, total).cdf(level + gain) for level in LEVELS] for gain in (0.0, GAIN)]
    return 100 * float(np.mean(rates[1]) - np.mean(rates[0]))


def paired(right: np.ndarray) -> np.ndarray:
    """The interval over people of the headline's difference, (2,)."""
    valid, groups, half = np.ones((PEOPLE, JOINTS), bool), np.arange(PEOPLE), len(right) // 2
    drawn = resampled_scores(right, valid, groups, PLAIN, resamples=500)
    seen = observed_scores(right, valid, PLAIN)
    return compare(seen, drawn, range(half, 2 * half), range(half), PEOPLE).people[:, -1]


def seed_inclusive(right: np.ndarray) -> np.ndarray:
    valid, groups, half = np.ones((PEOPLE, JOINTS), bool), np.arange(PEOPLE), len(right) // 2
    drawn = resampled_scores(right, valid, groups, PLAIN, resamples=300)
    seen = observed_scores(right, valid, PLAIN)
    return compare(seen, drawn, range(half, 2 * half), range(half), PEOPLE).interval[:, -1]


def unpaired(right: np.ndarray) -> np.ndarray:
    """As if the two losses had been tested on different people."""
    people = 100 * right.mean(axis=2)
    half = 1.96 * np.sqrt(people.var(axis=1, ddof=1).sum() / PEOPLE)
    return np.diff(people.mean(axis=1))[0] + np.array([-half, half])


def independent_joints(right: np.ndarray) -> np.ndarray:
    """As if a person's joints had nothing to do with one another."""
    apart = 100 * (right[1].astype(float) - right[0])
    half = 1.96 * apart.std(ddof=1) / np.sqrt(apart.size)
    return apart.mean() + np.array([-half, half])


def coverage(interval, seeds: int = 1, seed_effect: float = 0.0, data_sets: int = 400) -> float:
    rng = np.random.default_rng(20)
    truth, hits = true_difference(seed_effect), 0
    for _ in range(data_sets):
        low, high = interval(simulated(rng, seeds, seed_effect))
        hits += low <= truth <= high
    return hits / data_sets


def test_the_interval_over_people_covers_as_it_says():
    assert 0.92 <= coverage(paired) <= 0.975


def test_an_unpaired_interval_is_too_wide():
    assert coverage(unpaired) > 0.985


def test_independent_joints_make_an_interval_too_narrow():
    """Persons whose run of luck is common to their joints, as a blurred or mirrored person's is."""
    rng = np.random.default_rng(3)
    hits = {paired: 0, independent_joints: 0}
    for _ in range(400):
        person = rng.normal(0, 1, (1, PEOPLE, 1)) + rng.normal(0, 0.5, (2, PEOPLE, 1))
        right = person + rng.normal(0, 0.3, (2, PEOPLE, JOINTS)) < 0.0  # no true difference
        for interval in hits:
            low, high = interval(right)
            hits[interval] += low <= 0 <= high
    assert 0.92 <= hits[paired] / 400 <= 0.975
    assert hits[independent_joints] / 400 < 0.7


def test_an_interval_that_includes_seeds_covers_new_trainings():
    """Three runs of either loss, whose seeds shift the level: the interval over people alone fails."""
    assert 0.92 <= coverage(seed_inclusive, 3, 0.1) <= 0.985
    assert coverage(paired, 3, 0.1) < 0.85


def borrowing(right: np.ndarray) -> np.ndarray:
    """One run of the second loss against the first's three; a third loss's three runs lend as well."""
    valid, groups = np.ones((PEOPLE, JOINTS), bool), np.arange(PEOPLE)
    drawn = resampled_scores(right, valid, groups, PLAIN, resamples=300)
    seen = observed_scores(right, valid, PLAIN)
    pooled = seed_variance(seen, drawn, [[0, 1, 2], [3], [4, 5]])
    found = compare(seen, drawn, [3], range(3), PEOPLE, pooled=pooled)
    assert found.borrowed
    return found.interval[:, -1]


def test_a_single_run_that_borrows_covers_new_trainings():
    """Against the interval over people alone, which a run's luck with its seed leaves far behind."""
    assert 0.92 <= coverage(borrowing, 3, 0.1) <= 0.985
    alone = coverage(lambda right: paired(right[[0, 3]]), 3, 0.1)
    assert alone < 0.75


def test_what_is_lent_is_the_mean_over_losses_by_their_freedom():
    right = simulated(np.random.default_rng(4), seeds=4)
    valid = np.ones((PEOPLE, JOINTS), bool)
    drawn = resampled_scores(right, valid, np.arange(PEOPLE), PLAIN, 200)
    seen = observed_scores(right, valid, PLAIN)
    found = seed_variance(seen, drawn, [[0, 1, 2], [3], [4, 5]])
    assert found.freedom == 3
    expected = (2 * seen[:3].var(axis=0, ddof=1) + seen[4:6].var(axis=0, ddof=1)) / 3
    np.testing.assert_allclose(found.own, expected, rtol=1e-12)
    assert seed_variance(seen, drawn, [[0], [1]]) is None
    # Both sides borrow the one estimate, also where one has runs of its own: its doubt is counted once.
    for base, share in (([6], 2), ([0, 1, 2], 4 / 3)):
        both = compare(seen, drawn, [3], base, PEOPLE, pooled=found)
        people = np.var(drawn[:, 3] - drawn[:, base].mean(axis=1), axis=0, ddof=1)[-1]
        total = people + share * max(found.own[-1] - found.shared[-1], 0)
        freedom = total**2 / (people**2 / (PEOPLE - 1) + (share * found.own[-1]) ** 2 / 3)
        halves = [
            stdtrit(f, 0.975) * np.sqrt(variance)
            for variance, f in ((total, freedom), (share * found.own[-1], 3))
        ]
        assert np.diff(both.seeds[:, -1])[0] == pytest.approx(2 * max(halves), rel=1e-9)


def test_seeds_without_an_effect_are_not_counted_twice():
    """Runs that differ by luck on each person only: the bootstrap has that variance already.

    Were all of s^2 added, the standard error would be 1.22 times what it is.
    """
    rng = np.random.default_rng(5)
    valid, widths, exact = np.ones((PEOPLE, JOINTS), bool), [], []
    for _ in range(60):
        right = rng.normal(0, 0.02, (1, PEOPLE, 1)) + rng.normal(size=(40, PEOPLE, JOINTS)) < 0
        drawn = resampled_scores(right, valid, np.arange(PEOPLE), PLAIN, resamples=300)
        found = compare(observed_scores(right, valid, PLAIN), drawn, range(20), range(20, 40), PEOPLE)
        widths.append(np.diff(found.seeds[:, -1])[0])
        exact.append(2 * 1.99 * 50 / np.sqrt(PEOPLE * JOINTS) * np.sqrt(2 / 20))
    assert np.mean(widths) / np.mean(exact) == pytest.approx(1.05, abs=0.08)  # 1.4 if counted twice


def by_loops(right, valid, weights, pooled):
    rates, numbers = [], []
    for joint in range(len(weights)):
        rows = [p for p in range(len(valid)) if valid[p, joint]]
        numbers.append(len(rows))
        rates.append(100 * sum(right[p, joint] for p in rows) / len(rows) if rows else float("nan"))
    used = [k for k in range(len(weights)) if weights[k] and numbers[k]]
    share = [weights[k] * (numbers[k] if pooled else 1) for k in used]
    return [*rates, sum(rates[k] * s for k, s in zip(used, share, strict=True)) / sum(share)]


@pytest.mark.parametrize("pooled", [False, True])
def test_scores_are_those_of_plain_loops(pooled):
    rng = np.random.default_rng(0)
    right, valid = rng.random((3, 20, 4)) < 0.6, rng.random((20, 4)) < 0.5
    valid[:, 2] = False  # a joint that nobody has counts in nothing
    weights = np.array([1.0, 0.0, 1.0, 2.0])
    found = observed_scores(right, valid, ScoreForm(weights, pooled))
    for run in range(3):
        np.testing.assert_allclose(found[run], by_loops(right[run], valid, weights, pooled), atol=1e-12)


def test_resampled_scores_are_those_of_the_drawn_people():
    """Images of several people are drawn whole; the draws are repeated here by hand."""
    rng = np.random.default_rng(1)
    right, valid = rng.random((2, 12, 3)) < 0.5, rng.random((12, 3)) < 0.8
    images = np.array([7, 7, 3, 3, 3, 9, 1, 2, 4, 4, 5, 6])
    form = ScoreForm(np.ones(3))
    found = resampled_scores(right, valid, images, form, resamples=50, seed=4)
    ids = np.unique(images)
    draws = np.random.default_rng(4).integers(len(ids), size=(50, len(ids)))
    for row, draw in enumerate(draws):
        people = np.concatenate([np.flatnonzero(images == ids[i]) for i in draw])
        for run in range(2):
            expected = by_loops(right[run][people], valid[people], [1, 1, 1], False)
            np.testing.assert_allclose(found[row, run], expected, atol=1e-9)


def test_people_of_one_image_widen_the_interval():
    """Each image holds four copies of one person: 200 people say what 50 do."""
    rng = np.random.default_rng(2)
    right = np.repeat(simulated(rng)[:, :50], 4, axis=1)
    valid, images = np.ones((PEOPLE, JOINTS), bool), np.repeat(np.arange(50), 4)
    seen = observed_scores(right, valid, PLAIN)
    widths = [
        np.diff(compare(seen, resampled_scores(right, valid, g, PLAIN, 2000), [1], [0], n).people[:, -1])
        for g, n in ((images, 50), (np.arange(PEOPLE), PEOPLE))
    ]
    assert widths[0] / widths[1] == pytest.approx(2.0, abs=0.2)


def test_equal_runs_differ_by_nothing():
    right = np.repeat(simulated(np.random.default_rng(0))[:1], 4, axis=0)
    valid = np.ones((PEOPLE, JOINTS), bool)
    drawn = resampled_scores(right, valid, np.arange(PEOPLE), PLAIN, 200)
    found = compare(observed_scores(right, valid, PLAIN), drawn, [0, 1], [2, 3], PEOPLE)
    assert not found.difference.any()
    assert not found.interval.any()
    assert (found.p_value == 1).all()


def test_one_run_has_no_interval_over_seeds():
    right = simulated(np.random.default_rng(0), seeds=2)
    valid = np.ones((PEOPLE, JOINTS), bool)
    drawn = resampled_scores(right, valid, np.arange(PEOPLE), PLAIN, 200)
    seen = observed_scores(right, valid, PLAIN)
    found = compare(seen, drawn, [3], [0, 1], PEOPLE)
    assert found.seeds is None
    assert found.difference[-1] == pytest.approx(seen[3, -1] - (seen[0, -1] + seen[1, -1]) / 2)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.001, 0.6, 0.02]) == pytest.approx([1.0, 0.004, 1.0, 0.06])
    assert holm([]) == []


def test_spread_over_seeds():
    found = spread([50.0, 52.0, 57.0])
    assert found == pytest.approx({"n": 3, "mean": 53.0, "sd": np.sqrt(13.0), "min": 50.0, "max": 57.0})
    assert spread([50.0])["sd"] is None
