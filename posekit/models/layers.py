"""Building blocks that HRNet and ResNet share, and the initialisation of both releases.

Module names inside the blocks (``conv1``, ``bn1``, ``downsample.0`` ...) are those of torchvision and of the
HRNet release, so that their weight files load without renaming. Maps are (B, C, h, w).
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection (He et al., CVPR 2016, Fig. 5 left).

    Args:
        in_channels: Channels of the input map.
        width: Channels of both convolutions and of the output.
        stride: Of the first convolution.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(in_channels, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        skip = features if self.downsample is None else self.downsample(features)
        residual = self.relu(self.bn1(self.conv1(features)))
        return self.relu(self.bn2(self.conv2(residual)) + skip)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a skip connection (He et al., CVPR 2016, Fig. 5 right).

    The stride sits on the 3x3 convolution, as in torchvision and both releases; the paper has it on the
    first 1x1.

    Args:
        in_channels: Channels of the input map.
        width: Channels of the 3x3 convolution; the output has ``4 * width``.
        stride: Of the 3x3 convolution.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(in_channels, out_channels, stride)

    def forward(self, features: Tensor) -> Tensor:
        skip = features if self.downsample is None else self.downsample(features)
        residual = self.relu(self.bn1(self.conv1(features)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        return self.relu(self.bn3(self.conv3(residual)) + skip)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The 1x1 convolution of a skip connection whose ends differ in shape; None where they agree."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


def residual_layer(
    block: type[BasicBlock] | type[Bottleneck], in_channels: int, width: int, count: int, stride: int = 1
) -> nn.Sequential:
    """``count`` blocks one after the other; only the first has the stride and the change of channels."""
    out_channels = width * block.expansion
    blocks = [block(in_channels, width, stride)]
    blocks += [block(out_channels, width) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def conv_bn_relu(in_channels: int, out_channels: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """A 3x3 convolution without bias, batch norm and, if ``relu``, a ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def init_release(module: nn.Module, std: float = 0.001) -> None:
    """Initialises as the HRNet and SimpleBaseline releases do without pretrained weights.

    Convolutions and transposed convolutions are drawn from N(0, std^2) with zero bias; batch norm starts
    at weight 1, bias 0. The batch norm after every convolution makes up for the tiny scale.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
