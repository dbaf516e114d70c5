"""A heatmap network of two stacks for the toy problem, so that the head's hooks are tested in seconds."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from toy_training import CONFIG

from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner


class TinyStacks(nn.Module):
    """Two convolutions one after the other, each followed by its heatmaps."""

    emits_heatmaps = True

    def __init__(self, num_maps, channels=4):
        super().__init__()
        self.out_channels = num_maps
        self.steps = nn.ModuleList(nn.Conv2d(i, channels, 3, padding=1) for i in (3, channels))
        self.score = nn.ModuleList(nn.Conv2d(channels, num_maps, 1) for _ in range(2))

    def forward(self, image):
        first = self.steps[0](image).relu()
        second = self.steps[1](first).relu()
        return [self.score[0](first), self.score[1](second)]


HEATMAP_CONFIG = CONFIG.replace(
    "model = dict(type=ToyModel, width=8)",
    "model = dict(type=PoseEstimator, backbone=dict(type=TinyStacks), head=dict(type=HeatmapHead,\n"
    "             codec=dict(type=MSRACodec, sigma=1), loss=dict(type=FocalMSELoss)))",
).replace(
    "from toy_training import ToyDataset, ToyMetric, ToyModel",
    "from toy_heatmaps import TinyStacks\nfrom toy_training import ToyDataset, ToyMetric\n"
    "from posekit.codecs import MSRACodec\n"
    "from posekit.models import FocalMSELoss, HeatmapHead, PoseEstimator",
)


def build(folder, options=None, work_dir="work", **entries):
    """A runner for the toy problem, solved by heatmaps, with some entries set."""
    path = Path(folder) / "toy_heatmaps_config.py"
    path.write_text(HEATMAP_CONFIG)
    cfg = load_config(path, options)
    cfg.work_dir = str(Path(folder) / work_dir)
    for key, value in entries.items():
        cfg[key] = value
    return PoseRunner.from_cfg(cfg)
