"""The metrics as mmengine evaluators, each beside the function it adapts; configs import them from here.

They collect poses and hand arrays on; no arithmetic happens in them. Every evaluator checks that it fits the
data set as soon as it is told of it, which is before the first training step, and states its settings by
``describe()``. What they have in common is in ``base.py``.
"""

from posekit.metrics.attribute_metric import AttributeMetric
from posekit.metrics.base import PoseMetric
from posekit.metrics.crowdpose_metric import CrowdPoseMetric
from posekit.metrics.each_set import OnEachSet
from posekit.metrics.nme_metric import NMEMetric
from posekit.metrics.oks_metric import OKSMetric
from posekit.metrics.pck_metric import PCKMetric
from posekit.metrics.pckh_metric import PCKhMetric
from posekit.metrics.writer import PredictionWriter

__all__ = [
    "AttributeMetric",
    "CrowdPoseMetric",
    "NMEMetric",
    "OKSMetric",
    "OnEachSet",
    "PCKMetric",
    "PCKhMetric",
    "PoseMetric",
    "PredictionWriter",
]
