"""Families of networks at one budget: SimCC, classified columns and rows; see the heatmaps' config.

Two bins a pixel; the head takes a map of an eighth of the input, flattened.

    python tools/train.py configs/families/lsp_mobilenetv2_simcc_96x96.py
"""

from mmengine.config import read_base

from posekit.codecs.simcc import SimCCCodec
from posekit.models.simcc_heads import SimCCHead
from posekit.models.simcc_losses import AxisKLLoss

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"].update(stride=8)
model["head"] = dict(
    type=SimCCHead,
    input_size_hw=(96, 96),
    map_size_hw=(12, 12),
    codec=dict(type=SimCCCodec, sigma=4.0),
    loss=dict(type=AxisKLLoss),
)
