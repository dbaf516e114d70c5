"""Heat maps and part affinity fields of many people: what a bottom-up network is taught.

Cao et al., *OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields* (TPAMI 2021),
section 3.3: a part's map is the greatest of the people's Gaussians (equation 7), a limb's field is the mean
of the unit vectors of the limbs that cover a cell (equations 8 and 9).

Coordinates are (x, y), input pixels, an integer being a pixel's centre. The centre of cell i of a map of
stride s lies at s i + (s - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.codecs.targets import draw_gaussians
from posekit.errors import ConfigError
from posekit.structures import Skeleton

# A Gaussian below exp(-4.6052) = 0.01 counts as 0 in the releases.
_CUT = 4.6052


class PartMaps(NamedTuple):
    """The targets of one picture.

    Attributes:
        heat: float32 (K + 1, h, w), from 0 to 1: the parts and, last, the background, 1 less the greatest.
        fields: float32 (L, 2, h, w): x and y of the field of each limb, from its first part to its second.
    """

    heat: Tensor
    fields: Tensor


def limbs_of(skeleton: Skeleton, user: str = "part affinity fields") -> Tensor:
    """The limbs as numbers of keypoints, int64 (L, 2).

    Raises:
        ConfigError: If the skeleton states none; the message says that ``user`` needs them.
    """
    if not skeleton.limbs:
        raise ConfigError(
            f"skeleton '{skeleton.name}': {user} need 'limbs', the pairs of keypoints to be joined, found "
            "none; state them in the skeleton, or take a head that needs none, such as tags"
        )
    return torch.as_tensor(skeleton.limb_index, dtype=torch.int64)


@dataclass(frozen=True)
class PartAffinityTargets:
    """Draws the targets of a picture with all its people.

    Args:
        skeleton: Its ``limbs`` say which pairs have a field.
        stride: Input pixels per cell.
        sigma: Of the Gaussians, input pixels: exp(-d^2 / (2 sigma^2)).
        width: A limb reaches so far to either side of its line, input pixels.
        beyond: Cells that a limb reaches beyond its ends, of ``"average"``. By 1 what is read between cells
            is the whole field up to the very ends, and a limb shorter than a cell, from the nose to an eye,
            is drawn at all. 0 is equation 9 to the letter.
        rule: ``"average"`` is the paper's and right. The others are two releases', with their quirks:

            * ``"light"`` (lightweight-human-pose-estimation; its sigma 7 and width 8 go with stride 8):
              people's Gaussians are added and clipped at 1; where limbs overlap the last person's counts; the
              fields are drawn about joint / stride, half a cell off, and reach beyond the ends of a limb.
            * ``"tfpose"`` (tf-pose; sigma 8, width 8): drawn pixel by pixel and averaged over each cell;
              where n limbs overlap, the last one's vector divided by n; a joint with x <= 0 or
              y <= 0 is absent.
            * ``"light_average"``: the geometry of ``"light"``, and the paper's mean.

    Raises:
        ConfigError: On an unknown rule, a number that is not positive, or a skeleton without limbs.
    """

    skeleton: Skeleton
    stride: int = 8
    sigma: float = 7.0
    width: float = 8.0
    rule: str = "average"
    beyond: float = 1.0

    def __post_init__(self) -> None:
        limbs_of(self.skeleton)
        if self.rule not in _RULES:
            raise ConfigError(f"targets: 'rule' must be one of {sorted(_RULES)}, found {self.rule!r}")
        whole = isinstance(self.stride, int) and not isinstance(self.stride, bool)
        if not whole or self.stride < 1:
            raise ConfigError(
                f"targets: 'stride' must be a whole number of pixels from 1 on, found {self.stride!r}"
            )
        if not 0 <= self.beyond < float("inf"):
            raise ConfigError(f"targets: 'beyond' must be a number of cells from 0 on, found {self.beyond!r}")
        for name in ("sigma", "width"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise ConfigError(f"targets: '{name}' must be a positive number of pixels, found {value!r}")

    def __call__(self, points_input: Tensor, present: Tensor, size_hw: Sequence[int]) -> PartMaps:
        """Draws the maps on the device of the points.

        Args:
            points_input: float (P, K, 2), input pixels; float64 is honoured. P may be 0.
            present: (P, K), 0 or False where a keypoint is not known; it, and its limbs, are not drawn.
            size_hw: Rows and columns of the maps, cells.
        """
        shape = (self.skeleton.num_keypoints, 2)
        if (
            points_input.ndim != 3
            or points_input.shape[1:] != shape
            or present.shape != points_input.shape[:2]
        ):
            raise ValueError(
                f"expected points (P, {shape[0]}, 2) and a flag for each, found {tuple(points_input.shape)} "
                f"and {tuple(present.shape)}"
            )
        return _RULES[self.rule](self, points_input, present.bool(), (int(size_hw[0]), int(size_hw[1])))


def with_background(heat: Tensor) -> Tensor:
    """Part maps (K, h, w) and their background, (K + 1, h, w)."""
    return torch.cat([heat, 1 - heat.amax(dim=0, keepdim=True)])


# --- the paper's rule ------------------------------------------------------------------------------------


def _average(
    rule: PartAffinityTargets, points: Tensor, present: Tensor, size_hw: tuple[int, int]
) -> PartMaps:
    cells = (points - (rule.stride - 1) / 2) / rule.stride
    heat = cells.new_zeros((cells.shape[1], *size_hw), dtype=torch.float32)
    if len(cells):
        heat = draw_gaussians(cells, present, size_hw, rule.sigma / rule.stride).amax(dim=0)
    limbs = limbs_of(rule.skeleton).to(points.device)
    fields = _Fields(len(limbs), size_hw, cells)
    for person, known in zip(cells, present, strict=True):
        ends = person[limbs]
        covered, unit = _near(ends, known[limbs].all(dim=1), rule.width / rule.stride, size_hw)
        along = _along(ends[:, 0], unit, size_hw)
        length = (ends[:, 1] - ends[:, 0]).norm(dim=1)[:, None, None]
        fields.add(covered & (along >= -rule.beyond) & (along <= length + rule.beyond), unit)
    return PartMaps(with_background(heat), fields.mean())


class _Fields:
    """The unit vectors of the limbs that cover each cell, as they come person by person."""

    def __init__(self, count: int, size_hw: tuple[int, int], like: Tensor) -> None:
        self.total = like.new_zeros(count, 2, *size_hw)
        self.last = torch.zeros_like(self.total)
        self.number = like.new_zeros(count, 1, *size_hw)

    def add(self, covered: Tensor, unit: Tensor) -> None:
        """A person's limbs: covered bool (L, h, w), unit (L, 2)."""
        inside, vectors = covered[:, None], unit[:, :, None, None]
        self.total += inside * vectors
        self.last = torch.where(inside, vectors, self.last)
        self.number += inside

    def mean(self) -> Tensor:
        return (self.total / self.number.clamp(min=1)).float()


def _grid(size_hw: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Columns x (w,) and rows y (h, 1) of the cells."""
    y, x = (torch.arange(side, device=like.device, dtype=like.dtype) for side in size_hw)
    return x, y[:, None]


def _along(start: Tensor, unit: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """How far each cell lies along limbs from their starts, cells (L, h, w)."""
    x, y = _grid(size_hw, start)
    (x1, y1), (ux, uy) = (t.T[..., None, None] for t in (start, unit))
    return (x - x1) * ux + (y - y1) * uy


def _near(ends: Tensor, drawn: Tensor, width: float, size_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Which cells lie within ``width`` of the lines of limbs (L, 2, 2): bool (L, h, w); unit vectors."""
    ends = torch.where(drawn[:, None, None], ends, 0.0)
    vector = ends[:, 1] - ends[:, 0]
    length = vector.norm(dim=1, keepdim=True)
    unit = vector / length.clamp(min=1e-7)
    x, y = _grid(size_hw, ends)
    (x1, y1), (ux, uy) = (t.T[..., None, None] for t in (ends[:, 0], unit))
    across = ((x - x1) * uy - (y - y1) * ux).abs()
    return (across <= width) & (drawn & (length[:, 0] > 1e-7))[:, None, None], unit


# --- the releases' ---------------------------------------------------------------------------------------


def _in_box(ends: Tensor, margin: float, size_hw: tuple[int, int]) -> Tensor:
    """The releases' windows of limbs: from int(min - margin) to int(max + margin), its end excluded."""
    low = (ends.amin(dim=1) - margin).trunc()
    high = (ends.amax(dim=1) + margin).trunc()
    x, y = _grid(size_hw, ends)
    (x1, y1), (x2, y2) = (t.T[..., None, None] for t in (low, high))
    return (x >= x1) & (x < x2) & (y >= y1) & (y < y2)


def _release_fields(cells: Tensor, present: Tensor, limbs: Tensor, width: float, size_hw: Any) -> _Fields:
    fields = _Fields(len(limbs), size_hw, cells)
    for person, known in zip(cells, present, strict=True):
        ends = person[limbs]
        covered, unit = _near(ends, known[limbs].all(dim=1), width, size_hw)
        fields.add(covered & _in_box(ends, width, size_hw), unit)
    return fields


def _windowed(
    points: Tensor, present: Tensor, sigma: float, stride: int, windows: Any, size_hw: Any
) -> Tensor:
    """Gaussians of one person's parts at cell centres, cut at 0.01, in windows [first, last): (K, h, w)."""
    x, y = _grid(size_hw, points)
    first, last = windows
    centre = (stride - 1) / 2
    (px, py), (x1, y1), (x2, y2) = (t.T[..., None, None] for t in (points, first, last))
    exponent = ((x * stride + centre - px) ** 2 + (y * stride + centre - py) ** 2) / (2 * sigma**2)
    inside = (x >= x1) & (x < x2) & (y >= y1) & (y < y2) & present[:, None, None]
    return torch.exp(-exponent) * (inside & (exponent <= _CUT))


def _light(rule: PartAffinityTargets, points: Tensor, present: Tensor, size_hw: tuple[int, int]) -> PartMaps:
    maps, fields = _light_parts(rule, points, present, size_hw)
    return PartMaps(maps, fields.last.float())


def _light_average(
    rule: PartAffinityTargets, points: Tensor, present: Tensor, size_hw: tuple[int, int]
) -> PartMaps:
    maps, fields = _light_parts(rule, points, present, size_hw)
    return PartMaps(maps, fields.mean())


def _light_parts(
    rule: PartAffinityTargets, points: Tensor, present: Tensor, size_hw: tuple[int, int]
) -> tuple[Tensor, _Fields]:
    points = torch.where(present[..., None], points, 0.0)
    heat = points.new_zeros(points.shape[1], *size_hw)
    size = points.new_tensor([size_hw[1], size_hw[0]]) * rule.stride
    for person, known in zip(points, present, strict=True):
        first, last = ((person + way * 4 * rule.sigma).trunc() for way in (-1, 1))
        windows = (
            (first.clamp(min=0) / rule.stride).floor(),
            (torch.minimum(last, size) / rule.stride).floor(),
        )
        heat = heat + _windowed(person, known, rule.sigma, rule.stride, windows, size_hw)
        heat = heat.clamp(max=1)
    limbs = limbs_of(rule.skeleton).to(points.device)
    fields = _release_fields(points / rule.stride, present, limbs, rule.width / rule.stride, size_hw)
    return with_background(heat).float(), fields


def _tfpose(rule: PartAffinityTargets, points: Tensor, present: Tensor, size_hw: tuple[int, int]) -> PartMaps:
    present = present & (points > 0).all(dim=-1)
    points = torch.where(present[..., None], points, 0.0)
    full = (size_hw[0] * rule.stride, size_hw[1] * rule.stride)
    heat = points.new_zeros(points.shape[1], *full)
    reach = (2 * _CUT) ** 0.5 * rule.sigma
    for person, known in zip(points, present, strict=True):
        windows = ((person - reach).trunc(), (person + reach).trunc())
        heat = torch.maximum(heat, _windowed(person, known, rule.sigma, 1, windows, full))
    # Limb by limb: maps of every pixel are large.
    fields = []
    for limb in limbs_of(rule.skeleton).to(points.device):
        drawn = _release_fields(points, present, limb[None], rule.width, full)
        fields.append(F.avg_pool2d(drawn.last / drawn.number.clamp(min=1), rule.stride))
    heat = F.avg_pool2d(with_background(heat)[None], rule.stride)[0]
    return PartMaps(heat.float(), torch.cat(fields).float())


_RULES: dict[str, Callable[[PartAffinityTargets, Tensor, Tensor, tuple[int, int]], PartMaps]] = {
    "average": _average,
    "light": _light,
    "light_average": _light_average,
    "tfpose": _tfpose,
}
