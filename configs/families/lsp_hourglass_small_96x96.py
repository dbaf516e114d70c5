"""Families of networks at one budget: two narrow hourglasses; see the heatmaps' config.

From random weights; every hourglass is supervised.

    python tools/train.py configs/families/lsp_hourglass_small_96x96.py
"""

from mmengine.config import read_base

from posekit.models.hourglass import Hourglass

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(type=Hourglass, stacks=2, features=64, depth=3)
