"""The one forward: photo crops in, losses or poses out.

A :class:`PoseEstimator` is a backbone (image -> maps), a head (maps -> outputs, with its loss and their
meaning: heatmaps, coordinates, labels, an embedding) and the way back to image pixels. It alone knows of the
flip test and the multi-scale test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor

from posekit.errors import ConfigError
from posekit.geometry import apply_warp, invert_warp
from posekit.models.building import Part, build_network
from posekit.models.freezing import freeze, keep_frozen_norms
from posekit.models.heads import Prediction, all_averaged, halves_of
from posekit.models.heatmap_heads import heatmaps_of
from posekit.models.multiscale import check_scales, resize_input, scaled_size
from posekit.models.normalisation import (
    FIXED,
    check_normalisation,
    in_order,
    input_channels,
    levels,
    standardised,
)
from posekit.models.poses import people_of
from posekit.models.pretrained import Start, start_backbone, starts_later, without_pretrained
from posekit.models.transfer import SampleTransfer
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.structures import Pose, Sample, Skeleton

# Of the RGB photos of ImageNet, in grey levels of 0..255: what every released backbone was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@MODELS.register_module()
class PoseEstimator(BaseModel):
    """Pose estimation on one crop per person, or on whole pictures if the head finds many people.

    Args:
        backbone: Config of a backbone, or one already built: an image (B, 3, H, W) -> a map (B, C, h, w),
            or a list of them, one per supervised stage. Its ``out_channels`` is C; ``emits_heatmaps``,
            False if not there, says that the maps are the heatmaps already (a stacked hourglass feeds them
            to its next stack); ``input_divisor``, 32 if not there, what the input's sides must be multiples
            of. A config's ``pretrained`` is loaded by :meth:`init_weights`.
        head: Config of a head, or one already built: a :class:`~posekit.models.heads.Head`, or several by
            name (:class:`~posekit.models.multihead.MultiHead`).
        skeleton: What the keypoints are: a name, a config's dict or a ``Skeleton``. The engine passes the
            config's top-level ``skeleton``.
        flip_test: Average the outputs of a crop and of its mirror image when predicting.
        test_scales: Factors on the input's size, rounded to what the network can halve; when predicting,
            the heatmaps of the crop in all these sizes are averaged in the frame of its own size, each
            with its mirror image if ``flip_test``. ``(1.0,)``: the crop as it is. Not for codecs with
            offset maps, nor for heads of another kind.
        mean: Grey levels (0..255) subtracted from the network's input channels, one number for each.
        std: Grey levels by which they are then divided.
        channel_order: Of the network's input: ``"rgb"``, ``"bgr"`` as SimpleBaseline's release reads
            photos, or ``"grey"``, one channel. Images are RGB in any case; the order is changed here.
        normalisation: ``"fixed"``: by mean and std; ``"per_image"``: each image by its own, which need then
            not be stated (:func:`~posekit.models.normalisation.standardised`).
        channels_last: Keep weights and images in the NHWC memory layout, which convolutions on most
            CPUs and on GPUs with tensor cores prefer.
        frozen: Beginnings of names that do not learn, such as ``("backbone.backbone.blocks.0.",)``; their
            batch norms become constants. Fine layers of a pretrained network cost a training most of its
            time and change least.

    Raises:
        ConfigError: If there is no skeleton, a part lacks what it is built from, mean or std are not
            a number for each channel, channel order or normalisation are unknown, ``frozen`` names nothing,
            or the test scales are not different positive numbers or do not suit the codec.
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
        frozen: Sequence[str] = (),
        normalisation: str = FIXED,
    ) -> None:
        super().__init__(data_preprocessor=SampleTransfer())
        if skeleton is None:
            raise ConfigError("PoseEstimator: 'skeleton' is missing; state it at the top of the config")
        self.input_channels, self.channel_order = input_channels(channel_order), channel_order
        self.normalisation = check_normalisation(normalisation)
        self.skeleton = get_skeleton(skeleton)
        self.flip_test = flip_test
        # Up to so many crops go through the network together with their mirror images: faster on a CPU, where
        # a batch of one is slow; last digits then depend on the number of crops.
        self.flip_together = 0
        # What computes the network when it predicts, if not torch as it is, and how; posekit.models.backends.
        self.run: Callable[[Tensor], list[Any]] | None = None
        self.backend_words = ""
        backbone, self.pretrained = without_pretrained(backbone)
        self.start: Start | None = None
        self.backbone, self.head = build_network(backbone, head, self.skeleton)
        self.whole_pictures = bool(getattr(self.head, "whole_pictures", False))
        self.test_scales = check_scales(test_scales)
        self.head.check_scales(self.test_scales)
        # Not saved: they belong to the config, and released checkpoints do not have them.
        channels = self.input_channels
        if normalisation != FIXED:
            mean, std = (0.0,) * channels, (1.0,) * channels
        self.register_buffer("mean", levels(mean, "mean", channels), persistent=False)
        self.register_buffer("std", levels(std, "std", channels), persistent=False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)
        self.frozen = tuple(frozen)
        freeze(self, self.frozen)
        if not starts_later():
            self.init_weights()
            if self.start is not None and self.start.lacking:
                warnings.warn(f"PoseEstimator: the backbone starts from {self.start.words}", stacklevel=2)

    def init_weights(self) -> None:
        """Loads what the backbone's config names as ``pretrained``; ``start`` then says what it was.

        The constructor does; but the engine builds networks within
        :func:`~posekit.models.weights.starting_later` and calls it when a training begins anew, since a test
        and a run that is resumed need no such file.

        Raises:
            CheckpointError: See :func:`~posekit.models.pretrained.start_backbone`.
        """
        self.start = start_backbone(self.backbone, self.pretrained)

    def train(self, mode: bool = True) -> PoseEstimator:
        """As of any module; but a frozen batch norm keeps the statistics that it has."""
        super().train(mode)
        if self.frozen:
            keep_frozen_norms(self)
        return self

    def forward(self, *fields: Any, mode: str = "tensor") -> Any:
        """Runs the network on the fields of a batched :class:`~posekit.structures.Sample`.

        Args:
            *fields: All fields of the batch; ``mode="tensor"`` needs the image alone.
            mode: ``"loss"`` -> the head's dict of losses; ``"predict"`` -> a list of B ``Pose`` (B lists of
                such of whole pictures); ``"tensor"`` -> the head's outputs (heatmaps) stage by stage.

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
        """Turns a uint8 RGB batch (B, 3, H, W) into the float batch (B, C, H, W) that the backbone takes."""
        if self.normalisation == FIXED:
            image = normalised(image, self.mean, self.std, self.channel_order)
        else:
            image = standardised(image, self.channel_order)
        return image.contiguous(memory_format=self.memory_format)

    def stages(self, image: Tensor) -> list[Any]:
        """Maps a normalised batch (B, 3, H, W) to the head's outputs, one entry per supervised stage.

        Raises:
            ConfigError: If the backbone gives something else than maps.
        """
        maps = self.backbone(image)
        if isinstance(maps, Tensor):
            maps = [maps]
        if not isinstance(maps, (list, tuple)) or not all(isinstance(stage, Tensor) for stage in maps):
            raise ConfigError(
                f"model.backbone: {type(self.backbone).__name__}: expected a map (B, C, h, w) or a list of "
                f"maps, found {type(maps).__name__}"
            )
        outputs = self.head(maps)
        if not isinstance(outputs, (list, tuple)):  # of a tensor, the last stage would be the last sample
            raise ConfigError(
                f"model.head: {type(self.head).__name__}.forward: expected a list of outputs, one per "
                f"supervised stage, found {type(outputs).__name__}"
            )
        return list(outputs)

    def loss(self, sample: Sample) -> dict[str, Tensor]:
        """Computes the losses of a batch; see the head for the keys.

        Raises:
            ConfigError: If the head gives no loss by a name that says so.
        """
        losses = self.head.loss(self.stages(self.normalise(sample.image)), sample)
        if not isinstance(losses, Mapping) or not any("loss" in name for name in losses):
            found = sorted(losses) if isinstance(losses, Mapping) else type(losses).__name__
            raise ConfigError(
                f"model.head: {type(self.head).__name__}.loss: expected a dict, of which the entries with "
                f"'loss' in their name are summed, found {found}"
            )
        return dict(losses)

    def outputs(self, image: Tensor) -> Any:
        """Maps a normalised batch to the last stage's outputs, averaged over mirror images and scales.

        Of a heatmap head these are the heatmaps (B, C, h, w) that it decodes.
        """
        return all_averaged([self._in_scale(image, scale) for scale in self.test_scales])

    def heatmaps(self, image: Tensor) -> Tensor:
        """The heatmaps (B, C, h, w) among the outputs, of a network with a heatmap head."""
        return heatmaps_of(self, self.outputs(image))

    def _in_scale(self, image: Tensor, scale: float) -> Any:
        """The outputs of the resized crop, as seen in the crop itself."""
        if scale == 1:
            return self._flip_averaged(image)
        size = _size_hw(image)
        resized = resize_input(image, scaled_size(size, scale, getattr(self.backbone, "input_divisor", 32)))
        resized = resized.contiguous(memory_format=self.memory_format)
        return self.head.resample(self._flip_averaged(resized), _size_hw(resized), size)

    def _flip_averaged(self, image: Tensor) -> Any:
        """The last stage's outputs, averaged with the mirror image's if set.

        The head turns the mirrored ones back, with whatever shift its convention needs.
        """
        if not self.flip_test:
            return self.last(image)
        turned = image.flip(3).contiguous(memory_format=self.memory_format)
        if len(image) <= self.flip_together:
            outputs, mirrored = halves_of(self.last(torch.cat([image, turned])))
        else:
            outputs, mirrored = self.last(image), self.last(turned)
        return self.head.average(outputs, self.head.flip(mirrored, self.skeleton.flip_index, _size_hw(image)))

    def last(self, image: Tensor) -> Any:
        """Maps a normalised batch to the last stage's outputs, without flip and multi-scale test."""
        stages = self.stages(image) if self.run is None else self.run(image)
        return self.head.activate(stages[-1])

    @torch.no_grad()
    def predict(self, sample: Sample) -> list[Any]:
        """Predicts one :class:`~posekit.structures.Pose`, in image pixels, per crop of the batch.

        Of whole pictures a list each. No gradient is kept for poses, which are arrays; ``outputs`` has one.
        """
        prediction = self.head.predict(self.outputs(self.normalise(sample.image)), sample)
        wanted, points = (self.skeleton.num_keypoints, 2), prediction.points
        if points is not None and tuple(points.shape[1:]) != wanted:
            raise ConfigError(
                f"model.head: {type(self.head).__name__}.predict: expected points of shape "
                f"(B, {wanted[0]}, 2), found {tuple(points.shape)}"
            )
        return poses_of(prediction, sample) if prediction.owner is None else people_of(prediction, sample)

    def describe(self) -> dict[str, str]:
        """States codec, flip test, multi-scale test and, unless it is torch as it is, the backend."""
        inside = getattr(self.backbone, "flip_inside", False)  # of an exported file
        flip = "average of the crop and its mirror image" if self.flip_test or inside else "off"
        flip += ", inside the file" if inside else ""
        scales = ", ".join(f"{scale:g}" for scale in self.test_scales)
        scales = "off" if self.test_scales == (1.0,) else f"average of the crop's size times {scales}"
        words = {"codec": "none", **self.head.describe(), "flip": flip, "scales": scales}
        return {**words, "backend": self.backend_words} if self.backend_words else words


def normalised(image: Tensor, mean: Tensor, std: Tensor, channel_order: str) -> Tensor:
    """Turns a uint8 RGB batch (B, 3, H, W) into float, channel by channel in the order given."""
    if channel_order != "rgb":
        image = in_order(image, channel_order)
    # In place, in memory of its own: two large temporaries less.
    return image.to(torch.float32, copy=True).sub_(mean).div_(std)


def _size_hw(image: Tensor) -> tuple[int, int]:
    return int(image.shape[-2]), int(image.shape[-1])


def poses_of(prediction: Prediction, sample: Sample) -> list[Pose]:
    """Takes a head's prediction back to image pixels.

    Args:
        prediction: Of B crops. Without points the poses have no keypoints: (0, 2).
        sample: The batch they were predicted from.
    """
    points_image, scores = _in_image(prediction, sample)
    boxes, box_scores = sample.box_xyxy.cpu().numpy(), sample.box_score.cpu().numpy()
    image_ids, person_ids = sample.image_id.tolist(), sample.person_id.tolist()
    extra = {name: value.cpu().numpy() for name, value in prediction.extra.items()}
    return [
        Pose(
            keypoints=points_image[i].astype(np.float32),
            scores=person_scores,
            box_xyxy=boxes[i],
            box_score=float(box_scores[i]),
            image_id=image_ids[i],
            person_id=person_ids[i],
            extra={name: values[i] for name, values in extra.items()},
        )
        for i, person_scores in enumerate(scores)
    ]


def _in_image(prediction: Prediction, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Points float64 (B, K, 2), image pixels, and scores float32 (B, K)."""
    count = len(sample.box_score)
    if prediction.points is None:
        return np.zeros((count, 0, 2)), np.zeros((count, 0), np.float32)
    # float64 on the host only: Apple's GPUs have none.
    inverse = invert_warp(sample.warp.cpu().numpy().astype(np.float64))
    points_image = apply_warp(prediction.points.cpu().double().numpy(), inverse)
    scores = prediction.scores
    if scores is None:  # of a head that does not say how sure it is
        return points_image, np.ones(points_image.shape[:2], np.float32)
    return points_image, scores.float().cpu().numpy()
