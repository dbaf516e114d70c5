"""Networks: image -> maps -> heatmaps -> losses or poses. Importing it fills the MODELS registry."""

from posekit import codecs  # noqa: F401 - registers the codecs
from posekit.models.attribute_head import AttributeHead
from posekit.models.cascade_head import CascadeHead
from posekit.models.coordinate_head import CoordinateHead
from posekit.models.cpm import CPM
from posekit.models.cspnext import CSPNeXt
from posekit.models.dense_losses import PenaltyReducedFocalLoss, SigmoidFocalLoss
from posekit.models.distilled import DistilledEstimator
from posekit.models.estimator import PoseEstimator
from posekit.models.facenets import FaceCNN
from posekit.models.heads import Head, HeatmapHead, Prediction
from posekit.models.hourglass import Hourglass
from posekit.models.hrnet import HRNet
from posekit.models.integral_head import IntegralHead
from posekit.models.losses import FocalMSELoss, MSELoss, SymmetricFocalMSELoss
from posekit.models.multihead import MultiHead
from posekit.models.onnx_backbone import OnnxHeatmaps, OnnxPoints, PointsOfFile
from posekit.models.point_losses import (
    EuclideanLoss,
    L1Loss,
    L2Loss,
    SmoothL1Loss,
    SoftWingLoss,
    WingLoss,
)
from posekit.models.refining_head import RefiningHead
from posekit.models.rle import RLELoss
from posekit.models.simcc_heads import RTMCCHead, SimCCHead
from posekit.models.simcc_losses import AxisKLLoss
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.tcdcn import TCDCN
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.tompson import Tompson, TompsonTrunk
from posekit.models.vitpose import ViTPose
from posekit.models.zoo import create, list_models

__all__ = [
    "CPM",
    "TCDCN",
    "AttributeHead",
    "AxisKLLoss",
    "CSPNeXt",
    "CascadeHead",
    "CoordinateHead",
    "DistilledEstimator",
    "EuclideanLoss",
    "FaceCNN",
    "FocalMSELoss",
    "HRNet",
    "Head",
    "HeatmapHead",
    "Hourglass",
    "IntegralHead",
    "L1Loss",
    "L2Loss",
    "MSELoss",
    "MultiHead",
    "OnnxHeatmaps",
    "OnnxPoints",
    "PenaltyReducedFocalLoss",
    "PointsOfFile",
    "PoseEstimator",
    "Prediction",
    "RLELoss",
    "RTMCCHead",
    "RefiningHead",
    "SigmoidFocalLoss",
    "SimCCHead",
    "SimpleBaseline",
    "SmoothL1Loss",
    "SoftWingLoss",
    "SymmetricFocalMSELoss",
    "TimmBackbone",
    "Tompson",
    "TompsonTrunk",
    "ViTPose",
    "WingLoss",
    "create",
    "list_models",
]
