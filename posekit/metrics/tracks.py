"""Who is followed, and for how long by one number: ID switches, MOTA and IDF1. Arrays in, numbers out.

A frame has t true people and f found ones, each with a number that lasts, and how similar each is to each
(:func:`~posekit.inference.tracking.pose_similarity`, or the IoU of boxes). Two may be the same person where
the similarity is at least the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from posekit.errors import ConfigError, DataError


class FrameTracks(NamedTuple):
    """One frame: the numbers of the true people (t,), of the found ones (f,), their similarity (t, f)."""

    true_ids: ArrayLike
    found_ids: ArrayLike
    similarity: ArrayLike


@dataclass(frozen=True)
class TrackScores:
    """Counts of one video, or of several together.

    Attributes:
        true: People in all frames, summed.
        found: Likewise of those found.
        matched: True people that are matched in their frame.
        switches: Matched people whose number differs from that of their last match.
        same_identity: IDTP of :func:`track_scores`.
    """

    true: int
    found: int
    matched: int
    switches: int
    same_identity: int

    @property
    def mota(self) -> float:
        """1 - (misses + false ones + switches) / true people; NaN of nobody."""
        wrong = (self.true - self.matched) + (self.found - self.matched) + self.switches
        return 1 - wrong / self.true if self.true else float("nan")

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFP + IDFN), which is 2 IDTP / (true + found); NaN of nobody."""
        total = self.true + self.found
        return 2 * self.same_identity / total if total else float("nan")

    def __add__(self, other: TrackScores) -> TrackScores:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return TrackScores(*(first + second for first, second in pairs))


def track_scores(frames: Iterable[FrameTracks], threshold: float = 0.5) -> TrackScores:
    """The counts of one video.

    Switches and MOTA as CLEAR MOT has them (Bernardin & Stiefelhagen, EURASIP JIVP 2008): a frame keeps the
    matches of the frames before it that still hold, and matches the others for the most pairs and, of those,
    the greatest similarity; whoever is matched by another number than at the last match, however long ago,
    is switched. IDTP as Ristani et al. (ECCV Workshops 2016) have it: true people and numbers are matched
    once for the whole video, such that most frames agree.

    Args:
        frames: In their order.
        threshold: The least similarity of the same person.

    Raises:
        ConfigError: On a threshold outside (0, 1].
        DataError: If a number comes twice in a frame, or shapes do not fit.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"tracks: expected a threshold in (0, 1], found {threshold!r}")
    true = found = matched = switches = 0
    last: dict[int, int] = {}
    together: dict[tuple[int, int], int] = {}
    for number, frame in enumerate(frames):
        true_ids, found_ids, similarity = _checked(frame, number)
        near = similarity >= threshold
        for row, column in np.argwhere(near):
            pair = (true_ids[row], found_ids[column])
            together[pair] = together.get(pair, 0) + 1
        true, found = true + len(true_ids), found + len(found_ids)
        for row, column in _match(true_ids, found_ids, similarity, near, last):
            person, identity = true_ids[row], found_ids[column]
            matched += 1
            switches += last.get(person, identity) != identity
            last[person] = identity
    return TrackScores(true, found, matched, switches, _most_together(together))


def _checked(frame: FrameTracks, number: int) -> tuple[list[int], list[int], np.ndarray]:
    true_ids, found_ids = (np.asarray(ids).reshape(-1).tolist() for ids in frame[:2])
    similarity = np.asarray(frame.similarity, np.float64).reshape(np.shape(frame.similarity))
    for name, ids in (("true", true_ids), ("found", found_ids)):
        if len(set(ids)) != len(ids):
            raise DataError(f"tracks: frame {number}: expected every {name} number once, found {ids}")
    if similarity.shape != (len(true_ids), len(found_ids)) or np.isnan(similarity).any():
        raise DataError(
            f"tracks: frame {number}: expected similarities ({len(true_ids)}, {len(found_ids)}) without NaN, "
            f"found {similarity.shape}"
        )
    return true_ids, found_ids, similarity


def _match(
    true_ids: list[int], found_ids: list[int], similarity: np.ndarray, near: np.ndarray, last: dict[int, int]
) -> list[tuple[int, int]]:
    """The matched rows and columns of a frame: what holds from before, and the best of the rest."""
    column_of = {identity: column for column, identity in enumerate(found_ids)}
    kept: dict[int, int] = {}
    for row, person in enumerate(true_ids):
        column = column_of.get(last.get(person, -1))
        if column is not None and near[row, column] and column not in kept.values():
            kept[row] = column
    rows = [row for row in range(len(true_ids)) if row not in kept]
    columns = [column for column in range(len(found_ids)) if column not in kept.values()]
    # A pair counts for more than any similarity.
    gain = np.where(near, similarity + min(near.shape, default=0) + 1, 0)[np.ix_(rows, columns)]
    pairs = [(rows[r], columns[c]) for r, c in _assignment(gain)]
    return [*kept.items(), *((row, column) for row, column in pairs if near[row, column])]


def _most_together(together: dict[tuple[int, int], int]) -> int:
    """IDTP: the most frames that true people and numbers, each matched once, have together."""
    people = {person: row for row, person in enumerate(sorted({person for person, _ in together}))}
    numbers = {identity: column for column, identity in enumerate(sorted({i for _, i in together}))}
    counts = np.zeros((len(people), len(numbers)))
    for (person, identity), count in together.items():
        counts[people[person], numbers[identity]] = count
    return int(sum(counts[pair] for pair in _assignment(counts)))


def _assignment(gain: np.ndarray) -> list[tuple[int, int]]:
    """Rows and columns, each once, of the greatest sum."""
    from scipy.optimize import linear_sum_assignment  # half a second, which few need

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
