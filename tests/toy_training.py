"""A tiny problem for the engine's tests: find the one bright pixel of a 6 x 6 image.

The stand-ins obey the real interfaces (``Sample`` in, losses or ``Pose`` out, ``describe()``), so that the
engine is tested without images, heatmaps or a second of training.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from posekit.structures import Pose, Sample, Skeleton

SIDE = 6
ROOT = Path(__file__).resolve().parents[1]


class ToyDataset(Dataset):
    """Image i has its bright pixel at (i % 6, i // 6 % 6)."""

    def __init__(self, size=24, skeleton=None, poison=(), faulty=()):
        self.size, self.poison, self.faulty = size, set(poison), list(faulty)
        self.keypoints = skeleton
        self.keys = []

    def __len__(self):
        return self.size

    @property
    def metainfo(self):
        # The live object stands for the real data set's table, which must not be pickled.
        return {
            "box_source": "ground truth",
            "ann_file": "toy",
            "table": self,
            "skeleton": toy_skeleton(),
            "people": self.size,
            "counts": {"crowd": 3, "bad_record": 1200, "keypoints_outside_image": 12},
        }

    @property
    def person_ids(self):
        return np.arange(self.size)

    def faulty_images(self):
        return self.faulty

    def __getitem__(self, key):
        self.keys.append(key)
        i = key if isinstance(key, int) else key.index
        point = np.array([[i % SIDE, i // SIDE % SIDE]], np.float32)
        image = np.zeros((3, SIDE, SIDE), np.uint8)
        image[:, int(point[0, 1]), int(point[0, 0])] = 255
        if i in self.poison:
            point[:] = np.nan
        return Sample(
            image=image,
            keypoints=point,
            weight=np.ones(1, np.float32),
            warp=np.eye(2, 3),
            box_xyxy=np.array([0, 0, SIDE, SIDE], np.float32),
            box_score=np.float32(1),
            image_id=np.int64(1000 + i),
            person_id=np.int64(i),
        )


class ToyModel(BaseModel):
    def __init__(self, width=8, dropout=0.0, skeleton=None, flip_test=True, channels_last=False):
        super().__init__()
        self.skeleton = toy_skeleton()
        self.given_skeleton = skeleton
        self.flip_test = flip_test
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(3 * SIDE * SIDE, width),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(width, 2),
        )
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, *fields, mode="tensor"):
        sample = Sample(*fields)
        image = sample.image.contiguous(memory_format=self.memory_format)
        points = self.layers(image.float() / 255)[:, None]
        if mode == "loss":
            return {"loss": ((points.float() - sample.keypoints) ** 2).mean()}
        return [
            Pose(p, np.ones(1, np.float32), b, 1.0, int(i), int(j))
            for p, b, i, j in zip(
                points.float().cpu().numpy(),
                sample.box_xyxy.cpu().numpy(),
                sample.image_id,
                sample.person_id,
                strict=True,
            )
        ]

    def describe(self):
        return {"codec": "ToyCodec(side=6)", "flip": "average" if self.flip_test else "off"}


class ToyMetric(BaseMetric):
    default_prefix = "toy"

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        truth = np.array([[p.person_id % SIDE, p.person_id // SIDE % SIDE] for p in results], np.float32)
        error = np.abs(np.array([p.keypoints[0] for p in results]) - truth).mean()
        return {"accuracy": float(100 / (1 + error)), "error": float(error), "people": len(results)}

    def score_names(self):
        return {"accuracy": "greater", "error": "less", "people": None}

    def describe(self):
        return "toy metric"


def toy_skeleton():
    return Skeleton(name="toy", keypoints=("spot",))


CONFIG = """
from torch.optim import Adam
from mmengine.dataset import DefaultSampler
from mmengine.optim import ExponentialLR
from toy_training import ToyDataset, ToyMetric, ToyModel

_size = 24
skeleton = dict(name="toy", keypoints=["spot"])
model = dict(type=ToyModel, width=8)
train_dataloader = dict(batch_size=8, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True),
                        dataset=dict(type=ToyDataset, size=_size))
val_dataloader = dict(batch_size=8, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
                      dataset=dict(type=ToyDataset, size=_size))
val_evaluator = [dict(type=ToyMetric)]
test_dataloader = val_dataloader
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(type=Adam, lr=0.01))
param_scheduler = [dict(type=ExponentialLR, gamma=0.9)]
train_cfg = dict(max_epochs=3)
default_hooks = dict(logger=dict(interval=2), curves=None, checkpoint=dict(save_best="toy/accuracy"))
"""


def write_config(folder: Path, text: str = CONFIG, name: str = "toy.py") -> Path:
    path = Path(folder) / name
    path.write_text(text)
    return path


def build(folder: Path, options=None, work_dir="work", **entries):
    """A runner for the toy config with some entries set."""
    from posekit.engine.configs.config import load_config
    from posekit.engine.runner import PoseRunner

    cfg = load_config(write_config(folder), options)
    cfg.work_dir = str(Path(folder) / work_dir)
    for key, value in entries.items():
        cfg[key] = value
    return PoseRunner.from_cfg(cfg)


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def runner_log(runner):
    """The folder of a run's logs."""
    return Path(runner.log_dir)


def scalars(runner):
    """What a run has logged."""
    from posekit.visualization import read_scalars

    return read_scalars(runner.work_dir if runner.continues else runner.log_dir)


def run(tool, *words, cwd=None):
    """Runs a tool in this process; returns its exit status."""
    argv, folder = sys.argv, Path.cwd()
    sys.argv = [f"{tool}.py", *map(str, words)]
    os.chdir(cwd or folder)
    try:
        runpy.run_path(str(ROOT / "tools" / f"{tool}.py"), run_name="__main__")
    except SystemExit as exit_:
        return exit_.code
    finally:
        sys.argv = argv
        os.chdir(folder)
    return 0
