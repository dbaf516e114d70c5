"""Xu & Feng 2020 by annotated boxes: HRNet-W32, COCO, focal MSE with gamma 1.

Expected: not published; the paper has a detector's boxes, as hrnet_w32_coco_focal.py.

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_coco_focal_gt_boxes.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hrnet_w32_coco_mse_gt_boxes import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
