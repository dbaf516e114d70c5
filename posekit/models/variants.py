"""The sizes in which published networks come; a variant is a name in a table."""

from __future__ import annotations

from dataclasses import dataclass

from posekit.models.layers import BasicBlock, Bottleneck


@dataclass(frozen=True)
class Variant:
    """The sizes of one HRNet.

    Attributes:
        width: Channels of the finest branch; each coarser branch has twice as many.
        stem: Channels of the two stem convolutions.
        bottlenecks: Blocks of stage 1.
        bottleneck_width: Width of those; stage 1 gives four times as many channels.
        modules: Exchange modules in stages 2, 3, 4 (with 2, 3, 4 branches).
        blocks: Basic blocks per branch in each module.
    """

    width: int
    stem: int = 64
    bottlenecks: int = 4
    bottleneck_width: int = 64
    modules: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4


# Behind each: parameters without a head, multiply-adds at 256x192 (tests/models/test_hrnet.py checks both).
VARIANTS = {
    "w32": Variant(32),  # 28.54 M, 7.64 G
    "w48": Variant(48),  # 63.59 M, 15.69 G
    # ImageNet weights exist for the next three: timm's hrnet_w18, hrnet_w18_small_v2 and hrnet_w18_small.
    "w18": Variant(18),  # 9.32 M, 3.19 G
    "w18-small": Variant(18, bottlenecks=2, modules=(1, 3, 2), blocks=2),  # 3.62 M, 1.53 G
    # 1.28 M, 0.57 G
    "w16-small": Variant(16, bottlenecks=1, bottleneck_width=32, modules=(1, 1, 1), blocks=2),
    # For training on a CPU in minutes: on a narrow net the stem and stage 1, which run on the largest maps,
    # cost more than all branches, so they shrink too. 1.21 M, 0.38 G and 0.31 M, 0.12 G.
    "w16-tiny": Variant(16, stem=32, bottlenecks=1, bottleneck_width=16, modules=(1, 1, 1), blocks=2),
    "w8": Variant(8, stem=16, bottlenecks=1, bottleneck_width=16, modules=(1, 1, 1), blocks=2),
}


# He et al., CVPR 2016, Table 1: kind of block, blocks per stage.
DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
