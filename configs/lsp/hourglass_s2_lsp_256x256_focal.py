"""LSP-extended, Stacked Hourglass, 2 stacks, 256x256, focal MSE with gamma 1.

Expected: not measured yet.
Cost: not measured; made for a GPU.

    python tools/train.py configs/lsp/hourglass_s2_lsp_256x256_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hourglass_s2_lsp_256x256_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
