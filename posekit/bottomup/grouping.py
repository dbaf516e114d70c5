"""People from heat maps and tags: parts join the person whose mean tag is nearest.

Newell, Huang & Deng, *Associative Embedding* (NeurIPS 2017), section 3.3, as HigherHRNet and MMPose do it:
part after part, all peaks of a part are matched with the people so far at once.

Points are (x, y): input pixels outside, cells inside; an integer is a centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from posekit.bottomup.assembly import Assembled
from posekit.bottomup.peaks import Cells, Parts, refined
from posekit.codecs.grid import ALIGNMENTS, pixels_per_cell
from posekit.codecs.peaks import Peaks
from posekit.codecs.taylor import blur, udp_step
from posekit.errors import ConfigError, is_whole

# For COCO's 17: head and trunk first, whose tags are surest.
HIGHERHRNET_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
_FILLINGS = ("heat", "log", "none")
_REFINEMENTS = ("parabola", "quarter", "udp", "none")
# More than any distance of tags costs: a peak that nobody can take.
_NOBODY = 1e10


@dataclass(frozen=True)
class TagGrouper:
    """Groups the peaks of a picture by their tags.

    A peak joins the person whose mean tag is nearer than ``tag_threshold``, by the matching of the least cost
    100 |tag - mean| - score, or begins a person.

    Attributes:
        heat_threshold: Of peaks; lower ones are no parts.
        tag_threshold: The greatest distance of a peak's tag from the mean of its person's.
        most_peaks: Of each part, the highest.
        window: Odd side of the square in which a peak is the highest cell.
        order: Numbers of keypoints, in the order in which they are grouped; None: as they are numbered.
            :data:`HIGHERHRNET_ORDER` is for COCO's 17.
        refine: ``"parabola"``: exact for a Gaussian; ``"quarter"``: a quarter of a cell to the higher
            neighbour; ``"udp"``: a Newton step on the blurred logarithm; ``"none"``.
        blur_kernel: Odd size, of ``"udp"``.
        shift: Cells added to what was found; old releases have 0.5.
        alignment: What ties cells to pixels, as of the codec that drew the targets.
        round_tags: The releases' cost: distances rounded to whole numbers, so that nearly equal tags are
            told apart by score alone. But the score is the peak's whoever takes it: the matching is then a
            matter of chance, wherever two people's tags round alike.
        fill: Give parts that were not found the cell with the least cost, with its score however low.
            ``"heat"``: by the heat maps; ``"log"``: by the logarithms of the blurred maps, scores that may be
            negative: MMPose's UDP refinement leaves those in the maps' place; ``"none"``: they stay (0, 0)
            with the score 0.
        most_people: Only so many, those first begun; None: all.
        least_score: Who has a lower mean score, missing parts counting 0, is nobody.

    Raises:
        ConfigError: On an impossible setting.
    """

    heat_threshold: float = 0.1
    tag_threshold: float = 1.0
    most_peaks: int = 30
    window: int = 5
    order: Sequence[int] | None = None
    refine: str = "parabola"
    blur_kernel: int = 3
    shift: float = 0.0
    alignment: str = "aligned"
    round_tags: bool = False
    fill: str = "heat"
    most_people: int | None = None
    least_score: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in (("refine", _REFINEMENTS), ("alignment", ALIGNMENTS), ("fill", _FILLINGS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"grouper: '{name}' must be one of {choices}, found {getattr(self, name)!r}"
                )
        for name, least in (("most_peaks", 1), ("window", 1), ("blur_kernel", 1), ("most_people", 1)):
            value: Any = getattr(self, name)
            odd = name in ("most_peaks", "most_people") or (isinstance(value, int) and value % 2 == 1)
            if value is None and name == "most_people":
                continue
            if not is_whole(value, least) or not odd:
                kind = "odd" if name in ("window", "blur_kernel") else "whole"
                raise ConfigError(
                    f"grouper: '{name}' must be a number from {least} on ({kind}), found {value!r}"
                )
        for name in ("heat_threshold", "tag_threshold", "least_score"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"grouper: '{name}' must not be negative, found {getattr(self, name)!r}")

    def __call__(self, heat: np.ndarray, tags: np.ndarray, input_size_hw: Sequence[int]) -> Assembled:
        """Maps of one picture to people.

        Args:
            heat: float32 (K, h, w).
            tags: float32 (K, h, w), or (D, K, h, w) for tags of D numbers.
            input_size_hw: Of the network's input, pixels.

        Returns:
            People in the order in which they were begun. Their own scores count the parts found alone.

        Raises:
            ValueError: If the maps do not belong together.
            ConfigError: If ``order`` does not name each keypoint once.
        """
        tags = tags[None] if tags.ndim == 3 else tags
        if heat.ndim != 3 or tags.shape[1:] != heat.shape:
            raise ValueError(
                f"expected maps (K, h, w) and tags (D, K, h, w), found {heat.shape}, {tags.shape}"
            )
        rows, parts = self._people(heat, tags)
        cells, scores = np.zeros((*rows.shape, 2), np.float32), np.zeros(rows.shape, np.float32)
        found = rows >= 0
        cells[found], scores[found] = parts.points[rows[found]], parts.scores[rows[found]]
        people = scores.mean(axis=1) if len(rows) else np.zeros(0, np.float32)
        cells = self._refined(heat, cells, found)
        cells[found] += self.shift
        if self.fill != "none" and len(rows):
            maps = self._logarithms(heat) if self.fill == "log" else heat
            self._fill(maps, tags, cells, scores, found)
        scale = np.array(pixels_per_cell(input_size_hw, heat.shape[1:], self.alignment), np.float32)
        kept = people >= self.least_score
        return Assembled((cells * scale)[kept], scores[kept], people[kept])

    def peaks(self, heat: np.ndarray) -> Parts:
        """The highest cells of their windows: of each part the ``most_peaks`` highest, in falling order."""
        maps = torch.from_numpy(np.ascontiguousarray(heat))
        around = F.max_pool2d(maps[None], self.window, 1, self.window // 2)[0].numpy()
        part, y, x = np.nonzero((heat == around) & (heat > self.heat_threshold))
        scores = heat[part, y, x]
        order = np.lexsort((-scores, part))
        first = np.searchsorted(part, part)  # np.nonzero sorts by part, and so does the order
        order = order[np.arange(len(part)) - first < self.most_peaks]
        points = np.stack([x, y], axis=1).astype(np.float32)
        return Parts(part[order], points[order], scores[order])

    def _people(self, heat: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, Parts]:
        """People as numbers of peaks, int64 (P, K), -1 where a part is missing; the peaks."""
        parts, keypoints = self.peaks(heat), len(heat)
        order = range(keypoints) if self.order is None else self.order
        if sorted(order) != list(range(keypoints)):
            raise ConfigError(
                f"grouper: 'order' must name each of {keypoints} keypoints once, found {tuple(order)}"
            )
        x, y = parts.points.astype(np.int64).T
        own = tags[:, parts.part, y, x].T.astype(np.float64)  # (N, D)
        bounds = np.searchsorted(parts.part, np.arange(keypoints + 1))
        people: list[list[int]] = []
        for part in order:
            rows = np.arange(bounds[part], bounds[part + 1])
            people = people[: self.most_people]
            taker = self._takers(own[rows], parts.scores[rows], [own[peaks].mean(axis=0) for peaks in people])
            for row, person in zip(rows.tolist(), taker, strict=True):
                if person < 0:
                    people.append([row])
                else:
                    people[person].append(row)
        people = people[: self.most_people]
        table = np.full((len(people), keypoints), -1, np.int64)
        for row_of, peaks in zip(table, people, strict=True):
            row_of[parts.part[peaks]] = peaks
        return table, parts

    def _takers(self, tags: np.ndarray, scores: np.ndarray, means: list[np.ndarray]) -> list[int]:
        """Whose each peak is, -1 where nobody's: of tags (n, D), and the mean tags of people."""
        takers = [-1] * len(tags)
        if not means or not takers:
            return takers
        distance = np.linalg.norm(tags[:, None] - np.stack(means)[None], axis=2)
        cost = self._cost(distance) - scores[:, None]
        nobody = np.full((len(tags), max(len(tags) - len(means), 0)), _NOBODY)
        from scipy.optimize import linear_sum_assignment  # a third of a second, for few

        pairs = linear_sum_assignment(np.concatenate([cost, nobody], axis=1))
        for peak, person in zip(*(side.tolist() for side in pairs), strict=True):
            if person < len(means) and distance[peak, person] < self.tag_threshold:
                takers[peak] = person
        return takers

    def _cost(self, distance: np.ndarray) -> np.ndarray:
        return 100 * (np.round(distance) if self.round_tags else distance)

    def _refined(self, heat: np.ndarray, cells: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Cells (P, K, 2) to a fraction, where a part was found."""
        if self.refine == "none" or not found.any():
            return cells
        person, part = np.nonzero(found)
        x, y = cells[person, part].astype(np.int64).T
        cells = cells.copy()
        if self.refine == "parabola":
            cells[found] = refined(heat, Cells(part, y, x))
        elif self.refine == "quarter":
            cells[found] += _quarter(heat, part, y, x)
        else:
            maps = torch.from_numpy(np.ascontiguousarray(heat, np.float32)).expand(len(cells), *heat.shape)
            highest = maps.amax(dim=(2, 3))  # what a map is scaled to after its blur
            peaks = Peaks(torch.from_numpy(cells), highest, torch.from_numpy(found))
            step = udp_step(maps, peaks, self.blur_kernel, "max", None).numpy()
            cells[found] += step[found]
        return cells

    def _logarithms(self, heat: np.ndarray) -> np.ndarray:
        """What UDP's refinement takes differences of: blurred, scaled to the old maximum, clipped."""
        maps = torch.from_numpy(np.ascontiguousarray(heat, np.float32))[None]
        blurred = blur(maps, self.blur_kernel, "zero")
        scale = maps.amax(dim=(2, 3), keepdim=True) / blurred.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
        return (blurred * scale).clamp(0.001, 50).log()[0].numpy()

    def _fill(
        self, heat: np.ndarray, tags: np.ndarray, cells: np.ndarray, scores: np.ndarray, found: np.ndarray
    ) -> None:
        """Writes into ``cells`` and ``scores`` where the parts that were not found are likeliest."""
        height, width = heat.shape[1:]
        whole = cells.astype(np.int64).clip(0, (width - 1, height - 1))
        for person, has in enumerate(found):
            x, y = whole[person, has].T
            mean = tags[:, np.flatnonzero(has), y, x].mean(axis=1)
            missing = np.flatnonzero(~has)
            distance = np.linalg.norm(tags[:, missing] - mean[:, None, None, None], axis=0)
            cost = self._cost(distance) - heat[missing]
            at = cost.reshape(len(missing), height * width).argmin(axis=1)
            y, x = np.unravel_index(at, (height, width))
            cells[person, missing] = np.stack([x, y], axis=1)
            scores[person, missing] = heat[missing, y, x]


def _quarter(heat: np.ndarray, part: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A quarter of a cell toward the higher neighbour, (N, 2); none in the two outermost columns or rows."""
    height, width = heat.shape[1:]
    steps = []
    for dx, dy, at, side in ((1, 0, x, width), (0, 1, y, height)):
        inner = (at > 1) & (at < side - 1)
        # The releases ask of the other axis that it is not 0.
        inner &= (y if dx else x) > 0
        right, down = dx * inner, dy * inner
        steps.append(np.sign(heat[part, y + down, x + right] - heat[part, y - down, x - right]) / 4)
    return np.stack(steps, axis=1)
