"""Are the faces' errors of some runs smaller than those of others, on the same faces?

The people, seeds and intervals of :mod:`posekit.study.statistics`, of a score that is a mean over people,
such as NME, where that module's own is of joints right or wrong.
"""

from __future__ import annotations

import numpy as np

from posekit.errors import DataError
from posekit.study.statistics import RESAMPLES, Comparison, compare

_COUNTS_AT_ONCE = 2_000_000  # of resampled people, for the memory's sake


def resampled_means(
    values: np.ndarray, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """The means of S runs over resampled people, the same people for all runs.

    Args:
        values: float (S, P), one number of each person, finite.
        groups: (P,), ids of images; people of one image are drawn together.
        resamples: R.
        seed: Of the draws.

    Returns:
        float64 (R, S, 1).
    """
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    columns = np.concatenate([np.asarray(values, np.float64).T, np.ones((len(group), 1))], axis=1)
    sums = np.zeros((number, columns.shape[1]))
    np.add.at(sums, group, columns)
    rng, parts = np.random.default_rng(seed), []
    at_once = max(1, _COUNTS_AT_ONCE // number)
    for start in range(0, resamples, at_once):
        counts = rng.multinomial(number, np.full(number, 1 / number), size=min(at_once, resamples - start))
        drawn = counts @ sums
        parts.append(drawn[:, :-1] / drawn[:, -1:])
    return np.concatenate(parts)[..., None]


def compare_means(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Comparison, np.ndarray]:
    """Compares the mean of some runs with that of others, person by person.

    Args:
        first: float (S, P), such as the NME of P faces in S runs; infinite without a prediction, NaN where
            the face is not scored.
        second: float (T, P), of the same people.
        groups: (P,), ids of images.
        resamples: Of the bootstrap over people.
        seed: Of its draws.

    Returns:
        The differences, first less second, each array with one entry; and who was compared, bool (P,): those
        who are predicted in all runs.

    Raises:
        DataError: If these are fewer than two images' people.
    """
    values = np.concatenate([first, second])
    shared = np.isfinite(values).all(axis=0)
    images = len(np.unique(groups[shared]))
    if images < 2:
        raise DataError(
            f"expected people of two images or more who are predicted in all runs, found {images}"
        )
    values = values[:, shared]
    resampled = resampled_means(values, groups[shared], resamples, seed)
    runs = range(len(first)), range(len(first), len(values))
    return compare(values.mean(axis=1)[:, None], resampled, *runs, images), shared


def difference_scores(comparison: Comparison, name: str) -> dict[str, float]:
    """A comparison's numbers by name: the difference, its intervals of 95 % and its p-value."""
    found = {f"{name}/difference": comparison.difference, f"{name}/p_value": comparison.p_value}
    for kind, interval in (("people", comparison.people), ("seeds", comparison.seeds)):
        if interval is not None:
            found |= {f"{name}/{kind}_low": interval[0], f"{name}/{kind}_high": interval[1]}
    return {key: float(value[-1]) for key, value in found.items()}
