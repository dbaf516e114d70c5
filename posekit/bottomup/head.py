"""The head of heat maps and part affinity fields: stage after stage, taught by whole pictures.

Cao et al. (TPAMI 2021), section 3.2: every stage sees the backbone's features and what the stage before it
said, and each is supervised (equations 3 to 6). Regions in which people are not labelled teach nothing: W(p)
of equation 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from posekit.bottomup.assembly import Assembled, Assembler, PartAssembler
from posekit.bottomup.targets import PartAffinityTargets, limbs_of
from posekit.errors import ConfigError
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton


class StageMaps(NamedTuple):
    """What one stage says.

    Attributes:
        heat: float (B, K + 1, h, w), the background last.
        fields: float (B, L, 2, h, w).
    """

    heat: Tensor
    fields: Tensor


def learnt_cells(ignored_xyxy: Tensor, size_hw: Sequence[int], stride: int) -> Tensor:
    """1 for cells that teach, 0 for those whose centre lies in an ignored region: float32 (h, w).

    Args:
        ignored_xyxy: float (m, 4), crowds and people without keypoints, input pixels; edges are continuous,
            from 0, as of all boxes.
        size_hw: Rows and columns of the maps.
        stride: Input pixels per cell.
    """
    y, x = ((torch.arange(int(side), device=ignored_xyxy.device) + 0.5) * stride for side in size_hw)
    x1, y1, x2, y2 = ignored_xyxy[:, :, None].unbind(dim=1)
    rows, columns = (y >= y1) & (y < y2), (x >= x1) & (x < x2)
    return 1 - (rows[:, :, None] & columns[:, None, :]).any(dim=0).float()


@MODELS.register_module()
class PartAffinityHead(nn.Module):
    """Heat maps and fields from features of one stride, in one or several stages.

    Args:
        in_channels: Of the features.
        skeleton: A name, a dict or a ``Skeleton``; its limbs have the fields.
        stride: Input pixels per cell of the features.
        stages: At least one; each but the first also sees the maps of the one before.
        width: Channels within a stage.
        targets: What is taught; None: :class:`~posekit.bottomup.PartAffinityTargets` of skeleton and stride.
        assembler: Makes people of the last stage's maps; None: :class:`~posekit.bottomup.PartAssembler`.
        field_weight: Of the fields' loss, the heat maps' being 1.

    Raises:
        ConfigError: On a skeleton without limbs, an impossible number, or targets of another skeleton or
            stride.
    """

    def __init__(
        self,
        in_channels: int,
        skeleton: Skeleton | str,
        stride: int = 8,
        stages: int = 2,
        width: int = 128,
        targets: PartAffinityTargets | None = None,
        assembler: Assembler | None = None,
        field_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.skeleton, self.stride = get_skeleton(skeleton), stride
        for name, value in (("in_channels", in_channels), ("stages", stages), ("width", width)):
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"head: '{name}' must be a whole number from 1 on, found {value!r}")
        if not field_weight >= 0:
            raise ConfigError(f"head: 'field_weight' must not be negative, found {field_weight!r}")
        self.limbs = len(limbs_of(self.skeleton, "PartAffinityHead and its fields"))
        self.targets = PartAffinityTargets(self.skeleton, stride) if targets is None else targets
        if (self.targets.skeleton, self.targets.stride) != (self.skeleton, stride):
            raise ConfigError(
                f"head: 'targets' must be of the skeleton '{self.skeleton.name}' and the stride {stride}, "
                f"found '{self.targets.skeleton.name}' and {self.targets.stride}"
            )
        self.assembler: Assembler = PartAssembler(self.skeleton) if assembler is None else assembler
        self.field_weight = field_weight
        maps = self.skeleton.num_keypoints + 1 + 2 * self.limbs
        self.stages = nn.ModuleList(
            _stage(in_channels + (maps if number else 0), width, maps) for number in range(stages)
        )

    def forward(self, features: Tensor) -> list[StageMaps]:
        """Features (B, C, h, w) -> the maps of each stage, the last being the prediction."""
        outputs: list[StageMaps] = []
        seen, parts = features, self.skeleton.num_keypoints + 1
        for stage in self.stages:
            maps = stage(seen)
            outputs.append(StageMaps(maps[:, :parts], maps[:, parts:].unflatten(1, (self.limbs, 2))))
            seen = torch.cat([features, maps], dim=1)
        return outputs

    def loss(
        self,
        outputs: Sequence[StageMaps],
        points_input: Sequence[Tensor],
        present: Sequence[Tensor],
        ignored_xyxy: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The squared error of every stage, its mean over the cells that teach, summed over maps and stages.

        Args:
            outputs: Of :meth:`forward`.
            points_input: B tables float (P, K, 2), all people of each picture, input pixels.
            present: B tables (P, K): whether a keypoint is labelled.
            ignored_xyxy: B tables float (m, 4): see :func:`learnt_cells`; None: everything teaches.

        Returns:
            ``loss_heat`` and ``loss_fields``.
        """
        device, size_hw = outputs[-1].heat.device, outputs[-1].heat.shape[-2:]
        if ignored_xyxy is None:
            ignored_xyxy = [points.new_zeros(0, 4) for points in points_input]
        drawn = [
            self.targets(points.to(device), known.to(device), size_hw)
            for points, known in zip(points_input, present, strict=True)
        ]
        heat, fields = torch.stack([one.heat for one in drawn]), torch.stack([one.fields for one in drawn])
        cells = torch.stack([learnt_cells(one.to(device), size_hw, self.stride) for one in ignored_xyxy])
        number = cells.sum().clamp(min=1)
        heat_loss = sum(((one.heat - heat) ** 2 * cells[:, None]).sum() for one in outputs) / number
        field_loss = (
            sum(((one.fields - fields) ** 2 * cells[:, None, None]).sum() for one in outputs) / number
        )
        return {"loss_heat": heat_loss, "loss_fields": self.field_weight * field_loss}

    def predict(self, outputs: Sequence[StageMaps]) -> list[Assembled]:
        """The people of each picture, input pixels."""
        heat, fields = (maps.detach().float().cpu().numpy() for maps in outputs[-1])
        return [self.assembler(*one, self.stride) for one in zip(heat, fields, strict=True)]


def _stage(in_channels: int, width: int, maps: int) -> nn.Sequential:
    """Three 3x3 convolutions and two 1x1."""
    layers: list[nn.Module] = []
    for channels in (in_channels, width, width):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    last = nn.Conv2d(width, maps, 1)
    nn.init.normal_(last.weight, std=0.001)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(*layers, nn.Conv2d(width, width, 1), nn.ReLU(inplace=True), last)
