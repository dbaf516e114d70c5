"""A config of a tiny heatmap network on the small COCO set of ``toy_people``."""

from __future__ import annotations

import toy_people

CONFIG = """
from torch.optim import Adam

from posekit.codecs import {codec}
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import OKSMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss
from posekit.transforms import Augment, Crop

skeleton = {skeleton}
data_root = "."
model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=8, depth=2),
    head=dict(type=HeatmapHead, codec=dict(type={codec}), loss=dict(type=MSELoss)),
)
_dataset = dict(
    type=TopDownDataset,
    source=dict(type=load_coco, ann_file="people.json", image_dir="images"),
    crop=dict(type=Crop, input_size_hw=(64, 48)),
)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(augment=dict(type=Augment), **_dataset),
)
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=EpochSampler, shuffle=False), dataset=_dataset
)
val_evaluator = [dict(type=OKSMetric)]
optim_wrapper = dict(optimizer=dict(type=Adam, lr=0.01))
train_cfg = dict(max_epochs=1)
"""


def write_config(folder, codec="UDPOffsetCodec"):
    """Writes the config ``people.py`` of a heatmap network on the data of ``toy_people.write_coco``."""
    path = folder / "people.py"
    path.write_text(CONFIG.format(codec=codec, skeleton=toy_people.SKELETON))
    return path
