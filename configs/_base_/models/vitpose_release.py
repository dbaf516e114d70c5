"""ViTPose-B with the classic decoder, UDP's targets and the mean squared error, as released.

It starts from random weights, and the release from MAE's of ImageNet: the published scores need those, which
posekit does not read (a class token, patches of 14 x 14). A released ViTPose is a start, too:
``--cfg-options load_from=FILE``.
"""

from posekit.codecs import UDPCodec
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import MSELoss
from posekit.models.vitpose import ViTPose

model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=ViTPose, variant="b", decoder="classic", input_size_hw=(256, 192), drop_path=0.3, pretrained=None
    ),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=UDPCodec, sigma=2, blur_kernel=11),
        loss=dict(type=MSELoss),
    ),
)
