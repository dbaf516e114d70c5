"""Tompson's multi-resolution network: image -> heatmaps, from banks of convolutions at several sizes.

Tompson, Jain, LeCun & Bregler, "Joint training of a convolutional network and a graphical model for human
pose estimation", NIPS 2014, its part detector (the graphical model is not here), and Tompson, Goroshin, Jain,
LeCun & Bregler, "Efficient object localization using convolutional networks", CVPR 2015, whose position
refinement is :class:`~posekit.models.refining_head.RefiningHead`.

Each bank sees the image at half the side of the one before: local contrast normalisation, three 5x5
convolutions with ReLU, the first two with 2x2 max pooling, then a 9x9 convolution in the place of a sliding
window's fully connected layer. What the smaller banks find is repeated cell by cell to the first one's size
and added, and 1x1 convolutions lead to the heatmaps. That is the paper's efficient form; convolutions are
padded, so that a map is a quarter of the image's side. Certain are the order of the layers and their kernels,
less so the widths, which are options.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError, is_share, is_whole
from posekit.registry import MODELS

CONTRAST_SIDE = 9  # Of the window of local contrast, pixels


def local_contrast(image: Tensor, side: int = CONTRAST_SIDE) -> Tensor:
    """Local contrast normalisation: what stands out from its surroundings, in units of their spread.

    Jarrett, Kavukcuoglu, Ranzato & LeCun, "What is the best multi-stage architecture for object
    recognition?", ICCV 2009: v = x - mean, y = v / max(c, spread), where mean and spread are over all
    channels under a Gaussian window and c is the image's mean spread. At the rim the window's weights are
    those of what lies inside.

    Args:
        image: float (B, C, H, W).
        side: Of the window, pixels, odd; its deviation is a quarter of it.

    Returns:
        (B, C, H, W), float32 also under autocast; nearly 0 of a constant image.
    """
    with torch.autocast(image.device.type, enabled=False):
        image = image.float()
        offsets = torch.arange(side, dtype=image.dtype, device=image.device) - (side - 1) / 2
        window = torch.exp(-offsets.square() / (2 * (side / 4) ** 2))
        window = window / window.sum()

        def mean(maps: Tensor) -> Tensor:
            """Weighted, (B, 1, H, W)."""
            summed = maps.mean(1, keepdim=True)
            inside = torch.ones_like(summed[:1])
            for kernel in (window.view(1, 1, 1, -1), window.view(1, 1, -1, 1)):
                padding = (kernel.shape[2] // 2, kernel.shape[3] // 2)
                summed = F.conv2d(summed, kernel, padding=padding)
                inside = F.conv2d(inside, kernel, padding=padding)
            return summed / inside

        standing_out = image - mean(image)
        spread = mean(standing_out.square()).clamp(min=0).sqrt()
        least = spread.mean((1, 2, 3), keepdim=True).clamp(min=1e-3)
        return standing_out / torch.maximum(spread, least)


class _Bank(nn.Module):
    """One size of the image: ``first``, half its side, as the refinement looks at it, and ``last``."""

    def __init__(self, features: int, hidden: int, kernel: int, batch_norm: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(*_conv(3, features, 5, batch_norm), nn.MaxPool2d(2))
        self.rest = nn.Sequential(
            *_conv(features, features, 5, batch_norm),
            nn.MaxPool2d(2),
            *_conv(features, features, 5, batch_norm),
            nn.Conv2d(features, hidden, kernel, padding=kernel // 2),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        first = self.first(image)
        return first, self.rest(first)


@MODELS.register_module()
class TompsonTrunk(nn.Module):
    """Tompson's network without its last layer: the maps that a head of refinement looks at.

    Args:
        banks: How many sizes of the image: 2 in 2014 (whole and half), 3 in 2015.
        features: Channels of a bank's 5x5 convolutions.
        hidden: Channels behind the banks, of the 9x9 and of the 1x1 convolutions that follow.
        kernel: Side of the last convolution of a bank, odd; 9.
        contrast: Normalise the local contrast of each size of the image, as the paper does.
        dropout: Share of whole maps that are dropped behind the banks in training (2015's spatial dropout).
        batch_norm: A batch norm behind each 5x5 and 1x1 convolution; the paper has none.

    Attributes:
        stage_channels: Of the two maps.

    Raises:
        ConfigError: On a setting out of range.
    """

    emits_heatmaps = False

    def __init__(
        self,
        banks: int = 2,
        features: int = 128,
        hidden: Sequence[int] = (512, 256),
        kernel: int = 9,
        contrast: bool = True,
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not isinstance(hidden, (list, tuple)) or not hidden:
            raise ConfigError(f"{name}: 'hidden' must be a list of whole numbers above 0, found {hidden!r}")
        wholes = {"banks": banks, "features": features, "kernel": kernel}
        for what, number in (*wholes.items(), *(("hidden", width) for width in hidden)):
            if not is_whole(number):
                raise ConfigError(f"{name}: '{what}' must be a whole number above 0, found {number!r}")
        if kernel % 2 == 0:
            raise ConfigError(f"{name}: 'kernel' must be odd, found {kernel}")
        if not is_share(dropout) or dropout == 1:
            raise ConfigError(f"{name}: 'dropout' must be a number from 0 to below 1, found {dropout!r}")
        for what, chosen in (("contrast", contrast), ("batch_norm", batch_norm)):
            if not isinstance(chosen, bool):
                raise ConfigError(f"{name}: '{what}' must be True or False, found {chosen!r}")
        self.contrast, self.out_channels = contrast, hidden[-1]
        self.stage_channels: tuple[int, ...] = (features, hidden[-1])
        self.input_divisor = 4 * 2 ** (banks - 1)
        self.banks = nn.ModuleList(_Bank(features, hidden[0], kernel, batch_norm) for _ in range(banks))
        layers = [
            layer for before, after in pairwise(hidden) for layer in _conv(before, after, 1, batch_norm)
        ]
        self.joined = nn.Sequential(nn.ReLU(), nn.Dropout2d(dropout), *layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The first bank's first maps (B, features, H / 2, W / 2), and all banks' last (B, C, H / 4, W / 4).

        Args:
            image: float (B, 3, H, W), normalised.

        Raises:
            ConfigError: If 4, doubled for each bank but the first, does not divide H or W.
        """
        height, width = image.shape[-2:]
        if height % self.input_divisor or width % self.input_divisor:
            raise ConfigError(
                f"{type(self).__name__}: expected an input whose sides are multiples of "
                f"{self.input_divisor}, found {height} x {width} (height x width)"
            )
        first, total = self._bank(0, image)
        for number in range(1, len(self.banks)):
            image = F.avg_pool2d(image, 2)
            _, last = self._bank(number, image)
            total = total + F.interpolate(last, scale_factor=2.0**number, mode="nearest")
        return [first, self.joined(total)]

    def _bank(self, number: int, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.banks[number](local_contrast(image) if self.contrast else image)


@MODELS.register_module()
class Tompson(TompsonTrunk):
    """Tompson's multi-resolution network: the heatmaps.

    Args:
        num_maps: Heatmaps; an estimator states it.
        **settings: As of :class:`TompsonTrunk`.

    Raises:
        ConfigError: On a setting out of range.
    """

    emits_heatmaps = True

    def __init__(self, num_maps: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.heatmaps = nn.Conv2d(self.out_channels, num_maps, 1)
        nn.init.normal_(self.heatmaps.weight, std=0.001)
        nn.init.zeros_(self.heatmaps.bias)  # type: ignore[arg-type]
        self.out_channels, self.stage_channels = num_maps, (num_maps,)

    def forward(self, image: Tensor) -> list[Tensor]:
        """A list of the heatmaps (B, num_maps, H / 4, W / 4).

        Raises:
            ConfigError: See :meth:`TompsonTrunk.forward`.
        """
        return [self.heatmaps(super().forward(image)[-1])]


def _conv(before: int, after: int, size: int, batch_norm: bool) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, size, padding=size // 2, bias=not batch_norm)
    return [conv, *([nn.BatchNorm2d(after)] if batch_norm else []), nn.ReLU()]
