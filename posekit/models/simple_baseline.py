"""SimpleBaseline: a ResNet and three transposed convolutions, image -> one map at a quarter of its side.

Xiao, Wu & Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018. ``state_dict`` names
are the release's (the trunk's are torchvision's); its ``final_layer`` lives in the head. For any other trunk
take ``TimmBackbone(decoder="deconv")``. Maps are (B, C, h, w), the image is normalised float.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.decoders import deconv_layers
from posekit.models.layers import init_release, residual_layer
from posekit.models.pretrained import start_built
from posekit.models.variants import DEPTHS
from posekit.models.weights import load_backbone_weights
from posekit.registry import MODELS


@MODELS.register_module()
class SimpleBaseline(nn.Module):
    """SimpleBaseline backbone; the head adds the 1x1 convolution to heatmaps.

    Without ``pretrained``, weights start as in the release: convolutions N(0, 0.001^2), batch norm 1 / 0.

    Args:
        depth: Of the ResNet: 18, 34, 50, 101, 152; the paper's are the last three.
        width: Channels of the first ResNet stage; 64 in the paper, less for a small net.
        deconv_width: Channels of each of the three transposed convolutions.
        pretrained: What to start from, see :func:`~posekit.models.pretrained.start_backbone`: a local file,
            torchvision's or timm's ResNet or the release's pose net.

    Raises:
        ConfigError: On an unknown depth.
        CheckpointError: If ``pretrained`` is unreadable or made for another network.
    """

    emits_heatmaps = False
    input_divisor = 32

    def __init__(
        self, depth: int = 50, width: int = 64, deconv_width: int = 256, pretrained: Any = None
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ConfigError(f"SimpleBaseline: unknown depth {depth!r}; expected one of {sorted(DEPTHS)}")
        block, counts = DEPTHS[depth]
        self.out_channels = deconv_width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = residual_layer(block, width, width, counts[0])
        wide = width * block.expansion
        self.layer2 = residual_layer(block, wide, width * 2, counts[1], 2)
        self.layer3 = residual_layer(block, wide * 2, width * 4, counts[2], 2)
        self.layer4 = residual_layer(block, wide * 4, width * 8, counts[3], 2)
        self.deconv_layers = deconv_layers(wide * 8, [deconv_width] * 3)
        init_release(self)
        start_built(self, pretrained)

    def load_pretrained(self, path: str | Path) -> None:
        """Loads a file; see the class."""
        load_backbone_weights(self, path, leftover=("fc.", "final_layer."), optional=("deconv_layers.",))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes the map.

        Args:
            image: float (B, 3, H, W), normalised; H and W multiples of 32.

        Returns:
            A list of one map, (B, deconv_width, H/4, W/4).

        Raises:
            ConfigError: If 32 does not divide H or W.
        """
        height, width = image.shape[-2:]
        if height % 32 or width % 32:
            raise ConfigError(
                "SimpleBaseline: expected an input whose sides are multiples of 32, "
                f"found {height} x {width} (height x width)"
            )
        features = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        return [self.deconv_layers(features)]
