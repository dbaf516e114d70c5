"""The losses of ``margins``, ``pairs`` and ``centers`` as modules, and some of pytorch-metric-learning.

Each maps ``embeddings`` (B, D) and int64 ``labels`` (B,), 0..C-1, to a scalar, and computes in float32 at
least. An :class:`~posekit.recognition.heads.EmbeddingHead` builds them by name and sums them: DeepID2's joint
identification-verification is a :class:`Softmax` and a :class:`Contrastive`, the second one weighted.
"""

from posekit.recognition.class_losses import (
    AdaFace,
    AgentContrastive,
    AgentTriplet,
    ArcFace,
    ASoftmax,
    Center,
    ClassLoss,
    CosFace,
    CurricularFace,
    LogitLoss,
    LSoftmax,
    NormFace,
    Softmax,
)
from posekit.recognition.loss_base import EmbeddingLoss
from posekit.recognition.pair_losses import (
    Circle,
    Contrastive,
    CosineVerification,
    MultiSimilarity,
    NTXent,
    SupervisedContrastive,
    Triplet,
)

__all__ = [
    "ASoftmax",
    "AdaFace",
    "AgentContrastive",
    "AgentTriplet",
    "ArcFace",
    "Center",
    "Circle",
    "ClassLoss",
    "Contrastive",
    "CosFace",
    "CosineVerification",
    "CurricularFace",
    "EmbeddingLoss",
    "LSoftmax",
    "LogitLoss",
    "MultiSimilarity",
    "NTXent",
    "NormFace",
    "Softmax",
    "SupervisedContrastive",
    "Triplet",
]
