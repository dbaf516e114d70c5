"""Families of networks at one budget: Tompson's network of 2014, two banks, narrow; see the heatmaps' config.

From random weights, with batch norms, which the paper has not.

    python tools/train.py configs/families/lsp_tompson_small_96x96.py
"""

from mmengine.config import read_base

from posekit.models.tompson import Tompson

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(type=Tompson, features=24, hidden=[96, 64], batch_norm=True)
