"""CSPNeXt, the backbone of RTMPose: image -> one map at a thirty-second of its side.

Lyu et al., "RTMDet: an empirical study of designing real-time object detectors", 2022; Jiang et al.,
"RTMPose", 2023. ``state_dict`` names are MMPose's, so that its files load. Maps are (B, C, h, w); the image
is normalised float.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.pretrained import start_built
from posekit.models.weights import load_backbone_weights
from posekit.registry import MODELS

#: Name -> (how deep, how wide), as factors on the blocks and channels of "l".
VARIANTS = {
    "t": (0.167, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
    "x": (1.33, 1.25),
}
# Channels, blocks, with a residual, with spatial pyramid pooling: the stages of "l".
_STAGES = ((128, 3, True, False), (256, 6, True, False), (512, 6, True, False), (1024, 3, False, True))


@MODELS.register_module()
class CSPNeXt(nn.Module):
    """CSPNeXt without its classifier; the last stage's map.

    Args:
        variant: One of :data:`VARIANTS`, as RTMPose's models are called.
        pretrained: A file to start from; see :func:`~posekit.models.pretrained.start_backbone`.

    Raises:
        ConfigError: On another variant.
        CheckpointError: If the file is unreadable or of another network.
    """

    emits_heatmaps = False
    input_divisor = 32

    def __init__(self, variant: str = "s", pretrained: Any = None) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ConfigError(f"CSPNeXt: unknown variant {variant!r}; expected one of {sorted(VARIANTS)}")
        deepen, widen = VARIANTS[variant]
        width = int(64 * widen)
        self.stem = nn.Sequential(
            _conv(3, width // 2, 3, 2), _conv(width // 2, width // 2, 3), _conv(width // 2, width, 3)
        )
        for i, (channels, blocks, residual, pools) in enumerate(_STAGES, 1):
            before, width = width, int(channels * widen)
            pooling = [PyramidPooling(width)] if pools else []
            stage = CSPLayer(width, max(round(blocks * deepen), 1), residual)
            self.add_module(f"stage{i}", nn.Sequential(_conv(before, width, 3, 2), *pooling, stage))
        self.out_channels = width
        start_built(self, pretrained)

    def forward(self, image: Tensor) -> list[Tensor]:
        """A list of one map (B, out_channels, H / 32, W / 32) of the image (B, 3, H, W)."""
        features = self.stem(image)
        for i in range(1, len(_STAGES) + 1):
            features = self.get_submodule(f"stage{i}")(features)
        return [features]

    def load_pretrained(self, path: str | Path) -> None:
        """Loads MMPose's or MMDetection's names, with or without ``backbone.`` in front."""
        load_backbone_weights(self, path, leftover=("head.", "neck.", "bbox_head."))


class CSPLayer(nn.Module):
    """Half of the channels through blocks, half past them, then weighed by channel and mixed."""

    def __init__(self, channels: int, blocks: int, residual: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv, self.short_conv = _conv(channels, half, 1), _conv(channels, half, 1)
        self.final_conv = _conv(2 * half, channels, 1)
        self.blocks = nn.Sequential(*(CSPNeXtBlock(half, residual) for _ in range(blocks)))
        self.attention = ChannelAttention(2 * half)

    def forward(self, x: Tensor) -> Tensor:
        short, main = self.short_conv(x), self.blocks(self.main_conv(x))
        return self.final_conv(self.attention(torch.cat([main, short], dim=1)))


class CSPNeXtBlock(nn.Module):
    """A 3x3 convolution and a depthwise separable one of 5x5."""

    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels, 3)
        self.conv2 = nn.Sequential()
        self.conv2.add_module("depthwise_conv", _conv(channels, channels, 5, groups=channels))
        self.conv2.add_module("pointwise_conv", _conv(channels, channels, 1))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv2(self.conv1(x))
        return features + x if self.residual else features


class ChannelAttention(nn.Module):
    """Each channel times a gate, computed from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.fc(x.mean(dim=(2, 3), keepdim=True)))


class PyramidPooling(nn.Module):
    """Maxima over windows of 5, 9 and 13 cells beside the map itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(channels, channels // 2, 1), _conv(channels // 2 * 4, channels, 1)
        self.poolings = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.poolings)], dim=1))


def _conv(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Sequential()
    layer.add_module("conv", nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False))
    layer.add_module("bn", nn.BatchNorm2d(after))
    layer.add_module("activate", nn.SiLU(inplace=True))
    return layer
