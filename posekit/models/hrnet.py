"""HRNet: image -> one map at a quarter of the input's side.

Sun, Xiao, Liu & Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019.
Branches of several resolutions run side by side and exchange their maps after every module.
``state_dict`` names are those of the HRNet release (and of timm); the release's ``final_layer`` lives in the
head. Maps are (B, C, h, w), finest first; the image is normalised float.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.layers import BasicBlock, Bottleneck, conv_bn_relu, init_release, residual_layer
from posekit.models.pretrained import start_built
from posekit.models.variants import VARIANTS, Variant
from posekit.models.weights import load_backbone_weights
from posekit.registry import MODELS


class ExchangeModule(nn.Module):
    """Parallel branches of basic blocks, then every output a sum of all branches brought to its size.

    Section 3 of the paper ("exchange unit"): strided 3x3 convolutions on the way to a coarser map,
    a 1x1 convolution and nearest upsampling on the way to a finer one.

    Args:
        channels: Of each branch, finest first.
        blocks: Basic blocks per branch.
        outputs: How many of the finest resolutions to compute. The last module of the network gives one:
            the others would have weights without gradient.
    """

    def __init__(self, channels: Sequence[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, width, width, blocks) for width in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(features) for branch, features in zip(self.branches, maps, strict=True)]
        return [self._fuse(paths, maps) for paths in self.fuse_layers]

    def _fuse(self, paths: nn.Module, maps: list[Tensor]) -> Tensor:
        assert isinstance(paths, nn.ModuleList)
        total = paths[0](maps[0])
        for path, features in zip(paths[1:], maps[1:], strict=True):
            total = total + path(features)
        return self.relu(total)


def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """The path from branch ``source`` to the resolution of branch ``target``."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(channels[source], channels[target], 1, bias=False),
            nn.BatchNorm2d(channels[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    # Only the last step changes the channels, and only it has no ReLU.
    steps = [conv_bn_relu(channels[source], channels[source], 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_bn_relu(channels[source], channels[target], 2, relu=False))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Adapts branches to the next stage's channels and starts its new branch from the coarsest map."""
    kept = [
        nn.Identity() if old == new else conv_bn_relu(old, new)
        for old, new in zip(before, after, strict=False)
    ]
    # Two levels, because the release allows several strided steps here: ``transition2.2.0.0.weight``.
    started = [nn.Sequential(conv_bn_relu(before[-1], new, 2)) for new in after[len(before) :]]
    return nn.ModuleList([*kept, *started])


def _apply_transition(transition: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    # A new branch has no map of its own yet and takes the last one.
    return [layer(maps[min(index, len(maps) - 1)]) for index, layer in enumerate(transition)]


@MODELS.register_module()
class HRNet(nn.Module):
    """HRNet backbone; the head adds the 1x1 convolution to heatmaps.

    Without ``pretrained``, weights start as in the release: convolutions N(0, 0.001^2), batch norm 1 / 0.

    Args:
        variant: A name of ``VARIANTS``: "w32" and "w48" are the paper's, the others are smaller.
        pretrained: What to start from, see :func:`~posekit.models.pretrained.start_backbone`: a local file,
            the release's ImageNet or pose files or timm's of the same trunk (.pth or .safetensors). Weights
            that only a classifier or a finished pose net has are left out; any other difference is an error.

    Raises:
        ConfigError: On an unknown variant.
        CheckpointError: If ``pretrained`` is unreadable or made for another network.
    """

    emits_heatmaps = False
    input_divisor = 32

    def __init__(self, variant: str = "w32", pretrained: Any = None) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ConfigError(f"HRNet: unknown variant {variant!r}; expected one of {sorted(VARIANTS)}")
        sizes = VARIANTS[variant]
        widths = [sizes.width * 2**branch for branch in range(4)]
        self.out_channels = sizes.width
        self.conv1 = nn.Conv2d(3, sizes.stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(sizes.stem)
        self.conv2 = nn.Conv2d(sizes.stem, sizes.stem, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(sizes.stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, sizes.stem, sizes.bottleneck_width, sizes.bottlenecks)
        stage1 = sizes.bottleneck_width * Bottleneck.expansion
        self.transition1 = _transition([stage1], widths[:2])
        self.stage2 = _stage(widths[:2], sizes.modules[0], sizes.blocks)
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = _stage(widths[:3], sizes.modules[1], sizes.blocks)
        self.transition3 = _transition(widths[:3], widths)
        self.stage4 = _stage(widths, sizes.modules[2], sizes.blocks, last_outputs=1)
        init_release(self)
        self._leftover = _leftover(sizes)
        start_built(self, pretrained)

    def load_pretrained(self, path: str | Path) -> None:
        """Loads a file; see the class."""
        load_backbone_weights(self, path, leftover=self._leftover)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes the finest map.

        Args:
            image: float (B, 3, H, W), normalised; H and W multiples of 32.

        Returns:
            A list of one map, (B, out_channels, H/4, W/4).

        Raises:
            ConfigError: If 32 does not divide H or W.
        """
        height, width = image.shape[-2:]
        if height % 32 or width % 32:
            raise ConfigError(
                "HRNet: expected an input whose sides are multiples of 32, "
                f"found {height} x {width} (height x width)"
            )
        features = self.relu(self.bn1(self.conv1(image)))
        features = self.relu(self.bn2(self.conv2(features)))
        maps = [self.layer1(features)]
        maps = self.stage2(_apply_transition(self.transition1, maps))
        maps = self.stage3(_apply_transition(self.transition2, maps))
        return self.stage4(_apply_transition(self.transition3, maps))


def _stage(
    channels: Sequence[int], modules: int, blocks: int, last_outputs: int | None = None
) -> nn.Sequential:
    outputs = [len(channels)] * modules
    outputs[-1] = last_outputs or len(channels)
    return nn.Sequential(*(ExchangeModule(channels, blocks, count) for count in outputs))


def _leftover(sizes: Variant) -> tuple[str, ...]:
    """Names in classifiers and pose nets of this trunk that the trunk here has no use for."""
    last = f"stage4.{sizes.modules[2] - 1}.fuse_layers"
    coarse = tuple(f"{last}.{output}." for output in (1, 2, 3))
    return ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.", *coarse)
