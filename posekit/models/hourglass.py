"""Stacked Hourglass: image -> one set of heatmaps per stack.

Newell, Yang & Deng, "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016, in the form of the
pytorch-pose release: pre-activation bottlenecks, convolutions with bias, a stem of one 7x7 convolution of
stride 2 and one pooling, so that heatmaps have a quarter of the input's side. ``state_dict`` names are the
release's, so its files load without renaming. Maps are (B, C, h, w), the image is normalised float.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.registry import MODELS


class PreActBottleneck(nn.Module):
    """Batch norm and ReLU before each of 1x1, 3x3, 1x1 convolutions, plus a skip connection.

    He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016, Fig. 4 (e). The skip is projected
    by a bare 1x1 convolution where the channels change.

    Args:
        in_channels: Channels of the input map.
        width: Channels of the 3x3 convolution; the output has ``2 * width``.
    """

    expansion = 2

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1)
        self.relu = nn.ReLU(inplace=True)
        # A Sequential of one, because the release names it ``downsample.0``.
        same = in_channels == out_channels
        self.downsample = None if same else nn.Sequential(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        residual = self.conv1(self.relu(self.bn1(features)))
        residual = self.conv2(self.relu(self.bn2(residual)))
        residual = self.conv3(self.relu(self.bn3(residual)))
        return residual + (features if self.downsample is None else self.downsample(features))


def residual_blocks(in_channels: int, width: int, count: int) -> nn.Sequential:
    """``count`` bottlenecks one after the other; only the first may change the channels."""
    out_channels = width * PreActBottleneck.expansion
    first = PreActBottleneck(in_channels, width)
    return nn.Sequential(first, *(PreActBottleneck(out_channels, width) for _ in range(count - 1)))


class HourglassModule(nn.Module):
    """One hourglass: down ``depth`` times by pooling, up again, a skip branch at every size (Fig. 3).

    ``hg[level]`` holds the blocks of one size, level 0 being the smallest: 0 the skip branch, 1 on the
    way down, 2 on the way up, and at level 0 also 3, the blocks at the waist.

    Args:
        features: Channels of the input and output maps.
        blocks: Bottlenecks at each place.
        depth: How often the side is halved; it must divide by ``2 ** depth``.
    """

    def __init__(self, features: int, blocks: int, depth: int) -> None:
        super().__init__()
        places = [4] + [3] * (depth - 1)
        self.hg = nn.ModuleList(
            nn.ModuleList(residual_blocks(features, features // 2, blocks) for _ in range(count))
            for count in places
        )

    def forward(self, features: Tensor) -> Tensor:
        return self._level(features, len(self.hg) - 1)

    def _level(self, features: Tensor, level: int) -> Tensor:
        blocks = self.hg[level]
        assert isinstance(blocks, nn.ModuleList)
        skip = blocks[0](features)
        low = blocks[1](F.max_pool2d(features, 2, 2))
        low = self._level(low, level - 1) if level else blocks[3](low)
        return skip + F.interpolate(blocks[2](low), scale_factor=2.0, mode="nearest")


@MODELS.register_module()
class Hourglass(nn.Module):
    """Stacked Hourglass network, a heatmap per keypoint after every stack.

    The loss goes to every stack's heatmaps (intermediate supervision), the prediction is the last one's.
    Weights start as PyTorch makes them, as in the release.

    Parameters with 16 maps, one block, 256 features: 3,586,960 (1 stack), 6,730,912 (2), 13,018,816 (4),
    25,594,624 (8).

    Args:
        num_maps: Heatmaps per stack, the number of keypoints for most codecs.
        stacks: Hourglasses one after the other; the paper's main result uses 8.
        blocks: Bottlenecks at each place of a hourglass.
        features: Channels of the maps between hourglasses, a multiple of 4.
        depth: Halvings inside a hourglass.

    Raises:
        ConfigError: On a size below 1 or features that 4 does not divide.
    """

    emits_heatmaps = True

    def __init__(
        self, num_maps: int, stacks: int = 2, blocks: int = 1, features: int = 256, depth: int = 4
    ) -> None:
        super().__init__()
        sizes = {
            "num_maps": num_maps,
            "stacks": stacks,
            "blocks": blocks,
            "features": features,
            "depth": depth,
        }
        wrong = {name: size for name, size in sizes.items() if size < 1}
        if wrong or features % 4:
            raise ConfigError(
                f"Hourglass: expected positive sizes and 'features' a multiple of 4, found {wrong or sizes}"
            )
        self.out_channels = num_maps
        # The heatmaps are a quarter of the input, and the waist is 2**depth times smaller still.
        self.input_divisor = 4 * 2**depth
        half, quarter = features // 2, features // 4
        self.conv1 = nn.Conv2d(3, quarter, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(quarter)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_blocks(quarter, quarter, 1)
        self.layer2 = residual_blocks(half, half, 1)
        self.layer3 = residual_blocks(features, half, 1)
        self.hg = nn.ModuleList(HourglassModule(features, blocks, depth) for _ in range(stacks))
        self.res = nn.ModuleList(residual_blocks(features, half, blocks) for _ in range(stacks))
        self.fc = nn.ModuleList(_conv1x1_bn_relu(features) for _ in range(stacks))
        self.score = nn.ModuleList(nn.Conv2d(features, num_maps, 1) for _ in range(stacks))
        # Back into the next stack; the last stack has none, or DDP would find weights without gradient.
        self.fc_ = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in range(stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(num_maps, features, 1) for _ in range(stacks - 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes the heatmaps of every stack.

        Args:
            image: float (B, 3, H, W), normalised.

        Returns:
            One (B, num_maps, H/4, W/4) per stack, first to last.

        Raises:
            ConfigError: If H or W does not divide by ``4 * 2**depth`` (64 for the usual depth of 4).
        """
        self._check_size(image)
        features = self.layer1(self.relu(self.bn1(self.conv1(image))))
        features = self.layer3(self.layer2(F.max_pool2d(features, 2, 2)))
        heatmaps = []
        for stack, hourglass in enumerate(self.hg):
            merged = self.fc[stack](self.res[stack](hourglass(features)))
            heatmaps.append(self.score[stack](merged))
            if stack < len(self.hg) - 1:
                features = features + self.fc_[stack](merged) + self.score_[stack](heatmaps[-1])
        return heatmaps

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if height % self.input_divisor or width % self.input_divisor:
            raise ConfigError(
                f"Hourglass: expected an input whose sides are multiples of {self.input_divisor}, "
                f"found {height} x {width} (height x width)"
            )


def _conv1x1_bn_relu(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU(inplace=True))
