"""The focal study to convergence on a CPU: lsp_mobilenetv2_scratch_96x96.py, but from ImageNet.

There is no training without torchvision's mobilenet_v2-b0353104.pth in data/weights/; elsewhere
``--cfg-options model.backbone.pretrained=/your/file.pth``.
Cost: three quarters of an hour of one core for a cell.

    python tools/gamma_sweep.py configs/study/lsp_mobilenetv2_pretrained_96x96.py --cells mse:s{0,1} \
        focal:g1:d0.1:s{0,1} focal:g0.5:d0.001:s{0,1} focal:g1:d0.001:s0 focal-max:g1:d0.001:s0
"""

from mmengine.config import read_base

from posekit.models.pretrained import PretrainedFile

with read_base():
    from .lsp_mobilenetv2_scratch_96x96 import *

model["backbone"]["pretrained"] = dict(
    type=PretrainedFile,
    path="data/weights/mobilenet_v2-b0353104.pth",
    sha256="b0353104",
    source="https://download.pytorch.org/models/",
    strict=True,
)
