"""A network that needs no training: its heatmaps are bright where the crop is, one colour per keypoint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from posekit import Predictor
from posekit.codecs import UDPCodec
from posekit.inference import People
from posekit.models import HeatmapHead, MSELoss, PoseEstimator
from posekit.structures import Skeleton
from posekit.transforms import Crop

CROP = Crop((64, 48), convention="udp")
SKELETON = Skeleton(
    "dots",
    ("left_dot", "right_dot", "middle_dot"),
    flip_pairs=(("left_dot", "right_dot"),),
    limbs=(("left_dot", "right_dot"),),
    sigmas=(0.1, 0.1, 0.1),
)
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


class Dots(nn.Module):
    """Map k is the k-th colour channel, smoothed and at a quarter of the resolution."""

    emits_heatmaps, out_channels, input_divisor = True, 3, 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image):
        size = image.shape[2] // 4, image.shape[3] // 4
        maps = F.interpolate(F.avg_pool2d(image, 5, 1, 2), size, mode="bilinear", align_corners=True)
        return [maps * self.weight]


def estimator(flip_test: bool = False) -> PoseEstimator:
    head = {"type": HeatmapHead, "codec": {"type": UDPCodec}, "loss": {"type": MSELoss}}
    return PoseEstimator(Dots(), head, SKELETON, flip_test=flip_test, mean=(0, 0, 0), std=(255, 255, 255))


def predictor(**settings) -> Predictor:
    return Predictor(estimator(), crop=CROP, device="cpu", **settings)


def picture(height: int, width: int, *people) -> np.ndarray:
    """uint8 (H, W, 3) RGB: black, with three soft discs (x, y) for each person, red, green and blue."""
    ys, xs = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3))
    for dots in people:
        for k, (x, y) in enumerate(dots):
            image[..., k] = np.maximum(image[..., k], 255 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 32))
    return image.round().astype(np.uint8)


ANN = ((30, 30), (50, 40), (40, 60))
BOB = ((110, 35), (130, 45), (120, 65))
BOX_ANN, BOX_BOB = (20, 15, 60, 75), (100, 20, 140, 80)


BOTH = [BOX_ANN, BOX_BOB]


def photo() -> np.ndarray:
    return picture(90, 160, ANN, BOB)


def close(people: People, *expected) -> None:
    assert len(people) == len(expected)
    for pose, dots in zip(people, expected, strict=True):
        np.testing.assert_allclose(pose.keypoints, dots, atol=1.0)
        assert (pose.scores > 0.4).all()


def save(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path
