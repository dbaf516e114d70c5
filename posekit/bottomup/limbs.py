"""Which two parts form a limb: all pairs of peaks scored on the fields at once, then matched limb by limb.

Cao et al. (TPAMI 2021), section 3.4: a pair's score is the mean, along the line between the two, of the
field's share in the line's direction (equation 11); each peak is in one limb of a kind at most (equations 12
to 14).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from posekit.bottomup.peaks import Parts

# Points complex64 (M, S), x + iy in cells, on limbs (M,) -> the field there, likewise x + iy.
Sampler = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Cells; two peaks so near have no line between them.
_SAME_PLACE = 1e-6


class Connections(NamedTuple):
    """Pairs of peaks that form limbs, sorted by limb, then by falling score.

    Attributes:
        limb: int64 (C,).
        first: int64 (C,), the row of the first part's peak.
        second: int64 (C,), of the second part's.
        scores: float32 (C,).
    """

    limb: np.ndarray
    first: np.ndarray
    second: np.ndarray
    scores: np.ndarray

    def taken(self, rows: np.ndarray) -> Connections:
        """Some of them, by mask or numbers."""
        return Connections(self.limb[rows], self.first[rows], self.second[rows], self.scores[rows])


def all_pairs(parts: Parts, limbs: np.ndarray) -> Connections:
    """Every peak of a limb's first part with every peak of its second; scores 0.

    Args:
        parts: The peaks.
        limbs: int (L, 2), numbers of parts.
    """
    bounds = np.searchsorted(parts.part, np.arange(int(limbs.max()) + 2))
    firsts, seconds, limb = [], [], []
    for number, (a, b) in enumerate(limbs.tolist()):
        rows, columns = (np.arange(bounds[part], bounds[part + 1]) for part in (a, b))
        firsts.append(np.repeat(rows, len(columns)))
        seconds.append(np.tile(columns, len(rows)))
        limb.append(np.full(len(rows) * len(columns), number))
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    return Connections(np.concatenate(limb), first, second, np.zeros(len(first), np.float32))


def nearest(fields: np.ndarray, rounding: Callable[[np.ndarray], np.ndarray]) -> Sampler:
    """Reads the fields (L, 2, h, w) in the cell that ``rounding`` says."""
    whole, height, width = _complex(fields)

    def sample(points: np.ndarray, limb: np.ndarray) -> np.ndarray:
        x, y = (rounding(side).astype(np.int32) for side in (points.real, points.imag))
        return whole[(limb[:, None].astype(np.int32) * height + y) * width + x]

    return sample


def bilinear(fields: np.ndarray) -> Sampler:
    """Reads the fields (L, 2, h, w) between the centres of four cells; beyond the map its edge goes on."""
    whole, height, width = _complex(fields)
    right, below = int(width > 1), width * (height > 1)

    def sample(points: np.ndarray, limb: np.ndarray) -> np.ndarray:
        x, y = points.real.clip(0, width - 1), points.imag.clip(0, height - 1)
        left = np.minimum(x.astype(np.int32), max(width - 2, 0))
        top = np.minimum(y.astype(np.int32), max(height - 2, 0))
        x -= left
        y -= top
        at = (limb[:, None].astype(np.int32) * height + top) * width + left
        upper, lower = whole[at], whole[at + below]
        upper += (whole[at + right] - upper) * x
        lower += (whole[at + below + right] - lower) * x
        return upper + (lower - upper) * y

    return sample


def _complex(fields: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Fields as x + iy, complex64, flat: one look-up reads both."""
    whole = np.empty((len(fields), *fields.shape[2:]), np.complex64)
    whole.real, whole.imag = fields[:, 0], fields[:, 1]
    return whole.ravel(), fields.shape[2], fields.shape[3]


def scored(
    pairs: Connections,
    points: np.ndarray,
    sample: Sampler,
    fractions: np.ndarray,
    least: float,
    most_below: int,
) -> tuple[Connections, np.ndarray, np.ndarray]:
    """What the fields say along the lines of pairs; pairs that fail are left out.

    Args:
        pairs: Candidates.
        points: float32 (N, 2) of the peaks, cells.
        sample: Reads the fields.
        fractions: float32 (S,): where on the line from the first peak (0) to the second (1).
        least: Field along the line that a sample must exceed.
        most_below: Samples that may fall short of it.

    Returns:
        The pairs left, the fields' share along their lines float32 (M, S), and their lengths (M,) in cells.
    """
    places = np.ascontiguousarray(points, np.float32).view(np.complex64)[:, 0]
    start = places[pairs.first]
    vector = places[pairs.second] - start
    length = np.abs(vector)
    limb = pairs.limb

    def along(rows: np.ndarray, samples: np.ndarray) -> np.ndarray:
        line = vector[rows, None]
        field = sample(start[rows, None] + fractions[samples] * line, limb[rows])
        unit = line / length[rows, None]
        return field.real * unit.real + field.imag * unit.imag

    # Where every sample of a first look fails, in the middle, one more than may, the others need no look.
    middle = np.argsort(np.abs(fractions - 0.5), kind="stable")
    looks, rest = middle[: most_below + 1], middle[most_below + 1 :]
    rows = np.flatnonzero(length > _SAME_PLACE)
    seen = along(rows, looks)
    left = (seen > least).any(axis=1)
    rows = rows[left]
    values = np.empty((len(rows), len(fractions)), np.float32)
    values[:, looks], values[:, rest] = seen[left], along(rows, rest)
    left = (values <= least).sum(axis=1) <= most_below
    rows = rows[left]
    return pairs.taken(rows), values[left], length[rows]


def greedy(pairs: Connections) -> Connections:
    """The pairs of each limb from the best down, each peak once: the releases' matching."""
    order = np.lexsort((-pairs.scores, pairs.limb))  # stable: of equals the first
    used: set[tuple[int, int, int]] = set()
    kept = []
    rows = zip(order.tolist(), *(part[order].tolist() for part in pairs[:3]), strict=True)
    for row, limb, first, second in rows:
        ends = (limb, 0, first), (limb, 1, second)
        if used.isdisjoint(ends):
            used.update(ends)
            kept.append(row)
    return pairs.taken(np.array(kept, np.int64))


def assigned(pairs: Connections) -> Connections:
    """The matching of each limb with the greatest sum of scores: equations 12 to 14, Hungarian method.

    Scores must be positive.
    """
    from scipy.optimize import linear_sum_assignment  # a third of a second, for few

    order = np.lexsort((-pairs.scores, pairs.limb))
    pairs = pairs.taken(order)
    bounds = np.flatnonzero(np.diff(pairs.limb, prepend=-1, append=-1)) if len(order) else np.zeros(1, int)
    kept = np.zeros(len(order), bool)
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        firsts, a = np.unique(pairs.first[begin:end], return_inverse=True)
        seconds, b = np.unique(pairs.second[begin:end], return_inverse=True)
        if len(firsts) == len(seconds) == end - begin:  # every peak has one candidate: nothing to choose
            kept[begin:end] = True
            continue
        gain = np.zeros((len(firsts), len(seconds)))
        gain[a, b] = pairs.scores[begin:end]
        row_of = np.full(gain.shape, -1)
        row_of[a, b] = np.arange(begin, end)
        chosen = row_of[linear_sum_assignment(gain, maximize=True)]
        kept[chosen[chosen >= 0]] = True  # what is left is no candidate, and gains nothing
    return pairs.taken(kept)
