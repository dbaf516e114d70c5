"""Families of networks at one budget: DeepPose's cascade of coordinates; see the heatmaps' config.

Three stages by L1; the later ones look at squares of two torsos' side around each joint, the paper's for LSP,
and learn from simulated errors of the stage before, as the paper has it.

    python tools/train.py configs/families/lsp_mobilenetv2_cascade_96x96.py
"""

from mmengine.config import read_base

from posekit.models.cascade_head import CascadeHead
from posekit.models.point_losses import L1Loss

with read_base():
    from .lsp_mobilenetv2_heatmaps_96x96 import *

model["backbone"].update(stride=8)
model["head"] = dict(
    type=CascadeHead,
    loss=dict(type=L1Loss),
    pool=6,
    stages=3,
    window=2.0,
    diameter=["left_shoulder", "right_hip"],
    cells=7,
    width=64,
    errors="simulated",
)
