"""The small networks of landmark detection by deep multi-task learning: a grey face -> one shared feature.

Zhang et al., "Facial landmark detection by deep multi-task learning", ECCV 2014, and its journal version,
"Learning deep representation for face alignment with auxiliary attributes", TPAMI 2016 (there 60 x 60): four
convolutions without padding, 2x2 max pooling after each of the first three, a fully connected layer; |tanh|
after each of the five. The branches of the tasks are heads on its output
(:class:`~posekit.models.multihead.MultiHead`).

Certain are the inputs, kernels and widths. The release is silent on whether the last convolution's weights
were shared over the map (``local``); the journal network follows a public port.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.partial import load_whole
from posekit.models.pretrained import start_built
from posekit.registry import MODELS


class Layers(NamedTuple):
    """A variant: the input's side, width and kernel of each convolution, width of the feature."""

    side: int
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    feature: int


VARIANTS = {
    "eccv2014": Layers(40, (16, 48, 64, 64), (5, 3, 3, 2), 100),
    "tpami": Layers(60, (20, 48, 64, 80), (5, 5, 3, 3), 256),
}


class LocalConv2d(nn.Module):
    """A convolution without padding whose weights are not shared: each output cell has its own.

    Args:
        in_channels: C of the maps (B, C, h, w).
        out_channels: D of the result (B, D, h', w'), h' = h - kernel + 1.
        kernel: Of its sides.
        out_side: h' = w'.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, out_side: int) -> None:
        super().__init__()
        self.kernel, self.out_side = kernel, out_side
        fan_in = in_channels * kernel * kernel
        self.weight = nn.Parameter(torch.empty(out_side * out_side, out_channels, fan_in))
        self.bias = nn.Parameter(torch.zeros(out_channels, out_side * out_side))
        nn.init.normal_(self.weight, std=fan_in**-0.5)

    def forward(self, maps: Tensor) -> Tensor:
        patches = F.unfold(maps, self.kernel)  # (B, C k k, cells), the cells row by row
        cells = torch.einsum("bfp,pdf->bdp", patches, self.weight) + self.bias
        return cells.unflatten(2, (self.out_side, self.out_side))


@MODELS.register_module()
class TCDCN(nn.Module):
    """A grey face of one size -> the feature that all tasks share.

    To be used with ``channel_order="grey"`` and ``normalisation="per_image"`` of the estimator, and heads
    that are one linear layer each: with 5 points, gender, smile, glasses (2 classes each) and pose (5) there
    are 79,357 parameters, of the journal's 288,413.

    Args:
        variant: "eccv2014": 40 x 40 pixels, 100 numbers; "tpami": 60 x 60, 256 numbers.
        local: The last convolution's weights are not shared.
        in_channels: 1: grey; 3: colours.
        pretrained: What to start from, see :func:`~posekit.models.pretrained.start_backbone`: a checkpoint of
            posekit with this backbone.

    Raises:
        ConfigError: On another variant.
    """

    emits_heatmaps = False

    def __init__(
        self, variant: str = "eccv2014", local: bool = False, in_channels: int = 1, pretrained: Any = None
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ConfigError(f"TCDCN: unknown variant {variant!r}; expected one of {sorted(VARIANTS)}")
        sizes = VARIANTS[variant]
        self.input_divisor = self.side = sizes.side
        self.in_channels, self.out_channels = in_channels, sizes.feature
        side, last = sizes.side, len(sizes.kernels)
        steps = zip(pairwise((in_channels, *sizes.channels)), sizes.kernels, strict=True)
        for number, ((before, after), kernel) in enumerate(steps, 1):
            side -= kernel - 1
            own = local and number == last
            layer = LocalConv2d(before, after, kernel, side) if own else _conv(before, after, kernel)
            setattr(self, f"conv{number}", layer)
            side //= 2 if number < last else 1
        self.convolutions = last
        self.fc = nn.Linear(sizes.channels[-1] * side * side, sizes.feature)
        nn.init.normal_(self.fc.weight, std=self.fc.in_features**-0.5)
        nn.init.zeros_(self.fc.bias)
        start_built(self, pretrained)

    def load_pretrained(self, path: str | Path) -> None:
        """Loads the backbone of a checkpoint; see the class."""
        load_whole(self, path)

    def forward(self, image: Tensor) -> list[Tensor]:
        """A list of one map (B, 100, 1, 1), or (B, 256, 1, 1): the feature, in 0..1.

        Args:
            image: float (B, in_channels, side, side), normalised.

        Raises:
            ConfigError: On another number of channels, or another size.
        """
        wanted = (self.in_channels, self.side, self.side)
        if tuple(image.shape[1:]) != wanted:
            remedy = "; state channel_order='grey' for the model" if image.shape[1] > wanted[0] else ""
            raise ConfigError(
                f"TCDCN: expected an input of {wanted} (channels, height, width), found "
                f"{tuple(image.shape[1:])}{remedy}"
            )
        maps = image
        for number in range(1, self.convolutions + 1):
            maps = getattr(self, f"conv{number}")(maps).abs()
            if (
                number < self.convolutions
            ):  # tanh rises, so that it may come after the maximum: a quarter of the work
                maps = F.max_pool2d(maps, 2)
            maps = maps.tanh()
        return [self.fc(maps.flatten(1)).tanh().abs()[..., None, None]]


def _conv(before: int, after: int, kernel: int) -> nn.Conv2d:
    """Weights whose sums have the inputs' variance, where tanh is about linear."""
    layer = nn.Conv2d(before, after, kernel)
    nn.init.normal_(layer.weight, std=(before * kernel * kernel) ** -0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
