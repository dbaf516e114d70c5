"""The face-loss study with pose-based data balancing: rare poses as often as others, in as many steps.

Balanced, an epoch has 2,286 faces in place of 770, so that 8 epochs are the 24 of face_losses_300w_64x64.py
(576 steps of 32 against 600). A variant for its sweep, see there.

    python tools/train.py configs/study/face_losses_300w_64x64_pdb.py
"""

from mmengine.config import read_base

from posekit.datasets.balance import BalancedSampler, pose_copies

with read_base():
    from .face_losses_300w_64x64 import *

train_cfg.update(max_epochs=8, val_interval=2)
train_dataloader["sampler"] = dict(type=BalancedSampler, copies=dict(type=pose_copies, bins=9))
