"""Benchmark of the predictor around its network: crops, decoding, poses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from posekit import Predictor
from posekit.codecs import MSRACodec
from posekit.datasets import COCO17
from posekit.io.pictures import load_rgb
from posekit.models import HeatmapHead, MSELoss, PoseEstimator
from posekit.transforms import Crop

from .arrays import random_points
from .common import INPUT_HW, Row, Settings, milliseconds
from .samples import bare_read, synthetic_photo


class KnownMaps(nn.Module):
    """Stands for a network that takes no time: heatmaps made beforehand."""

    emits_heatmaps = True

    def __init__(self, heatmaps: Tensor) -> None:
        super().__init__()
        self.heatmaps = heatmaps
        self.out_channels = heatmaps.shape[1]

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.heatmaps[: len(image)]]


def predictor(settings: Settings) -> list[Row]:
    """The predictor without its network, on a decoded 640x480 image: crops, normalised, maps decoded, poses.

    The crops are 256x192, with 17 maps each; no flip test, whose mirror images and averaging count as the
    network's.

    The reference is bare OpenCV decoding the image from its JPEG. MMPose 1.3.2 takes 2.5 ms (1 box) and
    16.7 ms (8 boxes) where a decode takes 1.27 ms; the targets are 0.65 and 0.2 of that, in decodes.

    Targets:
        1 box: ratio <= 1.28
        8 boxes: ratio <= 2.63
    """
    path = settings.folder / "predictor.jpg"
    cv2.imwrite(str(path), synthetic_photo(0))
    return [time_predictor(settings, path, count) for count in (1, 8)]


def time_predictor(settings: Settings, path: Path, count: int) -> Row:
    predict, image = predictor_of_known_maps(count), load_rgb(path)
    rng = np.random.default_rng(0)
    top_left, sides = rng.uniform(0, (400, 200), (count, 2)), rng.uniform(80, 240, (count, 2))
    boxes = np.concatenate([top_left, top_left + sides], axis=1)
    seconds = settings.in_turns(
        settings.timed(lambda: predict(image, boxes), 10),
        settings.timed(lambda: bare_read(str(path)), 10),
        warm_up=2,
    )
    what = "1 box" if count == 1 else f"{count} boxes"
    return milliseconds(what, seconds, "bare decode of the JPEG")


def predictor_of_known_maps(count: int) -> Predictor:
    codec = MSRACodec()
    points, weight = (values[:count] for values in random_points(Settings(Path())))
    heatmaps, _ = codec.encode(points, weight, INPUT_HW, (INPUT_HW[0] // 4, INPUT_HW[1] // 4))
    head = {"type": HeatmapHead, "codec": codec, "loss": {"type": MSELoss}}
    maps = heatmaps + 0.02 * torch.randn_like(heatmaps)
    return Predictor(
        PoseEstimator(KnownMaps(maps), head, COCO17, flip_test=False), crop=Crop(INPUT_HW), device="cpu"
    )
