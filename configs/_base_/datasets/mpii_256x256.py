"""MPII: 16 keypoints, 22,246 people to train and 2,958 to validate, 256x256 from a square crop.

The files lie as for the HRNet release: ``data/mpii/annot/{train,valid}.json``, ``annot/gt_valid.mat`` (the
head boxes, without which there is no PCKh) and ``data/mpii/images/``. Elsewhere: ``--cfg-options
data_root=/your/folder``, which serves every part. The official .mat and the pytorch-pose json are read as
well: name them as ``ann_file``. Augmentation is the HRNet release's.
"""

from mmengine.config import read_base

from posekit.datasets.mpii import load_mpii
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKhMetric
from posekit.transforms import Augment, Crop

with read_base():
    from ..runtime import *

skeleton = "mpii16"
data_root = "data/mpii"

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_mpii, ann_file="annot/train.json", image_dir="images", split="train"),
        crop=dict(type=Crop, input_size_hw=(256, 256)),
        augment=dict(
            type=Augment, flip_prob=0.5, rotation=30, rotation_prob=0.6, scale=0.25, sampling="clipped_normal"
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_mpii,
            ann_file="annot/valid.json",
            image_dir="images",
            split="val",
            head_boxes="annot/gt_valid.mat",
        ),
        crop=dict(type=Crop, input_size_hw=(256, 256)),
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type=PCKhMetric)]
test_evaluator = [dict(type=PCKhMetric)]
default_hooks["checkpoint"].update(save_best="PCKh@0.5/mean_weighted")
