"""Verification: do two pictures show the same one? Scores of pairs in, numbers out; pure numpy.

A pair has a score, by default the cosine of its two embeddings, and is called "same" when score >= threshold.
``same`` is bool (P,). All results are shares of 1.

===========================  ==============================================================================
:func:`fold_accuracy`        LFW's protocol: each fold's threshold is chosen on the other folds
:func:`roc`                  FAR and TAR over all thresholds; pairs of equal score move together
:func:`auc`                  a same pair scores above a different one; a tie counts 1/2
:func:`tar_at_far`           the highest TAR whose FAR is at most so much; no interpolation
:func:`interpolated_tar`     TAR at just this FAR, linear between the highest TARs of neighbouring FARs
:func:`equal_error_rate`     where FAR and 1 - TAR cross, linear between the ROC's points
===========================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from posekit.errors import ConfigError, DataError

FALSE_ACCEPT_RATES = (0.1, 0.01, 0.001)


def cosine_scores(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """The cosines of paired embeddings.

    Args:
        first: (P, D), any length.
        second: (P, D).

    Returns:
        float64 (P,).

    Raises:
        ValueError: On shapes that do not fit.
        DataError: On a vector that is zero, not finite, or too large for a length (beyond 1e154).
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"expected embeddings of one shape (P, D), found {a.shape} and {b.shape}")
    with np.errstate(over="ignore"):
        lengths = np.sqrt(np.einsum("pd,pd->p", a, a)) * np.sqrt(np.einsum("pd,pd->p", b, b))
    bad = np.flatnonzero(~((lengths > 0) & np.isfinite(lengths)))
    if len(bad):
        raise DataError(
            f"embeddings: {len(bad)} of {len(a)} pairs have one that is zero, too large for a length or not "
            f"finite, first pair {bad[0]}"
        )
    return np.einsum("pd,pd->p", a, b) / lengths


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by folds.

    Attributes:
        folds: The folds' numbers, ascending.
        per_fold: float64 (F,).
        thresholds: float64 (F,), chosen on the other folds.
    """

    folds: np.ndarray
    per_fold: np.ndarray
    thresholds: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.per_fold.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean: the deviation with F - 1 in the denominator, by sqrt(F)."""
        return float(self.per_fold.std(ddof=1) / np.sqrt(len(self.per_fold)))


def fold_accuracy(scores: ArrayLike, same: ArrayLike, folds: ArrayLike) -> FoldAccuracy:
    """LFW View 2 (Huang et al., 2007): each fold scored at the threshold that is best on the others.

    Candidates are -inf, +inf and the middles between neighbouring distinct scores of the other folds; of
    equally good ones the lowest is taken.

    Args:
        scores: (P,).
        same: bool (P,).
        folds: (P,), whole numbers; LFW's are 1..10 with 600 pairs each.

    Raises:
        DataError: On less than two folds, or scores that are not finite.
        ValueError: On shapes that do not fit.
    """
    scores, same = _checked(scores, same)
    folds = np.asarray(folds)
    if folds.shape != scores.shape:
        raise ValueError(f"expected folds of shape {scores.shape}, found {folds.shape}")
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise DataError(
            f"folds: expected at least 2, found {len(numbers)}; the threshold is chosen on the others"
        )
    order = np.argsort(scores, kind="stable")
    ordered, truth, fold_of = scores[order], same[order], folds[order]
    accuracies, thresholds = [], []
    for number in numbers:
        own = fold_of == number
        threshold, _ = _best_threshold(ordered[~own], truth[~own])
        accuracies.append(np.mean((ordered[own] >= threshold) == truth[own]))
        thresholds.append(threshold)
    return FoldAccuracy(numbers, np.array(accuracies), np.array(thresholds))


def best_accuracy(scores: ArrayLike, same: ArrayLike) -> tuple[float, float]:
    """The highest accuracy with one threshold for all pairs, which has seen them, and that threshold."""
    scores, same = _checked(scores, same)
    order = np.argsort(scores, kind="stable")
    threshold, accuracy = _best_threshold(scores[order], same[order])
    return accuracy, threshold


@dataclass(frozen=True)
class Roc:
    """The points of an ROC, from the highest threshold to the lowest.

    Attributes:
        thresholds: float64 (T,): +inf, then every distinct score.
        far: float64 (T,): share of different pairs with score >= threshold.
        tar: float64 (T,): share of same pairs with score >= threshold.
    """

    thresholds: np.ndarray
    far: np.ndarray
    tar: np.ndarray


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """The ROC over all pairs at once.

    Raises:
        DataError: If there is no same pair or no different one, or a score is not finite.
        ValueError: On shapes that do not fit.
    """
    scores, same = _checked(scores, same)
    positives = int(same.sum())
    if not 0 < positives < len(same):
        raise DataError(
            f"pairs: expected some of the same and some of different identities, found {positives} of "
            f"the same among {len(same)}"
        )
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order], same[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each run of equal scores
    accepted = np.cumsum(truth)[last]
    tar = np.concatenate([[0], accepted]) / positives
    far = np.concatenate([[0], last + 1 - accepted]) / (len(same) - positives)
    return Roc(np.concatenate([[np.inf], ordered[last]]), far, tar)


def auc(curve: Roc) -> float:
    """The area under the ROC: the probability that a same pair scores higher, a tie counting 1/2."""
    return float(np.sum(np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1]) / 2))


def tar_at_far(curve: Roc, rate: float) -> tuple[float, float, float]:
    """The highest TAR of a threshold with FAR <= rate.

    With N different pairs a rate below 1 / N allows none to be accepted.

    Returns:
        TAR, the lowest score that attains it as threshold (inf if none does), and the FAR there.

    Raises:
        ConfigError: On a rate outside 0..1.
    """
    _check_rate(rate)
    place = int(np.searchsorted(curve.far, rate, side="right")) - 1
    return float(curve.tar[place]), float(curve.thresholds[place]), float(curve.far[place])


def interpolated_tar(curve: Roc, rate: float) -> float:
    """TAR at FAR = rate exactly: of each FAR that occurs the highest TAR, linear between them.

    Raises:
        ConfigError: On a rate outside 0..1.
    """
    _check_rate(rate)
    last = np.append(np.diff(curve.far) > 0, True)  # of the points of one FAR
    return float(np.interp(rate, curve.far[last], curve.tar[last]))


def equal_error_rate(curve: Roc) -> float:
    """The common value of FAR and 1 - TAR where they cross, linear between the two neighbouring points."""
    gap = curve.far + curve.tar - 1  # rises from -1 to 1
    place = int(np.searchsorted(gap, 0, side="left"))
    low, high = gap[place - 1], gap[place]
    part = -low / (high - low)
    return float(curve.far[place - 1] + part * (curve.far[place] - curve.far[place - 1]))


def verification_scores(
    scores: ArrayLike,
    same: ArrayLike,
    folds: ArrayLike | None = None,
    rates: Sequence[float] = FALSE_ACCEPT_RATES,
) -> dict[str, float]:
    """All of the above by name.

    Args:
        scores: (P,).
        same: bool (P,).
        folds: (P,); None: no ``accuracy`` by folds.
        rates: The FARs at which TAR is stated.

    Returns:
        ``accuracy``, ``standard_error`` (with folds), ``accuracy_best`` with one ``threshold_best`` that has
        seen all pairs, ``AUC``, ``EER``, ``TAR@FAR=...``; shares of 1.

    Raises:
        ConfigError: On a rate outside 0..1.
        DataError: See :func:`fold_accuracy` and :func:`roc`.
    """
    found: dict[str, float] = {}
    if folds is not None:
        by_fold = fold_accuracy(scores, same, folds)
        found = {"accuracy": by_fold.mean, "standard_error": by_fold.standard_error}
    found["accuracy_best"], found["threshold_best"] = best_accuracy(scores, same)
    curve = roc(scores, same)
    found |= {"AUC": auc(curve), "EER": equal_error_rate(curve)}
    return found | {f"TAR@FAR={rate:g}": tar_at_far(curve, rate)[0] for rate in rates}


def _best_threshold(ordered: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The lowest of the best thresholds for ascending scores, and its accuracy."""
    # Below[i]: the right ones if the first i are called different: the different among them, the same after.
    right = np.concatenate([[0], np.cumsum(~truth) - np.cumsum(truth)]) + truth.sum()
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    best = int(cuts[np.argmax(right[cuts])])
    accuracy = float(right[best] / len(ordered))
    if best in (0, len(ordered)):
        return (-np.inf if best == 0 else np.inf), accuracy
    middle = (ordered[best - 1] + ordered[best]) / 2
    # Between two neighbouring numbers there is none.
    return float(middle if middle > ordered[best - 1] else ordered[best]), accuracy


def _checked(scores: ArrayLike, same: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, same = np.asarray(scores, np.float64), np.asarray(same).astype(bool)
    if scores.ndim != 1 or scores.shape != same.shape:
        raise ValueError(f"expected scores and same of one shape (P,), found {scores.shape} and {same.shape}")
    if not len(scores):
        raise DataError("pairs: expected at least one, found none")
    if not np.isfinite(scores).all():
        raise DataError(f"scores: {int((~np.isfinite(scores)).sum())} of {len(scores)} are not finite")
    return scores, same


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ConfigError(f"FAR: expected a share from 0 to 1, found {rate!r}")
