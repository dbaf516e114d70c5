"""Xu & Feng 2020: HRNet-W32, COCO, focal MSE with gamma 1.

Expected: AP +0.09 and AR +0.07 over MSE as printed in Table 2; most likely +0.009 and +0.007.

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_coco_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hrnet_w32_coco_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
