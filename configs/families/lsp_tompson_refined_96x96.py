"""Families of networks at one budget: the narrow Tompson network with the refinement of 2015.

Windows of 13 cells, 26 pixels, around the coarse peaks; see the heatmaps' config.

    python tools/train.py configs/families/lsp_tompson_refined_96x96.py
"""

from mmengine.config import read_base

from posekit.models.refining_head import RefiningHead
from posekit.models.tompson import TompsonTrunk

with read_base():
    from .lsp_tompson_small_96x96 import *

model["backbone"]["type"] = TompsonTrunk
model["head"].update(type=RefiningHead, window=13, features=24)
