"""LSP-extended on a CPU: one narrow hourglass (0.2 M parameters), 96x96, 20 epochs, focal MSE with gamma 1.

Expected: mean12 23.3 on the test people, measured with seed 0.
Cost: three quarters of an hour on a shared core.

    python tools/train.py configs/lsp/hourglass_small_lsp_96x96_focal.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .hourglass_small_lsp_96x96_mse import *

model["head"].update(loss=dict(type=FocalMSELoss, gamma=1, delta=1e-3))
