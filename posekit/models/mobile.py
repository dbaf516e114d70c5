"""MobileNetV2 and EfficientNet-Lite0 as timm's ``features_only`` builds them, without timm.

The trunks of the models that come with posekit. To predict with one of these was, for a half, waiting for
timm's import; within :func:`without_timm` a ``TimmBackbone`` of one of the two is built of what stands here:
the same names, and the same numbers to the last bit. Whatever learns, and any other network, is timm's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

_STEM = 32
_STAGES_OF_MAPS = (1, 2, 3, 5, 7)  # after so many stages the next one halves the map, or none is left


class Stage(NamedTuple):
    """Blocks of one width: their number, kernel, the first one's stride, expansion, channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


class Trunk(NamedTuple):
    """A network: its stages, how it pads at stride 2 (as TensorFlow: "same"), its batch norms' epsilon."""

    stages: tuple[Stage, ...]
    same: bool
    eps: float


#: Sandler et al., MobileNetV2, CVPR 2018, table 2; Tan & Le, EfficientNet, ICML 2019, without squeezing, with
#: ReLU6 and with stem and last stage unscaled. Names are timm's.
TRUNKS = {
    "mobilenetv2_100": Trunk(
        (
            Stage(1, 3, 1, 1, 16),
            Stage(2, 3, 2, 6, 24),
            Stage(3, 3, 2, 6, 32),
            Stage(4, 3, 2, 6, 64),
            Stage(3, 3, 1, 6, 96),
            Stage(3, 3, 2, 6, 160),
            Stage(1, 3, 1, 6, 320),
        ),
        same=False,
        eps=1e-5,
    ),
    "tf_efficientnet_lite0": Trunk(
        (
            Stage(1, 3, 1, 1, 16),
            Stage(2, 3, 2, 6, 24),
            Stage(2, 5, 2, 6, 40),
            Stage(3, 3, 2, 6, 80),
            Stage(3, 5, 1, 6, 112),
            Stage(4, 5, 2, 6, 192),
            Stage(1, 3, 1, 6, 320),
        ),
        same=True,
        eps=1e-3,
    ),
}

_alone: ContextVar[bool] = ContextVar("posekit_without_timm", default=False)


@contextmanager
def without_timm() -> Iterator[None]:
    """Within the block networks are built to predict, by weights that follow, without timm where possible."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def own_network(name: str, options: Mapping[str, Any]) -> MobileFeatures | None:
    """A network of timm's name, if one is to be built without timm and it is one of :data:`TRUNKS`.

    Args:
        name: timm's.
        options: Of ``timm.create_model``; with others than ``out_indices`` it is timm's affair.
    """
    if not _alone.get() or name not in TRUNKS or set(options) - {"out_indices"}:
        return None
    indices = options.get("out_indices", range(len(_STAGES_OF_MAPS)))
    usual = isinstance(indices, (list, tuple, range)) and list(indices) in _RISING
    return MobileFeatures(name, indices) if usual else None


#: Which maps may be asked for: all from one to another.
_RISING = [list(range(first, last)) for last in range(1, 6) for first in range(last)]


class Conv2dSame(nn.Conv2d):
    """A convolution that pads as TensorFlow does: so that ceil(side / stride) is left, more at the end."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) -> (B, C', ceil(h / stride), ceil(w / stride))."""
        height, width = (self._lacking(maps.shape[axis], axis - 2) for axis in (2, 3))
        padded = F.pad(maps, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(padded)

    def _lacking(self, side: int, axis: int) -> int:
        stride = self.stride[axis]
        return max((-(-side // stride) - 1) * stride + self.kernel_size[axis] - side, 0)


class NormAct(nn.BatchNorm2d):
    """A batch norm, and the activation behind it."""

    def __init__(self, channels: int, eps: float, acts: bool = True) -> None:
        super().__init__(channels, eps)
        self.act = nn.ReLU6(inplace=True) if acts else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) -> the same, normalised."""
        return self.act(super().forward(maps))


class MobileBlock(nn.Module):
    """Widens by a 1x1 convolution (unless the expansion is 1), convolves each channel, and narrows again."""

    def __init__(self, channels: int, stage: Stage, stride: int, trunk: Trunk) -> None:
        super().__init__()
        wide, eps = channels * stage.expansion, trunk.eps
        self.adds = stride == 1 and channels == stage.channels
        depthwise = _convolution(wide, wide, stage.kernel, stride, trunk.same, groups=wide)
        if stage.expansion == 1:
            self.conv_dw, self.bn1 = depthwise, NormAct(wide, eps)
            self.conv_pw = nn.Conv2d(wide, stage.channels, 1, bias=False)
            self.bn2 = NormAct(stage.channels, eps, acts=False)
            return
        self.conv_pw, self.bn1 = nn.Conv2d(channels, wide, 1, bias=False), NormAct(wide, eps)
        self.conv_dw, self.bn2 = depthwise, NormAct(wide, eps)
        self.conv_pwl = nn.Conv2d(wide, stage.channels, 1, bias=False)
        self.bn3 = NormAct(stage.channels, eps, acts=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) -> (B, C', h / stride, w / stride)."""
        result = maps
        for layer in self.children():  # in the order of their definition
            result = layer(result)
        return result + maps if self.adds else result


class MobileFeatures(nn.Module):
    """A trunk as a feature extractor: image (B, 3, H, W) -> the maps of ``out_indices``, finest first.

    Args:
        name: One of :data:`TRUNKS`.
        out_indices: Which maps: 0 is of stride 2, 4 of stride 32.
    """

    def __init__(self, name: str, out_indices: Any = range(5)) -> None:
        super().__init__()
        trunk, self.maps_after = TRUNKS[name], [_STAGES_OF_MAPS[index] for index in out_indices]
        #: As of timm's networks.
        self.default_cfg = {"architecture": name, "input_size": (3, 224, 224)}
        self.channels = [trunk.stages[count - 1].channels for count in self.maps_after]
        self.strides = [2 << index for index in out_indices]
        self.conv_stem = _convolution(3, _STEM, 3, 2, trunk.same)
        self.bn1 = NormAct(_STEM, trunk.eps)
        stages, channels = [], _STEM
        for stage in trunk.stages[: self.maps_after[-1]]:
            blocks = []
            for number in range(stage.blocks):
                blocks.append(MobileBlock(channels, stage, 1 if number else stage.stride, trunk))
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes the maps."""
        features, maps = [], self.bn1(self.conv_stem(image))
        for number, stage in enumerate(self.blocks, 1):
            maps = stage(maps)
            if number in self.maps_after:
                features.append(maps)
        return features


def _convolution(channels: int, new: int, kernel: int, stride: int, same: bool, groups: int = 1) -> nn.Conv2d:
    if same and stride > 1:
        return Conv2dSame(channels, new, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(channels, new, kernel, stride, kernel // 2, groups=groups, bias=False)
