"""Where a keypoint that is not good lies: the kinds of errors of Ronchi & Perona (ICCV 2017), from arrays.

"Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", section 3.1. The similarity of a
prediction of keypoint i to the place of keypoint j of person q, at a distance d, is

    ks = exp(-d^2 / (2 s^2 k^2)),    s^2 the area of q, k = 2 sigma of j,

so that a person's OKS is the mean of ks over its own labelled keypoints. A predicted keypoint is

=========  ===================================================================================================
good       ks >= .85 to its own place
jitter     not good; ks >= .5 to its own place, and no other place below is nearer
inversion  not good; ks >= .5 to the mirrored partner's place of the same person, nearer than all others
swap       not good; ks >= .5 to the place of the same keypoint, or of its partner, of another person of the
           image, nearer than the own person's
miss       ks < .5 to all of these
=========  ===================================================================================================

"Nearer" is of greater ks; of equal ones the own place comes first, then the partner's. The paper leaves open
which keypoints may be inverted; as in its study these are left and right (the skeleton's flip pairs).

Departures from the authors' release (matteorr/coco-analyze): a keypoint that is good stays so where another
person's place is nearer still, as the paper's text has it (the release calls it a swap); crowd regions are no
people to swap with; people of no area have no scale and are left out.

Arrays of P people and K keypoints, (x, y) image pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from posekit.metrics.oks import pair_groups

KINDS = ("good", "jitter", "inversion", "swap", "miss")
ERRORS = KINDS[1:]
GOOD, NEAR = 0.85, 0.5
NOTHING = -1  # in place of a kind: not labelled, or nobody's
_WITHIN = 1 - 1e-9  # a mended keypoint lies within its bound, whatever is rounded
_PAIRS_PER_CHUNK = 16384


@dataclass(frozen=True, eq=False)
class KeypointKinds:
    """What became of each keypoint.

    Attributes:
        kind: int8 (P, K), the number of its kind in :data:`KINDS`; :data:`NOTHING` where it has none: it is
            not labelled, its person has no pose or no area.
        own: float64 (P, K), ks to its own place; 0 where there is no kind.
        nearest: float64 (P, K), the greatest ks to any of the places; 0 likewise.
    """

    kind: np.ndarray
    own: np.ndarray
    nearest: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """Which keypoints are of a kind: bool (P, K)."""
        return self.kind == KINDS.index(name)

    def take(self, rows: np.ndarray) -> KeypointKinds:
        """Those of the people of ``rows``."""
        return KeypointKinds(self.kind[rows], self.own[rows], self.nearest[rows])


def partners_of(flip_pairs: Iterable[tuple[int, int]], num_keypoints: int) -> np.ndarray:
    """The mirrored partner of each keypoint, int64 (K,); its own number where it has none."""
    partners = np.arange(num_keypoints)
    for a, b in flip_pairs:
        partners[a], partners[b] = b, a
    return partners


def keypoint_similarity(
    predicted: np.ndarray, truth: np.ndarray, areas: np.ndarray, sigmas: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Similarity ks of points to places.

    Args:
        predicted: (..., K, 2), pixels; NaN gives NaN.
        truth: (..., K, 2), pixels.
        areas: (...), square pixels, of the people whose places they are.
        sigmas: (K,).

    Returns:
        float64 (..., K), in [0, 1].
    """
    offset = np.asarray(predicted, np.float64) - np.asarray(truth, np.float64)
    scale = (2 * np.asarray(sigmas, np.float64)) ** 2 * (np.asarray(areas) + np.spacing(1))[..., None]
    return np.exp(-(offset**2).sum(axis=-1) / scale / 2)


def kinds_of_keypoints(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    partners: np.ndarray,
    images: np.ndarray,
) -> KeypointKinds:
    """Tells the kinds of errors apart, as the table above has them.

    Args:
        predicted: (P, K, 2), each person's pose; NaN: none.
        truth: (P, K, 2).
        labelled: bool (P, K).
        areas: (P,), square pixels.
        sigmas: (K,).
        partners: int64 (K,), of :func:`partners_of`, or a skeleton's ``flip_index``.
        images: int64 (P,), equal for people of one image.
    """
    areas, sigmas = np.asarray(areas, np.float64), np.asarray(sigmas, np.float64)
    places = np.where(labelled[..., None], np.asarray(truth, np.float64), np.nan)
    posed = np.isfinite(predicted).all(axis=(1, 2)) & (areas > 0)
    counted = labelled & posed[:, None]

    def similar(person: np.ndarray, other: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Ks of the persons' keypoints to the others' ``joints``; 0 where these are not labelled."""
        found = keypoint_similarity(predicted[person], places[other][:, joints], areas[other], sigmas[joints])
        return np.nan_to_num(found, nan=0.0)

    everybody, joints = np.arange(len(areas)), np.arange(len(sigmas))
    own = similar(everybody, everybody, joints)
    partner = np.where(partners != joints, similar(everybody, everybody, partners), 0.0)
    others = np.zeros_like(own)
    _, image = np.unique(images, return_inverse=True)
    first, second = pair_groups(image, image, int(image.max(initial=-1)) + 1)
    # Only a keypoint that is not good asks for other people's places.
    asking = (counted & (own < GOOD)).any(axis=1)
    chosen = (first != second) & asking[first] & (areas[second] > 0)
    first, second = first[chosen], second[chosen]
    for start in range(0, len(first), _PAIRS_PER_CHUNK):
        person, other = (side[start : start + _PAIRS_PER_CHUNK] for side in (first, second))
        near = np.maximum(similar(person, other, joints), similar(person, other, partners))
        begin = np.flatnonzero(np.diff(person, prepend=-1))  # the pairs stand in the order of the persons
        who = person[begin]
        others[who] = np.maximum(others[who], np.maximum.reduceat(near, begin, axis=0))
    nearest = np.maximum(np.maximum(own, partner), others)
    kind = np.select(
        [~counted, own >= GOOD, nearest < NEAR, own >= nearest, partner >= nearest],
        [NOTHING, *(KINDS.index(name) for name in ("good", "miss", "jitter", "inversion"))],
        KINDS.index("swap"),
    )
    return KeypointKinds(kind.astype(np.int8), np.where(counted, own, 0.0), np.where(counted, nearest, 0.0))


def kind_shares(kind: np.ndarray) -> dict[str, float | int | None]:
    """How many keypoints have a kind, and the share of each, percent, by :data:`KINDS`; any shape."""
    counts = np.bincount(kind[kind >= 0].astype(np.int64).ravel(), minlength=len(KINDS))
    total = int(counts.sum())
    shares = {name: float(100 * n / total) if total else None for name, n in zip(KINDS, counts, strict=True)}
    numbers = {f"{name}_count": int(n) for name, n in zip(KINDS, counts, strict=True)}
    return {"labelled": total, **shares, **numbers}


def mended_keypoints(
    predicted: np.ndarray,
    truth: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    kinds: KeypointKinds,
    mended: Iterable[str],
    exactly: bool = False,
) -> np.ndarray:
    """Moves the keypoints of some kinds of errors to where they would be without that error.

    As in the paper's study an error is taken away and not more: a jitter moves on its line to the own place
    to where it becomes good (ks = .85), a miss to where it becomes a jitter (ks = .5); an inversion or a swap
    comes as near to its own place as it was to the wrong one (its ``nearest``). The authors' release moves
    the first two further (ks = .96 and .84): it leaves the 2 out of k = 2 sigma there.

    Args:
        predicted: (P, K, 2).
        truth: (P, K, 2).
        areas: (P,).
        sigmas: (K,).
        kinds: Of the same.
        mended: Some of :data:`ERRORS`.
        exactly: To the true place itself.

    Returns:
        float64 (P, K, 2).
    """
    reached = np.select([kinds.of("jitter"), kinds.of("miss")], [GOOD, NEAR], kinds.nearest)
    with np.errstate(divide="ignore"):  # of similarity 0, which nothing is moved to
        bound = np.sqrt(-2 * np.log(reached)) * 2 * np.asarray(sigmas) * np.sqrt(areas)[:, None] * _WITHIN
    offset = predicted - truth
    distance = np.linalg.norm(offset, axis=-1)
    chosen = np.isin(kinds.kind, [KINDS.index(name) for name in mended])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.zeros_like(bound) if exactly else np.where(chosen, bound / distance, 0.0)
    return np.where(chosen[..., None], truth + offset * np.where(chosen, share, 0.0)[..., None], predicted)
