"""Xu & Feng 2020: HRNet-W32, MPII, MSE.

Expected: not published by the paper; the HRNet release, trained otherwise, has PCKh@0.5 90.3.

Cost: not measured.

    python tools/train.py configs/paper/hrnet_w32_mpii_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.mpii_paper import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.paper import *
