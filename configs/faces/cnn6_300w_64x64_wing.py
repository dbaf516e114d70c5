"""300-W: CNN-6 of the wing-loss paper (3.8 M), 64x64, 68 points as coordinates, wing loss, 120 epochs.

Feng et al., CVPR 2018, train by SGD; here it is AdamW on one cycle, up to 3e-4: the outputs are fractions of
the input and the loss is in pixels, so that higher rates overshoot. Other losses, and rare poses as often as
others: posekit/docs/faces.md.

    python tools/train.py configs/faces/cnn6_300w_64x64_wing.py
"""

from mmengine.config import read_base

from posekit.models import CoordinateHead, FaceCNN, PoseEstimator, WingLoss

with read_base():
    from .._base_.datasets.face300w_64x64 import *
    from .._base_.schedules.one_cycle import *

model = dict(
    type=PoseEstimator,
    backbone=dict(type=FaceCNN, variant="cnn6"),
    head=dict(type=CoordinateHead, pool=2, hidden=[1024], loss=dict(type=WingLoss, omega=10.0, epsilon=2.0)),
)
train_cfg.update(max_epochs=120, val_interval=10)
param_scheduler[0].update(eta_max=3e-4)
train_dataloader["batch_size"] = auto_scale_lr["base_batch_size"] = 32
