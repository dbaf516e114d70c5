"""Losses for codecs with three maps per keypoint, a label and two offsets (UDPOffsetCodec).

``prediction`` and ``target`` are (B, 3 K, h, w), channels label, dx, dy of each keypoint; ``weight`` is (B,
K). The target carries no gradient. Both releases' forms, and a pairing of any loss of single maps with UDP's
offset term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from posekit.errors import ConfigError
from posekit.models.losses import HeatmapLoss, joints_mse_loss
from posekit.registry import MODELS


def offset_terms(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """UDP's loss of the offset maps: the sum for dx and dy of mean((m p - m y)^2) / 2.

    Huang et al., CVPR 2020, eq. 18.

    Args:
        prediction: (B, 3 K, h, w), channels label, dx, dy of each keypoint.
        target: (B, 3 K, h, w).
        mask: (B, K, h, w), m.

    Raises:
        ValueError: On shapes that do not fit.
    """
    if prediction.ndim != 4 or prediction.shape != target.shape or prediction.shape[1] % 3:
        raise ValueError(
            f"expected prediction and target of one shape (B, 3 K, h, w), found "
            f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    difference = (prediction - target.detach()).unflatten(1, (-1, 3))[:, :, 1:]
    # Twice the mean over dx and dy is the sum of their means.
    return (mask.unsqueeze(2) * difference).square().mean()


def udp_offset_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    weighted_mask: bool = False,
) -> torch.Tensor:
    """:func:`joints_mse_loss` of the label maps plus :func:`offset_terms` of the offset maps.

    Args:
        prediction: (B, 3 K, h, w), channels label, dx, dy of each keypoint.
        target: (B, 3 K, h, w).
        weight: (B, K). None: all 1.
        weighted_mask: The offsets' mask is the target label (False, UDP release) or weight times it (True,
            MMPose's CombinedTargetMSELoss).

    Raises:
        ValueError: On shapes that do not fit.
    """
    labels = target.detach()[:, ::3]
    mask = labels * weight[..., None, None] if weighted_mask and weight is not None else labels
    terms = offset_terms(prediction, target, mask)
    return joints_mse_loss(prediction[:, ::3], labels, weight) + terms


@MODELS.register_module()
class UDPOffsetLoss(HeatmapLoss):
    """:func:`udp_offset_loss` as a module: the UDP release's form, or MMPose's with ``weighted_mask``."""

    maps_per_keypoint = 3

    def __init__(self, weighted_mask: bool = False) -> None:
        super().__init__()
        self.weighted_mask = weighted_mask

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        return udp_offset_loss(prediction, target, weight, self.weighted_mask)


@MODELS.register_module()
class LabelAndOffsetLoss(HeatmapLoss):
    """Any loss of single maps on the label maps, plus the UDP release's term for the offset maps.

    What the head makes of a plain heatmap loss where the codec has offset maps.
    """

    maps_per_keypoint = 3

    def __init__(self, label_loss: Mapping[str, Any] | nn.Module) -> None:
        super().__init__()
        built = MODELS.build(dict(label_loss)) if isinstance(label_loss, Mapping) else label_loss
        if getattr(built, "maps_per_keypoint", 1) != 1:
            raise ConfigError(
                f"'label_loss' must read single maps; {type(built).__name__} reads offset maps too"
            )
        self.label_loss = built
        self.highest_peak = getattr(built, "highest_peak", math.inf)
        self.least_keypoints = getattr(built, "least_keypoints", 1)

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        terms = offset_terms(prediction, target, target.detach()[:, ::3])
        return self.label_loss(prediction[:, ::3], target[:, ::3], weight) + terms
