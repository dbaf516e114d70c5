"""LSP-extended, Stacked Hourglass, 2 stacks, 256x256, MSE.

Expected: not measured yet.
Cost: not measured; made for a GPU.

    python tools/train.py configs/lsp/hourglass_s2_lsp_256x256_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.lsp_extended_256x256 import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.short import *

model["backbone"].update(stacks=2)
