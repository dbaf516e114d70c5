"""PCKh (Andriluka et al., CVPR 2014): the percentage of joints within a part of the head size of the truth.

The head size is 0.6 x the diagonal of MPII's head box. A joint is right if its distance is <= threshold x
head size; joints that are not annotated do not count. Two means are in use and both are given by name:
``mean_weighted`` (the HRNet release: 14 joints weighted by how often they are annotated) and
``mean_plain`` (the hourglass tables: the plain mean of the 14 joints). Pelvis and thorax count in
neither.

Conventions: joints in MPII's order, (x, y) pixels; predictions and truth with the same origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from posekit.errors import ConfigError
from posekit.geometry import head_sizes as head_sizes

# Joint rows of each group of the published tables; the score of a group is the plain mean of its joints.
MPII_GROUPS: dict[str, tuple[int, ...]] = {
    "head": (9,),
    "shoulder": (12, 13),
    "elbow": (11, 14),
    "wrist": (10, 15),
    "hip": (2, 3),
    "knee": (1, 4),
    "ankle": (0, 5),
}
MPII_LEFT_OUT_OF_MEAN = (6, 7)  # pelvis and thorax
# 0.1 is the true 0.10; the HRNet release prints the value at 0.11 under the name "@0.1".
DEFAULT_THRESHOLDS = (0.5, 0.1, 0.11)
CURVE = "PCKh_curve"
_HIGHEST_THRESHOLD = 2.0  # sizes; percent begin above


def normalised_distances(predicted: np.ndarray, truth: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Distances in units of each person's size.

    Args:
        predicted: (N, K, 2+), pixels; NaN = no prediction (an infinite distance).
        truth: (N, K, 2+), pixels.
        sizes: (N,), pixels, positive.

    Returns:
        float64 (N, K).

    Raises:
        ValueError: If the shapes do not fit one another.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if predicted.ndim != 3 or predicted.shape[:2] != truth.shape[:2] or len(truth) != len(sizes):
        raise ValueError(
            f"expected predictions and truth of one shape (N, K, 2) and N sizes; found {predicted.shape}, "
            f"{truth.shape} and {np.shape(sizes)}"
        )
    dx = predicted[..., 0] - truth[..., 0]
    dy = predicted[..., 1] - truth[..., 1]
    distance = np.sqrt(dx * dx + dy * dy) / np.asarray(sizes, np.float64)[:, None]
    return np.where(np.isnan(distance), np.inf, distance)


def check_threshold(threshold: float, name: str) -> None:
    """Raises ConfigError unless a threshold is a sensible number of a person's sizes; 20 is none, 0.2 is."""
    if isinstance(threshold, (int, float)) and 0 < threshold <= _HIGHEST_THRESHOLD:
        return
    percent = isinstance(threshold, (int, float)) and threshold > _HIGHEST_THRESHOLD
    meant = f"; {threshold:g} percent are {threshold / 100:g}" if percent else ""
    raise ConfigError(
        f"{name}: expected a number above 0 and at most {_HIGHEST_THRESHOLD:g}, in sizes of the person, "
        f"found {threshold!r}{meant}"
    )


def fraction_within(
    distances: np.ndarray, counted: np.ndarray, thresholds: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Share of the counted joints at a distance <= threshold.

    Args:
        distances: (N, K), normalised.
        counted: bool (N, K).
        thresholds: T values.

    Returns:
        float64 (T, K) in percent; NaN for a joint that is counted nowhere.
    """
    counts = counted.sum(axis=0)
    levels = np.asarray(thresholds, np.float64)
    if len(levels) <= 4:
        correct = np.array([((distances <= level) & counted).sum(axis=0) for level in levels])
    else:
        columns = (np.sort(distances[counted[:, k], k]) for k in range(distances.shape[1]))
        correct = np.stack([np.searchsorted(column, levels, side="right") for column in columns], axis=1)
    with np.errstate(invalid="ignore"):
        return 100.0 * correct / np.where(counts > 0, counts, np.nan)


def mean_weighted(
    per_joint: np.ndarray, counts: np.ndarray, left_out: Sequence[int] = MPII_LEFT_OUT_OF_MEAN
) -> float:
    """Mean over joints weighted by how often each is annotated (the HRNet release's ``Mean``)."""
    used = np.setdiff1d(np.flatnonzero(counts > 0), left_out)
    if not used.size:
        return float("nan")
    return float(np.sum(per_joint[used] * counts[used]) / counts[used].sum())


def mean_plain(
    per_joint: np.ndarray, counts: np.ndarray, left_out: Sequence[int] = MPII_LEFT_OUT_OF_MEAN
) -> float:
    """Plain mean over the joints annotated anywhere (the hourglass releases' ``Mean``)."""
    used = np.setdiff1d(np.flatnonzero(counts > 0), left_out)
    return float(np.mean(per_joint[used])) if used.size else float("nan")


def pckh(
    predicted: np.ndarray,
    truth: np.ndarray,
    annotated: np.ndarray,
    sizes: np.ndarray,
    thresholds: Sequence[float] = DEFAULT_THRESHOLDS,
    groups: Mapping[str, Sequence[int]] = MPII_GROUPS,
) -> dict[str, float]:
    """PCKh of the joint groups and both means, in percent.

    Args:
        predicted: (N, 16, 2+), pixels; NaN = no prediction, counted as wrong.
        truth: (N, 16, 2+), pixels, of the same origin.
        annotated: bool (N, 16).
        sizes: (N,), head sizes in pixels.
        thresholds: In head sizes.
        groups: Joint rows per group.

    Returns:
        ``{"PCKh@0.5/head": ..., ..., "PCKh@0.5/mean_weighted": ..., "PCKh@0.5/mean_plain": ...}`` for each
        threshold; NaN where no joint of a group is annotated.
    """
    annotated = np.asarray(annotated, bool)
    table = fraction_within(normalised_distances(predicted, truth, sizes), annotated, thresholds)
    counts = annotated.sum(axis=0)
    scores: dict[str, float] = {}
    for threshold, per_joint in zip(thresholds, table, strict=True):
        name = f"PCKh@{threshold:g}"
        for group, joints in groups.items():
            scores[f"{name}/{group}"] = float(np.mean(per_joint[list(joints)]))
        scores[f"{name}/mean_weighted"] = mean_weighted(per_joint, counts)
        scores[f"{name}/mean_plain"] = mean_plain(per_joint, counts)
    return scores


def pckh_curve(
    predicted: np.ndarray,
    truth: np.ndarray,
    annotated: np.ndarray,
    sizes: np.ndarray,
    thresholds: Sequence[float] | np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """PCKh over a range of thresholds.

    Args:
        predicted: As in :func:`pckh`.
        truth: As in :func:`pckh`.
        annotated: As in :func:`pckh`.
        sizes: As in :func:`pckh`.
        thresholds: T values; None: 0, 0.01, ..., 0.5.

    Returns:
        The thresholds (T,), and the weighted mean at each in percent (T,).
    """
    levels = np.arange(0, 0.51, 0.01) if thresholds is None else np.asarray(thresholds, np.float64)
    annotated = np.asarray(annotated, bool)
    table = fraction_within(normalised_distances(predicted, truth, sizes), annotated, levels)
    counts = annotated.sum(axis=0)
    return levels, np.array([mean_weighted(per_joint, counts) for per_joint in table])


def pckh_curve_scores(
    predicted: np.ndarray, truth: np.ndarray, annotated: np.ndarray, sizes: np.ndarray
) -> dict[str, float]:
    """PCKh's curve as named scores.

    Args:
        predicted: As in :func:`pckh`.
        truth: As in :func:`pckh`.
        annotated: As in :func:`pckh`.
        sizes: As in :func:`pckh`.

    Returns:
        ``PCKh_AUC``, the area under the curve of the weighted mean, a fraction in [0, 1], and the curve,
        ``PCKh_curve/0.00`` to ``PCKh_curve/0.50``, in percent.
    """
    levels, percent = pckh_curve(predicted, truth, annotated, sizes)
    points = zip(levels.tolist(), percent.tolist(), strict=True)
    curve = {f"{CURVE}/{level:.2f}": value for level, value in points}
    return {"PCKh_AUC": area_under_curve(levels, percent), **curve}


def area_under_curve(thresholds: np.ndarray, percent: np.ndarray) -> float:
    """Area under a PCKh curve by trapezoids, divided by its range: a fraction in [0, 1]."""
    thresholds, percent = np.asarray(thresholds, np.float64), np.asarray(percent, np.float64)
    area = np.sum(np.diff(thresholds) * (percent[1:] + percent[:-1]) / 2)
    return float(area / (thresholds[-1] - thresholds[0]) / 100.0)
