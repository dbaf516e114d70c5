"""Left and right exchanged in a part of the records, as far as can be told without a model.

Calling the left joints right and the right ones left makes of a person seen from the front one seen from
behind, which no single record betrays but by its face. The tests, from sure to doubtful:

* The face: where both eyes and the nose are labelled, the person's left eye is on the right-hand side, seen
  from the nose upwards. Of 2,000 people of COCO and of machine-made labels nobody has it otherwise.
* Colours: where left and right joints are of two colours, these change places in some of the people. Of
  people in photos a quarter or more show no difference to speak of.
* Two kinds of people: whatever left and right differ in has one sign in some and the other in the rest, with
  nothing between.
  People who turn are there, too.
* What the majority shows of left and right (who faces the camera, how knees bend) no longer holds for the
  minority, or nothing is shown at all. For human skeletons alone, of which it is known that they do show it:
  three quarters of the people of COCO, LSP-extended and MPII can be told from their exchanged selves.

A model's predictions tell more (:mod:`posekit.doctor.model`).
"""

from __future__ import annotations

import numpy as np

from posekit.doctor.colours import colour_differences
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_people
from posekit.doctor.name_sides import words_of
from posekit.doctor.shape import normalised

_MOST = 20_000  # people that are looked at, evenly through the file
# Pairs, and joints without a side, that are looked at: a face's dozens would make thousands of features.
_PAIRS, _SINGLE = 10, 6
# Two kinds: within half of the median lie no more than VALLEY of the people, and so few that with people
# who turn (TURNING and more in COCO, LSP-extended, MPII and machine-made labels; 0.06 in rendered people,
# seen from the front or, 11 %, from behind) it would happen once in 250 times; the smaller kind has MINORITY
# or more.
_VALLEY, _TURNING, _CHANCE, _MINORITY = 0.07, 0.16, 1 / 250, 0.3
# Colours, likewise; which change places in nobody for a natural reason.
_ALIKE, _EXCHANGED = 0.25, 0.05
_DIRECTIONS, _OF_VARIATION = 3, 0.1
# Human skeletons. From 150 people on, of samples of LSP-extended and MPII at least 61 % are told from their
# exchanged selves (of exchanged halves 49 to 58 %); from 300 on, of the clearest fifth at least 77 %.
_PEOPLE, _TOLD = 150, 0.58
_MORE_PEOPLE, _CLEAR, _TOLD_CLEAR = 300, 0.2, 0.72
_RIDGE = 100.0
# Mirrored faces, of which that share lie on their side, have x and y exchanged, not left and right.
_LYING = 0.4
_HUMAN = {"shoulder", "elbow", "wrist", "hip", "knee", "ankle"}


def check_sides(facts: Facts) -> list[Finding]:
    """Records with left and right exchanged, by the first test that tells."""
    tests = (check_faces, check_colours, check_two_kinds, check_majority)
    return next((found for test in tests if (found := test(facts))), [])


def _found(rows: np.ndarray, of: int, words: str, doubt: str = "") -> list[Finding]:
    return of_people(
        "sides_exchanged", rows, of,
        f"left and right seem to be exchanged: {words}",
        f"The network learns the mean of both sides for each of them.{doubt}",
        "Look at the sheet (blue: the person's own left), and exchange the labels of these records.",
    )  # fmt: skip


def check_faces(facts: Facts) -> list[Finding]:
    """Faces whose left eye is where the right one must be."""
    named = [_only(facts, *words) for words in (("left", "eye"), ("right", "eye"), ("nose",))]
    places = [place for place in named if place is not None]
    if len(places) < len(named):
        return []
    left, right, nose = (facts.reading.points[:, k] for k in places)
    judged = facts.labelled[:, places].all(axis=1)
    across, up = left - right, (left + right) / 2 - nose
    wrong = judged & (across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0] > 0)
    if wrong.sum() > 0.97 * judged.sum():  # the picture's left and right, throughout
        return []
    if (np.abs(up[wrong, 0]) > np.abs(up[wrong, 1])).sum() >= max(1, _LYING * wrong.sum()):
        return _lying(wrong, int(judged.sum()))
    return _found(wrong, int(judged.sum()), "the left eye is on the face's right-hand side")


def _lying(rows: np.ndarray, of: int) -> list[Finding]:
    return of_people(
        "xy_exchanged_by_face", rows, of,
        "the face lies on its side and is mirrored, as one with x and y exchanged does",
        "What is to be learnt lies elsewhere in the picture.",
        "Look at the sheet, and exchange x and y of keypoints and box.",
    )  # fmt: skip


def _only(facts: Facts, *words: str) -> int | None:
    """The keypoint whose name has these words alone."""
    found = [k for k, name in enumerate(facts.names) if set(words_of(name)) == set(words)]
    return found[0] if len(found) == 1 else None


def odd_features(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """What changes its sign, and nothing else, where left and right are exchanged.

    The differences of pairs, times what stays: middles of pairs, joints without a side, what is labelled.

    Returns:
        float64 (P, F), and the people's rows (P,): those with a pair and a third joint.
    """
    index = facts.sides
    left = _some(np.flatnonzero(np.arange(len(index)) < index), _PAIRS)
    right, single = index[left], _some(np.flatnonzero(np.arange(len(index)) == index), _SINGLE)
    both = facts.labelled[:, left] & facts.labelled[:, right]
    rows = np.flatnonzero(both.any(axis=1) & (facts.labelled.sum(axis=1) >= 3))
    rows = _some(rows, _MOST)
    points = np.nan_to_num(normalised(facts)[rows])
    both, n = both[rows], len(rows)
    difference, middle = (
        np.where(both[..., None], (points[:, left] + sign * points[:, right]) / 2, 0).reshape(
            n, 2 * len(left)
        )
        for sign in (-1, 1)
    )
    even = [
        np.ones((n, 1)),
        middle,
        points[:, single].reshape(n, 2 * len(single)),
        both,
        facts.labelled[rows][:, single],
    ]
    stays = np.concatenate(even, axis=1)
    return np.einsum("ij,ik->ijk", difference, stays).reshape(n, difference.shape[1] * stays.shape[1]), rows


def _some(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many of them, evenly spread."""
    return values[:: -(-len(values) // most)] if len(values) > most else values


def check_colours(facts: Facts) -> list[Finding]:
    """Joints of two colours, which change places in some of the people."""
    differences, rows = colour_differences(facts)
    exchanged = two_kinds(differences, _ALIKE, _EXCHANGED)
    share = f"in {exchanged.mean():.0%} of the people" if len(rows) else ""
    return _found(
        rows[exchanged], len(rows), f"the colours at left and right joints have changed places {share}"
    )


def check_two_kinds(facts: Facts) -> list[Finding]:
    """People of two kinds, each the other with left and right exchanged, and nobody between."""
    features, rows = odd_features(facts)
    minority = two_kinds(features)
    if not minority.any():
        return []
    share = f"in {minority.mean():.0%} of the people they lie the other way round than in the rest"
    return _found(
        rows[minority], len(rows), f"{share}, with nothing between the two",
        " If these are people seen from behind, all is well.",
    )  # fmt: skip


def two_kinds(features: np.ndarray, turning: float = _TURNING, minority: float = _MINORITY) -> np.ndarray:
    """Bool (P,): the smaller of two kinds that differ in sign alone; nobody where there are no two kinds.

    The directions of greatest variation do not depend on who is exchanged. The first along which there is
    nobody in the middle decides.

    Args:
        features: float64 (P, F), which change their sign with left and right.
        turning: The share of people in the middle where there are no two kinds.
        minority: The least share of the smaller kind.
    """
    nobody = np.zeros(len(features), bool)
    if not features.any():
        return nobody
    variation, axes = np.linalg.eigh(features.T @ features)
    for axis in axes.T[variation > _OF_VARIATION * variation.sum()][: -_DIRECTIONS - 1 : -1]:
        along = features @ axis
        if _is_split(np.abs(along), turning):
            fewer = along * np.sign(np.median(along)) < 0
            return fewer if fewer.mean() >= minority else nobody
    return nobody


def _is_split(size: np.ndarray, turning: float) -> bool:
    """Whether too few are near zero for people who turn; by Chernoff's bound of the binomial distribution."""
    share = (size < 0.5 * np.median(size)).mean()
    if share > _VALLEY:
        return False
    distance = (1 - share) * np.log((1 - share) / (1 - turning))
    distance += share * np.log(share / turning) if share else 0
    return bool(len(size) * distance > -np.log(_CHANCE))


def check_majority(facts: Facts) -> list[Finding]:
    """A human skeleton of whose left and right the poses do not show what they always show."""
    stems = {word for a in facts.names for word in words_of(a)} & _HUMAN
    features, rows = odd_features(facts)
    if len(stems) < 2 or len(rows) < _PEOPLE:
        return []
    told = left_out_scores(features)
    clear = np.abs(told) >= np.quantile(np.abs(told), 1 - _CLEAR)
    share, share_clear = (told > 0).mean(), (told[clear] > 0).mean()
    if share >= _TOLD and (share_clear >= _TOLD_CLEAR or len(rows) < _MORE_PEOPLE):
        return []
    doubtful = np.flatnonzero(told < 0)
    doubtful = doubtful[np.argsort(told[doubtful], kind="stable")]
    return _found(
        rows[doubtful], len(rows),
        f"{share:.0%} of the people differ from their exchanged selves as the others do; of people labelled "
        "alike, some 75 % do",
        " Which records it is, the poses alone do not tell: these are the likeliest.",
    )  # fmt: skip


def left_out_scores(features: np.ndarray) -> np.ndarray:
    """Above 0 for a person whose left and right are as in the others: float64 (P,).

    Ridge regression of 1 on features that change sign with left and right, each person left out in turn.
    """
    scaled = features / (features.std(axis=0) + 1e-6)
    p, f = scaled.shape
    if f < p:
        solved = np.linalg.solve(scaled.T @ scaled + _RIDGE * np.eye(f), scaled.T)
        own = np.einsum("ij,ji->i", scaled, solved)
        fitted = scaled @ solved.sum(axis=1)
    else:
        gram = scaled @ scaled.T
        hat = gram @ np.linalg.inv(gram + _RIDGE * np.eye(p))
        own, fitted = np.diag(hat), hat.sum(axis=1)
    return (fitted - own) / np.maximum(1 - own, 1e-9)
