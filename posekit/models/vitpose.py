"""ViTPose: a plain vision transformer of timm with ViTPose's patches, sizes and decoders.

Xu, Zhang, Zhang & Tao, "ViTPose: simple vision transformer baselines for human pose estimation", NeurIPS
2022. Weights of the release, of MMPose and of Hugging Face's ``VitPoseForPoseEstimation`` load by
:mod:`posekit.models.released`, ViTPose++'s mixtures of experts as the expert of one data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posekit.errors import ConfigError, is_whole
from posekit.models.timm_backbone import TimmBackbone
from posekit.registry import MODELS

#: Variant -> timm's network and what ViTPose has otherwise.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "s": ("vit_small_patch16_224", {"num_heads": 12}),
    "b": ("vit_base_patch16_224", {}),
    "l": ("vit_large_patch16_224", {}),
    "h": ("vit_huge_patch14_224", {"patch_size": 16}),
}
DECODERS = {"classic": "deconv", "simple": "simple"}


@MODELS.register_module()
class ViTPose(TimmBackbone):
    """ViTPose's backbone with its decoder: one map at a quarter of the input's side.

    Patches of 16 x 16 pixels are cut with a rim of 2 zeros, which shifts them by 2 pixels.

    Args:
        variant: "s", "b", "l" or "h"; "s" has 12 attention heads, not timm's 6.
        decoder: "classic": two transposed convolutions; "simple": bilinear upsampling (give the head
            ``kernel_size=3``).
        input_size_hw: Size of the network's input, pixels, multiples of 16.
        drop_path: Share of residual branches dropped in training, rising to this from block to block; the
            paper's are 0.1 (s), 0.3 (b), 0.5 (l) and 0.55 (h).
        expert: Of ViTPose++'s files: the data set whose experts are taken; 0 is COCO.
        options: Further arguments of ``timm.create_model``.

    Raises:
        ConfigError: On an unknown variant or decoder, or a size that 16 does not divide.
    """

    def __init__(
        self,
        variant: str = "b",
        decoder: str = "classic",
        input_size_hw: Sequence[int] = (256, 192),
        drop_path: float = 0.0,
        expert: int = 0,
        pretrained: Any = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        if variant not in VARIANTS or decoder not in DECODERS:
            raise ConfigError(
                f"ViTPose: expected a variant of {sorted(VARIANTS)} and a decoder of {sorted(DECODERS)}, "
                f"found {variant!r} and {decoder!r}"
            )
        size = tuple(input_size_hw)
        if len(size) != 2 or any(not is_whole(n, 16) or n % 16 for n in size):
            raise ConfigError(
                "ViTPose: 'input_size_hw' must be two multiples of 16 (height, width), found "
                f"{input_size_hw!r}"
            )
        if not is_whole(expert, 0):
            raise ConfigError(
                f"ViTPose: 'expert' must be the number of a data set, 0 or more, found {expert!r}"
            )
        name, own = VARIANTS[variant]
        # The release has a class token's position and no class token; its position is added to the others'.
        fixed = {"img_size": size, "class_token": False, "global_pool": "", "drop_path_rate": drop_path}
        self.expert = expert
        super().__init__(
            name, DECODERS[decoder], pretrained=pretrained, options={**own, **fixed, **(options or {})}
        )

    def _create(self, pretrained: bool) -> tuple[Any, list[int], list[int]]:
        network: Any
        network, channels, strides = super()._create(pretrained)
        network.patch_embed.proj.padding = (2, 2)
        return network, channels, strides
