"""HRNet-W32 with the release's targets, loss and start.

A window of 3 sigma, the weight before squaring, a factor 0.5, the mean over joints. It starts from ImageNet's
weights, the file named below; where that is missing a training starts from random weights and warns: the
published scores need it. ``--cfg-options model.backbone.pretrained.strict=True`` refuses to begin without it.
"""

from mmengine.config import read_base

from posekit.codecs import MSRACodec
from posekit.models.losses import JointsMSELoss
from posekit.models.pretrained import PretrainedFile

with read_base():
    from .hrnet import *

model["backbone"]["pretrained"] = dict(
    type=PretrainedFile,
    path="data/weights/hrnet_w32-36af842e.pth",
    sha256="36af842e",
    source="the HRNet release's folder of ImageNet models, or MMPose's copies in "
    "https://download.openmmlab.com/mmpose/pretrain_models/",
)
model["head"]["codec"] = dict(type=MSRACodec, sigma=2)
model["head"]["loss"] = dict(type=JointsMSELoss)
