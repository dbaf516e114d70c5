"""Xu & Feng 2020: HRNet-W32, MPII, focal MSE with gamma 1.

Expected: not published by the paper.

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_mpii_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hrnet_w32_mpii_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
