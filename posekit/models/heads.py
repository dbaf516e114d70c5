"""What an estimator asks of its head, and the heatmap head: maps -> heatmaps -> loss or coordinates.

A head turns the backbone's maps into outputs of its own kind, learns from a ``Sample`` and predicts. Maps and
outputs are lists, one entry per supervised stage (stack), the last being the prediction. Points are (x, y)
input pixels, an integer being a pixel's centre. The codec lives in the heatmap head alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from posekit.codecs import Codec, heatmap_accuracy
from posekit.codecs.resample import resample_maps
from posekit.errors import ConfigError
from posekit.models.loss_kinds import check_heatmap_codec, check_heatmap_loss
from posekit.models.offset_losses import LabelAndOffsetLoss
from posekit.registry import MODELS
from posekit.structures import Sample

SizeHW = Sequence[int]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a head says of B crops; or of N people on B whole pictures, N in the place of B then.

    Attributes:
        points: (B, K, 2), input pixels; None of a head that gives no keypoints.
        scores: (B, K); None likewise.
        extra: Whatever else, by name, each (B, ...).
        owner: int64 (N,): the picture of each person; None of crops.
        person_scores: (N,): of each person as a whole; None of crops.
    """

    points: Tensor | None = None
    scores: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    owner: Tensor | None = None
    person_scores: Tensor | None = None


class Head(nn.Module, ABC):
    """What a :class:`~posekit.models.estimator.PoseEstimator` asks of its head.

    The constructor is given those of these arguments that it names: ``in_channels`` (of the backbone's maps),
    ``num_keypoints`` (K), ``skeleton``, ``emits_heatmaps`` (those maps are heatmaps already), ``stride``.
    ``outputs`` are a tensor with the batch axis in front, or a dict of such by name, of one stage.
    """

    #: Whether :meth:`resample` is there: several input sizes can be averaged (``test_scales``).
    resamples = False
    #: Whether the loss is one of heatmaps, which weighs pixels as focal MSE does.
    learns_heatmaps: ClassVar[bool] = False
    whole_pictures: ClassVar[bool] = False  #: Whether a sample is a picture, with any number of people.

    @classmethod
    def num_maps(cls, settings: MutableMapping[str, Any], num_keypoints: int) -> int | None:
        """How many maps it wants of a backbone that emits heatmaps itself; None: it takes features alone.

        Args:
            settings: The head's config, without ``type``; parts may be built in place.
            num_keypoints: K.
        """
        return None

    @abstractmethod
    def forward(self, maps: Sequence[Tensor]) -> Sequence[Any]:
        """Backbone maps (B, C, h, w), one per stage, to the stages' outputs; the last is the prediction."""

    @abstractmethod
    def loss(self, stages: Sequence[Any], sample: Sample) -> dict[str, Tensor]:
        """The losses of a batch by name; those with "loss" in their names are summed and learnt from."""

    def activate(self, outputs: Any) -> Any:
        """One stage's outputs as they are averaged and read; the loss is given them as they are."""
        return outputs

    @abstractmethod
    def flip(self, outputs: Any, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Any:
        """The outputs of mirrored inputs, as seen in the inputs themselves.

        Args:
            outputs: Of the last stage.
            flip_index: (K,), see :attr:`~posekit.structures.Skeleton.flip_index`.
            input_size_hw: Size of the network's input.
        """

    def average(self, outputs: Any, mirrored: Any) -> Any:
        """The flip test's outputs, of the input and of its mirror image as :meth:`flip` gives them."""
        return halves_averaged(outputs, mirrored)

    @abstractmethod
    def predict(self, outputs: Any, sample: Sample) -> Prediction:
        """What the last stage's outputs, averaged over mirror images and scales, mean.

        Args:
            outputs: As :meth:`forward` gives them.
            sample: The batch; keypoints, weights and labels may be zeros or missing.
        """

    def resample(self, outputs: Any, from_size_hw: SizeHW, to_size_hw: SizeHW) -> Any:
        """The outputs of a resized input, as seen in the input of another size."""
        return outputs

    def check_scales(self, scales: Sequence[float]) -> None:
        """Refuses test scales that it cannot average over.

        Raises:
            ConfigError: If there is one other than 1.
        """
        if not self.resamples and tuple(scales) != (1.0,):
            raise ConfigError(
                f"model.test_scales: {type(self).__name__} cannot average over scales; expected [1.0], found "
                f"{list(scales)}"
            )

    def describe(self) -> dict[str, str]:
        """How it decodes, by name, for score tables."""
        return {}


def halves_averaged(first: Any, second: Any) -> Any:
    """The mean of two outputs; of dicts, name by name."""
    if isinstance(first, Mapping):
        return {name: halves_averaged(first[name], second[name]) for name in first}
    return (first + second) * 0.5


def halves_of(outputs: Any) -> tuple[Any, Any]:
    """The first and the second half of a batch's outputs; of dicts, name by name."""
    if isinstance(outputs, Mapping):
        halves = {name: halves_of(values) for name, values in outputs.items()}
        return {name: first for name, (first, _) in halves.items()}, {
            name: second for name, (_, second) in halves.items()
        }
    first, second = outputs.chunk(2)
    return first, second


def all_averaged(outputs: Sequence[Any]) -> Any:
    """The mean of several outputs; of dicts, name by name."""
    if len(outputs) == 1:
        return outputs[0]
    if isinstance(outputs[0], Mapping):
        return {name: all_averaged([one[name] for one in outputs]) for name in outputs[0]}
    return torch.stack(list(outputs)).mean(dim=0)


@MODELS.register_module()
class HeatmapHead(Head):
    """Heatmaps from backbone maps, with the codec and the loss that belong to them.

    Attributes:
        codec: The built codec.
        loss_function: The built loss.
        final_layer: The convolution, named as in the HRNet release; Identity for backbones that emit
            heatmaps.
    """

    resamples = True
    learns_heatmaps = True

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
            ConfigError: On no keypoints, a codec that draws no heatmaps, an even kernel, a backbone emitting
                another number of heatmaps than the codec needs, or a loss that makes no sense with the codec:
                one that reads offset maps where there are none, or one made for targets up to 1 (adaptive
                wing) with a peak of 255. A plain heatmap loss with a codec that has offset maps is applied
                to the label maps, beside UDP's term for the offsets.
        """
        super().__init__()
        if not num_keypoints:
            raise ConfigError("head: a HeatmapHead needs keypoints; the skeleton has none")
        self.keypoint_weights: torch.Tensor | None
        self.num_keypoints = num_keypoints
        self.codec: Codec = MODELS.build(dict(codec)) if isinstance(codec, Mapping) else codec
        check_heatmap_codec(self.codec)
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
        self.on_logits = getattr(self.loss_function, "on_logits", False)
        if self.on_logits:
            self._start_rare()

    def _start_rare(self) -> None:
        """Has every cell begin with the loss's prior: background is nearly all of a heatmap."""
        prior: float = self.loss_function.prior  # type: ignore[assignment]
        if isinstance(self.final_layer, nn.Conv2d):
            nn.init.constant_(self.final_layer.bias, -math.log((1 - prior) / prior))  # type: ignore[arg-type]

    @classmethod
    def num_maps(cls, settings: MutableMapping[str, Any], num_keypoints: int) -> int | None:
        """As the codec needs; builds codec and loss in place.

        Raises:
            ConfigError: If the codec or the loss is missing.
        """
        for name, kind in (("codec", "MSRACodec"), ("loss", "FocalMSELoss")):
            part = settings.get(name)
            if part is None:
                raise ConfigError(f"model.head.{name}: is missing; expected e.g. dict(type={kind})")
            if isinstance(part, Mapping):
                if part.get("type") is None:
                    raise ConfigError(
                        f"model.head.{name}.type: is missing; expected dict(type=...), found {part!r:.80}"
                    )
                settings[name] = MODELS.build(dict(part))
        codec = settings["codec"]
        if not hasattr(codec, "num_maps"):
            raise ConfigError(f"model.head.codec: expected a codec or its config, found {codec!r}")
        return codec.num_maps(num_keypoints)

    def _fit_loss_to_codec(self) -> None:
        """Wraps a plain loss for offset maps, and refuses combinations that make no sense."""
        loss, codec = self.loss_function, self.codec
        check_heatmap_loss(loss)
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

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Backbone maps (B, C, h, w), one per stack, to heatmaps (B, num_maps, h, w)."""
        return [self.final_layer(stack) for stack in maps]

    def loss(self, stages: Sequence[Tensor], sample: Sample) -> dict[str, Tensor]:
        """The stacks' losses, summed, and the last stack's training accuracy.

        Args:
            stages: Heatmaps, one (B, num_maps, h, w) per stack.
            sample: Its keypoints and weights are what is learnt.

        Returns:
            ``loss`` (), ``acc_pose`` () and, with several stacks, ``stack_0`` ... (). mmengine sums every key
            that contains "loss", hence the stacks' names.
        """
        # After the network, whose maps' size it needs; that delays nothing: nothing here waits for a device.
        last, weight = stages[-1], sample.weight
        with torch.no_grad():
            if self.keypoint_weights is not None:
                weight = weight * self.keypoint_weights
            target, weight = self.codec.encode(
                sample.keypoints, weight, sample.input_size_hw, last.shape[-2:]
            )
        losses = [self.loss_function(stack, target, weight) for stack in stages]
        report = {"loss": torch.stack(losses).sum()}
        if len(losses) > 1:
            report.update({f"stack_{i}": each.detach() for i, each in enumerate(losses)})
        # The label maps alone where there are offset maps.
        step = self.codec.maps_per_keypoint
        with torch.no_grad():
            report["acc_pose"] = heatmap_accuracy(last[:, ::step], target[:, ::step])[0]
        return report

    def activate(self, outputs: Tensor) -> Tensor:
        """Logits as probabilities, of a loss on logits."""
        return outputs.sigmoid() if self.on_logits else outputs

    def flip(self, outputs: Tensor, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Tensor:
        """One stack's maps of the mirrored input, as seen in the unmirrored one; see the codec."""
        return self.codec.flip_back(outputs, flip_index)

    def predict(self, outputs: Tensor, sample: Sample) -> Prediction:
        """The points and scores of heatmaps (B, num_maps, h, w)."""
        return Prediction(*self.decode(outputs.float(), sample.input_size_hw))

    def decode(self, heatmaps: Tensor, input_size_hw: SizeHW) -> tuple[Tensor, Tensor]:
        """The points (B, K, 2), input pixels, and scores (B, K) of heatmaps (B, num_maps, h, w)."""
        return self.codec.decode(heatmaps, input_size_hw)

    def resample(self, outputs: Tensor, from_size_hw: SizeHW, to_size_hw: SizeHW) -> Tensor:
        """Heatmaps of a resized input, brought to the grid of the input of another size."""
        return resample_maps(outputs, from_size_hw, to_size_hw, self.codec.alignment)

    def check_scales(self, scales: Sequence[float]) -> None:
        """As the base; offset maps hold in a disc whose radius differs from scale to scale.

        Raises:
            ConfigError: If the codec has offset maps.
        """
        if self.codec.maps_per_keypoint != 1 and tuple(scales) != (1.0,):
            raise ConfigError(
                f"model.test_scales: {type(self.codec).__name__} has offset maps, which cannot be averaged "
                f"over scales; expected [1.0], found {list(scales)}"
            )

    def describe(self) -> dict[str, str]:
        return {"codec": repr(self.codec)}
