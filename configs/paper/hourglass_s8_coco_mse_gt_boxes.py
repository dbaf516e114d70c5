"""Xu & Feng 2020 by annotated boxes: Stacked Hourglass, 8 stacks, COCO, MSE.

Expected: not published; the paper has a detector's boxes, as hourglass_s8_coco_mse.py.

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_coco_mse_gt_boxes.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_paper_gt_boxes import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.paper import *
