"""Xu & Feng 2020 by annotated boxes: Stacked Hourglass, 8 stacks, COCO, focal MSE with gamma 1.

Expected: not published; the paper has a detector's boxes, as hourglass_s8_coco_focal.py.

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_coco_focal_gt_boxes.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hourglass_s8_coco_mse_gt_boxes import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
