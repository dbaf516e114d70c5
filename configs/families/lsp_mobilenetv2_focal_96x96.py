"""Families of networks at one budget: heatmaps by CornerNet's focal loss; see the heatmaps' config.

The network's maps are logits; their sigmoid is what is averaged and decoded.

    python tools/train.py configs/families/lsp_mobilenetv2_focal_96x96.py
"""

from mmengine.config import read_base

from posekit.models.dense_losses import PenaltyReducedFocalLoss

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["head"]["loss"] = dict(type=PenaltyReducedFocalLoss)
