"""HRNet-W32 with targets and loss of Xu & Feng 2020 (MSE).

It starts from random weights. For ImageNet's, put the release's or timm's file anywhere and add
``--cfg-options model.backbone.pretrained=hrnet_w32-36af842e.pth``: the published scores need it.
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
