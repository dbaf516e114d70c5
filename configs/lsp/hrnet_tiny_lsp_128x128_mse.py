"""LSP-extended on a CPU: a tiny HRNet, 128x128, 30 epochs, MSE.

Expected: not measured yet.
Cost: a step of 32 people takes half a second of one core, so 30 epochs some 40 minutes on one core.

    python tools/train.py configs/lsp/hrnet_tiny_lsp_128x128_mse.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.lsp_extended_128x128 import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.short import *

model.update(channels_last=True)
model["backbone"].update(variant="w16-tiny")
train_cfg.update(max_epochs=30)
model["head"]["codec"].update(sigma=1.5, radius=4)
