"""Convolutional pose machines: image -> heatmaps, stage after stage, each looking at the last one's.

Wei, Ramakrishna, Kanade & Sheikh, "Convolutional pose machines", CVPR 2016. Every stage is supervised.
``state_dict`` names and the maxima's padding are MMPose's. Maps are (B, C, H / 8, W / 8); the image is
normalised float.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError, is_whole
from posekit.registry import MODELS

# The paper's input, and the deviation of its centre map on it.
_SIDE, _SIGMA = 368, 21.0


def centre_map(
    centres: Tensor, size_hw: tuple[int, int], sigma: float = _SIGMA, pooling: str = "ceil"
) -> Tensor:
    """A Gaussian of height 1 about the person's centre, averaged to an eighth of the input's side.

    Args:
        centres: (B, 2), (x, y) input pixels, an integer being a pixel's centre. The paper's Matlab code puts
            the middle of 368 pixels at 183.
        size_hw: Of the input, pixels.
        sigma: Pixels.
        pooling: Means over 9 x 9 pixels, 8 apart: ``"ceil"``, Caffe's, the last window being cut at the rim;
            ``"padded"``: with a rim of zeros, as some ports have it.

    Returns:
        (B, 1, h, w).

    Raises:
        ConfigError: On another pooling.
    """
    if pooling not in ("ceil", "padded"):
        raise ConfigError(f"'pooling' must be 'ceil' or 'padded', found {pooling!r}")
    rows, columns = (
        torch.exp(-(torch.arange(n, dtype=centres.dtype, device=centres.device) - at[:, None]).square()
                  / (2 * sigma**2))
        for n, at in zip(size_hw, (centres[:, 1], centres[:, 0]), strict=True)
    )  # fmt: skip
    full = (rows[:, :, None] * columns[:, None, :])[:, None]
    if pooling == "padded":
        return F.avg_pool2d(full, 9, 8, padding=1)
    return F.avg_pool2d(full, 9, 8, ceil_mode=True, count_include_pad=False)


@MODELS.register_module()
class CPM(nn.Module):
    """A convolutional pose machine; the heatmaps of all stages.

    Args:
        num_maps: Heatmaps of each stage; an estimator states it.
        stages: How many, at least 1.
        features: Channels of the stages.
        trunk: Channels of the layers that see the image; the paper has 128.
        centre: Show the later stages where the person is, a Gaussian in the middle of the crop, as in the
            paper; MMPose has none. Its deviation is 21 pixels of a side of 368, and in proportion.
        batch_norm: A batch norm behind each convolution but the last ones; the paper has none.

    Raises:
        ConfigError: On no stage, or widths below 1.
    """

    emits_heatmaps = True
    input_divisor = 8

    def __init__(
        self,
        num_maps: int,
        stages: int = 6,
        features: int = 128,
        centre: bool = False,
        batch_norm: bool = True,
        trunk: int = 128,
    ) -> None:
        super().__init__()
        for name, number in (("stages", stages), ("features", features), ("trunk", trunk)):
            if not is_whole(number):
                raise ConfigError(f"CPM: {name!r} must be a whole number above 0, found {number!r}")
        self.out_channels, self.centre, self._norm = num_maps, centre, batch_norm
        self.stem = nn.Sequential(
            *self._trunk(trunk),
            self._conv(trunk, 32, 5),
            self._conv(32, 512, 9),
            self._conv(512, 512, 1),
            self._conv(512, num_maps, 1, last=True),
        )
        self.middle = nn.Sequential(*self._trunk(trunk))
        later = range(stages - 1)
        self.middle_conv = nn.ModuleList(nn.Sequential(self._conv(trunk, 32, 5)) for _ in later)
        self.cpm_stages = nn.ModuleList(self._stage(32 + num_maps + centre, features) for _ in later)
        self.out_convs = nn.ModuleList(
            nn.Sequential(self._conv(features, features, 1), self._conv(features, num_maps, 1, last=True))
            for _ in later
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def _trunk(self, width: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for before in (3, width, width):
            layers += [self._conv(before, width, 9), nn.MaxPool2d(3, 2, 1)]
        return layers

    def _stage(self, before: int, features: int) -> nn.Module:
        stage = nn.Sequential()
        convs = [self._conv(width, features, 11) for width in (before, features, features)]
        stage.add_module("model", nn.Sequential(*convs))
        return stage

    def _conv(self, before: int, after: int, size: int, last: bool = False) -> nn.Sequential:
        norm = self._norm and not last
        layer = nn.Sequential()
        layer.add_module("conv", nn.Conv2d(before, after, size, padding=size // 2, bias=not norm))
        if norm:
            layer.add_module("bn", nn.BatchNorm2d(after))
        if not last:
            layer.add_module("activate", nn.ReLU(inplace=True))
        return layer

    def forward(self, image: Tensor) -> list[Tensor]:
        """The heatmaps (B, num_maps, H / 8, W / 8) of each stage, the last being the prediction.

        Raises:
            ConfigError: If 8 does not divide H or W of the image (B, 3, H, W).
        """
        height, width = image.shape[-2:]
        if height % 8 or width % 8:
            raise ConfigError(
                f"CPM: expected an input whose sides are multiples of 8, found {height} x {width} (height x "
                "width)"
            )
        outputs, features = [self.stem(image)], self.middle(image)
        # Empty for a machine without a centre map.
        centre = [self._centre(image)] if self.centre else []
        for reduce, stage, out in zip(self.middle_conv, self.cpm_stages, self.out_convs, strict=True):
            outputs.append(out(stage(torch.cat([outputs[-1], reduce(features), *centre], dim=1))))
        return outputs

    def _centre(self, image: Tensor) -> Tensor:
        height, width = int(image.shape[-2]), int(image.shape[-1])
        middle = image.new_tensor([[(width - 1) / 2, (height - 1) / 2]])
        drawn = centre_map(middle, (height, width), _SIGMA * max(height, width) / _SIDE)
        return drawn.expand(len(image), -1, -1, -1)
