"""Labels against the predictions of a model: exchanged sides, and joints that it is sure to see elsewhere."""

from __future__ import annotations

import warnings

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.doctor.reading import extents

# Sizes are the diagonal of the labelled joints' extent. A model that misses most joints by more than NEAR
# knows less than the labels.
_NEAR = 0.15
# Exchanged: with left and right changed the label lies nearer by this factor, and near; so in half of the
# pairs whose sides are this far apart, and the reverse in none.
_NEARER, _PAIRS_APART = 3.0, 0.15
# A doubtful label: a joint is further away than FAR, of which the model is as sure as of the surest share of
# joints that it sees where they are labelled; and half of the person's joints are near.
_FAR, _SURE = 0.5, 0.5


def check_predictions(facts: Facts) -> list[Finding]:
    """Candidates for label noise; nothing is said by a model that is no better than the labels."""
    if facts.predicted is None:
        return []
    errors, size = label_errors(facts)
    known = errors[np.isfinite(errors)]
    if not known.size or np.median(known) > _NEAR:
        median = float(np.median(known)) if known.size else float("nan")
        return [
            Finding(
                "model_too_weak",
                f"the model misses half of the joints by more than {median:.0%} of the person's size",
                "Its predictions say nothing about the labels; or the labels are wrong throughout.",
                "Look at the other findings and at the sheet, or take a better model.",
                int((known > _NEAR).sum()),
                known.size,
                "keypoints",
            )
        ] * bool(known.size)
    swapped = exchanged_by(facts, size)
    sure = facts.predicted[..., 2] >= np.quantile(facts.predicted[errors < _NEAR, 2], _SURE)
    far = (errors > _FAR) & np.isfinite(errors) & sure
    near = (errors < _NEAR).sum(axis=1) >= np.isfinite(errors).sum(axis=1) / 2
    doubtful = far.any(axis=1) & near & ~swapped
    rows = np.flatnonzero(doubtful)
    worst = np.where(far, errors, 0)[rows].max(axis=1, initial=0)
    swapped_rows = np.flatnonzero(swapped)
    return [
        *of_people(
            "sides_exchanged_by_model", swapped_rows, len(facts),
            "the model sees the left joints where the right ones are labelled, and the reverse",
            "Where the model is right, the network learns the mean of both sides.",
            "Look at the sheet, and exchange left and right where the labels are wrong.",
        ),
        *of_people(
            "label_doubtful", rows[np.argsort(-worst, kind="stable")], len(facts),
            f"a joint lies further than {_FAR:.0%} of the person's size from where the model is sure to "
            "see it, which sees most of the others where they are labelled",
            "One of the two is wrong.",
            "Look at the sheet, and mend the labels that are.",
        ),
    ]  # fmt: skip


def label_errors(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Distances of labels and predictions, in sizes of the person: float64 (N, K); and the sizes (N,)."""
    assert facts.predicted is not None
    low, high = extents(facts.reading.points, facts.labelled)
    size = np.linalg.norm(high - low, axis=1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        distance = np.linalg.norm(facts.predicted[..., :2] - facts.reading.points, axis=-1) / size[:, None]
    return np.where(facts.labelled & np.isfinite(distance), distance, np.nan), size


def exchanged_by(facts: Facts, size: np.ndarray) -> np.ndarray:
    """Bool (N,): whose labels the predictions fit with left and right exchanged, and not as they are."""
    assert facts.predicted is not None
    index, points = facts.sides, facts.reading.points
    left = np.flatnonzero(np.arange(len(index)) < index)
    right = index[left]
    own, other = (
        np.linalg.norm(facts.predicted[:, [*left, *right], :2] - points[:, [*a, *b]], axis=-1)
        for a, b in ((left, right), (right, left))
    )
    own, other = (d[:, : len(left)] + d[:, len(left) :] for d in (own, other))
    apart = np.linalg.norm(points[:, left] - points[:, right], axis=-1)
    with np.errstate(all="ignore"):
        judged = facts.labelled[:, left] & facts.labelled[:, right] & np.isfinite(own + other)
        judged &= apart > _PAIRS_APART * size[:, None]
        says = judged & (other * _NEARER < own) & (other < 2 * _NEAR * size[:, None])
        against = judged & (own < other)
    number = says.sum(axis=1)
    return np.asarray((number > 0) & (2 * number >= judged.sum(axis=1)) & ~against.any(axis=1))
