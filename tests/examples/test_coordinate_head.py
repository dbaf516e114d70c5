"""Coordinates instead of heatmaps: a head of one's own with wing loss on a coarse map of a timm network."""

from __future__ import annotations

import json

import numpy as np
import torch
from examples.dots import SKELETON, loader, write_dots
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from posekit.engine.runner import PoseRunner
from posekit.metrics.evaluators import PCKMetric, PredictionWriter
from posekit.models import Head, PoseEstimator, Prediction, TimmBackbone
from posekit.models.point_losses import wing_loss


class CoordinateHead(Head):
    """8 x 8 averages of the map -> where each keypoint is, as a fraction of the input."""

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.layer = nn.Linear(64 * in_channels, 2 * num_keypoints)
        nn.init.zeros_(self.layer.weight)  # begins in the middle of the input

    def forward(self, maps):
        averages = [adaptive_avg_pool2d(stage, 8).flatten(1) for stage in maps]
        return [0.5 + self.layer(values).unflatten(1, (-1, 2)) for values in averages]

    def loss(self, stages, sample):
        points = stages[-1] * last_pixel(sample)
        return {"loss": wing_loss(points, sample.keypoints, sample.weight, omega=10, epsilon=2)}

    def flip(self, outputs, flip_index, input_size_hw):
        x, y = outputs[:, list(flip_index)].unbind(-1)
        return torch.stack([1 - x, y], dim=-1)

    def predict(self, outputs, sample):
        return Prediction(outputs * last_pixel(sample))


def last_pixel(sample) -> torch.Tensor:
    height, width = sample.input_size_hw
    return torch.tensor([width - 1.0, height - 1.0], device=sample.image.device)


def config(data, work_dir) -> dict:
    backbone = {"type": TimmBackbone, "name": "resnet10t", "decoder": "none", "stride": 8}
    return {
        "skeleton": SKELETON,
        "data_root": str(data),
        "work_dir": str(work_dir),
        "model": {"type": PoseEstimator, "backbone": backbone, "head": {"type": CoordinateHead}},
        "train_dataloader": loader("train"),
        "val_dataloader": loader("train"),  # learnt by heart: 64 pictures are few
        "val_evaluator": [{"type": PCKMetric, "threshold": 0.2, "norm": "bbox"}],
        "test_dataloader": loader("train"),
        "test_evaluator": [{"type": PredictionWriter, "out_dir": str(work_dir)}],
        "optim_wrapper": {"optimizer": {"type": torch.optim.AdamW, "lr": 1e-4}},
        "train_cfg": {"max_epochs": 10, "val_interval": 10},
        "default_hooks": {"curves": None, "checkpoint": {"save_best": "PCK@0.2/mean"}},
    }


def test_it_learns_and_predicts(tmp_path):
    runner = PoseRunner.from_cfg(config(write_dots(tmp_path / "dots"), tmp_path / "work"))
    chance = runner.val()["PCK@0.2/mean"]
    runner.train()
    assert runner.val()["PCK@0.2/mean"] > chance + 20
    runner.test()
    results = json.loads((tmp_path / "work" / "results.json").read_text())
    assert np.array(results[0]["keypoints"]).reshape(3, 3)[:, 2].tolist() == [1, 1, 1]
