"""From results and people to everything that ``analysis.json`` holds, in plain values.

Shares are percent of the labelled keypoints of people who have a pose; AP, AR, OKS and areas under curves are
fractions; a number that does not exist is None. Which pose is whose: by ``annotation_id`` where the results
have it, as a top-down network on annotated boxes writes it; else as COCO's evaluation pairs them, by
descending score and greatest OKS, at an OKS of 0.1 or more, which is the paper's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.analysis.curves import curves_of
from posekit.analysis.groups import groups_of
from posekit.analysis.reading import Scored
from posekit.metrics.categories import category_notes
from posekit.metrics.error_impact import MENDED_KEYPOINTS, MISSED, SCORE, Mender, all_pairs, impact
from posekit.metrics.errors import PAIRING_OKS
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.keypoint_kinds import KINDS, kind_shares
from posekit.metrics.oks import AREA_RANGES, OKS_THRESHOLDS, evaluate_oks, match_of_size, ranked_pairs
from posekit.metrics.plausible import result_notes

WORST = 12


def analyse(scored: Scored, people: CocoPeople, sigmas: np.ndarray, max_per_image: int) -> dict[str, Any]:
    """The analysis of one file of results.

    Args:
        scored: Of :func:`~posekit.analysis.reading.score`.
        people: The ground truth.
        sigmas: (K,).
        max_per_image: At most so many poses of an image (and category) count for AP.
    """
    truth, detections, kinds = people.truth, scored.detections, scored.kinds
    result = evaluate_oks(truth, detections, sigmas, max_per_image)
    found = _found(people, scored, sigmas, max_per_image)
    counted, posed = ~truth.ignore, scored.pose_rows >= 0
    mender = Mender(truth, detections, sigmas, max_per_image, scored.pose_rows, kinds)
    named = scored.results.named if scored.results.annotation_ids is None else truth.category_ids
    return {
        "name": scored.name,
        "file": scored.path,
        "scores": result.stats() | result.category_stats(people.category_names),
        "people": {
            "to_find": int(counted.sum()),
            "with_a_pose": int((counted & posed).sum()),
            "poses": len(detections),
            "mean_oks": _mean(scored.oks[counted]),
        },
        "keypoints": {
            "overall": kind_shares(kinds.kind),
            "joints": {name: kind_shares(kinds.kind[:, k]) for k, name in enumerate(people.names)},
        },
        "impact": impact(mender),
        "scoring": _scoring(people, scored, sigmas),
        "background": found["background"],
        "groups": _groups(people, scored, found["recalled"]),
        "curves": curves_of(people, scored.assigned.predicted, scored.oks),
        "worst": worst(people, scored),
        "notes": [
            *scored.results.notes,
            *category_notes(people, named),
            *result_notes(people, detections, scored.path),
        ],
    }


def _found(people: CocoPeople, scored: Scored, sigmas: np.ndarray, max_per_image: int) -> dict[str, Any]:
    """Who is found at which OKS threshold (``recalled``, bool (G, T)), and how many are not."""
    truth = people.truth
    rows, rank, pairs = ranked_pairs(truth, scored.detections, sigmas, max_per_image)
    ranked = scored.detections.take(rows)
    ignore, matched, skipped = match_of_size(truth, ranked, rank, pairs, AREA_RANGES["all"])
    recalled = np.zeros((len(truth), len(OKS_THRESHOLDS)), bool)
    for t in range(len(OKS_THRESHOLDS)):
        recalled[matched[matched[:, t] >= 0, t], t] = True
    to_find = ~ignore
    levels = [
        {
            "oks": float(OKS_THRESHOLDS[t]),
            "false_poses": int(((matched[:, t] < 0) & ~skipped[:, t]).sum()),
            "missed_people": int((to_find & ~recalled[:, t]).sum()),
        }
        for t in range(len(OKS_THRESHOLDS))
    ]
    background = {
        "poses_counted": len(rows),
        "poses_beyond_the_most": len(scored.detections) - len(rows),
        "thresholds": levels,
    }
    return {"recalled": recalled, "background": background}


def _scoring(people: CocoPeople, scored: Scored, sigmas: np.ndarray) -> dict[str, int]:
    """Of people near whom there are several poses: for how many another than the surest is the best."""
    truth, detections = people.truth, scored.detections
    pose, person, oks = all_pairs(truth, detections, sigmas)
    near = (oks >= PAIRING_OKS) & ~truth.ignore[person]
    pose, person, oks = pose[near], person[near], oks[near]
    several = np.bincount(person, minlength=len(truth)) > 1
    best = np.zeros(len(truth))
    np.maximum.at(best, person, oks)
    surest = np.lexsort((oks, detections.scores[pose], person))  # the last of each person has the top score
    last = np.flatnonzero(np.diff(person[surest], append=-1))
    wrong = oks[surest][last] < best[person[surest][last]]
    return {
        "people_with_several_poses": int(several.sum()),
        "another_than_the_surest_is_best": int((wrong & several[person[surest][last]]).sum()),
    }


def _groups(people: CocoPeople, scored: Scored, recalled: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Each way to divide the people: per group how many, what is found of them, and the kinds of errors.

    ``AR`` is the mean over people and OKS thresholds of who is found, whose mean over everybody is COCO's AR.
    """
    ways = {}
    for way, (names, index) in groups_of(people).items():
        rows = []
        for number, name in enumerate(names):
            own = index == number
            rows.append(
                {
                    "group": name,
                    "people": int(own.sum()),
                    "without_a_pose": int((own & (scored.pose_rows < 0)).sum()),
                    "AR": _mean(recalled[own]),
                    "mean_oks": _mean(scored.oks[own]),
                    **kind_shares(scored.kinds.kind[own]),
                }
            )
        ways[way] = rows
    return ways


def worst(people: CocoPeople, scored: Scored, count: int = WORST) -> dict[str, list[dict[str, Any]]]:
    """Whom to look at: of each kind of error those with most such keypoints, and those of the least OKS.

    Returns:
        "oks" and the kinds of errors -> at most ``count`` people: ``annotation_id``, ``image_id``, ``oks``
        and the number of keypoints of each kind of error that they have.
    """
    truth, kinds = people.truth, scored.kinds
    numbers = {name: kinds.of(name).sum(axis=1) for name in KINDS[1:]}
    labelled = np.maximum((kinds.kind >= 0).sum(axis=1), 1)
    posed = scored.pose_rows >= 0

    def listed(rows: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "annotation_id": int(people.annotation_ids[row]),
                "image_id": int(truth.image_ids[truth.image[row]]),
                "oks": float(scored.oks[row]),
                **{name: int(n[row]) for name, n in numbers.items() if n[row]},
            }
            for row in rows[:count].tolist()
        ]

    found = {"oks": listed(np.flatnonzero(posed)[np.argsort(scored.oks[posed], kind="stable")])}
    for name, number in numbers.items():
        order = np.lexsort((scored.oks, -number / labelled, -number))
        found[name] = listed(order[number[order] > 0])
    return found


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def summary(found: Mapping[str, Any]) -> str:
    """An analysis in a few sentences."""
    overall, ap = found["keypoints"]["overall"], found["impact"]["AP"]
    people = found["people"]
    text = f"AP {ap:.3f}: {people['with_a_pose']:,} of {people['to_find']:,} people have a pose"
    if overall["labelled"]:
        listed = ", ".join(f"{overall[kind]:.1f} % {kind}" for kind in KINDS)
        text += f"; of their {overall['labelled']:,} labelled keypoints {listed}"
    alone = found["impact"]["alone"]
    kind = max(MENDED_KEYPOINTS, key=lambda name: alone[name])
    if alone[kind] > ap:
        text += f". Of the errors {ERROR_WORDS[kind]} cost most: without them AP would be {alone[kind]:.3f}"
    if people["with_a_pose"] < people["to_find"] and alone[MISSED] > ap:
        text += f". If nobody without a pose were asked for, it would be {alone[MISSED]:.3f}"
    if alone[SCORE] > ap:
        text += f". If poses were ranked best, it would be {alone[SCORE]:.3f}"
    return text + "."


ERROR_WORDS = {"miss": "misses", "swap": "swaps", "inversion": "inversions", "jitter": "jitters"}
