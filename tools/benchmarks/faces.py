"""Benchmarks of face landmarks: NME of many faces, and training steps of CNN-6."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.optim import OptimWrapper

from posekit.metrics.nme import face_sizes, nme_per_face, nme_scores
from posekit.models import CoordinateHead, FaceCNN, PoseEstimator, WingLoss
from posekit.skeletons import IBUG68
from posekit.structures import Sample

from .common import Row, Settings, milliseconds, synthetic_table

FACE_HW, BATCH = (64, 64), 32


def face_metric(settings: Settings) -> list[Row]:
    """Inter-ocular NME, failure rates and AUC of 10,000 faces of 68 points, from arrays.

    The reference is the distances' mean over the same sizes alone.

    Targets:
        10,000 faces: <= 20 ms
    """
    count = settings.count(10_000)
    table = synthetic_table(IBUG68, count, count, settings.folder)
    truth, labelled, names = table.keypoints, table.visible > 0, IBUG68.keypoints
    predicted = truth + np.random.default_rng(1).normal(scale=5, size=truth.shape).astype(np.float32)
    sizes = face_sizes("inter_ocular", truth, labelled, names, table.annotated_wh)

    def whole() -> dict[str, float]:
        own = face_sizes("inter_ocular", truth, labelled, names, table.annotated_wh)
        return nme_scores(nme_per_face(predicted, truth, own, labelled), "inter_ocular")

    seconds = settings.in_turns(
        settings.timed(whole),
        settings.timed(lambda: (np.linalg.norm(predicted - truth, axis=2).mean(axis=1) / sizes).mean()),
    )
    return [milliseconds("10,000 faces", seconds, "mean distances")]


def face_step(settings: Settings) -> list[Row]:
    """A training step of CNN-6 by wing loss on 32 crops of 64x64, the optimiser's included.

    The reference is a bare loop: the same layers and loss on a normalised batch, and the same AdamW. At 0.9
    of its samples a second the ratio is 1.11.

    Targets:
        CNN-6: ratio <= 1.11
    """
    torch.manual_seed(0)
    backbone = {"type": FaceCNN, "variant": "cnn6"}
    head = {"type": CoordinateHead, "pool": 2, "hidden": [1024], "loss": {"type": WingLoss}}
    estimator, other = (PoseEstimator(backbone, head, IBUG68).train() for _ in range(2))
    sample, wrapper = random_faces(BATCH), OptimWrapper(_optimiser(estimator))
    optimiser, image = _optimiser(other), other.normalise(sample.image)
    pixels = torch.tensor([FACE_HW[1] - 1.0, FACE_HW[0] - 1.0])

    def bare() -> None:
        points = other.head.layers(other.backbone.layers(image).flatten(1)).unflatten(1, (-1, 2)) * pixels
        loss = other.head.loss_function(points, sample.keypoints)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    seconds = settings.in_turns(
        settings.timed(lambda: estimator.train_step(list(sample), wrapper)), settings.timed(bare)
    )
    return [milliseconds("CNN-6", seconds, "bare loop")]


def _optimiser(network: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=3e-4, weight_decay=1e-4)


def random_faces(count: int) -> Sample:
    nothing: Any = torch.zeros(count)
    return Sample(
        image=torch.randint(0, 256, (count, 3, *FACE_HW), dtype=torch.uint8),
        keypoints=64 * torch.rand(count, IBUG68.num_keypoints, 2),
        weight=torch.ones(count, IBUG68.num_keypoints),
        warp=torch.zeros(count, 2, 3),
        box_xyxy=torch.zeros(count, 4),
        box_score=nothing,
        image_id=nothing,
        person_id=nothing,
    )
