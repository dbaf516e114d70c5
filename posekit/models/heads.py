"""The heatmap head: backbone maps -> heatmaps, and by way of its codec -> loss and coordinates.

The codec lives here alone. Points are (x, y) input pixels, an integer being a pixel's centre; maps are lists,
one entry per stack, the last being the prediction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from posekit.codecs import Codec, heatmap_accuracy
from posekit.errors import ConfigError
from posekit.models.offset_losses import LabelAndOffsetLoss
from posekit.registry import MODELS


@MODELS.register_module()
class HeatmapHead(nn.Module):
    """Heatmaps from backbone maps, with the codec and the loss that belong to them.

    Attributes:
        codec: The built codec.
        loss_function: The built loss.
        final_layer: The convolution, named as in the HRNet release; Identity for backbones that emit
            heatmaps.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        codec: Mapping[str, Any] | Codec,
        loss: Mapping[str, Any] | nn.Module,
        emits_heatmaps: bool = False,
        kernel_size: int = 1,
        keypoint_weights: Sequence[float] | None = None,
    ) -> None:
        """Builds the layer, the codec and the loss.

        Args:
            in_channels: Channels of the backbone's maps.
            num_keypoints: K.
            codec: A codec or its config.
            loss: A loss or its config.
            emits_heatmaps: The backbone's maps are heatmaps already; no layer is added.
            kernel_size: Of the convolution, odd.
            keypoint_weights: K factors on the weights of the loss, e.g.
                :data:`~posekit.models.losses.COCO17_KEYPOINT_WEIGHTS`. None: all 1.

        Raises:
            ConfigError: On an even kernel, a backbone emitting another number of heatmaps than the codec
                needs, or a loss that makes no sense with the codec: one that reads offset maps where there
                are none, or one made for targets up to 1 (adaptive wing) with a peak of 255. A plain heatmap
                loss with a codec that has offset maps is applied to the label maps, beside UDP's term for the
                offsets.
        """
        super().__init__()
        self.keypoint_weights: torch.Tensor | None
        self.num_keypoints = num_keypoints
        self.codec: Codec = MODELS.build(dict(codec)) if isinstance(codec, Mapping) else codec
        self.loss_function: nn.Module = MODELS.build(dict(loss)) if isinstance(loss, Mapping) else loss
        self._fit_loss_to_codec()
        if keypoint_weights is not None and len(keypoint_weights) != num_keypoints:
            raise ConfigError(
                f"head: expected {num_keypoints} 'keypoint_weights', found {len(keypoint_weights)}"
            )
        factors = None if keypoint_weights is None else torch.tensor(keypoint_weights, dtype=torch.float32)
        self.register_buffer("keypoint_weights", factors, persistent=False)
        num_maps = self.codec.num_maps(num_keypoints)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"head: 'kernel_size' must be odd, found {kernel_size}")
        if emits_heatmaps and in_channels != num_maps:
            raise ConfigError(
                f"head: the backbone emits {in_channels} heatmaps, but {type(self.codec).__name__} needs "
                f"{num_maps} for {num_keypoints} keypoints"
            )
        self.final_layer: nn.Module = nn.Identity()
        if not emits_heatmaps:
            layer = nn.Conv2d(in_channels, num_maps, kernel_size, padding=kernel_size // 2)
            # The HRNet release's initialisation: normal weights, zero bias.
            nn.init.normal_(layer.weight, std=0.001)
            layer.bias = nn.Parameter(torch.zeros(num_maps))
            self.final_layer = layer

    def _fit_loss_to_codec(self) -> None:
        """Wraps a plain loss for offset maps, and refuses combinations that make no sense."""
        loss, codec = self.loss_function, self.codec
        names = f"head: {type(loss).__name__} with {type(codec).__name__}"
        reads = getattr(loss, "maps_per_keypoint", 1)
        if reads > codec.maps_per_keypoint:
            raise ConfigError(f"{names}: the loss needs offset maps, the codec has none; use UDPOffsetCodec")
        highest = getattr(loss, "highest_peak", math.inf)
        if codec.peak > highest:
            raise ConfigError(
                f"{names}: the loss takes targets up to {highest:g}, the codec's reach {codec.peak:g}"
            )
        least = getattr(loss, "least_keypoints", 1)
        if self.num_keypoints < least:
            raise ConfigError(f"{names}: the loss keeps {least} keypoints, there are {self.num_keypoints}")
        if reads < codec.maps_per_keypoint:
            self.loss_function = LabelAndOffsetLoss(loss)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Backbone maps (B, C, h, w), one per stack, to heatmaps (B, num_maps, h, w)."""
        return [self.final_layer(stack) for stack in maps]

    def loss(
        self,
        heatmaps: Sequence[torch.Tensor],
        keypoints: torch.Tensor,
        weight: torch.Tensor,
        input_size_hw: Sequence[int],
    ) -> dict[str, torch.Tensor]:
        """The stacks' losses, summed, and the last stack's training accuracy.

        Args:
            heatmaps: One (B, num_maps, h, w) per stack.
            keypoints: (B, K, 2), input pixels.
            weight: (B, K).
            input_size_hw: Size of the network's input.

        Returns:
            ``loss`` (), ``acc_pose`` () and, with several stacks, ``stack_0`` ... (). mmengine sums every key
            that contains "loss", hence the stacks' names.
        """
        with torch.no_grad():
            if self.keypoint_weights is not None:
                weight = weight * self.keypoint_weights
            target, weight = self.codec.encode(keypoints, weight, input_size_hw, heatmaps[-1].shape[-2:])
        losses = [self.loss_function(stack, target, weight) for stack in heatmaps]
        report = {"loss": torch.stack(losses).sum()}
        if len(losses) > 1:
            report.update({f"stack_{i}": each.detach() for i, each in enumerate(losses)})
        # The label maps alone where there are offset maps.
        step = self.codec.maps_per_keypoint
        with torch.no_grad():
            report["acc_pose"] = heatmap_accuracy(heatmaps[-1][:, ::step], target[:, ::step])[0]
        return report

    def decode(
        self, heatmaps: Sequence[torch.Tensor] | torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The last stack's points (B, K, 2), input pixels, and scores (B, K)."""
        last = heatmaps if isinstance(heatmaps, torch.Tensor) else heatmaps[-1]
        return self.codec.decode(last, input_size_hw)

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """One stack's maps of the mirrored input, as seen in the unmirrored one; see the codec."""
        return self.codec.flip_back(mirrored_heatmaps, flip_index)
