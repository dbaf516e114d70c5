"""Families of networks at one budget: means of heatmaps, with DSNT's regulariser; see the heatmaps' config.

Of the sharp maps that the regulariser asks for, the mean is finer than a cell.

    python tools/train.py configs/families/lsp_mobilenetv2_integral_96x96.py
"""

from mmengine.config import read_base

from posekit.models.integral_head import IntegralHead
from posekit.models.point_losses import EuclideanLoss

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["head"] = dict(type=IntegralHead, loss=dict(type=EuclideanLoss), regulariser="js")
