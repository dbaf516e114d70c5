"""Xu & Feng 2020: Stacked Hourglass, 8 stacks, COCO, MSE.

Expected: the paper gives the difference to focal MSE alone (Table 2).

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_coco_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_paper import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.paper import *
