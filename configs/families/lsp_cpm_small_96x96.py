"""Families of networks at one budget: a narrow pose machine of three stages; see the heatmaps' config.

From random weights; heatmaps are an eighth of the input.

    python tools/train.py configs/families/lsp_cpm_small_96x96.py
"""

from mmengine.config import read_base

from posekit.models.cpm import CPM

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(type=CPM, stages=3, features=24, trunk=24)
