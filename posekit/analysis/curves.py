"""Curves over thresholds, each with the area under it: PCK, PCKh, OKS and the cumulative error (CED).

===========  ========================================================  =======================================
curve        at a threshold x                                          area, a fraction
===========  ========================================================  =======================================
PCK/<size>   percent of joints within x sizes, mean over the joints    by trapezoids up to 0.5
             (:mod:`posekit.metrics.pck`)
PCKh         the same in head sizes, where people have one             by trapezoids up to 0.5
OKS          percent of people with an OKS of x or more                up to 1: exactly the mean OKS
CED/<size>   percent of people whose mean distance is at most x sizes  exact, up to 0.2
===========  ========================================================  =======================================

People without a pose have all joints wrong, an OKS of 0 and no distance at all. Sizes are those of PCK:
``torso`` where the skeleton has one, and ``bbox``, the longer side of the annotated box.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.nme import auc, ced, nme_per_face
from posekit.metrics.pck import person_sizes
from posekit.metrics.pckh import area_under_curve, fraction_within, mean_plain, normalised_distances

PCK_LEVELS = np.linspace(0, 0.5, 51)
OKS_LEVELS = np.linspace(0, 1, 101)
CED_LEVELS = np.linspace(0, 0.2, 41)


def curves_of(people: CocoPeople, predicted: np.ndarray, oks: np.ndarray) -> dict[str, dict[str, Any]]:
    """All curves that the people allow.

    Args:
        people: G people.
        predicted: float64 (G, K, 2), pixels, assigned as PCK has it; NaN: no pose.
        oks: float64 (G,), of each person's pose, 0 without one.

    Returns:
        Name -> ``x``, ``percent`` (lists of one length), ``AUC`` and ``people``, how many it is of.
    """
    counted = ~people.truth.ignore
    values = np.sort(oks[counted])
    reached = 1 - np.searchsorted(values, OKS_LEVELS, side="left") / max(len(values), 1)
    found = {"OKS": _curve(OKS_LEVELS, 100 * reached, values.mean() if len(values) else 0, len(values))}
    for norm in ("torso", "bbox", "head"):
        sizes = _sizes(people, norm)
        used = counted & np.isfinite(sizes)
        if not used.any():
            continue
        labelled, truth = people.labelled[used], people.truth.keypoints[used]
        distances = normalised_distances(predicted[used], truth, sizes[used])
        joints = labelled.sum(axis=0)
        percent = np.array(
            [mean_plain(row, joints, ()) for row in fraction_within(distances, labelled, PCK_LEVELS)]
        )
        name = "PCKh" if norm == "head" else f"PCK/{norm}"
        found[name] = _curve(PCK_LEVELS, percent, area_under_curve(PCK_LEVELS, percent), int(used.sum()))
        if norm != "head":
            each = nme_per_face(predicted[used], truth, sizes[used], labelled)
            limit = float(CED_LEVELS[-1])
            found[f"CED/{norm}"] = _curve(
                CED_LEVELS, 100 * ced(each, CED_LEVELS), auc(each, limit), int(used.sum())
            )
    return found


def _sizes(people: CocoPeople, norm: str) -> np.ndarray:
    """The people's sizes (G,); NaN where the skeleton or the file has none."""
    truth = people.truth
    try:
        return person_sizes(
            norm, truth.keypoints, people.labelled, people.names, truth.boxes_xywh, people.head_sizes
        )
    except DataError:  # the skeleton lacks the joints: this curve is left out
        return np.full(len(truth), np.nan)


def _curve(x: np.ndarray, percent: np.ndarray, area: float, people: int) -> dict[str, Any]:
    return {"x": x.tolist(), "percent": percent.tolist(), "AUC": float(area), "people": people}
