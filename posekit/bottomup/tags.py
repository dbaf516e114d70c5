"""Associative embedding: heat maps of many people, and the losses by which a person's parts get one tag.

Newell, Huang & Deng, *Associative Embedding* (NeurIPS 2017), section 3.2: the tags of a person are pulled to
their mean, the means of two people are pushed apart. Tags are read in the cell of each keypoint alone.

Points are (x, y), input pixels; the codec says which cells they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from posekit.codecs import Codec, UDPCodec, grid
from posekit.codecs.targets import round_half_up
from posekit.errors import ConfigError

LOSS_RULES = ("higherhrnet", "mmpose")


class TagMaps(NamedTuple):
    """The targets of one picture with P people.

    Attributes:
        heat: float32 (K, h, w): of each part the greatest of the people's.
        cells: int64 (P, K): y w + x of each keypoint's cell, 0 where it has none.
        valid: bool (P, K): it is known and lies on the map.
    """

    heat: Tensor
    cells: Tensor
    valid: Tensor


@dataclass(frozen=True)
class TagTargets:
    """Draws heat maps of many people, and says where their tags are read.

    Attributes:
        codec: Draws each person's maps; its ``alignment`` ties cells to pixels.
        rounding: To a cell: ``"floor"``, or MMPose's ``"truncate"``, by which a point up to a cell outside
            the map counts as in its first row or column.

    Raises:
        ConfigError: On another rounding, or a codec with several maps for a keypoint.
    """

    codec: Codec = field(default_factory=UDPCodec)
    rounding: str = "floor"

    def __post_init__(self) -> None:
        if self.rounding not in ("floor", "truncate"):
            raise ConfigError(f"tags: 'rounding' must be 'floor' or 'truncate', found {self.rounding!r}")
        if self.codec.maps_per_keypoint != 1:
            raise ConfigError(
                f"tags: 'codec' must draw one map for each keypoint, found {type(self.codec).__name__} with "
                f"{self.codec.maps_per_keypoint}"
            )

    def __call__(
        self, points_input: Tensor, present: Tensor, input_size_hw: Sequence[int], size_hw: Sequence[int]
    ) -> TagMaps:
        """Draws the maps on the device of the points.

        Args:
            points_input: float (P, K, 2), input pixels. P may be 0.
            present: (P, K), 0 or False where a keypoint is not known.
            input_size_hw: Of the network's input, pixels.
            size_hw: Rows and columns of the maps.
        """
        height, width = int(size_hw[0]), int(size_hw[1])
        present = present.bool()
        points = torch.where(present[..., None], points_input, 0.0)
        scale = grid.pixels_per_cell(input_size_hw, size_hw, self.codec.alignment)
        x, y = round_half_up(grid.to_cells(points, scale), self.rounding).long().unbind(-1)
        valid = present & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        if len(points):
            heat, _ = self.codec.encode(points, present.float(), input_size_hw, size_hw)
            heat = heat.amax(dim=0)
        else:
            heat = points.new_zeros((points.shape[1], height, width), dtype=torch.float32)
        return TagMaps(heat, torch.where(valid, y * width + x, 0), valid)


def tag_losses(
    tags: Tensor, cells: Sequence[Tensor], valid: Sequence[Tensor], rule: str = "higherhrnet"
) -> tuple[Tensor, Tensor]:
    """Pull and push of each picture: float (B,) each.

    With N people that have a valid keypoint, and t_n the mean of a person's tags, pull is the mean over
    people of the mean over their keypoints (and a tag's numbers) of (t - t_n)^2. Push:

    * ``"higherhrnet"`` (and Newell et al.'s code): the sum over pairs n != m of exp(-|t_n - t_m|^2), over
      2 N (N - 1).
    * ``"mmpose"``: its sum has n = m too, a constant that nobody can lower, over N (N - 1) + 1e-6, without
      the half; pull is over N + 1e-6.

    Of one person push is 0, of nobody both are.

    Args:
        tags: float (B, K, h, w), or (B, K, D, h, w) for tags of D numbers.
        cells: B tables int64 (P, K), as of :class:`TagMaps`.
        valid: B tables bool (P, K).
        rule: One of :data:`LOSS_RULES`.

    Raises:
        ConfigError: On another rule.
    """
    if rule not in LOSS_RULES:
        raise ConfigError(f"tags: 'rule' must be one of {LOSS_RULES}, found {rule!r}")
    flat = tags.flatten(-2)
    flat = flat[:, :, None] if flat.ndim == 3 else flat  # (B, K, D, h w)
    both = [_picture_losses(*one, rule) for one in zip(flat, cells, valid, strict=True)]
    pull, push = (torch.stack(values) for values in zip(*both, strict=True))
    return pull, push


def _picture_losses(flat: Tensor, cells: Tensor, valid: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """Pull and push of a picture with the tags (K, D, h w)."""
    here = valid.any(dim=1)
    cells, weight = cells[here], valid[here].to(flat.dtype)[..., None]  # (N, K), (N, K, 1)
    number = len(cells)
    if not number:
        nothing = flat.sum() * 0  # with a gradient, which is 0
        return nothing, nothing
    index = cells.T[:, None].expand(-1, flat.shape[1], -1)  # (K, D, N)
    read = flat.gather(2, index).permute(2, 0, 1)  # (N, K, D)
    joints = weight.sum(dim=1)
    mean = (read * weight).sum(dim=1) / joints  # (N, D)
    spread = ((read - mean[:, None]) ** 2 * weight).sum(dim=1) / joints
    pull, extra = spread.mean(dim=1).sum(), 1e-6 if rule == "mmpose" else 0.0
    pull = pull / (number + extra)
    if number == 1:
        return pull, pull * 0
    alike = torch.exp(-((mean[:, None] - mean[None]) ** 2).sum(dim=-1)).sum()
    if rule == "mmpose":
        return pull, alike / (number * (number - 1) + extra)
    return pull, (alike - number) / (2 * number * (number - 1))


@dataclass(frozen=True)
class AssociativeLoss:
    """Pull and push of a batch.

    Attributes:
        rule: As of :func:`tag_losses`. Pictures are averaged; by ``"mmpose"``'s they are added up.
        pull: Its weight.
        push: Its weight; MMPose's configs have 0.5 here.

    Raises:
        ConfigError: On an unknown rule or a negative weight.
    """

    rule: str = "higherhrnet"
    pull: float = 1.0
    push: float = 1.0

    def __post_init__(self) -> None:
        if self.rule not in LOSS_RULES:
            raise ConfigError(f"tags: 'rule' must be one of {LOSS_RULES}, found {self.rule!r}")
        for name in ("pull", "push"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"tags: '{name}' must not be negative, found {getattr(self, name)!r}")

    def __call__(self, tags: Tensor, cells: Sequence[Tensor], valid: Sequence[Tensor]) -> dict[str, Tensor]:
        """``loss_pull`` and ``loss_push``; arguments as of :func:`tag_losses`."""
        pull, push = tag_losses(tags, cells, valid, self.rule)
        if self.rule == "mmpose":
            return {"loss_pull": self.pull * pull.sum(), "loss_push": self.push * push.sum()}
        return {"loss_pull": self.pull * pull.mean(), "loss_push": self.push * push.mean()}
