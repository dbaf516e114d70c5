"""Is the difference between two losses more than chance? Intervals over people, and over seeds as well.

A score is made of joints that are right or wrong, S runs x P people x K joints. Two things vary: who was
tested, and how a training with another seed would have ended. They are taken apart as in a two-way layout
(runs crossed with people, as in multi-reader studies: Obuchowski & Rockette, Commun. Stat. 1995):

- **People**: a paired bootstrap. The same resampled people are scored in all runs; people of one image stay
  together (they share its light, its blur and each other). The interval is the percentile one: a difference
  of two rates over hundreds of the same people is close to linear in the people, so that BCa's corrections,
  of the order of skewness / sqrt(P), are below the interval's own noise, and the percentile interval can be
  read off by anyone. Runs of one loss are averaged first.
- **Seeds**: the variance of a loss's runs on the same people, s^2, holds no variance between people but does
  hold the joints that flip from run to run, which the bootstrap's variance holds too. That part, e^2, is
  known from the runs' resampled scores and is not counted twice:

      var(difference) = var_people + sum over both losses of max(s^2 - e^2, 0) / n

  with Student's t and the degrees of freedom of Welch and Satterthwaite. Runs are taken as independent,
  though a common seed gives them the same start and order.
- **A loss with a single run**: both losses then go by the s^2 and e^2 of all losses that have several runs,
  pooled. That seeds matter about as much for one loss as for another is an assumption, and is stated where it
  is made. Few runs may by luck agree and lend a variance near 0, so that the interval is at least Student's
  over runs, t sqrt(s^2 (1 / n + 1 / m)) with the degrees of freedom of what is lent.

The reported interval is the wider of the two. Where no loss has several runs nothing is known of other seeds:
the interval over people then says how much these very runs differ, and is no ground for a verdict (of two
equal losses, whose scores vary by 0.6 points over seeds, it calls one in four different).

Scores in percent, differences in percentage points. The arrays functions need numpy, Student's t scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95
_COUNTS_AT_ONCE = 2_000_000  # of resampled people, for the memory's sake


@dataclass(frozen=True, eq=False)
class ScoreForm:
    """How the joints make the headline score.

    Attributes:
        weights: float64 (K,); 0 leaves a joint out.
        pooled: All joints of all people together, not the mean of the joints' rates.
    """

    weights: np.ndarray
    pooled: bool = False

    def scores(self, right: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """The joints' rates and, last, the headline, in percent.

        Args:
            right: (..., K), numbers of right joints.
            labelled: (..., K), numbers of labelled ones.

        Returns:
            float64 (..., K + 1); NaN where nothing is labelled.
        """
        weights = np.where(labelled > 0, self.weights, 0.0)
        with np.errstate(invalid="ignore"):
            rates = right / np.where(labelled > 0, labelled, np.nan)
            if self.pooled:
                headline = (weights * right).sum(-1) / (weights * labelled).sum(-1)
            else:
                headline = (weights * np.nan_to_num(rates)).sum(-1) / weights.sum(-1)
        return 100.0 * np.concatenate([rates, headline[..., None]], axis=-1)


def observed_scores(right: np.ndarray, valid: np.ndarray, form: ScoreForm) -> np.ndarray:
    """The scores of S runs on the same people.

    Args:
        right: bool (S, P, K).
        valid: bool (P, K), the labelled joints.
        form: Of the headline.

    Returns:
        float64 (S, K + 1): the joints, then the headline, percent.
    """
    labelled = np.broadcast_to(valid.sum(axis=0), (len(right), valid.shape[1]))
    return form.scores((right & valid).sum(axis=1), labelled)


def resampled_scores(
    right: np.ndarray,
    valid: np.ndarray,
    groups: np.ndarray,
    form: ScoreForm,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """The scores of S runs on resampled people, the same people for all runs.

    Args:
        right: bool (S, P, K).
        valid: bool (P, K), the labelled joints.
        groups: (P,), ids of images; people of one image are drawn together.
        form: Of the headline.
        resamples: R.
        seed: Of the draws.

    Returns:
        float64 (R, S, K + 1), percent.
    """
    runs, _, joints = right.shape
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    columns = np.concatenate([right & valid, valid[None]]).transpose(1, 0, 2).reshape(len(group), -1)
    sums = np.zeros((number, columns.shape[1]))
    np.add.at(sums, group, columns)
    rng = np.random.default_rng(seed)
    parts = []
    at_once = max(1, _COUNTS_AT_ONCE // number)
    for start in range(0, resamples, at_once):
        counts = _draw(rng, min(at_once, resamples - start), number)
        drawn = (counts @ sums).reshape(len(counts), runs + 1, joints)
        parts.append(form.scores(drawn[:, :-1], np.repeat(drawn[:, -1:], runs, axis=1)))
    return np.concatenate(parts)


def _draw(rng: np.random.Generator, rows: int, number: int) -> np.ndarray:
    """How often each of ``number`` groups is drawn in ``number`` draws: float64 (rows, number)."""
    drawn = rng.integers(number, size=(rows, number)) + np.arange(rows)[:, None] * number
    return np.bincount(drawn.ravel(), minlength=rows * number).reshape(rows, number).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The differences of two losses, arm minus base, of the K joints and, last, the headline.

    Attributes:
        difference: float64 (K + 1,), percentage points; NaN where nothing is labelled.
        people: float64 (2, K + 1): low and high end of the interval over people, for these runs.
        seeds: float64 (2, K + 1): of the interval that holds for new trainings too, or None where nothing is
            known of a loss's other seeds.
        p_value: float64 (K + 1,), two-sided, of the interval that :attr:`interval` gives.
        runs: The numbers of runs of arm and base.
        borrowed: A loss has a single run, and the variance over seeds is that of all losses with several.
    """

    difference: np.ndarray
    people: np.ndarray
    seeds: np.ndarray | None
    p_value: np.ndarray
    runs: tuple[int, int]
    borrowed: bool = False

    @property
    def interval(self) -> np.ndarray:
        """The wider of the two: float64 (2, K + 1)."""
        if self.seeds is None:
            return self.people
        low, high = np.minimum(self.people[0], self.seeds[0]), np.maximum(self.people[1], self.seeds[1])
        return np.stack([low, high])


@dataclass(frozen=True, eq=False)
class SeedVariance:
    """How much a run's scores vary with its seed.

    Attributes:
        own: float64 (K + 1,): s^2, the variance of the runs of one loss on the same people.
        shared: float64 (K + 1,): e^2, the part of it that the bootstrap over people holds already.
        freedom: Degrees of freedom.
    """

    own: np.ndarray
    shared: np.ndarray
    freedom: float


def seed_variance(
    observed: np.ndarray, resampled: np.ndarray, settings: Sequence[Sequence[int]]
) -> SeedVariance | None:
    """The variance over seeds, pooled over all losses that have several runs; None if none has.

    Args:
        observed: float64 (S, K + 1), as from :func:`observed_scores`.
        resampled: float64 (R, S, K + 1), as from :func:`resampled_scores`.
        settings: The runs of each loss.
    """
    own, shared, freedom = 0.0, 0.0, 0
    for runs in map(list, settings):
        if len(runs) < 2:
            continue
        apart = resampled[:, runs] - resampled[:, runs].mean(
            axis=1, keepdims=True
        )  # each against its fellows
        own = own + observed[runs].var(axis=0, ddof=1) * (len(runs) - 1)
        shared = shared + _nanvar(apart).sum(axis=0)
        freedom += len(runs) - 1
    if not freedom:
        return None
    return SeedVariance(np.asarray(own) / freedom, np.asarray(shared) / freedom, freedom)


def compare(
    observed: np.ndarray,
    resampled: np.ndarray,
    arm: Sequence[int],
    base: Sequence[int],
    groups: int,
    confidence: float = CONFIDENCE,
    pooled: SeedVariance | None = None,
) -> Comparison:
    """Compares two losses.

    Args:
        observed: float64 (S, K + 1), as from :func:`observed_scores`.
        resampled: float64 (R, S, K + 1), as from :func:`resampled_scores`.
        arm: The runs of the one loss.
        base: The runs of the other.
        groups: How many groups were resampled.
        confidence: Of the intervals.
        pooled: What a single run borrows; None: nothing is said of its other seeds.
    """
    sides = [list(arm), list(base)]
    difference = observed[sides[0]].mean(0) - observed[sides[1]].mean(0)
    drawn = resampled[:, sides[0]].mean(1) - resampled[:, sides[1]].mean(1)
    level, runs = (1 + confidence) / 2, (len(sides[0]), len(sides[1]))
    people = _percentiles(drawn, (1 - level, level))
    variance, freedom = _nanvar(drawn), np.full(len(difference), max(groups - 1.0, 1.0))
    parts, borrowed = _parts(observed, resampled, sides, pooled), min(runs) < 2
    if parts is None:
        return Comparison(difference, people, None, _p_value(difference, variance, freedom), runs)
    over_runs = [(own, f) for own, _, f in parts]
    total = variance + sum(np.maximum(own - shared, 0) for own, shared, _ in parts)
    sums = [(total, _satterthwaite(total, [(variance, freedom), *over_runs]))]
    if borrowed:
        sums.append((over_runs[0][0], np.full(len(difference), over_runs[0][1])))
    half = np.max([student_quantile(level, f) * np.sqrt(v) for v, f in sums], axis=0)
    p_value = np.max([_p_value(difference, v, f) for v, f in sums], axis=0)
    seeds = np.stack([difference - half, difference + half])
    return Comparison(difference, people, seeds, p_value, runs, borrowed)


def _parts(
    observed: np.ndarray,
    resampled: np.ndarray,
    sides: Sequence[Sequence[int]],
    pooled: SeedVariance | None,
) -> list[tuple[np.ndarray, np.ndarray, float]] | None:
    """The variance that seeds add to a difference: s^2 / n, e^2 / n and degrees of freedom, part by part.

    Where a side is a single run, both sides go by what is lent: one part, since it is one estimate. None if
    nothing is lent.
    """
    if min(map(len, sides)) > 1:
        own = [(seed_variance(observed, resampled, [side]), len(side)) for side in sides]
        return [(found.own / n, found.shared / n, found.freedom) for found, n in own if found]
    if pooled is None:
        return None
    share = sum(1 / len(side) for side in sides)
    return [(share * pooled.own, share * pooled.shared, pooled.freedom)]


def _satterthwaite(total: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray | float]]) -> np.ndarray:
    """Degrees of freedom of a sum of variances, each known with its own; the first part's where all are 0."""
    known = np.sum([variance**2 / freedom for variance, freedom in parts], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(known > 0, total**2 / known, parts[0][1])
    return np.maximum(freedom, 1.0)


def _percentiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Percentiles along the first axis without the NaN: (levels, ...)."""
    found = np.full((len(levels), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        known = values[np.isfinite(values[:, column]), column]
        if known.size:
            found[:, column] = np.quantile(known, levels)
    return found


def _nanvar(values: np.ndarray) -> np.ndarray:
    """Variance along the first axis, of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    number = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / np.where(number > 0, number, np.nan)
        return (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.where(
            number > 1, number - 1, np.nan
        )


def _p_value(difference: np.ndarray, variance: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(difference) / np.sqrt(variance)
    # No variance at all: equal runs, or too few people to have one, of whom nothing is known.
    ratio = np.where(variance > 0, ratio, np.where(np.isnan(difference), np.nan, 0.0))
    return 2 * stdtr(freedom, -ratio)


def student_quantile(probability: float, freedom: np.ndarray) -> np.ndarray:
    """Quantiles of Student's t.

    >>> student_quantile(0.975, np.array([4.0])).round(3).tolist()
    [2.776]
    """
    from scipy.special import stdtrit

    return stdtrit(freedom, probability)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Scand. J. Stat. 1979) of the p-values of m comparisons.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean, standard deviation (n - 1; None for a single value), smallest, largest and number of values."""
    numbers = np.asarray(values, np.float64)
    return {
        "n": len(numbers),
        "mean": float(numbers.mean()),
        "sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        "min": float(numbers.min()),
        "max": float(numbers.max()),
    }
