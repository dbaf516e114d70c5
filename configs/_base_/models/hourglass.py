"""Stacked Hourglass with a loss after every stack; 8 stacks, targets and loss of Xu & Feng 2020 (MSE)."""

from posekit.codecs import MSRACodec
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss

model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=8),
    head=dict(
        type=HeatmapHead,
        # A 13 x 13 window; `sigma=6` is the paper's text taken literally (see configs/paper).
        codec=dict(type=MSRACodec, sigma=2, radius=6),
        loss=dict(type=MSELoss),
    ),
)
