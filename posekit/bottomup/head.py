"""The head of heat maps and part affinity fields: stage after stage, taught by whole pictures.

Cao et al. (TPAMI 2021), section 3.2: every stage sees the backbone's features and what the stage before it
said, and each is supervised (equations 3 to 6). Regions in which people are not labelled teach nothing: W(p)
of equation 5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.bottomup.assembly import Assembler, PartAssembler
from posekit.bottomup.poses import prediction_of
from posekit.bottomup.targets import PartAffinityTargets, limbs_of
from posekit.datasets.bottomup import IGNORED
from posekit.errors import ConfigError, is_whole
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.structures import Sample, Skeleton


def learnt_cells(sample: Sample, size_hw: Sequence[int]) -> Tensor:
    """1 for cells that teach, 0 for those of which a pixel is to be ignored: float32 (B, h, w).

    Args:
        sample: Of whole pictures; without ``extra["ignored"]`` all cells teach.
        size_hw: Rows and columns of the maps, which divide the input's.
    """
    shape = (len(sample.image), int(size_hw[0]), int(size_hw[1]))
    if IGNORED not in sample.extra:
        return torch.ones(shape, device=sample.keypoints.device)
    return 1 - F.adaptive_max_pool2d(sample.extra[IGNORED][:, None].float(), shape[1:])[:, 0]


def people_on(sample: Sample) -> list[tuple[Tensor, Tensor]]:
    """The people of each picture: float (P, K, 2), input pixels, and bool (P, K), which are known."""
    known = sample.weight > 0
    present = known.any(dim=-1)
    return [
        (points[here], flags[here])
        for points, flags, here in zip(sample.keypoints, known, present, strict=True)
    ]


def settings_in_words(part: Any) -> str:
    """``PartAssembler(radius=1.0)``: what a dataclass states beside its skeleton."""
    fields = [field.name for field in dataclasses.fields(part) if field.name != "skeleton"]
    return f"{type(part).__name__}({', '.join(f'{name}={getattr(part, name)!r}' for name in fields)})"


@MODELS.register_module()
class PartAffinityHead(Head):
    """Heat maps and fields from features of one stride, in one or several stages.

    A stage's outputs are ``"heat"``, float (B, K + 1, h, w), the background last, and ``"fields"``,
    float (B, L, 2, h, w).

    Args:
        in_channels: Of the features.
        skeleton: A name, a dict or a ``Skeleton``; its limbs have the fields.
        stride: Input pixels per cell of the features; that of the backbone, if it states one.
        stages: At least one; each but the first also sees the maps of the one before.
        width: Channels within a stage.
        targets: What is taught: :class:`~posekit.bottomup.PartAffinityTargets` of skeleton and stride, or
            its other settings.
        assembler: Makes people of the last stage's maps: any :class:`~posekit.bottomup.Assembler`, or
            settings of :class:`~posekit.bottomup.PartAssembler`.
        field_weight: Of the fields' loss, the heat maps' being 1.

    Raises:
        ConfigError: On a skeleton without limbs, an impossible number, or targets of another skeleton or
            stride.
    """

    whole_pictures = True

    def __init__(
        self,
        in_channels: int,
        skeleton: Skeleton | str | Mapping[str, Any],
        stride: int = 8,
        stages: int = 2,
        width: int = 128,
        targets: PartAffinityTargets | Mapping[str, Any] | None = None,
        assembler: Assembler | Mapping[str, Any] | None = None,
        field_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.skeleton, self.stride = get_skeleton(skeleton), stride
        for name, value in (("in_channels", in_channels), ("stages", stages), ("width", width)):
            if not is_whole(value):
                raise ConfigError(f"head: '{name}' must be a whole number from 1 on, found {value!r}")
        if not field_weight >= 0:
            raise ConfigError(f"head: 'field_weight' must not be negative, found {field_weight!r}")
        self.limbs = len(limbs_of(self.skeleton, "PartAffinityHead and its fields"))
        if targets is None or isinstance(targets, Mapping):
            targets = PartAffinityTargets(self.skeleton, stride, **(targets or {}))
        self.targets = targets
        if (self.targets.skeleton, self.targets.stride) != (self.skeleton, stride):
            raise ConfigError(
                f"head: 'targets' must be of the skeleton '{self.skeleton.name}' and the stride {stride}, "
                f"found '{self.targets.skeleton.name}' and {self.targets.stride}"
            )
        if assembler is None or isinstance(assembler, Mapping):
            assembler = PartAssembler(self.skeleton, **(assembler or {}))
        self.assembler: Assembler = assembler
        self.field_weight = field_weight
        maps = self.skeleton.num_keypoints + 1 + 2 * self.limbs
        self.stages = nn.ModuleList(
            _stage(in_channels + (maps if number else 0), width, maps) for number in range(stages)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """The backbone's last features (B, C, h, w) -> each stage's outputs, the last the prediction."""
        features = maps[-1]
        outputs: list[dict[str, Tensor]] = []
        seen, parts = features, self.skeleton.num_keypoints + 1
        for stage in self.stages:
            given = stage(seen)
            fields = given[:, parts:].unflatten(1, (self.limbs, 2))
            outputs.append({"heat": given[:, :parts], "fields": fields})
            seen = torch.cat([features, given], dim=1)
        return outputs

    def loss(self, stages: Sequence[Mapping[str, Tensor]], sample: Sample) -> dict[str, Tensor]:
        """The squared error of every stage, its mean over the cells that teach, summed over maps and stages.

        Returns:
            ``loss_heat`` and ``loss_fields``.
        """
        size_hw = stages[-1]["heat"].shape[-2:]
        self._check_stride(sample, size_hw)
        drawn = [self.targets(*people, size_hw) for people in people_on(sample)]
        heat, fields = torch.stack([one.heat for one in drawn]), torch.stack([one.fields for one in drawn])
        cells = learnt_cells(sample, size_hw)
        number = cells.sum().clamp(min=1)
        heat_loss = sum(((one["heat"] - heat) ** 2 * cells[:, None]).sum() for one in stages) / number
        field_loss = (
            sum(((one["fields"] - fields) ** 2 * cells[:, None, None]).sum() for one in stages) / number
        )
        return {"loss_heat": heat_loss, "loss_fields": self.field_weight * field_loss}

    def _check_stride(self, sample: Sample, size_hw: SizeHW) -> None:
        wanted = tuple(side // self.stride for side in sample.input_size_hw)
        if tuple(size_hw) != wanted:
            raise ConfigError(
                f"model.head: of an input of {sample.input_size_hw} and a stride of {self.stride} expected "
                f"maps of {wanted}, found {tuple(size_hw)}; state the backbone's stride"
            )

    def flip(
        self, outputs: Mapping[str, Tensor], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Tensor]:
        """The maps of mirrored inputs as seen in the inputs: parts and limbs change sides, x its sign.

        Raises:
            ConfigError: If a limb's mirror image is none.
        """
        index = [int(part) for part in flip_index]
        heat = outputs["heat"].flip(-1)[:, [*index, len(index)]]
        order, sign = self._mirrored_limbs(index)
        fields = outputs["fields"].flip(-1)[:, order]
        turned = fields.new_tensor(sign)[:, None] * fields.new_tensor([-1.0, 1.0])  # (L, 2)
        return {"heat": heat, "fields": fields * turned[..., None, None]}

    def _mirrored_limbs(self, flip_index: Sequence[int]) -> tuple[list[int], list[float]]:
        """Which limb each one's mirror image is, and -1 where that is turned round."""
        limbs = [(int(a), int(b)) for a, b in self.skeleton.limb_index]
        order, sign = [], []
        for names, (a, b) in zip(self.skeleton.limbs, limbs, strict=True):
            mirrored = (flip_index[a], flip_index[b])
            turned = mirrored not in limbs
            if turned and mirrored[::-1] not in limbs:
                raise ConfigError(
                    f"skeleton '{self.skeleton.name}': the mirror image of the limb {names} is none of its "
                    "limbs; add it, or set flip_test=False"
                )
            order.append(limbs.index(mirrored[::-1] if turned else mirrored))
            sign.append(-1.0 if turned else 1.0)
        return order, sign

    def predict(self, outputs: Mapping[str, Tensor], sample: Sample) -> Prediction:
        """The people of each picture."""
        self._check_stride(sample, outputs["heat"].shape[-2:])
        heat, fields = (outputs[name].detach().float().cpu().numpy() for name in ("heat", "fields"))
        return prediction_of([self.assembler(*one, self.stride) for one in zip(heat, fields, strict=True)])

    def describe(self) -> dict[str, str]:
        return {"codec": f"part affinity fields, {settings_in_words(self.assembler)}"}


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
