"""Two files of results of the same people: differences with paired intervals.

The images are drawn anew with replacement, the same for both files; a paired bootstrap as in
:mod:`posekit.study.statistics`, whose :func:`~posekit.study.statistics.compare` makes intervals and p-values
of it. Poses are matched within their image, so that AP can be worked out exactly for each draw from the
matches of the whole: an image drawn twice counts twice, its poses of one score side by side. The intervals
say how much the choice of images matters for these two files, and nothing about other trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from posekit.analysis.reading import Scored
from posekit.errors import DataError
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.keypoint_kinds import KINDS
from posekit.metrics.oks import AREA_RANGES, OKS_THRESHOLDS, RECALL_LEVELS, match_of_size, ranked_pairs
from posekit.study.statistics import CONFIDENCE, compare

RESAMPLES = 1000
_AT_ONCE = 500_000  # numbers of a draw's table: what the cache holds


@dataclass(frozen=True, eq=False)
class _Category:
    """The ranked poses of a category, as AP needs them; T OKS thresholds.

    Attributes:
        image: int64 (D,), of each pose, the surest first.
        hit: bool (D, T): found somebody who is to be found.
        counted: bool (D, T): a hit or a false one.
        people: float64 (I,), how many are to be found in each image.
    """

    image: np.ndarray
    hit: np.ndarray
    counted: np.ndarray
    people: np.ndarray


def ranked_hits(
    people: CocoPeople, scored: Scored, sigmas: np.ndarray, max_per_image: int
) -> list[_Category]:
    """Of each category that has people to find the poses and what they found."""
    truth, images = people.truth, len(people.truth.image_ids)
    rows, rank, pairs = ranked_pairs(truth, scored.detections, sigmas, max_per_image)
    ranked = scored.detections.take(rows)
    ignore, matched, skipped = match_of_size(truth, ranked, rank, pairs, AREA_RANGES["all"])
    found = []
    for c in range(len(truth.category_ids)):
        own = np.flatnonzero(ranked.category == c)
        own = own[np.argsort(-ranked.scores[own], kind="stable")]
        to_find = truth.image[(truth.category == c) & ~ignore]
        if len(to_find):
            counted = ~skipped[own]
            number = np.bincount(to_find, minlength=images).astype(np.float64)
            found.append(_Category(ranked.image[own], (matched[own] >= 0) & counted, counted, number))
    return found


def ap_and_ar(categories: Sequence[_Category], drawn: np.ndarray) -> np.ndarray:
    """AP and AR of drawn images.

    Args:
        categories: Of :func:`ranked_hits`.
        drawn: float64 (R, I), how often each image is drawn.

    Returns:
        float64 (R, 2); NaN where nobody is to be found.
    """
    sums, number = np.zeros((len(drawn), 2)), np.zeros(len(drawn))
    for one in categories:
        people = drawn @ one.people
        values = np.zeros((len(drawn), 2))
        # Whole numbers below 2^24: exact, and half as long.
        times = drawn.astype(np.float32)[:, one.image]
        every = {}
        for t in range(len(OKS_THRESHOLDS)):
            place, key = np.flatnonzero(one.hit[:, t]), one.counted[:, t].tobytes()
            if key not in every:  # mostly the thresholds have it in common
                every[key] = np.cumsum(times * one.counted[:, t], axis=1)
            if len(place):
                values += _at_threshold(times[:, place], every[key][:, place], people)
        sums += np.where(people > 0, values.T, 0).T / len(OKS_THRESHOLDS)
        number += people > 0
    with np.errstate(invalid="ignore"):
        return sums / number[:, None]


def _at_threshold(times: np.ndarray, every: np.ndarray, people: np.ndarray) -> np.ndarray:
    """AP and recall at one OKS threshold, float64 (R, 2), of the H poses that found somebody.

    Args:
        times: (R, H), how often each is drawn.
        every: (R, H), how many poses there are up to each.
        people: (R,), how many people there are to find.
    """
    true = np.cumsum(times, axis=1)
    found = np.zeros((len(times), 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        # The precision is best at a hit: the envelope is made of them alone.
        precision = np.where(every > 0, true / (every + np.spacing(1)), 0.0)
        recall = true / people[:, None]
    for row in np.flatnonzero(people > 0).tolist():
        level = np.searchsorted(recall[row], RECALL_LEVELS, side="left")
        level = level[level < recall.shape[1]]
        if len(level):
            # The best precision from each level on: of the hits up to the next one, then backwards.
            start = np.unique(level)
            best = np.maximum.accumulate(np.maximum.reduceat(precision[row], start)[::-1])[::-1]
            found[row, 0] = best[np.searchsorted(start, level)].sum() / len(RECALL_LEVELS)
    found[:, 1] = recall[:, -1]
    return found


def _means(
    people: CocoPeople, scored: Scored, names: Sequence[str]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Of each further measure its name, and per image what its mean is made of: sums and numbers (I, C)."""
    truth, kind = people.truth, scored.kinds.kind
    to_find = ~truth.ignore
    columns = {"mean OKS": (np.where(to_find, scored.oks, 0), to_find)}
    columns["people with a pose"] = (100 * (to_find & (scored.pose_rows >= 0)), to_find)
    labelled = (kind >= 0).sum(axis=1)
    for number, name in enumerate(KINDS):
        columns[name] = (100 * (kind == number).sum(axis=1), labelled)
    for k, joint in enumerate(names):
        columns[f"good/{joint}"] = (100 * (kind[:, k] == 0), kind[:, k] >= 0)
    tables = []
    for part in (0, 1):
        table = np.zeros((len(truth.image_ids), len(columns)))
        np.add.at(table, truth.image, np.stack([column[part] for column in columns.values()], axis=1))
        tables.append(table)
    return list(columns), tables[0], tables[1]


def compare_results(
    scored: Sequence[Scored],
    people: CocoPeople,
    sigmas: np.ndarray,
    names: Sequence[str],
    max_per_image: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """The first file less the second, measure by measure.

    Args:
        scored: Two files of results.
        people: The ground truth of both.
        sigmas: (K,).
        names: K names.
        max_per_image: As for AP.
        resamples: Of the bootstrap over images.
        seed: Of its draws.

    Returns:
        ``measures``: a list of ``measure`` ("AP", "AR", "mean OKS" as fractions; percent of people with a
        pose; percent of keypoints of each kind; "good/<joint>"), ``first``, ``second``, ``difference``,
        ``low``, ``high`` and ``p_value``; and how it was made.

    Raises:
        DataError: If there are people to find in fewer than two images.
    """
    images, made = len(people.truth.image_ids), []
    peopled = len(np.unique(people.truth.image[~people.truth.ignore]))
    if peopled < 2:
        raise DataError(
            f"{people.file}: expected people to find in two images or more, for intervals over images; "
            f"found {peopled}"
        )
    for one in scored:
        made.append((ranked_hits(people, one, sigmas, max_per_image), _means(people, one, names)))
    measures = ["AP", "AR", *made[0][1][0]]

    def measured(drawn: np.ndarray) -> np.ndarray:
        """(R, 2, C) of drawn images (R, I)."""
        parts = []
        for hits, (_, sums, numbers) in made:
            with np.errstate(invalid="ignore"):
                means = (drawn @ sums) / (drawn @ numbers)
            parts.append(np.concatenate([ap_and_ar(hits, drawn), means], axis=1))
        return np.stack(parts, axis=1)

    rng, parts = np.random.default_rng(seed), []
    longest = max(len(one.detections) for one in scored)
    at_once = max(1, _AT_ONCE // max(images, longest))
    for start in range(0, resamples, at_once):
        number = min(at_once, resamples - start)
        parts.append(
            measured(rng.multinomial(images, np.full(images, 1 / images), size=number).astype(float))
        )
    observed = measured(np.ones((1, images)))[0]
    found = compare(observed, np.concatenate(parts), [0], [1], peopled)
    columns = {
        **{"first": observed[0], "second": observed[1], "difference": found.difference},
        **{"low": found.people[0], "high": found.people[1], "p_value": found.p_value},
    }
    rows = [
        {"measure": name, **{key: _plain(column[c]) for key, column in columns.items()}}
        for c, name in enumerate(measures)
    ]
    method = {"resamples": resamples, "seed": seed, "confidence": CONFIDENCE, "images": peopled}
    return {"names": [one.name for one in scored], "measures": rows, "method": method}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
