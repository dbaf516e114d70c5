"""LSP-extended, HRNet-W32 from random weights, 256x256, focal MSE with gamma 1.

Expected: not measured yet.
Cost: not measured; made for a GPU.

    python tools/train.py configs/lsp/hrnet_w32_lsp_256x256_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hrnet_w32_lsp_256x256_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
