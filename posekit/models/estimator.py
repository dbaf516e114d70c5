"""The one forward: photo crops in, losses or poses out.

A :class:`PoseEstimator` is a backbone (image -> maps), a head (maps -> heatmaps, with its codec and loss)
and the way back to image pixels. It is the only place that builds nested parts, and the only one that
knows of the flip test and the multi-scale test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from posekit.codecs.grid import resample_maps
from posekit.errors import ConfigError
from posekit.geometry import apply_warp, invert_warp
from posekit.models.multiscale import check_scales, resize_input, scaled_size
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.structures import Pose, Sample, Skeleton

# Of the RGB photos of ImageNet, in grey levels of 0..255: what every released backbone was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

CHANNEL_ORDERS = ("rgb", "bgr")

Part = Mapping[str, Any] | nn.Module


@MODELS.register_module()
class PoseEstimator(BaseModel):
    """Top-down pose estimation on one crop per person.

    Args:
        backbone: Config of a backbone, or one already built: an image (B, 3, H, W) -> a list of maps
            (B, C, h, w), one per supervised stage. Its ``out_channels`` is C; ``emits_heatmaps`` says
            that the maps are the heatmaps already (a stacked hourglass feeds them to its next stack).
        head: Config of a head, or one already built; it carries the codec and the loss.
        skeleton: What the keypoints are: a name, a config's dict or a ``Skeleton``. The engine passes the
            config's top-level ``skeleton``.
        flip_test: Average the heatmaps of a crop and of its mirror image when predicting.
        test_scales: Factors on the input's size, rounded to what the network can halve; when predicting,
            the heatmaps of the crop in all these sizes are averaged in the frame of its own size, each
            with its mirror image if ``flip_test``. ``(1.0,)``: the crop as it is. Not for codecs with
            offset maps.
        mean: Grey levels (0..255) subtracted from the network's three input channels.
        std: Grey levels by which they are then divided.
        channel_order: Of the network's input: ``"rgb"``, or ``"bgr"`` as SimpleBaseline's release reads
            photos. Images are RGB in either case; the order is changed here.
        channels_last: Keep weights and images in the NHWC memory layout, which convolutions on most
            CPUs and on GPUs with tensor cores prefer.

    Raises:
        ConfigError: If there is no skeleton, a part lacks what it is built from, mean or std are not
            three numbers, the channel order is unknown, or the test scales are not different positive
            numbers or do not suit the codec.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Part,
        head: Part,
        skeleton: Skeleton | str | Mapping[str, Any] | None = None,
        flip_test: bool = True,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        channels_last: bool = False,
        channel_order: str = "rgb",
        test_scales: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__()
        if skeleton is None:
            raise ConfigError("PoseEstimator: 'skeleton' is missing; state it at the top of the config")
        if channel_order not in CHANNEL_ORDERS:
            raise ConfigError(
                f"model.channel_order: expected one of {CHANNEL_ORDERS}, found {channel_order!r}"
            )
        self.skeleton = get_skeleton(skeleton)
        self.flip_test = flip_test
        self.channel_order = channel_order
        self.backbone, self.head = build_network(backbone, head, self.skeleton.num_keypoints)
        self.test_scales = check_scales(test_scales, self.head.codec)
        # Not saved: they belong to the config, and released checkpoints do not have them.
        self.register_buffer("mean", _per_colour(mean, "mean"), persistent=False)
        self.register_buffer("std", _per_colour(std, "std"), persistent=False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)

    def forward(self, *fields: Any, mode: str = "tensor") -> Any:
        """Runs the network on the fields of a batched :class:`~posekit.structures.Sample`.

        Args:
            *fields: All fields of the batch; ``mode="tensor"`` needs the image alone.
            mode: ``"loss"`` -> the head's dict of losses; ``"predict"`` -> a list of B ``Pose``;
                ``"tensor"`` -> a list of heatmaps (B, C, h, w), one per stage.

        Raises:
            ValueError: On another mode.
        """
        if mode == "tensor":
            return self.stages(self.normalise(fields[0]))
        sample = Sample(*fields)
        if mode == "loss":
            return self.loss(sample)
        if mode == "predict":
            return self.predict(sample)
        raise ValueError(f"mode: expected 'loss', 'predict' or 'tensor', found {mode!r}")

    def normalise(self, image: Tensor) -> Tensor:
        """Turns a uint8 RGB batch (B, 3, H, W) into the float batch that the backbone takes."""
        image = normalised(image, self.mean, self.std, self.channel_order)
        return image.contiguous(memory_format=self.memory_format)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Maps a normalised batch (B, 3, H, W) to heatmaps (B, C, h, w), one per supervised stage."""
        return self.head(self.backbone(image))

    def loss(self, sample: Sample) -> dict[str, Tensor]:
        """Computes the losses of a batch; see the head for the keys."""
        heatmaps = self.stages(self.normalise(sample.image))
        return self.head.loss(heatmaps, sample.keypoints, sample.weight, input_size_hw(sample.image))

    def heatmaps(self, image: Tensor) -> Tensor:
        """Maps a normalised batch to the last stage's heatmaps (B, C, h, w), averaged over test scales."""
        maps = [self._heatmaps_in_scale(image, scale) for scale in self.test_scales]
        return maps[0] if len(maps) == 1 else torch.stack(maps).mean(dim=0)

    def _heatmaps_in_scale(self, image: Tensor, scale: float) -> Tensor:
        """The heatmaps of the resized crop, brought to the grid of the crop itself."""
        if scale == 1:
            return self._flip_averaged(image)
        size = input_size_hw(image)
        resized = resize_input(image, scaled_size(size, scale, self.backbone.input_divisor))
        resized = resized.contiguous(memory_format=self.memory_format)
        maps = self._flip_averaged(resized)
        return resample_maps(maps, input_size_hw(resized), size, self.head.codec.alignment)

    def _flip_averaged(self, image: Tensor) -> Tensor:
        """The last stage's heatmaps (B, C, h, w), averaged with the mirror image's if set.

        The codec turns the mirrored maps back, with whatever shift its convention needs.
        """
        heatmaps = self.stages(image)[-1]
        if not self.flip_test:
            return heatmaps
        mirrored = self.stages(image.flip(3).contiguous(memory_format=self.memory_format))[-1]
        return (heatmaps + self.head.flip_back(mirrored, self.skeleton.flip_index)) * 0.5

    def predict(self, sample: Sample) -> list[Pose]:
        """Predicts one :class:`~posekit.structures.Pose`, in image pixels, per crop of the batch."""
        heatmaps = self.heatmaps(self.normalise(sample.image))
        points_input, scores = self.head.decode(heatmaps.float(), input_size_hw(sample.image))
        return poses_from_points(points_input, scores, sample)

    def describe(self) -> dict[str, str]:
        """States the codec, the flip test and the multi-scale test, as every score must."""
        flip = "average of the crop and its mirror image" if self.flip_test else "off"
        scales = ", ".join(f"{scale:g}" for scale in self.test_scales)
        scales = "off" if self.test_scales == (1.0,) else f"average of the crop's size times {scales}"
        return {"codec": repr(self.head.codec), "flip": flip, "scales": scales}


def normalised(image: Tensor, mean: Tensor, std: Tensor, channel_order: str) -> Tensor:
    """Turns a uint8 RGB batch (B, 3, H, W) into float, channel by channel in the order given."""
    if channel_order == "bgr":
        image = image.flip(1)
    # In place, in memory of its own: two large temporaries less.
    return image.to(torch.float32, copy=True).sub_(mean).div_(std)


def input_size_hw(image: Tensor) -> tuple[int, int]:
    """Height and width of a batch of images, pixels."""
    return int(image.shape[-2]), int(image.shape[-1])


def poses_from_points(points_input: Tensor, scores: Tensor, sample: Sample) -> list[Pose]:
    """Takes decoded points (B, K, 2) from input pixels back to image pixels.

    Args:
        points_input: Input pixels.
        scores: (B, K).
        sample: The batch they were predicted from.
    """
    inverse = invert_warp(sample.warp.cpu().numpy().astype(np.float64))
    points_image = apply_warp(points_input.double().cpu().numpy(), inverse)
    boxes, box_scores = sample.box_xyxy.cpu().numpy(), sample.box_score.cpu().numpy()
    image_ids, person_ids = sample.image_id.tolist(), sample.person_id.tolist()
    return [
        Pose(
            keypoints=points_image[i].astype(np.float32),
            scores=person_scores,
            box_xyxy=boxes[i],
            box_score=float(box_scores[i]),
            image_id=image_ids[i],
            person_id=person_ids[i],
        )
        for i, person_scores in enumerate(scores.float().cpu().numpy())
    ]


def build_network(backbone: Part, head: Part, num_keypoints: int) -> tuple[Any, Any]:
    """Builds a backbone and a head that fit each other.

    The codec says how many maps K keypoints need; a backbone that emits the heatmaps itself is told so.

    Raises:
        ConfigError: If a config lacks its ``type``, or the head's its ``codec`` or ``loss``.
    """
    if isinstance(head, nn.Module):
        num_maps = head.codec.num_maps(num_keypoints)  # type: ignore[operator, union-attr]
        return _build_backbone(backbone, num_maps), head
    head = _with_type(head, "model.head")
    for name, kind in (("codec", "MSRACodec"), ("loss", "FocalMSELoss")):
        if head.get(name) is None:
            raise ConfigError(f"model.head.{name}: is missing; expected e.g. dict(type={kind})")
        if isinstance(head[name], Mapping):
            head[name] = MODELS.build(_with_type(head[name], f"model.head.{name}"))
    if not hasattr(head["codec"], "num_maps"):
        raise ConfigError(f"model.head.codec: expected a codec or its config, found {head['codec']!r}")
    built = _build_backbone(backbone, head["codec"].num_maps(num_keypoints))
    head.update(
        in_channels=built.out_channels, num_keypoints=num_keypoints, emits_heatmaps=built.emits_heatmaps
    )
    return built, MODELS.build(head)


def _build_backbone(backbone: Part, num_maps: int) -> Any:
    if isinstance(backbone, nn.Module):
        return backbone
    backbone = _with_type(backbone, "model.backbone")
    kind = backbone["type"]
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if getattr(kind, "emits_heatmaps", False):
        backbone["num_maps"] = num_maps
    return MODELS.build(backbone)


def _with_type(part: Any, name: str) -> dict[str, Any]:
    """A copy of a part's config, which must say what to build."""
    if not isinstance(part, Mapping) or part.get("type") is None:
        raise ConfigError(f"{name}.type: is missing; expected dict(type=...), found {part!r:.80}")
    return dict(part)


def _per_colour(values: Sequence[float], name: str) -> Tensor:
    """Three numbers as float32 (1, 3, 1, 1)."""
    try:
        levels = torch.tensor(values, dtype=torch.float32)
    except (TypeError, ValueError):  # texts, None, ragged
        levels = torch.zeros(0)
    if levels.shape != (3,):
        raise ConfigError(f"model.{name}: expected three numbers (red, green, blue), found {values!r}")
    return levels.view(1, 3, 1, 1)
