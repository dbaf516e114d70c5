"""Xu & Feng 2020: Stacked Hourglass, 8 stacks, COCO, focal MSE with gamma 1.

Expected: AP +0.021 and AR +0.020 over MSE (Table 2).

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_coco_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hourglass_s8_coco_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
