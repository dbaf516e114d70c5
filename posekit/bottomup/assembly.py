"""People from heat maps and part affinity fields.

:class:`PartAssembler` is what is right; :mod:`posekit.bottomup.openpose_releases` has two releases' decoders,
quirks and all. They are called alike: maps of one picture in, people in input pixels out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from posekit.bottomup.limbs import Connections, all_pairs, assigned, bilinear, greedy, scored
from posekit.bottomup.peaks import Parts, highest_cells, refined, thinned
from posekit.bottomup.targets import limbs_of
from posekit.errors import ConfigError
from posekit.structures import Skeleton

_MATCHINGS = {"assignment": assigned, "greedy": greedy}


class Assembled(NamedTuple):
    """The P people of a picture.

    Attributes:
        points: float32 (P, K, 2), input pixels; (0, 0) where a part was not found.
        scores: float32 (P, K), the peaks of the maps; 0 where a part was not found.
        person_scores: float32 (P,).
    """

    points: np.ndarray
    scores: np.ndarray
    person_scores: np.ndarray


class Assembler(Protocol):
    """What makes people of maps."""

    def __call__(self, heat: np.ndarray, fields: np.ndarray, stride: int) -> Assembled:
        """Maps of one picture to people.

        Args:
            heat: float32 (K, h, w), or (K + 1, h, w) with a background, which is not looked at.
            fields: float32 (L, 2, h, w).
            stride: Input pixels per cell; the centre of cell i lies at pixel stride i + (stride - 1) / 2.
        """
        ...


@dataclass(frozen=True)
class PartAssembler:
    """Finds people as Cao et al. (TPAMI 2021), section 3.4, say, without the accidents of the releases.

    What it does, and why it is right where the releases differ from it and from each other:

    * It reads the maps as the network gave them. A peak's place to a fraction of a cell follows from the
      logarithms of its neighbours, exactly for a Gaussian; an enlarged map has no more to tell, and blurring
      it (tf-pose) joins the peaks of near people.
    * Of peaks nearer than ``radius`` the highest stays, not the leftmost (light).
    * A limb is sampled between cells from end to end, both included. tf-pose leaves out the second end, so
      that a limb turned round has another score.
    * The mean counts all samples, not only those that pass (light: a gap costs nothing).
    * Which peaks form limbs is the matching with the greatest sum, equations 12 to 14; the best pair first
      (``"greedy"``) can leave two people with what is left over.
    * Limbs join people from the best down, whatever their kind, so that no result hangs on the order in which
      a skeleton names them. Two fragments are merged if they share no part; a limb that would give a person
      two of a part contradicts better limbs and is left out. No peak's number is special (tf-pose forgets
      number 0, and lets a contradicting limb overwrite a part), and no limb is barred from beginning a
      person.

    Attributes:
        skeleton: Its limbs are the fields', in order.
        heat_threshold: Of peaks; lower ones are no parts.
        radius: Cells: a peak suppresses lower ones of its part that are nearer.
        samples: On each limb, from end to end.
        field_threshold: Of the field along the limb, for a sample to count as on it.
        share: Of the samples that must be.
        longest: Of a limb, as a part of the map's height, before its score falls by
            1 - longest h / length, as in all releases; None: no limb is too long.
        matching: ``"assignment"`` or ``"greedy"``.
        least_parts: Who has fewer is nobody.
        least_score: Nor is who has a lower mean of the scores of the parts found.

    Raises:
        ConfigError: On a skeleton without limbs or an impossible number.
    """

    skeleton: Skeleton
    heat_threshold: float = 0.1
    radius: float = 1.0
    samples: int = 10
    field_threshold: float = 0.05
    share: float = 0.8
    longest: float | None = 0.5
    matching: str = "assignment"
    least_parts: int = 3
    least_score: float = 0.2

    def __post_init__(self) -> None:
        limbs_of(self.skeleton)
        if self.matching not in _MATCHINGS:
            raise ConfigError(
                f"assembler: 'matching' must be one of {sorted(_MATCHINGS)}, found {self.matching!r}"
            )
        for name, low, high in (
            ("heat_threshold", 0, 1),
            ("radius", 0, 100),
            ("samples", 2, 1000),
            ("field_threshold", 0, 1),
            ("share", 0, 1),
            ("least_parts", 1, 1000),
            ("least_score", 0, 1),
        ):
            value, whole = getattr(self, name), name in ("samples", "least_parts")
            if not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise ConfigError(f"assembler: '{name}' must be {kind} from {low} to {high}, found {value!r}")
        if self.longest is not None and not self.longest > 0:
            raise ConfigError(f"assembler: 'longest' must be positive or None, found {self.longest!r}")

    def __call__(self, heat: np.ndarray, fields: np.ndarray, stride: int) -> Assembled:
        """People of a picture; see :class:`Assembler`."""
        limbs = limbs_of(self.skeleton).numpy()
        check_maps(heat, fields, self.skeleton, len(limbs))
        parts = self.parts(heat[: self.skeleton.num_keypoints])
        pairs = self.limbs(fields, parts, limbs)
        rows = join_limbs(pairs, parts, self.skeleton.num_keypoints)
        rows = rows[(rows >= 0).sum(axis=1) >= self.least_parts]
        found = gathered(rows, parts, np.float32(stride), np.float32((stride - 1) / 2))
        number = (rows >= 0).sum(axis=1)
        kept = found.scores.sum(axis=1) >= self.least_score * number
        return Assembled(*(values[kept] for values in found))

    def parts(self, heat: np.ndarray) -> Parts:
        """The peaks of part maps (K, h, w)."""
        cells = highest_cells(heat, self.heat_threshold)
        parts = Parts(cells.part, refined(heat, cells), heat[cells].astype(np.float32))
        return parts.taken(thinned(parts, self.radius, np.argsort(-parts.scores, kind="stable")))

    def limbs(self, fields: np.ndarray, parts: Parts, limbs: np.ndarray) -> Connections:
        """The limbs that peaks form."""
        pairs, values, length = scored(
            all_pairs(parts, limbs),
            parts.points,
            bilinear(fields),
            np.linspace(0, 1, self.samples, dtype=np.float32),
            self.field_threshold,
            int(self.samples - np.ceil(self.share * self.samples - 1e-9)),
        )
        scores = values.mean(axis=1)
        if self.longest is not None:
            scores = scores + np.minimum(self.longest * fields.shape[2] / length - 1, 0)
        pairs = pairs._replace(scores=scores.astype(np.float32)).taken(scores > 0)
        return _MATCHINGS[self.matching](pairs)


def check_maps(heat: np.ndarray, fields: np.ndarray, skeleton: Skeleton, limbs: int) -> None:
    """Raises ValueError if the maps are not those of the skeleton."""
    parts = skeleton.num_keypoints
    if heat.ndim != 3 or len(heat) not in (parts, parts + 1) or fields.shape != (limbs, 2, *heat.shape[1:]):
        raise ValueError(
            f"expected heat maps ({parts}, h, w), or one more, and fields ({limbs}, 2, h, w) for the "
            f"skeleton '{skeleton.name}', found {heat.shape} and {fields.shape}"
        )


def join_limbs(limbs: Connections, parts: Parts, num_parts: int) -> np.ndarray:
    """People as the peaks of their parts: the best limb first, no person having two of a part.

    Returns:
        int64 (P, K), numbers of peaks, -1 where a part is missing; those whom a better limb began come first.
    """
    person_of = list(range(len(parts.part)))
    members: dict[int, list[int]] = {}
    # As bits, the parts that the person of a peak has.
    has = [1 << part for part in parts.part.tolist()]
    order = np.argsort(-limbs.scores, kind="stable")
    for a, b in zip(limbs.first[order].tolist(), limbs.second[order].tolist(), strict=True):
        old, other = person_of[a], person_of[b]
        if has[old] & has[other]:
            continue  # one person already, or two who both have a part
        has[old] |= has[other]
        joining = members.pop(other, [other])
        members.setdefault(old, [old]).extend(joining)
        for peak in joining:
            person_of[peak] = old
    rows = np.full((len(members), num_parts), -1, np.int64)
    for row, peaks in zip(rows, members.values(), strict=True):
        row[parts.part[peaks]] = peaks
    return rows


def gathered(rows: np.ndarray, parts: Parts, scale: np.float32, shift: np.float32) -> Assembled:
    """Points and scores of people, whose own is the mean over all K parts; pixel = scale * cell + shift."""
    found = rows >= 0
    points, scores = np.zeros((*rows.shape, 2), np.float32), np.zeros(rows.shape, np.float32)
    points[found] = parts.points[rows[found]] * scale + shift
    scores[found] = parts.scores[rows[found]]
    return Assembled(points, scores, scores.mean(axis=1))
