"""LSP-extended on a CPU: a tiny HRNet, 128x128, 30 epochs, focal MSE with gamma 1.

Expected: not measured yet.
Cost: as with MSE.

    python tools/train.py configs/lsp/hrnet_tiny_lsp_128x128_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hrnet_tiny_lsp_128x128_mse import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=1e-3)
