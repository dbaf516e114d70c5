"""A small training that is a real one: rendered people, augmentation, an hourglass with batch norm, momentum.

The toy of ``toy_training`` has no pictures and no batch norm; what is claimed of trainings is shown on this
one too. A step takes some 20 ms on one core.
"""

from __future__ import annotations

from pathlib import Path

from posekit.synthetic import write_synthetic_people

CONFIG = """
from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from torch.optim import SGD

from posekit.codecs import MSRACodec
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import FocalMSELoss
from posekit.transforms import Augment, Crop

skeleton = "mpii16"
data_root = "{data}"
model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=8, depth=2),
    head=dict(type=HeatmapHead, codec=dict(type=MSRACodec, sigma=1), loss=dict(type=FocalMSELoss, gamma=1)),
)


def _source(split):
    return dict(
        type=load_coco, ann_file=f"annotations/person_keypoints_{{split}}.json", image_dir=f"images/{{split}}"
    )


_crop = dict(type=Crop, input_size_hw=(32, 32))
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=_source("train"),
        crop=_crop,
        augment=dict(type=Augment, flip_prob=0.5, rotation=30, scale=0.25),
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(type=TopDownDataset, source=_source("val"), crop=_crop),
)
val_evaluator = [dict(type=PCKMetric, threshold=0.5, norm="bbox")]
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.05, momentum=0.9, nesterov=True))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.1, end=4, by_epoch=False),
    dict(type=MultiStepLR, milestones=[2 / 3], gamma=0.1),
]
train_cfg = dict(max_epochs=3)
default_hooks = dict(
    logger=dict(interval=2), curves=None, checkpoint=dict(save_best="PCK@0.5/mean"), val_loss=dict()
)
"""
BEST = "best_PCK@0.5_mean.pth"


def write_people(folder: Path, images: int = 20) -> Path:
    """Renders so many pictures to train on, and fewer to validate on; returns their folder."""
    people = folder / "people"
    return write_synthetic_people(people, images, max(4, images // 3), workers=1, progress=False)


def build(folder: Path, people: Path, options=None, work_dir="work", **entries):
    """A runner for it, with some entries set."""
    from posekit.engine.configs.config import load_config
    from posekit.engine.runner import PoseRunner

    path = Path(folder) / "small.py"
    path.write_text(CONFIG.format(data=people))
    cfg = load_config(path, options)
    cfg.work_dir = str(Path(folder) / work_dir)
    for key, value in entries.items():
        cfg[key] = value
    return PoseRunner.from_cfg(cfg)
