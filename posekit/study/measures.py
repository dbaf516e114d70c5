"""What a score is made of, person by person, as :mod:`posekit.study.statistics` takes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posekit.metrics.errors import PersonErrors
from posekit.metrics.nme import nme_per_face
from posekit.study.statistics import ScoreForm


@dataclass(frozen=True, eq=False)
class Measure:
    """The columns of one run's score: joints that are right, or the errors of faces.

    Attributes:
        names: Of the columns that are shown beside the headline.
        values: (P, C), bool (right or wrong) or float64 (errors, fractions); C may exceed the names.
        counted: bool (P, C): which of them count.
        form: How the columns make the headline.
        lower: Whether the score is better when lower.
        parts: What the columns are, in the plural.
    """

    names: tuple[str, ...]
    values: np.ndarray
    counted: np.ndarray
    form: ScoreForm
    lower: bool = False
    parts: str = "joints"


def measure_of(errors: PersonErrors) -> Measure:
    """The measure of an ``errors.npz``.

    Of PCK, PCKh and OKS the columns are the joints, right or wrong. Of NME they are the groups that the
    metric was given and, last, all faces together, whose mean is the headline.
    """
    if not errors.of_distances:
        form = ScoreForm(errors.weights, errors.pooled)
        return Measure(errors.joints, errors.right(), errors.valid, form)
    nme = nme_per_face(errors.predicted, errors.truth, errors.norm, errors.valid)
    groups = np.asarray(errors.groups) > 0
    counted = np.concatenate([groups, np.ones((len(nme), 1), bool)], axis=1)
    weights = np.append(np.zeros(groups.shape[1]), 1.0)
    values = np.repeat(nme[:, None], counted.shape[1], axis=1)
    return Measure(tuple(errors.group_names), values, counted, ScoreForm(weights), True, "groups")


def lacking(errors: PersonErrors) -> int:
    """How many people a mean of distances has no number for: those with labels that were not predicted."""
    if not errors.of_distances:
        return 0
    missing = np.isnan(errors.predicted).any(axis=2) & errors.valid
    return int(missing.any(axis=1).sum())
