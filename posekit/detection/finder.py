"""A small person finder: a mobile backbone, a light pyramid, a map of centres and one of boxes.

:class:`CentreDetector` is what is trained (``tools/train_detector.py``), :class:`PersonFinder` finds people
with its checkpoints. Targets, losses and reading are in :mod:`posekit.detection.centre`, its files in
:mod:`posekit.detection.finder_files`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from posekit.detection.centre import CentreTargets, box_loss, centre_loss, centre_targets, find_centres
from posekit.detection.detector import DetectedPeople, check_image, check_settings
from posekit.detection.finder_files import ARCHITECTURE, FinderForm, read_finder
from posekit.detection.letterbox import FILL, Letterboxed, letterbox
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.machine import threads, threads_for
from posekit.models.estimator import IMAGENET_MEAN, IMAGENET_STD
from posekit.models.folding import folded
from posekit.models.freezing import freeze, keep_frozen_norms
from posekit.models.fusing import fused
from posekit.models.mobile import without_timm
from posekit.models.pretrained import Start, start_backbone, starts_later
from posekit.models.summary import counting_macs
from posekit.models.weights import check_weights
from posekit.registry import MODELS

# Before the first step: one cell in ten looks like a centre, and every box is 80 pixels wide.
_PRIOR, _FIRST_SIDE = 0.1, 80


@MODELS.register_module()
class CentreDetector(BaseModel):
    """Finds people as peaks in a map of centres, with the distances to their boxes' edges.

    Its checkpoints are what :class:`PersonFinder` takes as ``weights``.

    Args:
        network: Of timm, convolutional, e.g. "mobilenetv2_100".
        pretrained: What the backbone starts from, as of :class:`~posekit.models.timm_backbone.TimmBackbone`.
        input_size: The longer side that pictures are resized to, pixels; both sides are then padded to
            multiples of the backbone's coarsest stride.
        width: Channels of pyramid and heads.
        stride: Input pixels per cell of the maps.
        frozen: Beginnings of names that do not learn, such as ``("backbone.backbone.conv_stem.",)``; their
            batch norms become constants.
        box_weight: Of the boxes' loss, the centres' being 1; Liu et al. take 5.
        score_threshold: Of the boxes predicted in validation; AP wants it low.
        nms_threshold: Of two boxes with a greater IoU the lesser is left out.
        max_people: At most so many of a picture.

    Raises:
        CheckpointError: If the weights cannot be had or do not fit.
        ConfigError: On an unknown network or an impossible number, or if ``frozen`` names nothing.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: str = "mobilenetv2_100",
        pretrained: Any = None,
        input_size: int = 320,
        width: int = 64,
        stride: int = 8,
        frozen: Sequence[str] = (),
        box_weight: float = 5.0,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_people: int = 100,
    ) -> None:
        super().__init__()
        check_settings(score_threshold, nms_threshold, max_people, 1)
        self.form = FinderForm(network, input_size, width, stride)
        self.form.check()
        self.box_weight = box_weight
        self.reading = (score_threshold, nms_threshold, max_people)
        self.backbone = self.form.backbone()
        self.centre, self.box = _head(width, 1), _head(width, 4)
        nn.init.constant_(self.centre[-1].bias, math.log(_PRIOR / (1 - _PRIOR)))  # type: ignore[arg-type]
        nn.init.constant_(self.box[-1].bias, math.log(_FIRST_SIDE / 2 / stride))  # type: ignore[arg-type]
        self.register_buffer(ARCHITECTURE, self.form.stored())
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)
        freeze(self, frozen)
        self.pretrained = pretrained
        self.start: Start | None = None
        if not starts_later():
            self.init_weights()

    def init_weights(self) -> None:
        """Loads what the backbone is to start from; the engine calls it when a training begins."""
        self.start = start_backbone(self.backbone, self.pretrained)

    def train(self, mode: bool = True) -> CentreDetector:
        """As of any module; but a frozen batch norm keeps the statistics that it has."""
        super().train(mode)
        keep_frozen_norms(self)
        return self

    def forward(
        self,
        image: Sequence[Tensor],
        boxes_xyxy: Sequence[Tensor] | None = None,
        image_id: Tensor | None = None,
        ignored_xyxy: Sequence[Tensor] | None = None,
        mode: str = "predict",
    ) -> Any:
        """Runs the network on the fields of a batch of :class:`~posekit.detection.dataset.ImageSample`.

        Args:
            image: B pictures, uint8 (3, H, W) RGB, of any sizes.
            boxes_xyxy: B tables, float32 (n, 4).
            image_id: int64 (B,).
            ignored_xyxy: B tables, float32 (m, 4): neither person nor background; None: nothing is.
            mode: ``"loss"`` -> ``loss_centre`` and ``loss_box``; ``"predict"`` -> a list of B
                ``DetectedPeople``.

        Raises:
            ValueError: On another mode.
        """
        if mode == "predict":
            return self.find([one.permute(1, 2, 0).cpu().numpy() for one in image])
        if mode != "loss" or boxes_xyxy is None:
            raise ValueError(f"mode: expected 'loss' (with boxes) or 'predict', found {mode!r}")
        return self._loss(image, boxes_xyxy, ignored_xyxy or [boxes[:0] for boxes in boxes_xyxy])

    def _loss(
        self, image: Sequence[Tensor], boxes_xyxy: Sequence[Tensor], ignored_xyxy: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        seen = [self._letterbox(one.permute(1, 2, 0).cpu().numpy()) for one in image]
        boxed = [one for one in seen if one is not None]
        if len(boxed) < len(seen):
            sizes = [tuple(one.shape[1:]) for one, result in zip(image, seen, strict=True) if result is None]
            raise DataError(
                f"finder: expected pictures that can be resized to {self.form.input_size} pixels, found one "
                f"of {sizes[0]} (height, width); leave it out of the training"
            )
        logits, distances = self.maps(_padded([one.image for one in boxed]))
        stride, size_hw = self.form.stride, (int(logits.shape[1]), int(logits.shape[2]))
        targets = [
            centre_targets(boxes * scale, ignored * scale, size_hw, stride)
            for boxes, ignored, scale in zip(boxes_xyxy, ignored_xyxy, map(_scale, boxed), strict=True)
        ]
        whole = CentreTargets(*(torch.stack(part).to(logits.device) for part in zip(*targets, strict=True)))
        return {
            "loss_centre": centre_loss(logits, whole.heat, whole.background),
            "loss_box": self.box_weight * box_loss(distances, whole, stride),
        }

    def _letterbox(self, image: np.ndarray) -> Letterboxed | None:
        return letterbox(image, self.form.input_size, self.backbone.input_divisor)

    def maps(self, images: np.ndarray) -> tuple[Tensor, Tensor]:
        """Inputs uint8 (B, h, w, 3) -> logits (B, h / s, w / s) and distances (B, 4, h / s, w / s)."""
        planes = torch.from_numpy(images).to(self.mean.device).permute(0, 3, 1, 2)
        (features,) = self.backbone((planes - self.mean) / self.std)
        return self.centre(features)[:, 0], self.box(features)

    def find(self, images: Sequence[np.ndarray], batch_size: int | None = None) -> list[DetectedPeople]:
        """Finds the people of each picture, uint8 (H, W, 3) RGB.

        Only pictures that need the same padding share a batch, so that none changes what is found in another.

        Args:
            images: Of any sizes; in one too thin to be resized there is nobody.
            batch_size: At most so many at once.
        """
        found = [DetectedPeople(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for _ in images]
        groups: dict[tuple[int, ...], list[tuple[int, Letterboxed]]] = {}
        for number, image in enumerate(images):
            if (boxed := self._letterbox(image)) is not None:
                groups.setdefault(boxed.image.shape, []).append((number, boxed))
        for group in groups.values():
            step = batch_size or len(group)
            for start in range(0, len(group), step):
                batch = group[start : start + step]
                maps = self.maps(np.stack([boxed.image for _, boxed in batch]))
                for (number, boxed), logits, distances in zip(batch, *maps, strict=True):
                    found[number] = self._people(logits, distances, boxed, images[number].shape[1::-1])
        return found

    def _people(
        self, logits: Tensor, distances: Tensor, boxed: Letterboxed, size_wh: tuple[int, ...]
    ) -> DetectedPeople:
        boxes, scores = find_centres(logits.float(), distances.float(), self.form.stride, *self.reading)
        whole = (boxes.cpu() / _scale(boxed)).clamp(min=0).minimum(torch.tensor([*size_wh, *size_wh]))
        return DetectedPeople.from_torchvision({"boxes": whole, "scores": scores})


def _head(width: int, channels: int) -> nn.Sequential:
    """A 3x3 convolution, and a 1x1 that begins near 0, so that the bias alone speaks at first."""
    last = nn.Conv2d(width, channels, 1)
    nn.init.normal_(last.weight, std=0.001)
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        last,
    )


def _scale(boxed: Letterboxed) -> Tensor:
    """What boxes of the picture are multiplied by to be those of the input, float32 (4,)."""
    return torch.from_numpy(np.tile(boxed.scale_xy, 2)).float()


def _padded(images: Sequence[np.ndarray]) -> np.ndarray:
    """Inputs of different sizes as one array, uint8 (B, h, w, 3)."""
    height, width = np.max([one.shape[:2] for one in images], axis=0)
    batch = np.empty((len(images), height, width, 3), np.uint8)
    batch[:] = FILL
    for place, one in zip(batch, images, strict=True):
        place[: one.shape[0], : one.shape[1]] = one
    return batch


class PersonFinder:
    """The small person finder; used as :class:`~posekit.detection.PersonDetector` is, from any thread.

    Args:
        weights: A checkpoint of a :class:`CentreDetector`.
        score_threshold: Boxes scored below it are left out; 0.05 for a file that is to be scored by AP.
        nms_threshold: Of two boxes with a greater IoU the lesser is left out.
        max_people: At most so many of a picture, the surest.
        device: Default: the GPU if there is one.
        batch_size: Pictures in the network at once.
        exact: Compute to the last digit as in training's validation; else batch norms are folded into the
            convolutions before them, which is faster (:func:`~posekit.models.folding.folded`), and torch
            takes no more threads than the pictures are worth (:func:`posekit.machine.threads_for`).

    Raises:
        CheckpointError: If the weights cannot be read, are not a finder's, or do not fit.
        ConfigError: On an impossible threshold.

    What is found in a picture does not depend on the pictures given with it.
    """

    def __init__(
        self,
        weights: str | Path,
        score_threshold: float = 0.5,
        nms_threshold: float = 0.5,
        max_people: int = 100,
        device: str | torch.device | None = None,
        batch_size: int = 4,
        exact: bool = True,
    ) -> None:
        check_settings(score_threshold, nms_threshold, max_people, batch_size)
        form, tensors = read_finder(weights)
        self.weights, self.batch_size, self.network = Path(weights), batch_size, form.network
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        try:
            with without_timm():
                self.model = CentreDetector(
                    **asdict(form),
                    score_threshold=score_threshold,
                    nms_threshold=nms_threshold,
                    max_people=max_people,
                )
        except ConfigError as error:
            raise CheckpointError(f"checkpoint {weights}: {error}") from error
        check_weights(self.model.state_dict(), tensors, weights, f"a finder on {form.network}")
        self.model.load_state_dict(tensors)
        self.model.eval().requires_grad_(False).to(self.device)
        self._macs = float("inf")  # of one picture
        if not exact:
            self.model = folded(self.model, _maps_of_noise).to(memory_format=torch.channels_last)
            if self.device.type == "cpu":
                self.model = fused(self.model, _maps_of_noise)
            with counting_macs(self.model) as macs, torch.no_grad():
                _maps_of_noise(self.model)
            self._macs = sum(macs) * (form.input_size / (2 * self.model.backbone.input_divisor)) ** 2

    def __call__(self, images: Sequence[np.ndarray]) -> list[DetectedPeople]:
        """Finds the people of each image.

        Args:
            images: uint8 (H, W, 3) RGB, of any sizes.

        Returns:
            As many results, in the order of the images. An image too thin to be resized holds nobody.

        Raises:
            DataError: If one is no such array, naming its place.
        """
        for number, image in enumerate(images):
            check_image(image, number)
        count = threads_for(self._macs * min(len(images), self.batch_size))
        with torch.inference_mode(), threads(count):
            return self.model.find(images, self.batch_size)

    def describe(self) -> str:
        """Network, weights and settings in one line."""
        threshold, suppression, most = self.model.reading
        return (
            f"finder on {self.network} ({self.weights.name}), input {self.model.form.input_size}, "
            f"score >= {threshold:g}, NMS {suppression:g}, at most {most} people an image, {self.device}"
        )


def _maps_of_noise(model: CentreDetector) -> list[Tensor]:
    side = 2 * model.backbone.input_divisor
    return list(model.maps(np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)))
