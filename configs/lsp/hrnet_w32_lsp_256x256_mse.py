"""LSP-extended, HRNet-W32 from random weights, 256x256, MSE.

Expected: not measured yet.
Cost: not measured; made for a GPU.

    python tools/train.py configs/lsp/hrnet_w32_lsp_256x256_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.lsp_extended_256x256 import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.short import *
