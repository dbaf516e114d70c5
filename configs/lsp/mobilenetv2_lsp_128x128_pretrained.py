"""LSP-extended on a CPU: MobileNetV2 with a light pyramid, 128x128, 8 epochs, MSE, from ImageNet.

Seed and budget are those of mobilenetv2_lsp_128x128_scratch.py; only the backbone's start differs, so there
is no training without torchvision's file named below. Elsewhere, or for timm's own file of mobilenetv2_100,
``--cfg-options model.backbone.pretrained=/your/file.pth``.
Expected: val PCK@0.2/mean12 53.0, test 50.9 (seed 0).
Cost: as from scratch.

    python tools/train.py configs/lsp/mobilenetv2_lsp_128x128_pretrained.py
"""

from mmengine.config import read_base

from posekit.models.pretrained import PretrainedFile

with read_base():
    from .mobilenetv2_lsp_128x128_scratch import *

model["backbone"]["pretrained"] = dict(
    type=PretrainedFile,
    path="data/weights/mobilenet_v2-b0353104.pth",
    sha256="b0353104",
    source="https://download.pytorch.org/models/",
    strict=True,
)
