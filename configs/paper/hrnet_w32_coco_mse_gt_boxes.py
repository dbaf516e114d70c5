"""Xu & Feng 2020 by annotated boxes: HRNet-W32, COCO, MSE.

Expected: not published; the paper has a detector's boxes, as hrnet_w32_coco_mse.py.

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_coco_mse_gt_boxes.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_paper_gt_boxes import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.paper import *
