"""SimpleBaseline with a ResNet-50, with the release's targets, loss and colours.

It starts from random weights. For ImageNet's, put torchvision's or timm's file anywhere and add
``--cfg-options model.backbone.pretrained=resnet50-19c8e357.pth``: the published scores need it. The release
reads photos as blue, green, red; to train on red, green, blue add ``model.channel_order=rgb``.
"""

from posekit.codecs import MSRACodec
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import JointsMSELoss
from posekit.models.simple_baseline import SimpleBaseline

model = dict(
    type=PoseEstimator,
    backbone=dict(type=SimpleBaseline, depth=50, pretrained=None),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=MSRACodec, sigma=2),
        loss=dict(type=JointsMSELoss),
    ),
    channel_order="bgr",
)
