"""How people look by and large: joints that nobody has, that lie far off, and what mirrors what."""

from __future__ import annotations

import warnings

import numpy as np

from posekit.doctor.boxes import tiny_boxes
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.doctor.name_sides import side_of, words_of
from posekit.doctor.names import mirror_index

# From so many labelled people on it is no chance that a joint is never labelled.
_PEOPLE = 10
# A joint is far off if it lies out of the extent of the person's others, at least four, by more than that
# many times its diagonal. Of 8,500 people of COCO, LSP-extended and machine-made labels none does (at most
# 1.8: a hip below folded arms), of MPII's 22,246 training people two, whose joint is another person's.
_FAR, _OTHERS = 1.9, 4
# Or out of the box by this many of its longer sides, while most joints are in it; those 8,500: at most 0.42.
_FAR_FROM_BOX = 0.8
# A pair that mirrors: the two lie equally far from what the mirror image leaves and exchanges. Ratios of
# median distances, as the median |log|, over at least so many people. True pairs stay below 0.10 on sets of
# 50 people or more; pairs at random have 0.35.
_ASYMMETRY, _PAIR_PEOPLE = 0.25, 50
# A keypoint is one-sided if it lies off the middle of its person by so many standard deviations, and that
# share of the mean distance from it; of so many people at least.
_DEVIATIONS, _OFF_MIDDLE, _SIDE_PEOPLE = 2.5, 0.1, 20

# People lie on their side in 0 to 6 % of COCO, MPII and machine-made labels, in 26 % of LSP-extended.
_LYING_PEOPLE, _LYING = 20, 0.7
_HUMAN, _ANIMAL = ("shoulder", "hip"), {"tail", "paw", "hoof", "withers", "wing", "beak"}
_ABOVE, _BELOW = {"nose", "eye", "ear", "head", "neck"}, {"hip", "knee", "ankle"}

NEVER_LABELLED = "joint_never_labelled"


def check_never_labelled(facts: Facts) -> list[Finding]:
    """Joints that nobody has."""
    people = int(facts.labelled.any(axis=1).sum())
    names = [name for name, n in zip(facts.names, (facts.visible > 0).sum(axis=0), strict=True) if n == 0]
    if people < _PEOPLE or not names:
        return []
    return [
        Finding(
            NEVER_LABELLED,
            f"never labelled: {', '.join(names)}",
            "The network is not taught them and answers anything there.",
            "Take them out of the skeleton, or look whether the file has them at another place of its list.",
            len(names),
            len(facts.names),
            "keypoints",
        )
    ]


def check_far_joints(facts: Facts) -> list[Finding]:
    """Joints far off from the person's others."""
    distance = np.maximum(distance_from_others(facts) / _FAR, distance_from_box(facts) / _FAR_FROM_BOX)
    rows = np.flatnonzero((distance > 1).any(axis=1))
    worst = distance[rows].max(axis=1, initial=0)
    return of_people(
        "joint_far_off", rows[np.argsort(-worst, kind="stable")], len(facts),
        "a joint lies far off from all others of the person, or from the box",
        "It is most likely a slip of the annotator, or of a conversion.",
        "Look at the sheet; move it, or state v = 0.",
    )  # fmt: skip


def distance_from_others(facts: Facts) -> np.ndarray:
    """How far each joint lies out of the extent of its person's others, over its diagonal: float64 (N, K).

    0 for a joint within, not labelled, or with fewer than four others.
    """
    labelled, points = facts.labelled[..., None], facts.reading.points
    low, high = (np.sort(np.where(labelled, s * points, np.inf), axis=1)[:, :2] * s for s in (1, -1))
    if points.shape[1] <= _OTHERS:
        return np.zeros(points.shape[:2])
    least = np.where(points == low[:, :1], low[:, 1:2], low[:, :1])
    most = np.where(points == high[:, :1], high[:, 1:2], high[:, :1])
    with np.errstate(all="ignore"):
        out = np.maximum(least - points, points - most).max(axis=-1)
        ratio = out / np.linalg.norm(most - least, axis=-1)
    counts = facts.labelled & (facts.labelled.sum(axis=1, keepdims=True) > _OTHERS)
    return np.where(counts & np.isfinite(ratio), np.clip(ratio, 0, None), 0)


def distance_from_box(facts: Facts) -> np.ndarray:
    """How far each joint lies out of its person's box, over the box's longer side: float64 (N, K).

    0 for a joint within or not labelled, and for people most of whose joints are outside.
    """
    corners, points = facts.reading.boxes_xyxy[:, None], facts.reading.points
    out = np.maximum(corners[..., :2] - points, points - corners[..., 2:]).max(axis=-1)
    with np.errstate(all="ignore"):
        ratio = out / (corners[..., 2:] - corners[..., :2]).max(axis=-1)
    outside = facts.labelled & (out > 0)
    mostly_in = outside.sum(axis=1) < facts.labelled.sum(axis=1) / 2
    counts = outside & (mostly_in & ~tiny_boxes(facts) & facts.boxes_stated)[:, None]
    return np.where(counts & np.isfinite(ratio), ratio, 0)


def normalised(facts: Facts) -> np.ndarray:
    """Joints about their mean, over the mean distance from it: float64 (N, K, 2), NaN if not labelled."""
    points = np.where(facts.labelled[..., None], facts.reading.points, np.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of people without labelled joints
        points = points - np.nanmean(points, axis=1, keepdims=True)
        return points / np.nanmean(np.linalg.norm(points, axis=-1), axis=1)[:, None, None]


def check_mirror(facts: Facts) -> list[Finding]:
    """Flip pairs that do not mirror the data, and keypoints of one side without a pair, by where they lie.

    Names that say the side are judged by :func:`~posekit.doctor.names.check_names`.
    """
    if facts.pairs is None:
        return []
    return [*_no_mirror_pairs(facts), *_one_sided(facts)]


def _no_mirror_pairs(facts: Facts) -> list[Finding]:
    median, number = median_distances(facts)
    index = mirror_index(facts)
    odd = [
        (a, b)
        for a, b in facts.pairs or ()
        if not (side_of(a) and side_of(b))
        and asymmetry(median, number, index, facts.names.index(a)) > _ASYMMETRY
    ]
    if not odd:
        return []
    return [
        Finding(
            "wrong_flip_pairs",
            f"flip pairs that do not mirror the data: {[list(pair) for pair in odd]} lie at unlike distances "
            "from the other keypoints",
            "Each mirror image teaches one keypoint at the place of the other.",
            "Look at the order of the keypoints and at the pairs.",
            2 * len(odd),
            len(facts.names),
            "keypoints",
        )
    ]


def median_distances(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Median distance of each two keypoints over people, and of how many people: (K, K) each."""
    points = normalised(facts)
    k = points.shape[1]
    median, number = np.full((k, k), np.nan), np.zeros((k, k), np.int64)
    for a in range(k):
        distance = np.linalg.norm(points - points[:, a : a + 1], axis=-1)
        number[a] = np.isfinite(distance).sum(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of keypoints never labelled together
            median[a] = np.nanmedian(distance, axis=0) if len(distance) else np.nan
    return median, number


def asymmetry(median: np.ndarray, number: np.ndarray, index: np.ndarray, a: int) -> float:
    """How unlike the distances of a keypoint and of its mirror image are; 0 where too few people tell."""
    b = int(index[a])
    others = [c for c in range(len(index)) if c not in (a, b)]
    ratios = [
        abs(np.log(median[a, c] / median[b, index[c]]))
        for c in others
        if min(number[a, c], number[b, index[c]]) >= _PAIR_PEOPLE
        and median[a, c] > 0 and median[b, index[c]] > 0
    ]  # fmt: skip
    return float(np.median(ratios)) if ratios else 0.0


def _one_sided(facts: Facts) -> list[Finding]:
    """Keypoints without a pair, and a side in their name, that lie on one side of the picture always."""
    if not facts.mirrored:
        return []
    x = normalised(facts)[..., 0]
    index = mirror_index(facts)
    names = []
    for k, name in enumerate(facts.names):
        own = x[np.isfinite(x[:, k]), k]
        alone = index[k] == k and not side_of(name) and len(own) >= _SIDE_PEOPLE
        if alone and abs(own.mean()) > max(_OFF_MIDDLE, _DEVIATIONS * own.std()):
            names.append(f"{name} ({'right' if own.mean() > 0 else 'left'})")
    if not names:
        return []
    return [
        Finding(
            "no_flip_pairs",
            f"in no flip pair, and on one side of the picture in nearly all people: {', '.join(names)}",
            "Training shows mirror images, in which they are on the side where they never are.",
            "State what changes places in a mirror image as flip_pairs, or train with flip_prob=0.",
            len(names),
            len(facts.names),
            "keypoints",
        )
    ]


def check_upright(facts: Facts) -> list[Finding]:
    """A human skeleton whose people lie on their sides throughout."""
    words = [set(words_of(name)) for name in facts.names]
    if not all(any(part in own for own in words) for part in _HUMAN) or any(own & _ANIMAL for own in words):
        return []
    above, below = (np.array([bool(own & ends) for own in words]) for ends in (_ABOVE, _BELOW))
    height = _middle(facts, above) - _middle(facts, below)
    known = np.isfinite(height).all(axis=1)
    lying = np.abs(height[:, 0]) > np.abs(height[:, 1])
    if known.sum() < _LYING_PEOPLE or lying[known].mean() < _LYING:
        return []
    return of_people(
        "people_lying", lying & known, int(known.sum()),
        "the person lies on the side, as most of the file do",
        "If they do not in the pictures, x and y are exchanged, or the labels were made on pictures turned "
        "as their EXIF entry says.",
        "Look at the sheet.",
    )  # fmt: skip


def _middle(facts: Facts, some: np.ndarray) -> np.ndarray:
    """The mean of some keypoints, float64 (N, 2); NaN where none is labelled."""
    labelled = facts.labelled[:, some, None]
    number = labelled.sum(axis=1)
    total = np.where(labelled, facts.reading.points[:, some], 0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
