"""Networks: image -> maps -> heatmaps -> losses or poses. Importing it fills the MODELS registry."""

from posekit import codecs  # noqa: F401 - registers the codecs
from posekit.models.attribute_head import AttributeHead
from posekit.models.coordinate_head import CoordinateHead
from posekit.models.estimator import PoseEstimator
from posekit.models.facenets import FaceCNN
from posekit.models.heads import Head, HeatmapHead, Prediction
from posekit.models.hourglass import Hourglass
from posekit.models.hrnet import HRNet
from posekit.models.losses import FocalMSELoss, MSELoss, SymmetricFocalMSELoss
from posekit.models.multihead import MultiHead
from posekit.models.point_losses import L1Loss, L2Loss, SmoothL1Loss, SoftWingLoss, WingLoss
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.tcdcn import TCDCN
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.zoo import create, list_models

__all__ = [
    "TCDCN",
    "AttributeHead",
    "CoordinateHead",
    "FaceCNN",
    "FocalMSELoss",
    "HRNet",
    "Head",
    "HeatmapHead",
    "Hourglass",
    "L1Loss",
    "L2Loss",
    "MSELoss",
    "MultiHead",
    "PoseEstimator",
    "Prediction",
    "SimpleBaseline",
    "SmoothL1Loss",
    "SoftWingLoss",
    "SymmetricFocalMSELoss",
    "TimmBackbone",
    "WingLoss",
    "create",
    "list_models",
]
