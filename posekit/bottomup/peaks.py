"""The parts of all people: peaks of heat maps, found without a loop over cells.

Points are (x, y) in cells of the map, an integer being a cell's centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Left, right, up, down, then the corners: (dx, dy).
_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1))


class Parts(NamedTuple):
    """N peaks of K maps, part by part; a peak's row is its number ("cid" in the releases).

    Attributes:
        part: int64 (N,), ascending.
        points: float32 (N, 2), cells.
        scores: float32 (N,).
    """

    part: np.ndarray
    points: np.ndarray
    scores: np.ndarray

    def taken(self, rows: np.ndarray) -> Parts:
        """Some of them, by mask or numbers."""
        return Parts(self.part[rows], self.points[rows], self.scores[rows])


class Cells(NamedTuple):
    """Cells of maps, sorted by part, row and column: int64 (N,) each."""

    part: np.ndarray
    y: np.ndarray
    x: np.ndarray


def highest_cells(maps: np.ndarray, threshold: float, ties: str = "first", corners: bool = True) -> Cells:
    """The cells above a threshold that no neighbour exceeds.

    Only the few cells above the threshold are compared with their neighbours.

    Args:
        maps: float (K, h, w).
        threshold: Values must be greater; NaN is not.
        ties: Of neighbours that are equal, ``"first"`` keeps the one that comes first by row, then column
            (so that a plateau of two is one peak), ``"all"`` keeps all, ``"none"`` none.
        corners: Look at 8 neighbours, not at 4.
    """
    height, width = maps.shape[1:]
    flat = np.flatnonzero(maps.ravel() > threshold)
    everything = maps.ravel()
    for dx, dy in _NEIGHBOURS if corners else _NEIGHBOURS[:4]:
        # Each neighbour leaves fewer cells to compare with the next.
        x, y, values = flat % width, flat // width % height, everything[flat]
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        other = everything[np.where(inside, flat + dy * width + dx, flat)]
        before = (dy, dx) < (0, 0)
        tied = values >= other if ties == "all" or (ties == "first" and not before) else values > other
        flat = flat[~inside | tied]
    return Cells(*np.unravel_index(flat, maps.shape))


def refined(maps: np.ndarray, cells: Cells) -> np.ndarray:
    """Peaks to a fraction of a cell, float32 (N, 2): the vertex of the parabola through the logarithms.

    On either axis the peak of exp(-(x - c)^2 / (2 sigma^2)) is c exactly, whatever sigma and height. At the
    border, and where a neighbour is not positive, the cell's centre stays.
    """
    height, width = maps.shape[1:]
    part, y, x = cells
    steps = []
    for dx, dy, at, side in ((1, 0, x, width), (0, 1, y, height)):
        inner = (at > 0) & (at < side - 1)
        dx_, dy_ = dx * inner, dy * inner
        low, mid, high = (maps[part, y + way * dy_, x + way * dx_] for way in (-1, 0, 1))
        usable = inner & (low > 0) & (high > 0)
        low, mid, high = (np.log(np.where(usable, value, 1.0)) for value in (low, mid, high))
        bend = low - 2 * mid + high
        step = (low - high) / (2 * np.where(bend < 0, bend, -1.0))
        # Of a peak that no neighbour exceeds the vertex is at most half a cell off.
        steps.append(np.where(usable & (bend < 0), step, 0.0).clip(-0.5, 0.5))
    return np.stack([x + steps[0], y + steps[1]], axis=1).astype(np.float32)


def thinned(parts: Parts, radius: float, order: np.ndarray) -> np.ndarray:
    """Which peaks stay where several of a part lie together: bool (N,).

    Peak after peak of ``order`` that still stands removes the later ones of its part that are closer than
    ``radius`` cells.

    Args:
        parts: The peaks.
        radius: Cells.
        order: int (N,), a permutation of the peaks.
    """
    kept = np.ones(len(parts.part), bool)
    rank = np.empty(len(kept), np.int64)
    rank[order] = np.arange(len(kept))
    first, second = _same_part(parts.part)
    gap = parts.points[first].astype(np.float64) - parts.points[second]
    near = ((gap**2).sum(axis=1) < radius**2) & (rank[first] < rank[second])
    first, second = first[near], second[near]
    for remover in np.argsort(rank[first], kind="stable").tolist():
        if kept[first[remover]]:
            kept[second[remover]] = False
    return kept


def _same_part(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ordered pairs of peaks of the same part, itself included, from ``part`` (N,), ascending."""
    number = np.bincount(part, minlength=1)
    others = number[part]
    first = np.repeat(np.arange(len(part)), others)
    within = np.arange(len(first)) - np.repeat(np.cumsum(others) - others, others)
    return first, (np.cumsum(number) - number)[part][first] + within
