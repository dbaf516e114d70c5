"""From a classifier's feature maps to one map of a stated stride, a quarter of the input's side by default.

A decoder takes a list of maps (B, C_i, h_i, w_i), finest first, and returns one map; the head turns that into
heatmaps, coordinates or whatever it is for. Each has ``out_channels``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.layers import init_release

# Where the releases end: heatmaps of a quarter of the input's side.
STRIDE = 4


def deconv_layers(in_channels: int, channels: Sequence[int]) -> nn.Sequential:
    """SimpleBaseline's transposed convolutions, each with batch norm and ReLU, each doubling the side.

    Xiao, Wu & Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 2:
    4x4, stride 2, here with padding 1 and no bias as in the release.
    """
    layers: list[nn.Module] = []
    for before, after in zip([in_channels, *channels], channels, strict=False):
        deconv = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
        layers += [deconv, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class DeconvDecoder(nn.Module):
    """SimpleBaseline's decoder on the coarsest map; on a plain ViT it is ViTPose's classic decoder.

    Args:
        channels: Of the maps, finest first; only the last map is used.
        strides: Of the maps, input pixels per cell; the last one says how many steps come closest to
        stride: that of the output.
        width: Channels of every transposed convolution.
    """

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], stride: int = STRIDE, width: int = 256
    ) -> None:
        super().__init__()
        steps = max(round(math.log2(strides[-1] / stride)), 0)
        self.out_channels = width if steps else channels[-1]
        self.deconv_layers = deconv_layers(channels[-1], [width] * steps)
        init_release(self)

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.deconv_layers(maps[-1])


class SimpleDecoder(nn.Module):
    """ViTPose's simple decoder: ReLU, then bilinear upsampling of the coarsest map.

    Xu, Zhang, Zhang & Tao, "ViTPose", NeurIPS 2022, section 3.1: K = Conv3x3(Bilinear(ReLU(F))). It has no
    weights; the 3x3 convolution is the head's (``kernel_size=3``).

    Args:
        channels: Of the maps, finest first; only the last map is used.
        strides: Of the maps.
        stride: Of the output.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], stride: int = STRIDE) -> None:
        super().__init__()
        self.out_channels = channels[-1]
        self.scale = strides[-1] / stride

    def forward(self, maps: list[Tensor]) -> Tensor:
        rectified = F.relu(maps[-1])
        return F.interpolate(rectified, scale_factor=self.scale, mode="bilinear", align_corners=False)


class FeaturePyramid(nn.Module):
    """A light feature pyramid: every level is brought to the finest one's size and added, coarse to fine.

    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, with the 3x3 convolutions
    depthwise separable (Howard et al., "MobileNets", 2017) and with batch norm, so that it costs less than
    a small backbone does on a CPU. Nearest upsampling, as in the paper.

    Args:
        channels: Of the maps, finest first.
        strides: Of the maps; the first is
        stride: that of the output.
        width: Channels of every level and of the output.
    """

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], stride: int = STRIDE, width: int = 64
    ) -> None:
        super().__init__()
        if strides[0] != stride:
            raise ConfigError(
                f"FeaturePyramid: expected the finest map at stride {stride}, found strides {list(strides)}; "
                "a backbone without one takes the decoder 'deconv' or 'simple'"
            )
        self.out_channels = width
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, width, 1, bias=False), nn.BatchNorm2d(width)) for count in channels
        )
        self.smooth = nn.ModuleList(_separable(width) for _ in channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        levels = [lateral(features) for lateral, features in zip(self.lateral, maps, strict=True)]
        merged = self.smooth[-1](levels[-1])
        for level, smooth in zip(levels[-2::-1], self.smooth[-2::-1], strict=True):
            # To the finer map's own size: 2x, or one less where a side was odd.
            merged = smooth(level + F.interpolate(merged, size=level.shape[-2:], mode="nearest"))
        return merged


class FinestMap(nn.Module):
    """No decoder: the map that has the stride already, such as HRNet's finest branch."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int], stride: int = STRIDE) -> None:
        super().__init__()
        if stride not in strides:
            raise ConfigError(
                f"decoder 'none': expected a map at stride {stride}, found strides {list(strides)}"
            )
        self.index = list(strides).index(stride)
        self.out_channels = channels[self.index]

    def forward(self, maps: list[Tensor]) -> Tensor:
        return maps[self.index]


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
