"""The gamma study on LSP-extended for a CPU: a tiny HRNet (1.2 M parameters), 96x96, 6 epochs.

All but the backbone is that of lsp_hourglass_96x96.py: crops, targets, batches, optimiser, schedule.

    python tools/gamma_sweep.py configs/study/lsp_hrnet_tiny_96x96.py --gammas 0 1 --seeds 0 1 2
"""

from mmengine.config import read_base

from posekit.models.hrnet import HRNet

with read_base():
    from .lsp_hourglass_96x96 import *

model["backbone"] = dict(type=HRNet, variant="w16-tiny", pretrained=None)
