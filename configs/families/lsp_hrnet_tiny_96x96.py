"""Families of networks at one budget: a tiny HRNet; see the heatmaps' config.

From random weights.

    python tools/train.py configs/families/lsp_hrnet_tiny_96x96.py
"""

from mmengine.config import read_base

from posekit.models.hrnet import HRNet

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(type=HRNet, variant="w16-tiny")
