"""Xu & Feng 2020: Stacked Hourglass, 8 stacks, MPII, MSE.

Expected: PCKh@0.5 87.5 (Table 1; Fig. 3 shows 88.6 for the same thing).

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_mpii_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.mpii_paper import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.paper import *
