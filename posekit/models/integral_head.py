"""Coordinates as means of heatmaps, learnt as coordinates: soft-argmax, with DSNT's regularisers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posekit.codecs import grid
from posekit.errors import ConfigError
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.models.point_losses import PointLoss
from posekit.models.soft_argmax import REGULARISERS, debiased, mean_cells, spatial_softmax
from posekit.registry import MODELS
from posekit.structures import Sample


@MODELS.register_module()
class IntegralHead(Head):
    """Where each keypoint is: the mean of a map that a softmax makes of the backbone's.

    Sun et al., "Integral human pose regression", ECCV 2018; Nibali et al., DSNT, 2018. The outputs are dicts
    of ``maps`` (B, K, h, w), which sum to 1, and ``cells`` (B, K, 2), their means. Cells lie so that the
    first and last ones' centres are the input's, which is exact under mirroring.

    Args:
        in_channels: Channels of the backbone's maps.
        num_keypoints: K.
        loss: A loss on coordinates (:mod:`~posekit.models.point_losses`) or its config, in pixels of the
            input.
        beta: Factor on the logits of the softmax.
        regulariser: What the maps are to look like: ``"js"``, ``"kl"`` or ``"variance"``, see
            :mod:`~posekit.models.soft_argmax`; None: whatever has the right mean.
        regulariser_weight: Its factor in the loss.
        sigma: Of the Gaussian that it compares with, cells.
        debias: Take away the background's pull towards the middle; see
            :func:`~posekit.models.soft_argmax.debiased`.
        kernel_size: Of the convolution that makes the maps, odd.

    Raises:
        ConfigError: On no keypoints, a loss of heatmaps or one that reads a spread, an unknown regulariser,
            or a setting out of range.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        loss: Mapping[str, Any] | nn.Module,
        beta: float = 1.0,
        regulariser: str | None = "js",
        regulariser_weight: float = 1.0,
        sigma: float = 1.0,
        debias: bool = False,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        if not num_keypoints:
            raise ConfigError("head: an IntegralHead needs keypoints; the skeleton has none")
        self.loss_function = MODELS.build(dict(loss)) if isinstance(loss, Mapping) else loss
        fits = isinstance(self.loss_function, PointLoss) and self.loss_function.numbers_per_keypoint == 2
        if not fits:
            raise ConfigError(
                "head: an IntegralHead takes a loss of coordinates alone, such as L1Loss, found "
                f"{type(self.loss_function).__name__}"
            )
        if regulariser is not None and regulariser not in REGULARISERS:
            raise ConfigError(
                f"head: 'regulariser' must be one of {[*REGULARISERS, None]}, found {regulariser!r}"
            )
        for name, number in (("beta", beta), ("sigma", sigma), ("regulariser_weight", regulariser_weight)):
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < math.inf:
                raise ConfigError(f"head: '{name}' must be a number above 0, found {number!r}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"head: 'kernel_size' must be odd, found {kernel_size}")
        self.beta, self.debias, self.sigma = beta, debias, sigma
        self.regulariser, self.regulariser_weight = regulariser, regulariser_weight
        self.final_layer = nn.Conv2d(in_channels, num_keypoints, kernel_size, padding=kernel_size // 2)
        nn.init.normal_(self.final_layer.weight, std=0.01)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Backbone maps (B, C, h, w), one per stage, to as many outputs."""
        return [self._outputs(self.final_layer(stage)) for stage in maps]

    def _outputs(self, logits: Tensor) -> dict[str, Tensor]:
        # A sum over many cells; half precision would lose a good part of a cell.
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.float()
            maps = spatial_softmax(logits, self.beta)
            cells = mean_cells(maps)
            return {"maps": maps, "cells": debiased(cells, logits) if self.debias else cells}

    def loss(self, stages: Sequence[Mapping[str, Tensor]], sample: Sample) -> dict[str, Tensor]:
        """The stages' losses, summed: ``loss`` of points in input pixels and, of the maps, ``map_loss``."""
        losses = [self._losses(stage, sample) for stage in stages]
        return {name: torch.stack([each[name] for each in losses]).sum() for name in losses[0]}

    def _losses(self, outputs: Mapping[str, Tensor], sample: Sample) -> dict[str, Tensor]:
        scale = _scale(outputs["maps"], sample.input_size_hw)
        points = grid.to_pixels(outputs["cells"], scale)
        losses = {"loss": self.loss_function(points, sample.keypoints, sample.weight)}
        if self.regulariser is not None:
            wanted = grid.to_cells(sample.keypoints, scale)
            each = REGULARISERS[self.regulariser](outputs["maps"], wanted, self.sigma)
            total = (each * sample.weight).sum() / sample.weight.sum().clamp(min=1e-6)
            losses["map_loss"] = total * self.regulariser_weight
        return losses

    def flip(
        self, outputs: Mapping[str, Tensor], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Tensor]:
        maps = grid.mirror_maps(outputs["maps"], flip_index)
        x, y = outputs["cells"][:, list(flip_index)].unbind(-1)
        return {"maps": maps, "cells": torch.stack([maps.shape[-1] - 1 - x, y], dim=-1)}

    def predict(self, outputs: Mapping[str, Tensor], sample: Sample) -> Prediction:
        """Points (B, K, 2), input pixels; scores (B, K): the maps' peaks as shares of that of a Gaussian."""
        maps = outputs["maps"]
        peak = min(1.0, 1 / (2 * math.pi * self.sigma**2))
        scores = (maps.flatten(2).amax(-1) / peak).clamp(max=1)
        return Prediction(grid.to_pixels(outputs["cells"], _scale(maps, sample.input_size_hw)), scores)

    def describe(self) -> dict[str, str]:
        return {"codec": f"none: means of heatmaps, beta {self.beta:g}{', debiased' if self.debias else ''}"}


def _scale(maps: Tensor, input_size_hw: SizeHW) -> tuple[float, float]:
    return grid.pixels_per_cell(input_size_hw, maps.shape[-2:], "aligned")
