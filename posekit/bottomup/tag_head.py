"""HigherHRNet's head: heat maps in two resolutions, and tags in the first.

Cheng et al., *HigherHRNet* (CVPR 2020), section 3: features and the first maps go through a transposed
convolution to maps of twice the resolution (3.2), both are supervised, tags in the first alone (3.3), and the
heat maps of all resolutions are averaged in a test (3.4, "scale-aware").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.bottomup.grouping import TagGrouper
from posekit.bottomup.head import learnt_cells, people_on, settings_in_words
from posekit.bottomup.poses import prediction_of
from posekit.bottomup.tags import AssociativeLoss, TagMaps, TagTargets
from posekit.codecs import Codec
from posekit.errors import ConfigError, is_whole
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.models.loss_kinds import check_heatmap_codec
from posekit.registry import MODELS
from posekit.structures import Sample

# HigherHRNet's weight of pull and of push, beside a mean squared error over all cells.
_TAG_WEIGHT = 1e-3


@MODELS.register_module()
class TagHead(Head):
    """Heat maps and tags from features of one stride, and heat maps of half that stride.

    The outputs are ``"heat"``, float (B, K, h, w), ``"fine"``, (B, K, 2h, 2w), and ``"tags"``, (B, 1, K, h,
    w). As they are averaged and read, ``"heat"`` (B, K, 2h, 2w) is the mean of both resolutions, and
    ``"tags"`` (B, D, K, 2h, 2w) are those of the nearest cell: where the release interpolates, it mixes tags
    that were taught with such that were not. In the flip test heat maps are averaged, and tags kept side by
    side, as in the release: D is 2 then.

    Args:
        in_channels: Of the features; the release's are of stride 4.
        num_keypoints: K.
        codec: Draws the heat maps of each resolution, its sigma being cells of either: a codec with one map
            for each keypoint, or its config.
        width: Channels behind the transposed convolution.
        blocks: Residual blocks behind it.
        tag_loss: An :class:`~posekit.bottomup.AssociativeLoss`, or its settings; by default pull and push
            weigh 0.001, as in the release.
        grouper: Makes people of the maps: a :class:`~posekit.bottomup.TagGrouper`, or its settings.

    Raises:
        ConfigError: On an impossible number, a codec with several maps for a keypoint, or a grouper of
            another alignment than the codec's.
    """

    whole_pictures = True

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        codec: Codec | Mapping[str, Any],
        width: int = 32,
        blocks: int = 4,
        tag_loss: AssociativeLoss | Mapping[str, Any] | None = None,
        grouper: TagGrouper | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("num_keypoints", num_keypoints, 1),
            ("width", width, 1),
            ("blocks", blocks, 0),
        ):
            if not is_whole(value, least):
                raise ConfigError(f"head: '{name}' must be a whole number from {least} on, found {value!r}")
        self.num_keypoints = num_keypoints
        self.codec: Codec = MODELS.build(dict(codec)) if isinstance(codec, Mapping) else codec
        check_heatmap_codec(self.codec)
        self.targets = TagTargets(self.codec)
        if tag_loss is None or isinstance(tag_loss, Mapping):
            tag_loss = AssociativeLoss(**{"pull": _TAG_WEIGHT, "push": _TAG_WEIGHT, **(tag_loss or {})})
        if grouper is None or isinstance(grouper, Mapping):
            grouper = TagGrouper(**{"alignment": self.codec.alignment, **(grouper or {})})
        if grouper.alignment != self.codec.alignment:
            raise ConfigError(
                f"head: 'grouper' must have the codec's alignment '{self.codec.alignment}', found "
                f"'{grouper.alignment}'"
            )
        self.tag_loss, self.grouper = tag_loss, grouper
        self.first = _maps(in_channels, 2 * num_keypoints)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(in_channels + 2 * num_keypoints, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        self.finer = nn.Sequential(*layers, *(_Residual(width) for _ in range(blocks)))
        self.second = _maps(width, num_keypoints)

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """The backbone's last features (B, C, h, w) -> the outputs of one stage."""
        features = maps[-1]
        coarse = self.first(features)
        fine = self.second(self.finer(torch.cat([features, coarse], dim=1)))
        heat, tags = coarse.split(self.num_keypoints, dim=1)
        return [{"heat": heat, "fine": fine, "tags": tags[:, None]}]

    def loss(self, stages: Sequence[Mapping[str, Tensor]], sample: Sample) -> dict[str, Tensor]:
        """Mean squared errors of both resolutions in the cells that teach, and the tags' pull and push.

        Returns:
            ``loss_heat``, ``loss_fine``, ``loss_pull`` and ``loss_push``.
        """
        outputs, people = stages[-1], people_on(sample)
        drawn = {}
        losses = {}
        for name in ("heat", "fine"):
            size_hw = outputs[name].shape[-2:]
            drawn[name] = [self.targets(*one, sample.input_size_hw, size_hw) for one in people]
            heat = torch.stack([one.heat for one in drawn[name]])
            cells = learnt_cells(sample, size_hw)[:, None]
            losses[f"loss_{name}"] = ((outputs[name] - heat) ** 2 * cells).mean()
        first: list[TagMaps] = drawn["heat"]
        tags = outputs["tags"].transpose(1, 2)  # (B, K, D, h, w)
        return losses | self.tag_loss(tags, [one.cells for one in first], [one.valid for one in first])

    def activate(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Both resolutions as one, the finer."""
        size_hw = outputs["fine"].shape[-2:]
        # The corners of aligned maps lie on each other, the edges of strided ones do.
        aligned = self.codec.alignment == "aligned"
        resized = F.interpolate(outputs["heat"].float(), size_hw, mode="bilinear", align_corners=aligned)
        y, x = (
            _nearest_cells(fine, coarse, aligned).to(resized.device)
            for fine, coarse in zip(size_hw, outputs["tags"].shape[-2:], strict=True)
        )
        return {"heat": (resized + outputs["fine"]) / 2, "tags": outputs["tags"][..., y[:, None], x]}

    def flip(
        self, outputs: Mapping[str, Tensor], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Tensor]:
        """The maps of mirrored inputs, as seen in the inputs themselves."""
        tags = [self.codec.flip_back(one, flip_index) for one in outputs["tags"].unbind(dim=1)]
        heat = self.codec.flip_back(outputs["heat"], flip_index)
        return {"heat": heat, "tags": torch.stack(tags, dim=1)}

    def average(self, outputs: Mapping[str, Tensor], mirrored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the heat maps; the tags side by side: a mirrored person has another one."""
        heat = (outputs["heat"] + mirrored["heat"]) / 2
        return {"heat": heat, "tags": torch.cat([outputs["tags"], mirrored["tags"]], dim=1)}

    def predict(self, outputs: Mapping[str, Tensor], sample: Sample) -> Prediction:
        """The people of each picture."""
        heat, tags = (outputs[name].detach().float().cpu().numpy() for name in ("heat", "tags"))
        size_hw = sample.input_size_hw
        return prediction_of([self.grouper(*one, size_hw) for one in zip(heat, tags, strict=True)])

    def describe(self) -> dict[str, str]:
        return {"codec": f"tags, {settings_in_words(self.grouper)} of {self.codec!r}"}


def _nearest_cells(fine: int, coarse: int, aligned: bool) -> Tensor:
    """Of an axis of ``fine`` cells the nearest of the ``coarse`` ones, int64 (fine,)."""
    cells = torch.arange(fine, dtype=torch.float64)
    cells = cells * ((coarse - 1) / (fine - 1)) if aligned else (cells + 0.5) * (coarse / fine) - 0.5
    return (cells + 0.5).floor().long().clamp(0, coarse - 1)


class _Residual(nn.Module):
    """Two 3x3 convolutions beside which the input goes on (He et al., CVPR 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.layers(features))


def _maps(in_channels: int, channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(in_channels, channels, 1)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
