"""Which animal is it? An embedding of pictures without keypoints, learnt by a margin, scored by retrieval."""

from __future__ import annotations

import numpy as np
import torch
from examples.dots import loader, write_dots
from torch import nn
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

from posekit import Predictor
from posekit.engine.runner import PoseRunner
from posekit.metrics.evaluators import PoseMetric
from posekit.models import Head, PoseEstimator, Prediction, TimmBackbone
from posekit.transforms import Crop


class EmbeddingHead(Head):
    """A unit vector for each picture; CosFace (Wang et al., CVPR 2018, eq. 4) on a column of identities."""

    def __init__(self, in_channels: int, column: str, identities: int) -> None:
        super().__init__()
        self.column, self.layer = column, nn.Linear(in_channels, 16)
        self.centres = nn.Parameter(torch.randn(identities, 16))

    def forward(self, maps):
        return [self.layer(maps[-1].mean(dim=(2, 3)))]

    def loss(self, stages, sample):
        identity = sample.extra[self.column]
        cosines = linear(normalize(stages[-1]), normalize(self.centres))
        margin = 0.1 * one_hot(identity, len(self.centres))
        return {"loss": cross_entropy(16 * (cosines - margin), identity)}

    def flip(self, outputs, flip_index, input_size_hw):
        return outputs

    def predict(self, outputs, sample):
        return Prediction(extra={"embedding": normalize(outputs)})


class RetrievalMetric(PoseMetric):
    """Share of pictures whose nearest other picture shows the same one, in percent."""

    def score(self, poses, meta):
        embeddings = poses.extra.get("embedding", np.zeros((1, 1)))
        animal = dict(zip(meta["table"].person_ids, meta["table"].extra["animal"], strict=True))
        identity = np.array([animal[person] for person in poses.person_ids])  # some may be unreadable
        likeness = embeddings @ embeddings.T - 3 * np.eye(len(embeddings))
        return {"rank1": 100 * float(np.mean(identity[likeness.argmax(axis=1)] == identity))}


def config(data, work_dir) -> dict:
    backbone = {"type": TimmBackbone, "name": "resnet10t", "decoder": "none", "stride": 16}
    head = {"type": EmbeddingHead, "column": "animal", "identities": 4}
    return {
        "skeleton": "none",
        "data_root": str(data),
        "work_dir": str(work_dir),
        "model": {"type": PoseEstimator, "backbone": backbone, "head": head},
        "train_dataloader": loader("train", extra=["animal"]),
        "val_dataloader": loader("val", extra=["animal"]),
        "val_evaluator": [{"type": RetrievalMetric}],
        "optim_wrapper": {"optimizer": {"type": torch.optim.AdamW, "lr": 3e-3}},
        "train_cfg": {"max_epochs": 6, "val_interval": 6},
        "default_hooks": {"curves": None},
    }


def test_it_learns_and_predicts(tmp_path):
    runner = PoseRunner.from_cfg(config(write_dots(tmp_path / "dots"), tmp_path / "work"))
    runner.train()
    assert runner.val()["rank1"] == 100
    people = Predictor(runner.model, crop=Crop((64, 64)))(str(tmp_path / "dots" / "images" / "0.png"))
    assert people[0].extra["embedding"].shape == (16,)
    assert people[0].keypoints.shape == (0, 2)
