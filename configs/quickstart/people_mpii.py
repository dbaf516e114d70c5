"""The quickstart: one small hourglass on posekit's rendered people, MPII files, PCKh.

The data are written by ``python -m posekit.synthetic --out data/posekit_people``. Sized to train in
under four minutes on two CPU cores; expected PCKh@0.5: posekit/docs/results.md.

    bash tools/quickstart.sh
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec
from posekit.datasets.mpii import load_mpii
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKhMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import FocalMSELoss
from posekit.transforms import Augment, Crop

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

skeleton = "mpii16"
data_root = "data/posekit_people"

# Focal MSE learns fast, which is what a few minutes need; this delta keeps some weight on the background
# (the paper's is 1e-3), without which the peaks stay broad.
_loss = dict(type=FocalMSELoss, gamma=1, delta=0.1)
# A person of this set fills its box, so little margin is needed around it.
_crop = dict(type=Crop, input_size_hw=(96, 96), padding=1.05, convention="udp")

model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=64, depth=3),
    head=dict(type=HeatmapHead, codec=dict(type=UDPCodec, sigma=1.5), loss=_loss),
    channels_last=True,
)
train_dataloader = dict(
    batch_size=8,  # many steps: few epochs have to do
    num_workers=0,  # a worker takes more from the two cores than it gives: 1.2 x the time a step
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_mpii, ann_file="annotations/mpii_train.json", image_dir="images/train", split="train"
        ),
        crop=_crop,
        augment=dict(type=Augment, flip_prob=0.5, rotation=10, scale=0.1),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_mpii,
            ann_file="annotations/mpii_valid.json",
            image_dir="images/val",
            split="val",
            head_boxes="annotations/gt_valid.mat",
        ),
        crop=_crop,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type=PCKhMetric)]
test_evaluator = [dict(type=PCKhMetric)]

train_cfg.update(max_epochs=12, val_interval=4)
optim_wrapper["optimizer"].update(lr=3e-3, fused=True)
auto_scale_lr.update(base_batch_size=8)
param_scheduler[0].update(eta_max=3e-3)
default_hooks["checkpoint"].update(save_best="PCKh@0.5/mean_weighted")
