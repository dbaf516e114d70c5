"""Families of networks at one budget: a small vision transformer; see lsp_mobilenetv2_heatmaps_96x96.py.

Six blocks of 192 numbers, from random weights: a transformer lives on pretraining, of which there is none.

    python tools/train.py configs/families/lsp_vitpose_small_96x96.py
"""

from mmengine.config import read_base

from posekit.models.vitpose import ViTPose

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"] = dict(
    type=ViTPose,
    variant="s",
    decoder="simple",
    input_size_hw=(96, 96),
    drop_path=0.1,
    options=dict(depth=6, embed_dim=192, num_heads=6),
)
model["head"].update(kernel_size=3)
