"""NME of faces: the mean distance of the points in units of each face's own size, and what is made of it.

Several sizes are in use, and scores of one are not those of another: 300-W's inter-ocular and inter-pupil NME
differ by a factor of about 1.4. Whoever states an NME names its size:

=====================  ==================================================================================
``inter_ocular``       between the outer eye corners (300-W challenge; WFLW, COFW)
``inter_pupil``        between the pupils, or the means of the points around each eye
``box_sqrt_wh``        sqrt(w h) of the box as annotated (AFLW)
``box_diagonal``       its diagonal
``box_max_side``       its longer side
``points_sqrt_wh``     sqrt(w h) of the tight box of the labelled points; likewise
``points_diagonal``    its diagonal and
``points_max_side``    its longer side
=====================  ==================================================================================

Functions give fractions; :func:`nme_scores` gives what is printed: NME and failure rates in percent. A face's
NME is the mean over its labelled points, the NME of a set the mean over its faces. CED: the share of faces
with an NME of at most x, whose area up to a threshold is the AUC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from posekit.errors import ConfigError
from posekit.face_skeletons import INTER_OCULAR, INTER_PUPIL, eye_points
from posekit.metrics.pckh import normalised_distances

_SIDES = ("sqrt_wh", "diagonal", "max_side")
NORMS = (INTER_OCULAR, INTER_PUPIL, *(f"{of}_{size}" for of in ("box", "points") for size in _SIDES))
THRESHOLDS = (0.08, 0.1)
CED = "CED"
Norm = str | Sequence[str]


def check_norm(norm: Norm, where: str) -> None:
    """Raises ConfigError unless ``norm`` is one of :data:`NORMS` or two names of keypoints."""
    pair = not isinstance(norm, str) and len(norm) == 2 and all(isinstance(name, str) for name in norm)
    if not pair and norm not in NORMS:
        raise ConfigError(f"{where}: expected one of {list(NORMS)} or two names of keypoints, found {norm!r}")


def norm_name(norm: Norm) -> str:
    """The size's name in scores."""
    return norm if isinstance(norm, str) else "-".join(norm)


def face_sizes(
    norm: Norm,
    keypoints: np.ndarray,
    labelled: np.ndarray,
    names: Sequence[str],
    boxes: np.ndarray,
) -> np.ndarray:
    """The size that ``norm`` names, of N faces.

    Args:
        norm: One of the table above, or the names of two keypoints between which it is measured.
        keypoints: (N, K, 2+), pixels.
        labelled: bool (N, K).
        names: K keypoint names.
        boxes: (N, 2) width, height, or (N, 4) x, y, width, height, as annotated; pixels.

    Returns:
        float64 (N,), pixels; NaN where a point it needs is not labelled, or where it is 0.

    Raises:
        ConfigError: If the keypoints that ``norm`` needs are not among the names.
    """
    check_norm(norm, "norm")
    points, labelled = np.asarray(keypoints, np.float64)[..., :2], np.asarray(labelled, bool)
    if isinstance(norm, str) and norm.startswith(("box_", "points_")):
        of, _, measure = norm.partition("_")
        extents = np.asarray(boxes, np.float64)[:, -2:] if of == "box" else _extents(points, labelled)
        sizes = _measures(extents, measure)
    else:
        sizes = _between(points, labelled, *_two_groups(norm, names))
    return np.where(sizes > 0, sizes, np.nan)


def _two_groups(norm: Norm, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(norm, str):
        return eye_points(norm, names)
    missing = [name for name in norm if name not in names]
    if missing:
        raise ConfigError(f"norm {list(norm)}: {missing} not among the keypoints {list(names)}")
    first, second = (np.array([list(names).index(name)]) for name in norm)
    return first, second


def _between(points: np.ndarray, labelled: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    offset = points[:, first].mean(axis=1) - points[:, second].mean(axis=1)
    known = labelled[:, first].all(axis=1) & labelled[:, second].all(axis=1)
    return np.where(known, np.sqrt((offset * offset).sum(axis=1)), np.nan)


def _extents(points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Width and height of the labelled points' tight box, (N, 2); NaN without a point."""
    if not labelled.all():
        low = np.where(labelled[..., None], points, np.inf).min(axis=1)
        high = np.where(labelled[..., None], points, -np.inf).max(axis=1)
        return np.where(labelled.any(axis=1, keepdims=True), high - low, np.nan)
    return points.max(axis=1) - points.min(axis=1)


def _measures(extents: np.ndarray, measure: str) -> np.ndarray:
    width, height = extents[:, 0], extents[:, 1]
    if measure == "diagonal":
        return np.hypot(width, height)
    return np.maximum(width, height) if measure == "max_side" else np.sqrt(width * height)


def nme_per_face(
    predicted: np.ndarray, truth: np.ndarray, sizes: np.ndarray, labelled: np.ndarray | None = None
) -> np.ndarray:
    """The mean distance of each face's labelled points over its size.

    Args:
        predicted: (N, K, 2+), pixels; NaN = no prediction.
        truth: (N, K, 2+), pixels.
        sizes: (N,), pixels; NaN: none.
        labelled: bool (N, K); None: all.

    Returns:
        float64 (N,), fractions; infinite where a labelled point has no prediction, NaN for a face without a
        size or without a labelled point.

    Raises:
        ValueError: If the shapes do not fit one another.
    """
    distances = normalised_distances(predicted, truth, np.ones(len(sizes)))
    sizes = np.asarray(sizes, np.float64)
    if labelled is None:
        return distances.mean(axis=1) / sizes
    labelled = np.asarray(labelled, bool)
    if labelled.shape != distances.shape:
        raise ValueError(f"expected labelled of shape {distances.shape}, found {labelled.shape}")
    with np.errstate(invalid="ignore"):  # 0 / 0 of a face without a labelled point
        return np.where(labelled, distances, 0.0).sum(axis=1) / labelled.sum(axis=1) / sizes


def nme_over_points(
    predicted: np.ndarray, truth: np.ndarray, sizes: np.ndarray, labelled: np.ndarray
) -> float:
    """The mean over the labelled points of all faces together, as MMPose has it.

    It is the mean over faces where all have equally many labelled points. Arguments as of
    :func:`nme_per_face`; faces without a size are left out.
    """
    known = np.isfinite(sizes)
    distances = normalised_distances(predicted[known], truth[known], sizes[known])
    counted = np.asarray(labelled, bool)[known]
    return float(distances[counted].mean()) if counted.any() else float("nan")


def ced(nme: np.ndarray, grid: Sequence[float] | np.ndarray) -> np.ndarray:
    """The cumulative error distribution: the share of faces whose NME is at most x, for each x.

    Args:
        nme: (N,), fractions; NaN leaves a face out, infinity is a face without a prediction.
        grid: (G,), fractions.

    Returns:
        float64 (G,); NaN without a face.
    """
    known = np.sort(nme[~np.isnan(nme)])
    if not len(known):
        return np.full(len(grid), np.nan)
    return np.searchsorted(known, np.asarray(grid, np.float64), side="right") / len(known)


def failure_rate(nme: np.ndarray, threshold: float) -> float:
    """The share of faces whose NME is above a threshold; NaN without a face."""
    return float(1 - ced(nme, [threshold])[0])


def auc(nme: np.ndarray, threshold: float) -> float:
    """The area under the CED from 0 to a threshold, over the threshold: exact, in [0, 1].

    A face adds what is left of the threshold behind its NME. Released code sums a grid instead
    (:func:`auc_simpson`), which differs in the fifth place.
    """
    known = nme[~np.isnan(nme)]
    return float(np.maximum(1 - known / threshold, 0).mean()) if len(known) else float("nan")


def auc_simpson(nme: np.ndarray, threshold: float, step: float = 1e-4) -> float:
    """The same area by Simpson's rule on a grid, as PIPNet's release has it."""
    from scipy.integrate import simpson

    grid = np.arange(0, threshold + step, step)
    return float(simpson(ced(nme, grid), x=grid)) / threshold


def nme_scores(
    nme: np.ndarray,
    norm: str,
    thresholds: Sequence[float] = THRESHOLDS,
    groups: Mapping[str, np.ndarray] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, float]:
    """The scores of a set of faces, named.

    Args:
        nme: (N,), as :func:`nme_per_face` gives it.
        norm: The size's name, which stands in the scores' names.
        thresholds: Of failure rate and AUC, fractions.
        groups: Column -> int (N,): the NME of the faces of each value from 0 on is given too; those of -1
            are of no group.
        labels: Column -> the values' names, that of 0 first; a value without one stands there itself.

    Returns:
        ``NME/<norm>``, ``FR@0.08/<norm>`` in percent and ``AUC@0.08/<norm>`` as a fraction, for each
        threshold; ``NME/<norm>/<column>=<value>``. A face without a prediction is a failure, and left out of
        the NME; without faces all are NaN.
    """
    scores = {f"NME/{norm}": _mean_percent(nme)}
    for threshold in thresholds:
        scores[f"FR@{threshold:g}/{norm}"] = 100 * failure_rate(nme, threshold)
        scores[f"AUC@{threshold:g}/{norm}"] = auc(nme, threshold)
    for name, chosen in group_masks(groups or {}, labels or {}).items():
        scores[f"NME/{norm}/{name}"] = _mean_percent(nme[chosen])
    return scores


def group_masks(
    groups: Mapping[str, np.ndarray], labels: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """The faces of each group, bool (N,), by ``<column>=<value or its name>``.

    Arguments as of :func:`nme_scores`.
    """
    found = {}
    for column, values in groups.items():
        names = labels.get(column, ())
        for value in np.unique(values[values >= 0]).tolist():
            found[f"{column}={names[value] if value < len(names) else f'{value:g}'}"] = values == value
    return found


def ced_scores(nme: np.ndarray, most: float, points: int = 51) -> dict[str, float]:
    """The CED at evenly spaced values from 0 to ``most``, in percent: ``CED/0.02`` and so on."""
    grid = np.linspace(0, most, points)
    shares = 100 * ced(nme, grid)
    return {f"{CED}/{x:.6g}": float(share) for x, share in zip(grid, shares, strict=True)}


def _mean_percent(nme: np.ndarray) -> float:
    predicted = nme[np.isfinite(nme)]
    return 100 * float(predicted.mean()) if len(predicted) else float("nan")
