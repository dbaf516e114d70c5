"""Xu & Feng 2020: Stacked Hourglass, 8 stacks, MPII, focal MSE with gamma 1.

Expected: PCKh@0.5 88.0 (Table 1), wrist +1.3 and ankle +1.9 over MSE; Fig. 3 shows 93.2.
Another gamma: ``--cfg-options model.head.loss.gamma=2``.

Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_mpii_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hourglass_s8_mpii_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
