"""SimpleBaseline with a ResNet-50, with the release's targets, loss and colours.

It starts from ImageNet's weights, torchvision's file named below; where that is missing a training starts
from random weights and warns: the published scores need it. ``--cfg-options
model.backbone.pretrained.strict=True`` refuses to begin without it. The release reads photos as blue, green,
red; to train on red, green, blue add ``model.channel_order=rgb``.
"""

from posekit.codecs import MSRACodec
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import JointsMSELoss
from posekit.models.pretrained import PretrainedFile
from posekit.models.simple_baseline import SimpleBaseline

model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=SimpleBaseline,
        depth=50,
        pretrained=dict(
            type=PretrainedFile,
            path="data/weights/resnet50-19c8e357.pth",
            sha256="19c8e357",
            source="https://download.pytorch.org/models/",
        ),
    ),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=MSRACodec, sigma=2),
        loss=dict(type=JointsMSELoss),
    ),
    channel_order="bgr",
)
