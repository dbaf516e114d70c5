"""Families of networks at one budget: coordinates, by L1 (DeepPose's way); see the heatmaps' config.

The head takes the coarsest map, averaged; there are no scores.

    python tools/train.py configs/families/lsp_mobilenetv2_l1_96x96.py
"""

from mmengine.config import read_base

from posekit.models.coordinate_head import CoordinateHead
from posekit.models.point_losses import L1Loss

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"].update(decoder="none", stride=32)
model["head"] = dict(type=CoordinateHead, loss=dict(type=L1Loss))
