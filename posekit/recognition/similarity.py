"""Further losses on the cosines of a batch, and on centres, as pure functions.

``embeddings`` are (B, D), normalised here where cosines are meant; ``labels`` int64 (B,). An anchor without a
positive or a negative has no part in a loss that needs one. A batch without any gives 0, with gradient 0.

==================================  =======================================================================
:func:`circle_loss`                 Sun et al., CVPR 2020, pairwise
:func:`multi_similarity_loss`       Wang et al., CVPR 2019, without its mining
:func:`supervised_contrastive_loss` Khosla et al., NeurIPS 2020 (SupCon, the logarithm inside)
:func:`nt_xent_loss`                Chen et al., ICML 2020 (SimCLR), with labels
:func:`center_loss`                 Wen et al., ECCV 2016; :func:`center_step` moves its centres
==================================  =======================================================================
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.recognition.margins import cosines
from posekit.recognition.pairs import check_labels, relations


def circle_loss(embeddings: Tensor, labels: Tensor, margin: float = 0.25, gamma: float = 256.0) -> Tensor:
    """Mean over anchors, those of loss 0 left out, of softplus(LSE over positives + LSE over negatives).

    With a cosine s the exponents are -gamma [1 + m - s]+ (s - 1 + m) of positives and gamma [s + m]+ (s - m)
    of negatives; the bracketed factors carry no gradient.

    Args:
        embeddings: (B, D).
        labels: (B,).
        margin: m.
        gamma: The scale.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine, positive, negative = _similarities(embeddings, labels)
    of_positive = -gamma * F.relu(1 + margin - cosine.detach()) * (cosine - 1 + margin)
    of_negative = gamma * F.relu(cosine.detach() + margin) * (cosine - margin)
    kept = positive.any(dim=1) & negative.any(dim=1)
    exponent = _logsumexp(of_positive[kept], positive[kept]) + _logsumexp(of_negative[kept], negative[kept])
    losses = _log_one_plus(exponent)
    return losses.sum() / (losses > 0).sum().clamp(min=1)


def multi_similarity_loss(
    embeddings: Tensor, labels: Tensor, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5
) -> Tensor:
    """Mean over anchors of log(1 + sum e^-alpha(s - base)) / alpha + log(1 + sum e^beta(s - base)) / beta.

    The first sum is over positives, the second over negatives. Eq. 15 of the paper.

    Args:
        embeddings: (B, D).
        labels: (B,).
        alpha: Of positives.
        beta: Of negatives.
        base: lambda, a cosine.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine, positive, negative = _similarities(embeddings, labels)
    # softplus(LSE) = log(1 + sum exp); of nothing it is 0.
    near = _log_one_plus(_logsumexp(-alpha * (cosine - base), positive)) * positive.any(dim=1)
    far = _log_one_plus(_logsumexp(beta * (cosine - base), negative)) * negative.any(dim=1)
    return (near / alpha + far / beta).mean()


def supervised_contrastive_loss(embeddings: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean over anchors of minus the mean over positives of the log softmax over all other pictures.

    Args:
        embeddings: (B, D).
        labels: (B,).
        temperature: Cosines are divided by it.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine, positive, negative = _similarities(embeddings, labels)
    scaled = cosine / temperature
    log_share = scaled - _logsumexp(scaled, positive | negative)[:, None]
    counts = positive.sum(dim=1)
    each = -(log_share * positive).sum(dim=1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)


def nt_xent_loss(embeddings: Tensor, labels: Tensor, temperature: float = 0.07) -> Tensor:
    """Mean over ordered positive pairs of -log(e^s / (e^s + sum over the anchor's negatives of e^s_n)).

    Args:
        embeddings: (B, D).
        labels: (B,).
        temperature: Cosines are divided by it.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine, positive, negative = _similarities(embeddings, labels)
    scaled = cosine / temperature
    wrong = _logsumexp(scaled, negative)[:, None]
    losses = _log_one_plus(wrong - scaled) * (positive & negative.any(dim=1, keepdim=True))
    return losses.sum() / positive.sum().clamp(min=1)


def center_loss(embeddings: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples of ||x - c_y||^2. The paper's (eq. 2) is half the sum: B / 2 times this.

    Args:
        embeddings: (B, D), as they are.
        centers: (C, D).
        labels: (B,).

    Raises:
        ValueError: On shapes that do not fit.
    """
    check_labels(embeddings, labels)
    return (embeddings - centers[labels]).square().sum(dim=1).mean()


@torch.no_grad()
def center_step(embeddings: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
    """The paper's step of the centres (eq. 4): c - alpha times it is the new centre.

    Args:
        embeddings: (B, D).
        centers: (C, D).
        labels: (B,).

    Returns:
        (C, D): of each class the sum of c - x over 1 + the number of its samples.
    """
    counts = torch.zeros_like(centers[:, :1]).index_add_(0, labels, torch.ones_like(embeddings[:, :1]))
    gaps = torch.zeros_like(centers).index_add_(0, labels, centers[labels] - embeddings)
    return gaps / (1 + counts)


def _similarities(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines (B, B), and who is a positive of whom, who a negative."""
    check_labels(embeddings, labels)
    return (cosines(embeddings, embeddings), *relations(labels))


def _log_one_plus(exponent: Tensor) -> Tensor:
    """log(1 + e^x); torch's softplus gives x itself from 20 on."""
    return torch.logaddexp(exponent, torch.zeros_like(exponent))


def _logsumexp(values: Tensor, chosen: Tensor) -> Tensor:
    """The logarithm of the sum of exponentials of the chosen ones of each row; a very low number of none."""
    return values.masked_fill(~chosen, torch.finfo(values.dtype).min / 4).logsumexp(dim=1)
