"""The small networks of the wing-loss paper: image -> one coarse map, for a head that regresses points.

Feng et al., "Wing loss for robust facial landmark localisation", CVPR 2018: 3x3 convolutions, each with ReLU
and 2x2 max pooling, then a fully connected layer and the 2K outputs, both of which belong to
:class:`~posekit.models.coordinate_head.CoordinateHead` (``pool=2, hidden=[1024]``).

Certain are the inputs (64 x 64 and 128 x 128), the number of layers and CNN-6's channels; the paper does not
settle the width of CNN-7's last convolution, for which 512 and 1024 are both in use, nor that of the hidden
layer. There is no batch norm in the paper; public ports have it.
"""

from __future__ import annotations

from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.registry import MODELS

CHANNELS = {
    "cnn6": (32, 64, 128, 256, 512),
    "cnn7": (32, 64, 128, 256, 512, 512),
    "cnn7_1024": (32, 64, 128, 256, 512, 1024),
}


@MODELS.register_module()
class FaceCNN(nn.Module):
    """CNN-6 or CNN-7 without its fully connected layers.

    Args:
        variant: "cnn6" (inputs of 64 x 64 give a map of 2 x 2), "cnn7" (128 x 128 give 2 x 2) or
            "cnn7_1024", whose last convolution has 1024 channels instead of 512.
        batch_norm: A batch norm after each convolution, which then has no bias.

    Raises:
        ConfigError: On another variant.
    """

    emits_heatmaps = False

    def __init__(self, variant: str = "cnn6", batch_norm: bool = False) -> None:
        super().__init__()
        if variant not in CHANNELS:
            raise ConfigError(f"FaceCNN: unknown variant {variant!r}; expected one of {sorted(CHANNELS)}")
        channels = CHANNELS[variant]
        self.out_channels = channels[-1]
        self.input_divisor = 2 ** len(channels)
        layers: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            conv = nn.Conv2d(before, after, 3, padding=1, bias=not batch_norm)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            norm = [nn.BatchNorm2d(after)] if batch_norm else []
            layers.append(nn.Sequential(conv, *norm, nn.ReLU(inplace=True), nn.MaxPool2d(2)))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> list[Tensor]:
        """A list of one map (B, out_channels, H / divisor, W / divisor); the divisor is 32 or 64.

        Args:
            image: float (B, 3, H, W), normalised.

        Raises:
            ConfigError: If the divisor does not divide H or W.
        """
        height, width = image.shape[-2:]
        if height % self.input_divisor or width % self.input_divisor:
            raise ConfigError(
                f"FaceCNN: expected an input whose sides are multiples of {self.input_divisor}, found "
                f"{height} x {width} (height x width)"
            )
        return [self.layers(image)]
