"""An attribute beside the heatmaps: "night", a column of the annotations, learnt by a head of one's own."""

from __future__ import annotations

import json

import numpy as np
import torch
from examples.dots import SKELETON, loader, write_dots
from torch import nn
from torch.nn.functional import cross_entropy

from posekit.codecs import MSRACodec
from posekit.engine.runner import PoseRunner
from posekit.metrics.evaluators import PCKMetric, PoseMetric, PredictionWriter
from posekit.models import Head, HeatmapHead, MSELoss, MultiHead, PoseEstimator, Prediction, TimmBackbone


class AttributeHead(Head):
    """Softmax over the classes of a column; -1 there: not known, nothing is learnt."""

    def __init__(self, in_channels: int, column: str, classes: int) -> None:
        super().__init__()
        self.column, self.layer = column, nn.Linear(in_channels, classes)

    def forward(self, maps):
        return [self.layer(maps[-1].mean(dim=(2, 3)))]

    def loss(self, stages, sample):
        truth = sample.extra[self.column]
        return {"loss": cross_entropy(stages[-1], truth, ignore_index=-1, reduction="sum") / len(truth)}

    def flip(self, outputs, flip_index, input_size_hw):
        return outputs  # the mirror image is as dark

    def predict(self, outputs, sample):
        return Prediction(extra={self.column: outputs.softmax(dim=1)})


class AttributeMetric(PoseMetric):
    """Share of people whose attribute is right, in percent."""

    def __init__(self, column: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.column = column

    def score(self, poses, meta):
        truth = dict(zip(meta["table"].person_ids, meta["table"].extra[self.column], strict=True))
        truth = np.array([truth[person] for person in poses.person_ids], int)  # some may be unreadable
        guess = poses.extra.get(self.column, np.zeros((0, 1))).argmax(axis=1)
        return {f"accuracy/{self.column}": 100 * float(np.mean((guess == truth)[truth >= 0]))}


def config(data, work_dir) -> dict:
    heads = {
        "pose": {"type": HeatmapHead, "codec": {"type": MSRACodec, "sigma": 1}, "loss": {"type": MSELoss}},
        "night": {"type": AttributeHead, "column": "night", "classes": 2},
    }
    head = {"type": MultiHead, "heads": heads, "weights": {"night": 0.1}}
    metrics = [{"type": PCKMetric, "norm": "bbox"}, {"type": AttributeMetric, "column": "night"}]
    backbone = {"type": TimmBackbone, "name": "resnet10t"}
    return {
        "skeleton": SKELETON, "data_root": str(data), "work_dir": str(work_dir),
        "model": {"type": PoseEstimator, "backbone": backbone, "head": head},
        "train_dataloader": loader("train", extra={"night": -1}),
        "val_dataloader": loader("val", extra={"night": -1}), "val_evaluator": metrics,
        "test_dataloader": loader("val", extra={"night": -1}),
        "test_evaluator": [*metrics, {"type": PredictionWriter, "out_dir": str(work_dir)}],
        "optim_wrapper": {"optimizer": {"type": torch.optim.AdamW, "lr": 3e-3}},
        "train_cfg": {"max_epochs": 6, "val_interval": 6}, "default_hooks": {"curves": None},
    }  # fmt: skip


def test_it_learns_and_predicts(tmp_path):
    runner = PoseRunner.from_cfg(config(write_dots(tmp_path / "dots"), tmp_path / "work"))
    runner.train()
    assert (scores := runner.test())["accuracy/night"] == 100
    assert scores["PCK@0.2/mean"] > 50
    first = json.loads((tmp_path / "work" / "results.json").read_text())[0]
    assert first["extra"]["night"][first["annotation_id"] % 2] > 0.5
