"""What each kind of error costs of COCO's AP: the AP that would be, were it mended.

Ronchi & Perona (ICCV 2017), sections 3 and 4: errors of keypoints (:mod:`posekit.metrics.keypoint_kinds`),
of scores, and of what is found at all. The AP of mended results is worked out anew, matching included, each
kind alone and one after the other in the paper's order, :data:`STEPS`:

==========  ==================================================================================================
miss, swap, inversion, jitter: the keypoints of the paired poses, moved as
            :func:`~posekit.metrics.keypoint_kinds.mended_keypoints` says
score       poses have their optimal score: the OKS with the person that they get where pairs of pose and
            person are taken by descending OKS, each once; 0 without one
false_pose  at each OKS threshold the poses that match nobody are gone; with optimal scores they rank last,
            and cost next to nothing then
missed      at each OKS threshold the people whom no pose matches are not asked for; after all the others
            the AP is then 1, but for thresholds at which nobody at all is found: these stay 0
==========  ==================================================================================================

Departure: the paper's optimal score is a pose's greatest OKS with anybody, so that repeated poses keep high
scores, which its release then lowers by a soft NMS; here a repeat has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.metrics.errors import PAIRING_OKS
from posekit.metrics.keypoint_kinds import ERRORS, KeypointKinds, mended_keypoints
from posekit.metrics.oks import (
    AREA_RANGES,
    OKS_THRESHOLDS,
    RECALL_LEVELS,
    Detections,
    GroundTruth,
    match_of_size,
    precision_recall,
    rank_detections,
    ranked_pairs,
)

MENDED_KEYPOINTS = ("miss", "swap", "inversion", "jitter")
SCORE, FALSE_POSE, MISSED = "score", "false_pose", "missed"
STEPS = (*MENDED_KEYPOINTS, SCORE, FALSE_POSE, MISSED)
assert set(MENDED_KEYPOINTS) == set(ERRORS)


Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # pose, person, OKS: of all poses, (P,) each


def all_pairs(truth: GroundTruth, detections: Detections, sigmas: Sequence[float] | np.ndarray) -> Pairs:
    """How similar each pose is to the people of its image and category; rows of poses and people."""
    rows, _, (pose, person, oks) = ranked_pairs(truth, detections, sigmas, max(len(detections), 1))
    return rows[pose], person, oks


def precision_table(
    truth: GroundTruth,
    detections: Detections,
    pairs: Pairs,
    max_detections: int,
    without: Sequence[str] = (),
) -> np.ndarray:
    """Precision at OKS thresholds and recall levels, of people of any size.

    Args:
        truth: The people.
        detections: The poses.
        pairs: Theirs.
        max_detections: At most so many poses of an image and category count.
        without: :data:`FALSE_POSE`, :data:`MISSED` or both: what is left out, threshold by threshold.

    Returns:
        float64 (T, R, C); -1 for a category without people. Without anything left out it is that of
        :func:`~posekit.metrics.oks.evaluate_oks`, to the last bit.
    """
    rows, rank = rank_detections(detections, len(truth.image_ids), max_detections)
    place = np.full(len(detections), -1)
    place[rows] = np.arange(len(rows))
    kept, ranked = place[pairs[0]] >= 0, detections.take(rows)
    pose, person, oks = (column[kept] for column in pairs)
    ignore, matched, skipped = match_of_size(
        truth, ranked, rank, (place[pose], person, oks), AREA_RANGES["all"]
    )
    hit = matched >= 0
    skipped = skipped | (~hit & (FALSE_POSE in without))
    precision = -np.ones((len(OKS_THRESHOLDS), len(RECALL_LEVELS), len(truth.category_ids)))
    for c in range(len(truth.category_ids)):
        own, people = ranked.category == c, np.count_nonzero((truth.category == c) & ~ignore)
        if people:
            asked = (hit & ~skipped)[own].sum(axis=0) if MISSED in without else people
            curves = precision_recall(ranked.scores[own], hit[own], skipped[own], np.maximum(asked, 1))
            precision[:, :, c] = curves[0]
    return precision


def average_precision(precision: np.ndarray) -> float:
    """The AP of a precision table; -1 where there is nothing to find."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0


def optimal_scores(truth: GroundTruth, count: int, pairs: Pairs) -> np.ndarray:
    """The scores that rank ``count`` poses best, float64 (D,); ``score`` of the table above."""
    pose, person, oks = pairs
    near = np.flatnonzero((oks >= PAIRING_OKS) & ~truth.ignore[person])  # AP begins at an OKS of 0.5
    scores = np.zeros(count)
    free_pose, free_person = np.ones(count, bool), np.ones(len(truth), bool)
    for pair in near[np.argsort(-oks[near], kind="stable")].tolist():
        d, g = pose[pair], person[pair]
        if free_pose[d] and free_person[g]:
            scores[d] = oks[pair]
            free_pose[d] = free_person[g] = False
    return scores


class Mender:
    """Results with some of their errors mended.

    Args:
        truth: G people.
        detections: D poses.
        sigmas: (K,).
        max_detections: Of an image and category.
        pose_rows: int64 (G,), each person's pose, a row of ``detections``; -1: none.
        kinds: Of the keypoints of the G people's poses.
    """

    def __init__(
        self,
        truth: GroundTruth,
        detections: Detections,
        sigmas: np.ndarray,
        max_detections: int,
        pose_rows: np.ndarray,
        kinds: KeypointKinds,
    ) -> None:
        self.truth, self.detections, self.sigmas = truth, detections, sigmas
        self.max_detections, self.kinds = max_detections, kinds
        self.people = np.flatnonzero(pose_rows >= 0)
        self.poses = pose_rows[self.people]

        self._known: dict[tuple[tuple[str, ...], bool], tuple[Detections, Pairs]] = {}

    def mended(self, kinds: Sequence[str], exactly: bool = False) -> tuple[Detections, Pairs]:
        """The poses with some kinds of errors of keypoints mended, and how similar they are to people."""
        key = tuple(kinds), exactly
        if key not in self._known:
            found = self.detections
            if kinds:
                people, keypoints = self.people, found.keypoints.copy()
                keypoints[self.poses, :, :2] = mended_keypoints(
                    keypoints[self.poses, :, :2],
                    self.truth.keypoints[people, :, :2],
                    self.truth.areas[people],
                    self.sigmas,
                    self.kinds.take(people),
                    kinds,
                    exactly,
                )
                found = replace(found, keypoints=keypoints)
            self._known[key] = found, all_pairs(self.truth, found, self.sigmas)
        return self._known[key]

    def precision(self, steps: Sequence[str], exactly: bool = False) -> np.ndarray:
        """The precision table of the results without the errors that ``steps`` name."""
        found, pairs = self.mended([step for step in steps if step in MENDED_KEYPOINTS], exactly)
        if SCORE in steps:
            found = replace(found, scores=optimal_scores(self.truth, len(found), pairs))
        return precision_table(self.truth, found, pairs, self.max_detections, steps)


def impact(mender: Mender) -> dict[str, Any]:
    """The AP without each kind of error, in plain values.

    Returns:
        ``AP``; ``alone`` and ``exactly`` (keypoints moved to the true place itself; its ``keypoints`` are all
        kinds together): name -> AP; ``cumulative``: a list of ``step``, ``AP``, ``gain`` over the one before
        and ``by_threshold``, the AP at each OKS threshold, the first being the results as they are;
        ``precision_recall``: OKS threshold -> step -> precision at the 101 recall levels.
    """
    base = mender.precision(())
    alone = {step: average_precision(mender.precision([step])) for step in STEPS}
    exactly = {step: average_precision(mender.precision([step], True)) for step in MENDED_KEYPOINTS}
    exactly["keypoints"] = average_precision(mender.precision(MENDED_KEYPOINTS, True))
    tables = {"as_it_is": base}
    for count in range(1, len(STEPS) + 1):
        tables[STEPS[count - 1]] = mender.precision(STEPS[:count])
    cumulative: list[dict[str, Any]] = []
    for step, table in tables.items():
        ap = average_precision(table)
        cumulative.append(
            {
                "step": step,
                "AP": ap,
                "gain": ap - cumulative[-1]["AP"] if cumulative else 0.0,
                "by_threshold": [average_precision(of_threshold) for of_threshold in table],
            }
        )
    curves = {
        f"{OKS_THRESHOLDS[t]:.2f}": {step: _mean_curve(table[t]) for step, table in tables.items()}
        for t in (0, 5, 7)
    }
    return {
        "AP": average_precision(base),
        "alone": alone,
        "exactly": exactly,
        "cumulative": cumulative,
        "precision_recall": curves,
    }


def _mean_curve(precision: np.ndarray) -> list[float]:
    """The mean over the categories that have people of a table (R, C)."""
    known = precision[:, (precision > -1).all(axis=0)]
    return known.mean(axis=1).tolist() if known.size else []
