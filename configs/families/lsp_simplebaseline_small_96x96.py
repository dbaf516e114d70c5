"""Families of networks at one budget: SimpleBaseline on a narrow ResNet-18; see the heatmaps' config.

Half the published widths, from random weights.

    python tools/train.py configs/families/lsp_simplebaseline_small_96x96.py
"""

from mmengine.config import read_base

from posekit.models.simple_baseline import SimpleBaseline

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(type=SimpleBaseline, depth=18, width=32, deconv_width=64)
