"""LSP-extended on a CPU: MobileNetV2 from ImageNet, 128x128, 8 epochs, focal MSE with gamma 1 and delta 0.1.

All but the loss is that of mobilenetv2_lsp_128x128_pretrained.py. It is also the first half of the bundled
model's training; mobilenetv2_lsp_160x160_bundled.py is the second.
Expected: val PCK@0.2/mean12 53.25, test 51.4 (seed 0).
Cost: as with MSE.

    python tools/train.py configs/lsp/mobilenetv2_lsp_128x128_pretrained_focal01.py
"""

from mmengine.config import read_base

from posekit.models.losses import FocalMSELoss

with read_base():
    from .mobilenetv2_lsp_128x128_pretrained import *

model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=0.1)
