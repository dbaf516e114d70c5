"""Families of networks at one budget: coordinates by residual log-likelihood; see the heatmaps' config.

As by L1, but the network also says how sure it is.

    python tools/train.py configs/families/lsp_mobilenetv2_rle_96x96.py
"""

from mmengine.config import read_base

from posekit.models.rle import RLELoss

with read_base():
    from .lsp_mobilenetv2_l1_96x96 import *

model["head"]["loss"] = dict(type=RLELoss)
