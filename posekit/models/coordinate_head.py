"""Coordinates instead of heatmaps: maps -> pooled -> 2K numbers -> loss or points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from posekit.codecs.grid import xy_like
from posekit.errors import ConfigError, is_share, is_whole
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.models.point_losses import PointLoss
from posekit.registry import MODELS
from posekit.structures import Sample


@MODELS.register_module()
class CoordinateHead(Head):
    """Where each keypoint is, regressed from the whole of the last map.

    The outputs are (B, K, 2), fractions of the way from the input's first pixel centre to its last, so that a
    mirrored input's x is exactly 1 - x. They begin near 0.5, the middle. The loss is taken in pixels of the
    input, or in another unit; the settings of wing losses are in it. It does not say how sure it is: all
    scores are 1. With :class:`~posekit.models.rle.RLELoss`, which is taken in fractions, the outputs are
    (B, K, 4), x, y and their spread before the sigmoid, and the scores 1 - the spread.

    Args:
        in_channels: Channels of the backbone's maps.
        num_keypoints: K.
        loss: A loss on coordinates (:mod:`~posekit.models.point_losses`) or its config.
        pool: The map is averaged to ``pool`` x ``pool`` cells; 1: a global average.
        hidden: Widths of fully connected layers with ReLU before the output's.
        dropout: Share of the numbers before each fully connected layer that are dropped in training.
        tanh: The outputs are hyperbolic tangents, -1..1: points at most a whole input's side left of it or
            above it, and none beyond its right and lower edges.
        loss_unit: The loss takes so many pixels of the input for 1: with the input's side and ``L2Loss``, it
            is the multi-task paper's half sum of squares of coordinates / 40.

    Raises:
        ConfigError: On no keypoints, a loss of heatmaps, or a setting out of range.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        loss: Mapping[str, Any] | nn.Module,
        pool: int = 1,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        tanh: bool = False,
        loss_unit: float = 1.0,
    ) -> None:
        super().__init__()
        if not num_keypoints:
            raise ConfigError(f"head: a {type(self).__name__} needs keypoints; the skeleton has none")
        if not isinstance(hidden, (list, tuple)):
            raise ConfigError(f"head: 'hidden' must be a list of whole numbers above 0, found {hidden!r}")
        for name, number in (("pool", pool), *(("hidden", width) for width in hidden)):
            if not is_whole(number):
                raise ConfigError(f"head: '{name}' must be a whole number above 0, found {number!r}")
        if not is_share(dropout) or dropout == 1:
            raise ConfigError(f"head: 'dropout' must be a number from 0 to below 1, found {dropout!r}")
        if (
            isinstance(loss_unit, bool)
            or not isinstance(loss_unit, (int, float))
            or not 0 < loss_unit < math.inf
        ):
            raise ConfigError(f"head: 'loss_unit' must be a number of pixels above 0, found {loss_unit!r}")
        self.tanh, self.loss_unit = bool(tanh), float(loss_unit)
        self.loss_function = MODELS.build(dict(loss)) if isinstance(loss, Mapping) else loss
        if not isinstance(self.loss_function, PointLoss):
            raise ConfigError(
                f"head: a {type(self).__name__} takes a loss of coordinates, such as WingLoss (a subclass of "
                f"posekit.models.point_losses.PointLoss), found {type(self.loss_function).__name__}"
            )
        if self.loss_function.units == "fractions" and (tanh or loss_unit != 1):
            raise ConfigError(
                f"head: 'tanh' and 'loss_unit' do not go with {type(self.loss_function).__name__}, which is "
                "taken in fractions and reads the spread, too"
            )
        self.pool, self.num_keypoints = pool, num_keypoints
        self.numbers = self.loss_function.numbers_per_keypoint
        layers: list[nn.Module] = []
        widths = (in_channels * pool * pool, *hidden)
        for before, after in pairwise(widths):
            layers += [nn.Dropout(dropout), nn.Linear(before, after), nn.ReLU(inplace=True)]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")  # type: ignore[arg-type]
            nn.init.zeros_(layers[-2].bias)  # type: ignore[arg-type]
        last = nn.Linear(widths[-1], self.numbers * num_keypoints)
        nn.init.normal_(last.weight, std=0.001)
        start = torch.zeros(num_keypoints, self.numbers)
        start[:, :2] = math.atanh(0.5) if tanh else 0.5
        last.bias = nn.Parameter(start.flatten())
        self.layers = nn.Sequential(*layers, nn.Dropout(dropout), last)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Backbone maps (B, C, h, w), of which the last is read, to one output (B, K, 2 or 4)."""
        pooled = _pooled(maps[-1], self.pool).flatten(1)
        with torch.autocast(pooled.device.type, enabled=False):  # half of 8 bits is a quarter of a pixel
            places = self.layers(pooled.float()).unflatten(1, (self.num_keypoints, self.numbers))
            return [places.tanh() if self.tanh else places]

    def loss(self, stages: Sequence[Tensor], sample: Sample) -> dict[str, Tensor]:
        """``loss`` (), of points in fractions, or in input pixels over ``loss_unit``, as the loss wants."""
        last, target = stages[-1], sample.keypoints
        if self.loss_function.units == "fractions":
            target = target / sides_of(target, sample.input_size_hw)
        else:
            last = _in_input(last, sample.input_size_hw)
            if self.loss_unit != 1:
                last, target = last / self.loss_unit, target / self.loss_unit
        return {"loss": self.loss_function(last, target, sample.weight)}

    def flip(self, outputs: Tensor, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Tensor:
        x, *rest = outputs[:, list(flip_index)].unbind(-1)
        return torch.stack([1 - x, *rest], dim=-1)

    def predict(self, outputs: Tensor, sample: Sample) -> Prediction:
        """Points (B, K, 2); they may lie outside the input. Scores (B, K) where the spread is learnt, too."""
        scores = 1 - outputs[..., 2:].sigmoid().mean(dim=-1) if self.numbers > 2 else None
        return Prediction(_in_input(outputs, sample.input_size_hw), scores)

    def describe(self) -> dict[str, str]:
        return {"codec": f"none: coordinates, scores {'1' if self.numbers == 2 else '1 - spread'}"}


def _pooled(maps: Tensor, cells: int) -> Tensor:
    """Maps of ``cells`` x ``cells``; by windows that an exported file can hold, where they fit."""
    sides = [int(side) for side in maps.shape[-2:]]
    if any(side % cells for side in sides):
        return adaptive_avg_pool2d(maps, cells)
    return avg_pool2d(maps, [side // cells for side in sides])


def _in_input(outputs: Tensor, input_size_hw: SizeHW) -> Tensor:
    """The fractions among outputs (B, K, 2 or more) as input pixels (B, K, 2)."""
    return outputs[..., :2] * sides_of(outputs, input_size_hw)


def sides_of(like: Tensor, input_size_hw: SizeHW) -> Tensor:
    """From the first pixel's centre to the last one's, (x, y)."""
    return xy_like(like, (int(input_size_hw[1]) - 1, int(input_size_hw[0]) - 1))
