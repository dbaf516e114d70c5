"""Identification: who of the gallery is it? Embeddings in, ranks and mean average precision out; pure numpy.

Every probe is compared with every gallery picture by the cosine. Closed set: a probe whose identity the
gallery lacks is not scored. A wrong picture with the score of a right one comes before it, so that equal
embeddings earn nothing.

Rank-k (CMC at k): share of probes with a right picture among the first k. mAP: the mean over probes of the
average precision, the mean over the right pictures of (how many right ones up to it) / (its rank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from posekit.errors import DataError

_BLOCK = 1 << 22  # scores that are held at once


@dataclass(frozen=True)
class Identification:
    """What the ranks of P scored probes give.

    Attributes:
        ranks: int64 (P,): of the best right picture, from 1.
        average_precision: float64 (P,).
        rows: int64 (P,): which probes were scored.
        gallery: How many pictures there were to choose from (of one set: without the probe).
    """

    ranks: np.ndarray
    average_precision: np.ndarray
    rows: np.ndarray
    gallery: int

    def cmc(self, length: int | None = None) -> np.ndarray:
        """Rank-1 to rank-``length`` (all), float64, shares of 1."""
        length = self.gallery if length is None else length
        counts = np.bincount(self.ranks, minlength=length + 1)[1 : length + 1]
        return np.cumsum(counts) / len(self.ranks)

    def scores(self, ranks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
        """``rank-k`` for each k, and ``mAP``; shares of 1."""
        named = {f"rank-{k}": float(np.mean(self.ranks <= k)) for k in ranks}
        return {**named, "mAP": float(self.average_precision.mean())}


def identify(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
) -> Identification:
    """Ranks the gallery for each probe.

    Args:
        probes: (P, D), any length.
        probe_labels: (P,), identities.
        gallery: (G, D); None: the probes themselves, each compared with all others.
        gallery_labels: (G,).

    Raises:
        DataError: If no probe's identity is in the gallery, or an embedding is zero or not finite.
        ValueError: On shapes that do not fit.
    """
    units, labels = unit_vectors(probes, "probes"), np.asarray(probe_labels)
    alone = gallery is None
    others = units if gallery is None else unit_vectors(gallery, "gallery")
    other_labels = labels if alone else np.asarray(gallery_labels)
    for name, vectors, own in (("probe", units, labels), ("gallery", others, other_labels)):
        if own.shape != vectors.shape[:1]:
            raise ValueError(f"expected {len(vectors)} {name} labels, found shape {own.shape}")
    if units.shape[1] != others.shape[1]:
        raise ValueError(f"expected embeddings of one length, found {units.shape[1]} and {others.shape[1]}")
    step = max(1, _BLOCK // max(1, len(others)))
    ranks, precisions = np.zeros(len(units), np.int64), np.zeros(len(units))
    for start in range(0, len(units), step):
        rows = slice(start, start + step)
        scores = units[rows] @ others.T
        right = labels[rows, None] == other_labels
        if alone:  # behind all others, and not right
            places = np.arange(len(scores))
            scores[places, start + places], right[places, start + places] = -np.inf, False
        ranks[rows], precisions[rows] = _ranked(scores, right)
    scored = np.flatnonzero(ranks)
    if not len(scored):
        raise DataError(f"gallery: not one of {len(units)} probes has a picture of its identity there")
    return Identification(ranks[scored], precisions[scored], scored, len(others) - alone)


def _ranked(scores: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rank of the best right column and the average precision of each row; 0 without a right one."""
    # By the last key first: highest scores, and of equal ones the wrong ones.
    order = np.lexsort((right, -scores), axis=1)
    hits = np.take_along_axis(right, order, axis=1)
    count = hits.sum(axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    mean = (precision * hits).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, hits.argmax(axis=1) + 1, 0), mean


def unit_vectors(embeddings: ArrayLike, name: str) -> np.ndarray:
    """Embeddings (N, D) as float64 vectors of length 1.

    Args:
        embeddings: (N, D).
        name: Whose they are, for messages.

    Raises:
        DataError: If one is zero, not finite, or too large for a length (beyond 1e154).
        ValueError: On another shape.
    """
    vectors = np.asarray(embeddings, np.float64)
    if vectors.ndim != 2:
        raise ValueError(f"expected {name} (N, D), found {vectors.shape}")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~((lengths > 0) & np.isfinite(lengths)))
    if len(bad):
        raise DataError(
            f"{name}: {len(bad)} of {len(vectors)} embeddings are zero, too large for a length or not "
            f"finite, first in row {bad[0]}"
        )
    return vectors / lengths
