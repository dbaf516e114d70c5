"""Losses without class weights: the functions of ``pairs`` on a batch, and pytorch-metric-learning's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.recognition import pairs
from posekit.recognition.loss_base import EmbeddingLoss, check_above_zero
from posekit.registry import MODELS


class _PairLoss(EmbeddingLoss):
    """A loss on pairs.

    Args:
        rows: "all" unordered pairs of the batch, or "neighbours": rows 0 and 1, 2 and 3, ..., as a
            :class:`~posekit.recognition.sampling.PairSampler` deals them.
    """

    def __init__(self, rows: str = "all") -> None:
        super().__init__()
        if rows not in ("all", "neighbours"):
            raise ConfigError(f"{type(self).__name__}: 'rows' must be 'all' or 'neighbours', found {rows!r}")
        self.rows = rows

    def pairs_of(self, labels: Tensor) -> Tensor | None:
        """The pairs (P, 2) of a batch; None: all."""
        if self.rows == "all":
            return None
        return torch.arange(len(labels) // 2 * 2, device=labels.device).view(-1, 2)


@MODELS.register_module()
class Contrastive(_PairLoss):
    """DeepID2's verification signal, see :func:`~posekit.recognition.pairs.contrastive_loss`.

    Args:
        margin: m.
        normalise: Embeddings are normalised first.
        rows: "all" pairs of the batch, or "neighbours": rows 0 and 1, 2 and 3, ...
    """

    def __init__(self, margin: float = 1.0, normalise: bool = False, rows: str = "all") -> None:
        super().__init__(rows)
        check_above_zero("Contrastive", margin=margin)
        self.margin, self.normalise = margin, normalise

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings = F.normalize(embeddings) if self.normalise else embeddings
        return pairs.contrastive_loss(embeddings, labels, self.margin, self.pairs_of(labels))


@MODELS.register_module()
class CosineVerification(_PairLoss):
    """DeepID2's cosine signal, see :func:`~posekit.recognition.pairs.cosine_verification_loss`.

    Args:
        weight: Where the learnt w begins.
        bias: Where the learnt b begins.
        rows: "all" pairs of the batch, or "neighbours": rows 0 and 1, 2 and 3, ...
    """

    def __init__(self, weight: float = 4.0, bias: float = -1.0, rows: str = "all") -> None:
        super().__init__(rows)
        self.weight = nn.Parameter(torch.tensor(float(weight)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return pairs.cosine_verification_loss(
            embeddings, labels, self.weight, self.bias, self.pairs_of(labels)
        )


class _LibraryLoss(EmbeddingLoss):
    """A loss of pytorch-metric-learning, whose definition is the paper's; on cosines.

    The library is needed where something is learnt, not to use what was.

    Raises:
        ConfigError: On a setting that is not above 0; at the first batch if the library is not installed.
    """

    def _take(self, name: str, **settings: float) -> None:
        check_above_zero(type(self).__name__, **settings)
        self.name, self.settings = name, settings
        self.loss: nn.Module | None = None

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.loss is None:
            try:
                from pytorch_metric_learning import losses  # seconds, which few need
            except ImportError as error:
                raise ConfigError(
                    f"{type(self).__name__} is pytorch-metric-learning's {self.name}, which cannot be "
                    f"imported ({error}): pip install 'posekit[recognition]', or -e '.[recognition]'"
                ) from error
            self.loss = getattr(losses, self.name)(**self.settings)
        found: Tensor = self.loss(embeddings, labels)
        return found


@MODELS.register_module()
class Circle(_LibraryLoss):
    """Circle loss in its pairwise form: Sun et al., CVPR 2020. The library's ``CircleLoss``.

    Args:
        margin: m.
        gamma: The scale.
    """

    def __init__(self, margin: float = 0.25, gamma: float = 256.0) -> None:
        super().__init__()
        self._take("CircleLoss", m=margin, gamma=gamma)


@MODELS.register_module()
class MultiSimilarity(_LibraryLoss):
    """Wang et al., CVPR 2019, equation 15, without its mining. The library's ``MultiSimilarityLoss``.

    Args:
        alpha: Of positives.
        beta: Of negatives.
        base: lambda, a cosine.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5) -> None:
        super().__init__()
        self._take("MultiSimilarityLoss", alpha=alpha, beta=beta, base=base)


@MODELS.register_module()
class SupervisedContrastive(_LibraryLoss):
    """SupCon, the logarithm inside: Khosla et al., NeurIPS 2020. The library's ``SupConLoss``.

    Args:
        temperature: Cosines are divided by it.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self._take("SupConLoss", temperature=temperature)


@MODELS.register_module()
class NTXent(_LibraryLoss):
    """SimCLR's loss with labels: Chen et al., ICML 2020. The library's ``NTXentLoss``.

    Args:
        temperature: Cosines are divided by it.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self._take("NTXentLoss", temperature=temperature)


@MODELS.register_module()
class Triplet(EmbeddingLoss):
    """See :func:`~posekit.recognition.pairs.triplet_loss`; FaceNet's by default.

    Args:
        margin: m.
        mining: "batch_hard"; "semi_hard": the nearest negative farther than the positive, else the farthest
            one; one of :data:`~posekit.recognition.pairs.KINDS`; or "neighbours": rows 0, 1 and 2 are anchor,
            positive, negative, and so on, as a :class:`~posekit.recognition.sampling.TripletSampler` deals
            them.
        squared: With squared distances.
        normalise: Embeddings are normalised first.
        nonzero_mean: The mean over the triplets whose loss is above 0.
    """

    def __init__(
        self,
        margin: float = 0.2,
        mining: str = "semi_hard",
        squared: bool = True,
        normalise: bool = True,
        nonzero_mean: bool = False,
    ) -> None:
        super().__init__()
        check_above_zero("Triplet", margin=margin)
        known = ("batch_hard", "semi_hard", *pairs.KINDS, "neighbours")
        if mining not in known:
            raise ConfigError(f"Triplet: 'mining' must be one of {known}, found {mining!r}")
        self.margin, self.mining, self.squared = margin, mining, squared
        self.normalise, self.nonzero_mean = normalise, nonzero_mean

    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings = F.normalize(embeddings) if self.normalise else embeddings
        triplets = self.mine(embeddings, labels)
        return pairs.triplet_loss(embeddings, triplets, self.margin, self.squared, self.nonzero_mean)

    def mine(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The triplets (T, 3) of a batch."""
        if self.mining == "batch_hard":
            return pairs.batch_hard(embeddings, labels)
        if self.mining == "semi_hard":
            return pairs.semi_hard(embeddings, labels)
        if self.mining == "neighbours":
            return torch.arange(len(labels) // 3 * 3, device=labels.device).view(-1, 3)
        return pairs.mine_triplets(embeddings, labels, self.mining, self.margin, self.squared)
