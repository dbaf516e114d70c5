"""Networks: image -> maps -> heatmaps -> losses or poses. Importing it fills the MODELS registry."""

from posekit import codecs  # noqa: F401 - registers the codecs
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import Head, HeatmapHead, Prediction
from posekit.models.hourglass import Hourglass
from posekit.models.hrnet import HRNet
from posekit.models.losses import FocalMSELoss, MSELoss, SymmetricFocalMSELoss
from posekit.models.multihead import MultiHead
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.zoo import create, list_models

__all__ = [
    "FocalMSELoss",
    "HRNet",
    "Head",
    "HeatmapHead",
    "Hourglass",
    "MSELoss",
    "MultiHead",
    "PoseEstimator",
    "Prediction",
    "SimpleBaseline",
    "SymmetricFocalMSELoss",
    "TimmBackbone",
    "create",
    "list_models",
]
