"""Losses with a weight for each class: the functions of ``margins`` as modules, centres and agents."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError, is_whole
from posekit.recognition import centers, margins, pairs
from posekit.recognition.loss_base import EmbeddingLoss, check_above_zero
from posekit.registry import MODELS


class ClassLoss(EmbeddingLoss):
    """A loss with a weight for each class.

    Attributes:
        weight: (classes, dim), Xavier-normal to begin with.
    """

    has_classes = True

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        for name, number in (("dim", dim), ("classes", classes)):
            if not is_whole(number):
                raise ConfigError(
                    f"{type(self).__name__}: '{name}' must be a whole number above 0, found {number!r}"
                )
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes, dim)))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """As the base.

        Raises:
            ConfigError: On a label that is none of the classes (not looked for on an accelerator, where
                looking would wait for it).
        """
        if labels.device.type == "cpu" and len(labels):
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.weight):
                raise ConfigError(
                    f"{type(self).__name__}: expected labels 0..{len(self.weight) - 1} for its "
                    f"{len(self.weight)} 'classes', found {low if low < 0 else high}"
                )
        return super().forward(embeddings, labels)

    def scores(self, embeddings: Tensor) -> Tensor:
        """How near each class is (B, classes), without a margin: cosines."""
        return margins.cosines(embeddings, self.weight)


class LogitLoss(ClassLoss):
    """The cross entropy of class logits."""

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(embeddings, labels), labels)

    @abstractmethod
    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The logits (B, classes)."""


@MODELS.register_module()
class Softmax(LogitLoss):
    """The plain softmax: identification.

    Args:
        dim: D.
        classes: C.
        bias: Whether each class has a bias, as DeepID's softmax does.
    """

    def __init__(self, dim: int, classes: int, bias: bool = False) -> None:
        super().__init__(dim, classes)
        self.bias = nn.Parameter(torch.zeros(classes)) if bias else None

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.scores(embeddings)

    def scores(self, embeddings: Tensor) -> Tensor:
        logits = margins.softmax_logits(embeddings, self.weight)
        return logits if self.bias is None else logits + self.bias


@MODELS.register_module()
class NormFace(LogitLoss):
    """Scaled cosines, see :func:`~posekit.recognition.margins.normface_logits`.

    Args:
        dim: D.
        classes: C.
        scale: s; None: the least that lets the loss fall to 0.01
            (:func:`~posekit.recognition.margins.normface_scale`).
        learn_scale: s is where a learnt scale begins. Keep weight decay off it.
    """

    def __init__(self, dim: int, classes: int, scale: float | None = 20.0, learn_scale: bool = False) -> None:
        super().__init__(dim, classes)
        scale = margins.normface_scale(classes, 0.01) if scale is None else scale
        check_above_zero("NormFace", scale=scale)
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learn_scale else scale

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return margins.normface_logits(embeddings, self.weight, self.scale)


@MODELS.register_module()
class CosFace(LogitLoss):
    """A margin on the cosine, see :func:`~posekit.recognition.margins.cosface_logits`."""

    def __init__(self, dim: int, classes: int, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__(dim, classes)
        check_above_zero("CosFace", scale=scale, margin=margin)
        self.scale, self.margin = scale, margin

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return margins.cosface_logits(embeddings, self.weight, labels, self.scale, self.margin)


@MODELS.register_module()
class ArcFace(LogitLoss):
    """A margin on the angle, see :func:`~posekit.recognition.margins.arcface_logits`.

    Raises:
        ConfigError: On a scale that is not positive, or a margin of 0 or from a right angle on.
    """

    def __init__(
        self, dim: int, classes: int, scale: float = 64.0, margin: float = 0.5, easy_margin: bool = False
    ) -> None:
        super().__init__(dim, classes)
        check_above_zero("ArcFace", scale=scale, margin=margin)
        if margin >= math.pi / 2:
            raise ConfigError(
                f"ArcFace: 'margin' must be below pi / 2, in radians, found {margin!r}"
                + (f"; {margin:g} degrees are {math.radians(margin):.3f}" if margin > math.pi else "")
            )
        self.scale, self.margin, self.easy_margin = scale, margin, easy_margin

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return margins.arcface_logits(
            embeddings, self.weight, labels, self.scale, self.margin, self.easy_margin
        )


@MODELS.register_module()
class AdaFace(LogitLoss):
    """A margin by the feature's norm, see :func:`~posekit.recognition.margins.adaface_logits`.

    Mean and deviation of the norms are running averages, as in the release: they begin at 20 and 100, and a
    training batch moves them by 0.01 before it uses them.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, dim: int, classes: int, scale: float = 64.0, margin: float = 0.4, concentration: float = 0.333
    ) -> None:
        super().__init__(dim, classes)
        check_above_zero("AdaFace", scale=scale, margin=margin, concentration=concentration)
        self.scale, self.margin, self.concentration = scale, margin, concentration
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("std", torch.tensor(100.0))

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.training and len(labels) > 1:
            norms = embeddings.detach().norm(dim=1).clamp(0.001, 100)
            self.mean.lerp_(norms.mean().to(self.mean.dtype), 0.01)
            self.std.lerp_(norms.std().to(self.std.dtype), 0.01)
        given = (self.mean.clone(), self.std.clone(), self.scale, self.margin, self.concentration)
        return margins.adaface_logits(embeddings, self.weight, labels, *given)


@MODELS.register_module()
class CurricularFace(LogitLoss):
    """ArcFace with hard classes weighed, see :func:`~posekit.recognition.margins.curricular_logits`.

    ``progress`` begins at 0; a training batch moves it towards the mean cosine of its labels by 0.01 before
    it uses it, as in the release.
    """

    progress: Tensor

    def __init__(self, dim: int, classes: int, scale: float = 64.0, margin: float = 0.5) -> None:
        super().__init__(dim, classes)
        check_above_zero("CurricularFace", scale=scale, margin=margin)
        self.scale, self.margin = scale, margin
        self.register_buffer("progress", torch.zeros(()))

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                own = self.scores(embeddings).gather(1, labels[:, None]).mean()
            self.progress.lerp_(own.to(self.progress.dtype), 0.01)
        given = (self.progress.clone(), self.scale, self.margin)
        return margins.curricular_logits(embeddings, self.weight, labels, *given)


class _AnnealedLoss(LogitLoss):
    """A loss whose factor on the angle may come in slowly, without which it hardly converges."""

    step: Tensor

    def __init__(
        self, dim: int, classes: int, margin: int = 4, annealing: float | Mapping[str, float] = 0.0
    ) -> None:
        super().__init__(dim, classes)
        margins.psi_of_cosine(torch.zeros(1), margin)  # refuses what is no whole number
        self.margin = margin
        self.annealing = dict(annealing) if isinstance(annealing, Mapping) else annealing
        # Of the training so far; it is saved, so that a resumed run goes on where it was.
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        try:
            right = bool(torch.as_tensor(self.annealing_now()) >= 0)
        except TypeError as error:
            raise ConfigError(f"{type(self).__name__}: 'annealing': {error}") from error
        if not right:
            raise ConfigError(f"{type(self).__name__}: 'annealing' must be >= 0, found {annealing!r}")

    def annealing_now(self) -> float | Tensor:
        """The lambda of the step that the training has come to."""
        if isinstance(self.annealing, dict):
            return margins.annealed_lambda(self.step, **self.annealing)
        return self.annealing

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        loss = super().compute(embeddings, labels)
        if self.training:
            self.step += 1
        return loss


@MODELS.register_module()
class LSoftmax(_AnnealedLoss):
    """See :func:`~posekit.recognition.margins.l_softmax_logits`; arguments as :class:`ASoftmax`."""

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return margins.l_softmax_logits(embeddings, self.weight, labels, self.margin, self.annealing_now())

    def scores(self, embeddings: Tensor) -> Tensor:
        return margins.softmax_logits(embeddings, self.weight)


@MODELS.register_module()
class ASoftmax(_AnnealedLoss):
    """A-Softmax (SphereFace), see :func:`~posekit.recognition.margins.a_softmax_logits`.

    Args:
        dim: D.
        classes: C.
        margin: m, a whole number.
        annealing: lambda, as a number, or as the arguments of
            :func:`~posekit.recognition.margins.annealed_lambda`, {} being the release's; 0: none.
    """

    def logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return margins.a_softmax_logits(embeddings, self.weight, labels, self.margin, self.annealing_now())


@MODELS.register_module()
class Center(ClassLoss):
    """See :func:`~posekit.recognition.centers.center_loss`: beside a softmax, with a small weight.

    The centres are the class weights and learn by gradient, as in the usual implementation; the paper moves
    them by steps of their own.
    """

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return centers.center_loss(embeddings, self.weight, labels)

    def scores(self, embeddings: Tensor) -> Tensor:
        """How near each centre is (B, classes): minus the distance."""
        return -torch.cdist(embeddings, self.weight)


@MODELS.register_module()
class AgentContrastive(ClassLoss):
    """NormFace's C-contrastive, see :func:`~posekit.recognition.pairs.agent_contrastive_loss`."""

    def __init__(self, dim: int, classes: int, margin: float = 1.0) -> None:
        super().__init__(dim, classes)
        check_above_zero("AgentContrastive", margin=margin)
        self.margin = margin

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return pairs.agent_contrastive_loss(embeddings, self.weight, labels, self.margin)


@MODELS.register_module()
class AgentTriplet(ClassLoss):
    """NormFace's C-triplet, see :func:`~posekit.recognition.pairs.agent_triplet_loss`."""

    def __init__(self, dim: int, classes: int, margin: float = 0.8) -> None:
        super().__init__(dim, classes)
        check_above_zero("AgentTriplet", margin=margin)
        self.margin = margin

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return pairs.agent_triplet_loss(embeddings, self.weight, labels, self.margin)
