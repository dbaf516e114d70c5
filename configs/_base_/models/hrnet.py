"""HRNet-W32 with targets and loss of Xu & Feng 2020 (MSE).

It starts from random weights; the paper does not say from what. For ImageNet's, add the release's or timm's
file: ``--cfg-options model.backbone.pretrained=data/weights/hrnet_w32-36af842e.pth``.
"""

from posekit.codecs import MSRACodec
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hrnet import HRNet
from posekit.models.losses import MSELoss

model = dict(
    type=PoseEstimator,
    backbone=dict(type=HRNet, variant="w32", pretrained=None),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=MSRACodec, sigma=2, radius=6),
        loss=dict(type=MSELoss),
    ),
)
