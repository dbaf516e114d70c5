"""Finds people in pictures: ``PersonDetector()(images)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posekit.detection.networks import (
    DEFAULT_NETWORK,
    check_network,
    input_size_of,
    load_people_network,
    published_weights,
    read_detector,
    run_network,
)
from posekit.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class DetectedPeople:
    """The people found in one image, the surest first.

    Attributes:
        boxes_xyxy: float32 (n, 4), image pixels; COCO's numbers, see :mod:`posekit.detection`.
        scores: float32 (n,), from 0 to 1.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray

    @classmethod
    def from_torchvision(cls, found: dict[str, Tensor]) -> DetectedPeople:
        """What torchvision gives for one image, on the CPU; boxes without any area are left out."""
        boxes, scores = (found[key].detach().float().cpu().numpy() for key in ("boxes", "scores"))
        kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(boxes).all(axis=1)
        return cls(boxes[kept], scores[kept])

    def __len__(self) -> int:
        return len(self.scores)


class PersonDetector:
    """torchvision's Faster R-CNN, giving people alone. It may be called from several threads.

    Args:
        network: One of :data:`~posekit.detection.networks.NETWORKS`; None: what ``weights`` hold, by default
            ``fasterrcnn_resnet50_fpn``.
        weights: True: torchvision's COCO weights, downloaded if need be. None: the same if they are at hand;
            the network is not touched. A path: torchvision's file, or a checkpoint of
            ``tools/train_detector.py``.
        score_threshold: Boxes scored below it are left out; 0.05 for a file that is to be scored by AP.
        nms_threshold: Of two boxes with a greater IoU the lesser is left out.
        max_people: At most so many of an image, the surest.
        device: Default: the GPU if there is one.
        batch_size: Images in the network at once.

    Raises:
        CheckpointError: If the weights cannot be had (saying what can be done without them) or do not fit.
        ConfigError: On an unknown network or an impossible threshold.

    What is found in an image does not depend on the images given with it: only those that the network sees in
    the same size share a batch.
    """

    def __init__(
        self,
        network: str | None = None,
        weights: bool | str | Path | None = None,
        score_threshold: float = 0.5,
        nms_threshold: float = 0.5,
        max_people: int = 100,
        device: str | torch.device | None = None,
        batch_size: int = 4,
    ) -> None:
        check_settings(score_threshold, nms_threshold, max_people, batch_size)
        if network is not None:
            check_network(network)
        if weights is None or isinstance(weights, bool):
            network = network or DEFAULT_NETWORK
            path = published_weights(network, download=weights is True)
        else:
            path = Path(weights)
        file = read_detector(path, network)
        self.network, self.weights, self.batch_size = file.network, path, batch_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = load_people_network(
            file,
            box_score_thresh=score_threshold,
            box_nms_thresh=nms_threshold,
            box_detections_per_img=max_people,
        )
        self.model.eval().requires_grad_(False).to(self.device)

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
        planes = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in images]
        with torch.inference_mode():
            found = run_network(self.model, planes, self.batch_size)
        return [DetectedPeople.from_torchvision(one) for one in found]

    def describe(self) -> str:
        """Network, weights and settings in one line."""
        heads = self.model.roi_heads
        size = input_size_of(self.model)
        settings = f"score >= {heads.score_thresh:g}, NMS {heads.nms_thresh:g}"
        return (
            f"{self.network} ({self.weights.name}), input {size.shorter}/{size.longest}, {settings}, "
            f"at most {heads.detections_per_img} people an image, {self.device}"
        )


def check_settings(score_threshold: float, nms_threshold: float, max_people: int, batch_size: int) -> None:
    """Raises ConfigError on settings of a detector that are out of range."""
    for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
        if not 0 <= value <= 1:
            raise ConfigError(f"person detector: expected {name!r} to be from 0 to 1, found {value!r}")
    for name, number in (("max_people", max_people), ("batch_size", batch_size)):
        if number < 1:
            raise ConfigError(f"person detector: expected {name!r} to be at least 1, found {number!r}")


def check_image(image: np.ndarray, number: int) -> None:
    """Raises DataError unless an image is uint8 (H, W, 3)."""
    kind = getattr(image, "dtype", None), getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"person detector: image {number}: expected a uint8 RGB array (H, W, 3), found "
            f"{type(image).__name__} {kind[0]} {kind[1]}"
        )
