"""The kinds of errors: of joints in the wrong place, where the place is instead, and what their maps know.

The names are explained in :mod:`posekit.study.diagnosis`, which makes the maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.metrics.errors import PersonErrors
from posekit.metrics.keypoint_kinds import kind_shares, kinds_of_keypoints, partners_of

#: A response at the truth counts from this share of the map's maximum on.
STRONG = 0.5
SHARES = (
    "wrong",
    "wrong_with_response",
    "wrong_with_peak",
    "inverted",
    "inverted_with_peak",
    "other_joint",
    "near_miss",
    "missed",
)
MEANS = ("background_response", "peak_height", "peak_width")
AT_TRUTH = ("response_at_truth", "peak_at_truth")

#: By name, float64 (P, K): :data:`MEANS`, NaN where unknown; :data:`AT_TRUTH`, shares of the map's maximum.
MapFacts = dict[str, np.ndarray]


def diagnose(errors: PersonErrors, facts: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Says how errors come about.

    Args:
        errors: P people, K joints.
        facts: Of the same people's maps, see :data:`MapFacts`.

    Returns:
        ``people``, ``score`` (its name), ``right`` (its value, percent), ``overall`` and ``joints`` (by
        name): both hold :data:`SHARES`, :data:`MEANS` and ``labelled``, how many joints they are of. A value
        that nothing is known for is None. Of errors by OKS also ``kinds``, of :func:`localisation`.
    """
    kinds = kinds_of_errors(errors, facts)
    values = {name: np.where(errors.valid, 100.0 * kind, np.nan) for name, kind in kinds.items()}
    values.update({name: np.where(errors.valid, facts[name], np.nan) for name in MEANS})
    per_joint = {name: _means(value) for name, value in values.items()}
    labelled = errors.valid.sum(axis=0)
    overall = {name: _overall(values[name], errors) for name in values}
    joints = {
        joint: {"labelled": int(labelled[k]), **{name: _plain(mean[k]) for name, mean in per_joint.items()}}
        for k, joint in enumerate(errors.joints)
    }
    kinds_by_oks = {} if not len(errors.sigmas) else {"kinds": localisation(errors)}
    counted = int(labelled[np.asarray(errors.weights) > 0].sum())
    return {
        "people": len(errors.valid),
        "score": errors.statistic,
        "right": None if overall["wrong"] is None else 100 - overall["wrong"],
        "overall": {"labelled": counted, **overall},
        "joints": joints,
        **kinds_by_oks,
    }


def localisation(errors: PersonErrors) -> dict[str, Any]:
    """The kinds of errors of Ronchi & Perona (:mod:`posekit.metrics.keypoint_kinds`) of errors by OKS.

    Returns:
        ``overall`` and ``joints`` (by name), as :func:`~posekit.metrics.keypoint_kinds.kind_shares` has them.
    """
    found = kinds_of_keypoints(
        errors.predicted,
        errors.truth,
        errors.valid,
        errors.norm**2,
        errors.sigmas,
        partners_of(errors.flip_pairs, len(errors.joints)),
        errors.image_id,
    )
    joints = {joint: kind_shares(found.kind[:, k]) for k, joint in enumerate(errors.joints)}
    return {"overall": kind_shares(found.kind), "joints": joints}


def kinds_of_errors(errors: PersonErrors, facts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which joints are wrong in which way, by :data:`SHARES`' names, bool (P, K) each.

    Args:
        errors: P people, K joints.
        facts: Of the same people's maps; :data:`AT_TRUTH` are used.
    """
    wrong = errors.valid & ~errors.right()
    apart = np.linalg.norm(errors.predicted[:, :, None] - errors.truth[:, None], axis=-1)  # (P, K, K)
    allowed = allowed_distances(errors)[:, :, None]
    own = np.arange(len(errors.joints))
    almost = (apart <= 2 * allowed)[:, own, own]
    near = (apart <= allowed) & errors.valid[:, None]
    near[:, own, own] = False
    inverted = wrong & near[:, own, partners_of(errors.flip_pairs, len(own))]
    other = wrong & ~inverted & near.any(axis=2)
    elsewhere = wrong & ~inverted & ~other
    response, peak = (facts[name] >= STRONG for name in AT_TRUTH)
    kinds = (
        *(wrong, wrong & response, wrong & peak, inverted, inverted & peak),
        *(other, elsewhere & almost, elsewhere & ~almost),
    )
    return dict(zip(SHARES, kinds, strict=True))


def allowed_distances(errors: PersonErrors) -> np.ndarray:
    """How far from the truth a joint is still right, image pixels (P, K)."""
    if not len(errors.sigmas):
        return np.repeat(errors.threshold * errors.norm[:, None], len(errors.joints), axis=1)
    # exp(-(d / 2 sigma norm)^2 / 2) = threshold
    return errors.norm[:, None] * 2 * np.asarray(errors.sigmas) * np.sqrt(-2 * np.log(errors.threshold))


def _means(values: np.ndarray) -> np.ndarray:
    """The means over people (K,) of values (P, K), NaN left out; NaN where all are."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def _overall(values: np.ndarray, errors: PersonErrors) -> float | None:
    """The mean of values (P, K) as the headline score takes its joints: pooled, or joint by joint."""
    weights, mean = np.asarray(errors.weights, np.float64), _means(values)
    if errors.pooled:
        weights = weights * np.isfinite(values).sum(axis=0)
    use = np.isfinite(mean) & (weights > 0)
    return _plain((mean[use] * weights[use]).sum() / weights[use].sum()) if use.any() else None


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def as_table(found: Mapping[str, Any]) -> str:
    """A diagnosis as lines of text."""
    names = (*SHARES, *MEANS)
    rows = {**found["joints"], "overall": found["overall"]}
    wide = max(len(name) for name in rows)
    lines = [f"{found['score']}: {_cell(found['right'], 1)} of {found['people']:,} people ({found['split']})"]
    lines.append(" " * wide + "".join(f"  {name}" for name in ("labelled", *names)))
    for joint, row in rows.items():
        cells = (f"{_cell(row[name], 3 if name in MEANS else 1):>{len(name) + 2}}" for name in names)
        lines.append(f"{joint:<{wide}}{row['labelled']:>11,}" + "".join(cells))
    return "\n".join(lines)


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
