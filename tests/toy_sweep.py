"""The toy problem with a head that has a loss, for the gamma sweep's tests."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mmengine.hooks import Hook
from toy_training import CONFIG, ToyModel, write_config

SWEPT = (
    CONFIG.replace("ToyDataset, ToyMetric, ToyModel", "ToyDataset, ToyMetric")
    .replace("from torch.optim", "from toy_sweep import GateHook, SweptModel\nfrom torch.optim")
    .replace("from torch.optim", "from posekit.models.losses import FocalMSELoss\nfrom torch.optim")
    .replace(
        "model = dict(type=ToyModel, width=8)",
        "model = dict(type=SweptModel, dropout=0.2, head=dict(loss=dict(type=FocalMSELoss, gamma=5)))",
    )
)


class SweptModel(ToyModel):
    """Its loss |p - y|^(2 + gamma) makes every gamma train and score differently."""

    def __init__(self, head, width=8, dropout=0.0, skeleton=None, flip_test=True):
        super().__init__(width, dropout, skeleton, flip_test)
        self.gamma = head["loss"].get("gamma", 0)

    def forward(self, *fields, mode="tensor"):
        if mode != "loss":
            return super().forward(*fields, mode=mode)
        image, keypoints = fields[:2]
        points = self.layers(image.float() / 255)[:, None]
        return {"loss": (points - keypoints).abs().pow(2 + self.gamma).mean()}


class GateHook(Hook):
    """Waits before every epoch but the first until a file is there, so that a test can kill in between.

    The environment names the file: a sweep refuses to go on when a file that its config names has changed.
    """

    def before_train_epoch(self, runner):
        gate, deadline = Path(os.environ["TOY_GATE"]), time.monotonic() + 300
        while runner.epoch and not gate.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{gate}: nobody opened the gate")
            time.sleep(0.02)


def write_swept(folder: Path, more: str = "", name: str = "swept.py") -> Path:
    return write_config(folder, SWEPT + more, name)
