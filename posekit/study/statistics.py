"""Is the difference between two losses more than chance? Intervals over people, and over seeds as well.

A score is made of joints that are right or wrong, S runs x P people x K joints (or of each face's error,
with groups of faces in place of joints: :mod:`posekit.study.measures`). Two things vary: who was
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

Scores in percent, differences in percentage points.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

RESAMPLES = 10_000
CONFIDENCE = 0.95
_LEVEL = (1 + CONFIDENCE) / 2
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
        right: bool (S, P, K), or float64: errors, whose means take the place of rates.
        valid: bool (P, K), the labelled joints.
        form: Of the headline.

    Returns:
        float64 (S, K + 1): the joints, then the headline, percent.
    """
    labelled = np.broadcast_to(valid.sum(axis=0), (len(right), valid.shape[1]))
    return form.scores(_of_valid(right, valid).sum(axis=1), labelled)


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
        right: bool (S, P, K), or float64 as of :func:`observed_scores`.
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
    columns = (
        np.concatenate([_of_valid(right, valid), valid[None]]).transpose(1, 0, 2).reshape(len(group), -1)
    )
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


def _of_valid(right: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.where(valid, right, np.zeros((), right.dtype))


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
        borrowed: A loss has a single run, and the variance over seeds is that of all losses with several.
    """

    difference: np.ndarray
    people: np.ndarray
    seeds: np.ndarray | None
    p_value: np.ndarray
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
        apart = resampled[:, runs] - resampled[:, runs].mean(axis=1, keepdims=True)
        own = own + observed[runs].var(axis=0, ddof=1) * (len(runs) - 1)
        shared = shared + _of_known(np.nanvar, apart, ddof=1).sum(axis=0)
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
    pooled: SeedVariance | None = None,
) -> Comparison:
    """Compares two losses.

    Args:
        observed: float64 (S, K + 1), as from :func:`observed_scores`.
        resampled: float64 (R, S, K + 1), as from :func:`resampled_scores`.
        arm: The runs of the one loss.
        base: The runs of the other.
        groups: How many groups were resampled.
        pooled: What a single run borrows; None: nothing is said of its other seeds.
    """
    sides = [list(arm), list(base)]
    difference = observed[sides[0]].mean(0) - observed[sides[1]].mean(0)
    drawn = resampled[:, sides[0]].mean(1) - resampled[:, sides[1]].mean(1)
    people = _of_known(np.nanquantile, drawn, q=(1 - _LEVEL, _LEVEL))
    variance, freedom = _of_known(np.nanvar, drawn, ddof=1), max(groups - 1.0, 1.0)
    lent: list[SeedVariance | None] = [seed_variance(observed, resampled, [side]) for side in sides]
    shares, borrowed = [1 / len(side) for side in sides], None in lent
    if borrowed:  # both sides go by what is lent: one part, since it is one estimate
        lent, shares = [pooled], [sum(shares)]
    known = [(v, share) for v, share in zip(lent, shares, strict=True) if v is not None]
    if not known:
        return Comparison(difference, people, None, _p_value(difference, variance, freedom))
    total = variance + sum(share * np.maximum(v.own - v.shared, 0) for v, share in known)
    over_runs = [(share * v.own, v.freedom) for v, share in known]
    sums: list[tuple[np.ndarray, Any]] = [(total, _satterthwaite(total, [(variance, freedom), *over_runs]))]
    sums += over_runs if borrowed else []
    half = np.max([stdtrit(f, _LEVEL) * np.sqrt(v) for v, f in sums], axis=0)
    p_value = np.max([_p_value(difference, v, f) for v, f in sums], axis=0)
    return Comparison(difference, people, difference + half * [[-1], [1]], p_value, borrowed)


def _satterthwaite(total: np.ndarray, parts: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Degrees of freedom of a sum of variances, each known with its own; the first part's where all are 0."""
    known = np.sum([variance**2 / freedom for variance, freedom in parts], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.maximum(np.where(known > 0, total**2 / known, parts[0][1]), 1.0)


def _of_known(statistic: Callable[..., np.ndarray], values: np.ndarray, **settings: Any) -> np.ndarray:
    """A statistic along the first axis, of what is no NaN; NaN where nothing is."""
    with warnings.catch_warnings():  # numpy tells of every column without a number
        warnings.simplefilter("ignore", RuntimeWarning)
        return statistic(values, axis=0, **settings)


def _p_value(difference: np.ndarray, variance: np.ndarray, freedom: np.ndarray | float) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(difference) / np.sqrt(variance)
    # No variance at all: equal runs, or too few people to have one, of whom nothing is known.
    ratio = np.where(variance > 0, ratio, np.where(np.isnan(difference), np.nan, 0.0))
    return 2 * stdtr(freedom, -ratio)


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


def spread(values: Sequence[float]) -> dict[str, float | int | None] | None:
    """Mean, standard deviation (n - 1), smallest, largest and number of values; None for what has none."""
    if not values:
        return None
    numbers = np.asarray(values, np.float64)
    sd = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    found = {name: float(getattr(numbers, name)()) for name in ("mean", "min", "max")}
    return {"n": len(numbers), "sd": sd, **found}
