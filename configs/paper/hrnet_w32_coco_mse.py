"""Xu & Feng 2020: HRNet-W32, COCO, MSE.

Expected: the paper gives the difference to focal MSE alone (Table 2).

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_coco_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_paper import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.paper import *
