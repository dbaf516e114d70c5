"""Benchmark of a training step, against its network alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch.nn import functional as F

from posekit.codecs import MSRACodec
from posekit.datasets import COCO17
from posekit.models import (
    CoordinateHead,
    HeatmapHead,
    Hourglass,
    HRNet,
    L1Loss,
    MSELoss,
    PoseEstimator,
    RLELoss,
    TimmBackbone,
)
from posekit.structures import Sample

from .common import HEATMAP_HW, INPUT_HW, Row, Settings, milliseconds

NETWORKS: dict[str, dict[str, Any]] = {
    "hourglass": {"type": Hourglass, "stacks": 2, "features": 64},
    "hrnet_w32": {"type": HRNet, "variant": "w32"},
}


def train_step(settings: Settings) -> list[Row]:
    """Forward, loss and backward of a training step on 4 crops of 256x192, and a whole one with Adam.

    posekit normalises the crops, draws the targets, and computes loss and accuracy; the reference is the
    network alone on a normalised batch, with ``mse_loss`` against maps already drawn. The small hourglass
    makes the rest weigh more than it does beside ``--network hrnet_w32``, for which the target is set.

    Targets:
        forward + backward: ratio <= 1.03
        with Adam: ratio <= 1.03
    """
    torch.manual_seed(0)
    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    estimator = PoseEstimator(NETWORKS[settings.network], head, COCO17).train()
    sample = random_batch(4)
    image = estimator.normalise(sample.image)
    target, _ = estimator.head.codec.encode(sample.keypoints, sample.weight, INPUT_HW, HEATMAP_HW)
    seconds = settings.in_turns(
        settings.timed(lambda: full_step(estimator, sample)),
        settings.timed(lambda: bare_step(estimator, image, target)),
    )
    optimizer = torch.optim.Adam(estimator.parameters(), lr=1e-6)
    wrapper = OptimWrapper(optimizer)

    def bare_with_adam() -> None:
        bare_step(estimator, image, target)
        optimizer.step()

    with_adam = settings.in_turns(
        settings.timed(lambda: estimator.train_step(sample, wrapper)), settings.timed(bare_with_adam)
    )
    reference = f"bare {settings.network}"
    return [
        milliseconds("forward + backward", seconds, reference),
        milliseconds("with Adam", with_adam, reference),
    ]


def rle_step(settings: Settings) -> list[Row]:
    """Forward, loss and backward of a MobileNetV2 that regresses points, on 8 crops of 256x192, by RLE.

    The reference is the same step by L1: residual log-likelihood adds a spread for each number and a small
    flow in the loss.

    Targets:
        RLE, forward + backward: ratio <= 1.03
    """
    sample = random_batch(max(2, settings.count(8)))
    steps = []
    for loss in (RLELoss, L1Loss):
        torch.manual_seed(0)
        backbone = {"type": TimmBackbone, "name": "mobilenetv2_100", "decoder": "none", "stride": 32}
        head = {"type": CoordinateHead, "loss": {"type": loss}}
        estimator = PoseEstimator(backbone, head, COCO17).train()
        steps.append(settings.timed(partial(full_step, estimator, sample)))
    return [milliseconds("RLE, forward + backward", settings.in_turns(*steps), "the same step by L1")]


def random_batch(people: int) -> Sample:
    nothing = torch.zeros(people)
    return Sample(
        image=torch.randint(0, 256, (people, 3, *INPUT_HW), dtype=torch.uint8),
        keypoints=torch.rand(people, 17, 2) * torch.tensor([191.0, 255.0]),
        weight=torch.ones(people, 17),
        warp=torch.zeros(people, 2, 3),
        box_xyxy=torch.zeros(people, 4),
        box_score=nothing,
        image_id=nothing,
        person_id=nothing,
    )


def full_step(estimator: PoseEstimator, sample: Sample) -> None:
    estimator.zero_grad()
    total, _ = estimator.parse_losses(estimator(*sample, mode="loss"))
    total.backward()


def bare_step(estimator: PoseEstimator, image: torch.Tensor, target: torch.Tensor) -> None:
    estimator.zero_grad()
    losses = [F.mse_loss(stack, target) for stack in estimator.stages(image)]
    torch.stack(losses).sum().backward()
