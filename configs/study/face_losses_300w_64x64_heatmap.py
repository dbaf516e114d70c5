"""The face-loss study with heatmaps beside: a narrow hourglass (0.15 M parameters), 16x16 maps, plain MSE.

Crops, augmentation, epochs and tests are those of face_losses_300w_64x64.py, for whose sweep it is a variant;
network, batch and rate are its own.

    python tools/train.py configs/study/face_losses_300w_64x64_heatmap.py
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec
from posekit.models import HeatmapHead, PoseEstimator
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss

with read_base():
    from .face_losses_300w_64x64 import *

model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=64, depth=2),
    head=dict(type=HeatmapHead, codec=dict(type=UDPCodec, sigma=1.0), loss=dict(type=MSELoss)),
    channels_last=True,
)
param_scheduler[0].update(eta_max=2e-3)
train_dataloader["batch_size"] = auto_scale_lr["base_batch_size"] = 16
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(convention="udp")
