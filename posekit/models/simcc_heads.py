"""Heads that classify columns and rows: SimCC's and RTMPose's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from posekit.codecs.simcc import AxisMaps, SimCCCodec
from posekit.errors import ConfigError
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.models.simcc_losses import AxisKLLoss
from posekit.registry import MODELS
from posekit.structures import Sample


@MODELS.register_module()
class SimCCHead(Head):
    """Logits over the columns' and the rows' bins, from K maps that are flattened: SimCC.

    Li et al., ECCV 2022. The outputs are dicts of ``x`` (B, K, bins) and ``y``. A 1x1 convolution makes a
    map per keypoint, two fully connected layers, shared by the keypoints, turn it into logits. These know
    their place in the input, so the head is made for one input size.

    Args:
        in_channels: Channels of the backbone's maps.
        num_keypoints: K.
        input_size_hw: Size of the network's input, pixels.
        map_size_hw: Size of the backbone's last map for such an input.
        codec: A :class:`~posekit.codecs.simcc.SimCCCodec` or its config.
        loss: A :class:`~posekit.models.simcc_losses.AxisKLLoss` or its config.
        kernel_size: Of the convolution, odd.

    Raises:
        ConfigError: On no keypoints, a codec or loss of heatmaps or coordinates, or an impossible size.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        input_size_hw: Sequence[int],
        map_size_hw: Sequence[int],
        codec: Mapping[str, Any] | SimCCCodec,
        loss: Mapping[str, Any] | nn.Module,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not num_keypoints:
            raise ConfigError(f"head: a {name} needs keypoints; the skeleton has none")
        built = MODELS.build(dict(codec)) if isinstance(codec, Mapping) else codec
        if not isinstance(built, SimCCCodec):
            raise ConfigError(f"head: a {name} takes a SimCCCodec, found {type(built).__name__}")
        self.codec = built
        self.loss_function = MODELS.build(dict(loss)) if isinstance(loss, Mapping) else loss
        if not isinstance(self.loss_function, AxisKLLoss):
            raise ConfigError(
                f"head: a {name} learns labels over bins, by an AxisKLLoss, found "
                f"{type(self.loss_function).__name__}"
            )
        loss_bends = self.loss_function.label_softmax or self.loss_function.beta != 1
        if self.codec.scores == "relative" and loss_bends:
            raise ConfigError(
                f"head: with beta or label_softmax a {name}'s logits are no logarithms of probabilities, "
                "which scores='relative' of the codec takes them for; state scores='raw'"
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"head: 'kernel_size' must be odd, found {kernel_size}")
        self.input_size_hw = _size(input_size_hw, "input_size_hw")
        self.map_size_hw = _size(map_size_hw, "map_size_hw")
        self.final_layer = nn.Conv2d(in_channels, num_keypoints, kernel_size, padding=kernel_size // 2)
        self._make_layers(self.map_size_hw[0] * self.map_size_hw[1], *self.codec.bins(self.input_size_hw))

    def _make_layers(self, cells: int, columns: int, rows: int) -> None:
        self.mlp_head_x, self.mlp_head_y = nn.Linear(cells, columns), nn.Linear(cells, rows)
        for layer in (self.mlp_head_x, self.mlp_head_y):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def _logits(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        return self.mlp_head_x(flat), self.mlp_head_y(flat)

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Backbone maps (B, C, h, w), of which the last is read, to one output.

        Raises:
            ConfigError: If the map has another size than the head was made for.
        """
        found = tuple(maps[-1].shape[-2:])
        if found != self.map_size_hw:
            raise ConfigError(
                f"model.head: a {type(self).__name__} for maps of {self.map_size_hw} (height, width) was "
                f"given {found}; state 'map_size_hw' and 'input_size_hw' as network and crop have them"
            )
        x, y = self._logits(self.final_layer(maps[-1]).flatten(2))
        return [{"x": x, "y": y}]

    def loss(self, stages: Sequence[Mapping[str, Tensor]], sample: Sample) -> dict[str, Tensor]:
        """``loss`` ().

        Raises:
            ConfigError: If the crops have another size than the head was made for.
        """
        if sample.input_size_hw != self.input_size_hw:
            raise ConfigError(
                f"model.head.input_size_hw: expected that of the crops, {sample.input_size_hw}, found "
                f"{self.input_size_hw}"
            )
        with torch.no_grad():
            target, weight = self.codec.encode(sample.keypoints, sample.weight, sample.input_size_hw)
        return {"loss": self.loss_function(AxisMaps(**stages[-1]), target, weight)}

    def flip(
        self, outputs: Mapping[str, Tensor], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Tensor]:
        return self.codec.flip_back(AxisMaps(**outputs), flip_index, int(input_size_hw[1]))._asdict()

    def predict(self, outputs: Mapping[str, Tensor], sample: Sample) -> Prediction:
        """Points (B, K, 2), input pixels, and scores (B, K)."""
        return Prediction(*self.codec.decode(AxisMaps(**outputs)))

    def describe(self) -> dict[str, str]:
        return {"codec": repr(self.codec)}


@MODELS.register_module()
class RTMCCHead(SimCCHead):
    """RTMPose's head: as SimCC's, with a gated attention unit over the keypoints between.

    Jiang et al., "RTMPose: real-time multi-person pose estimation", 2023; parameters are named as in MMPose,
    so that its files load.

    Args:
        hidden: Width of a keypoint's vector.
        queries: Width of the attention's queries and keys.
        expansion: Of the gated unit.
        dropout: Share of the unit's output that is dropped in training.
        **settings: As of :class:`SimCCHead`; the convolution is 7x7 by default.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        hidden: int = 256,
        queries: int = 128,
        expansion: float = 2.0,
        dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        self._widths = (hidden, queries, expansion, dropout)
        super().__init__(in_channels, num_keypoints, **{"kernel_size": 7, **settings})

    def _make_layers(self, cells: int, columns: int, rows: int) -> None:
        hidden, queries, expansion, dropout = self._widths
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, hidden, bias=False))
        self.gau = GatedAttention(hidden, queries, expansion, dropout)
        self.cls_x = nn.Linear(hidden, columns, bias=False)
        self.cls_y = nn.Linear(hidden, rows, bias=False)
        for layer in (self.cls_x, self.cls_y):
            nn.init.normal_(layer.weight, std=0.01)

    def _logits(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        features = self.gau(self.mlp(flat))
        return self.cls_x(features), self.cls_y(features)


class ScaleNorm(nn.Module):
    """x / max(|x| / sqrt(dim), 1e-5) * g with one learnt g; Nguyen & Salazar, 2019."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = dim**-0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        return x / norm.clamp(min=1e-5) * self.g


class Scale(nn.Module):
    """A learnt factor for each number of a vector."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedAttention(nn.Module):
    """Self-attention of K vectors (B, K, dim) with a gate, and a scaled residual.

    Hua et al., "Transformer quality in linear time", ICML 2022: attention relu(q k / sqrt(s))^2, no softmax.
    """

    def __init__(self, dim: int, queries: int, expansion: float, dropout: float) -> None:
        super().__init__()
        self.inner, self.queries = int(dim * expansion), queries
        self.ln = ScaleNorm(dim)
        self.uv = nn.Linear(dim, 2 * self.inner + queries, bias=False)
        self.o = nn.Linear(self.inner, dim, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, queries))
        self.beta = nn.Parameter(torch.rand(2, queries))
        self.res_scale = Scale(dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.uv.weight)

    def forward(self, x: Tensor) -> Tensor:
        gate, value, base = silu(self.uv(self.ln(x))).split([self.inner, self.inner, self.queries], dim=-1)
        query, key = (base[..., None, :] * self.gamma + self.beta).unbind(-2)
        attention = relu(query @ key.transpose(-1, -2) * self.queries**-0.5).square()
        return self.res_scale(x) + self.dropout(self.o(gate * (attention @ value)))


def _size(size_hw: Sequence[int], name: str) -> tuple[int, int]:
    whole = isinstance(size_hw, (list, tuple)) and len(size_hw) == 2
    if not whole or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size_hw):
        raise ConfigError(
            f"head: '{name}' must be two whole numbers above 0 (height, width), found {size_hw!r}"
        )
    return int(size_hw[0]), int(size_hw[1])
