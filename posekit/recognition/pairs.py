"""Losses on pairs and triplets of embeddings, and their mining, as pure functions.

``embeddings`` are (B, D), as they are: normalise them first where the paper does. ``labels`` are int64 (B,).
Distances are Euclidean. Triplets are int64 (T, 3): rows of anchor, positive, negative. A batch that has no
pair or triplet of the kind gives a loss of 0, with gradient 0.

====================================  =====================================================================
:func:`contrastive_loss`              same: d^2 / 2, else max(0, m - d)^2 / 2 (DeepID2, Hadsell et al.)
:func:`cosine_verification_loss`      (y - sigmoid(w cos + b))^2 / 2 (DeepID2)
:func:`triplet_loss`                  max(0, d(a, p) - d(a, n) + m), or with d^2 (FaceNet)
:func:`agent_contrastive_loss`        a class weight as the other of a pair (NormFace, C-contrastive)
:func:`agent_triplet_loss`            class weights as positive and negatives (NormFace, C-triplet)
====================================  =====================================================================
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.errors import ConfigError
from posekit.recognition.margins import cosines

KINDS = ("all", "easy", "semihard", "hard", "within_margin")


def pair_distances(embeddings: Tensor) -> Tensor:
    """The Euclidean distances (B, B) between embeddings (B, D); gradient 0 between equal ones."""
    if embeddings.ndim != 2:
        raise ValueError(f"expected embeddings (B, D), found {tuple(embeddings.shape)}")
    # By inner products, small distances would be rounding noise.
    return torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")


def all_pairs(count: int, device: torch.device | None = None) -> Tensor:
    """The unordered pairs of ``count`` rows, int64 (P, 2), the first one smaller."""
    return torch.triu_indices(count, count, offset=1, device=device).T


def relations(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Who is a positive of whom, who a negative: bool (B, B) each, of labels (B,)."""
    same = labels[:, None] == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=same.device), ~same


def contrastive_loss(
    embeddings: Tensor, labels: Tensor, margin: float = 1.0, pairs: Tensor | None = None
) -> Tensor:
    """Mean over pairs of d^2 / 2 for the same label, max(0, m - d)^2 / 2 for different ones.

    Sun et al., "Deep learning face representation by joint identification-verification" (DeepID2), NIPS 2014,
    eq. 2, which writes one pair; the mean over pairs is a choice.

    Args:
        embeddings: (B, D).
        labels: (B,).
        margin: m: different pairs further apart are let be.
        pairs: int64 (P, 2); None: all unordered pairs.

    Raises:
        ValueError: On shapes that do not fit.
    """
    first, second, same = _pairs(embeddings, labels, pairs)
    distance = pair_distances(embeddings)[first, second]
    losses = torch.where(same, distance.square(), F.relu(margin - distance).square()) / 2
    return _mean(losses)


def cosine_verification_loss(
    embeddings: Tensor,
    labels: Tensor,
    weight: float | Tensor,
    bias: float | Tensor,
    pairs: Tensor | None = None,
) -> Tensor:
    """Mean over pairs of (y - sigmoid(w cos + b))^2 / 2, y = 1 for the same label, 0 for different ones.

    DeepID2, eq. 4.

    Args:
        embeddings: (B, D).
        labels: (B,).
        weight: w, learnt.
        bias: b, learnt.
        pairs: int64 (P, 2); None: all unordered pairs.

    Raises:
        ValueError: On shapes that do not fit.
    """
    first, second, same = _pairs(embeddings, labels, pairs)
    cosine = cosines(embeddings, embeddings)[first, second]
    return _mean((same.to(cosine.dtype) - torch.sigmoid(weight * cosine + bias)).square() / 2)


def triplet_loss(
    embeddings: Tensor,
    triplets: Tensor,
    margin: float = 0.2,
    squared: bool = False,
    nonzero_mean: bool = False,
) -> Tensor:
    """Mean over triplets of max(0, d(a, p) - d(a, n) + m).

    Schroff et al., "FaceNet", CVPR 2015, eq. 3, has squared distances, embeddings of length 1 and m = 0.2;
    Hermans et al., "In defense of the triplet loss", 2017, plain distances.

    Args:
        embeddings: (B, D).
        triplets: int64 (T, 3), of one of the functions below.
        margin: m.
        squared: With d^2.
        nonzero_mean: The mean over the triplets whose loss is above 0, so that easy ones do not dilute it.

    Raises:
        ValueError: On shapes that do not fit.
    """
    if triplets.ndim != 2 or triplets.shape[1] != 3:
        raise ValueError(f"expected triplets (T, 3), found {tuple(triplets.shape)}")
    distance = pair_distances(embeddings)
    distance = distance.square() if squared else distance
    anchor, positive, negative = triplets.T
    losses = F.relu(distance[anchor, positive] - distance[anchor, negative] + margin)
    if nonzero_mean:
        return losses.sum() / (losses > 0).sum().clamp(min=1)
    return _mean(losses)


# --- mining: which triplets -------------------------------------------------------------------------------


@torch.no_grad()
def batch_hard(embeddings: Tensor, labels: Tensor) -> Tensor:
    """For each anchor the farthest positive and the nearest negative, the first of equals.

    Hermans et al., 2017, eq. 5. Anchors without a positive or a negative have none.

    Args:
        embeddings: (B, D).
        labels: (B,).

    Returns:
        int64 (T, 3), in the order of the anchors.
    """
    distance, positive, negative = _relations(embeddings, labels)
    farthest = distance.masked_fill(~positive, -torch.inf).argmax(dim=1)
    nearest = distance.masked_fill(~negative, torch.inf).argmin(dim=1)
    anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero().squeeze(1)
    return torch.stack([anchors, farthest[anchors], nearest[anchors]], dim=1)


@torch.no_grad()
def semi_hard(embeddings: Tensor, labels: Tensor, fallback: bool = True) -> Tensor:
    """For each ordered positive pair the nearest negative that is farther than the positive.

    FaceNet, section 3.2. Anchors without a negative have none.

    Args:
        embeddings: (B, D).
        labels: (B,).
        fallback: Where no negative is farther than the positive, take the farthest negative, as TensorFlow's
            ``triplet_semihard_loss`` does; otherwise such pairs are left out.

    Returns:
        int64 (T, 3), sorted by anchor and positive.
    """
    distance, positive, negative = _relations(embeddings, labels)
    farthest = distance.masked_fill(~negative, -torch.inf).argmax(dim=1)
    # Each anchor's negatives from near to far; of equally far ones the first.
    ordered, order = distance.masked_fill(~negative, torch.inf).sort(dim=1, stable=True)
    anchors, positives = (positive & negative.any(dim=1, keepdim=True)).nonzero().T
    counts = negative.sum(dim=1)
    place = torch.searchsorted(ordered, distance.masked_fill(~positive, torch.inf).contiguous(), right=True)
    place = place[anchors, positives]
    there = place < counts[anchors]
    nearest = order[anchors, place.clamp(max=len(labels) - 1)]
    found = torch.stack([anchors, positives, torch.where(there, nearest, farthest[anchors])], dim=1)
    return found if fallback else found[there]


@torch.no_grad()
def mine_triplets(
    embeddings: Tensor, labels: Tensor, kind: str = "all", margin: float = 0.2, squared: bool = False
) -> Tensor:
    """All triplets of a kind, sorted.

    By the gap d(a, n) - d(a, p): "hard" <= 0 < "semihard" <= margin < "easy"; "within_margin" is hard or
    semihard.

    Args:
        embeddings: (B, D).
        labels: (B,).
        kind: One of :data:`KINDS`.
        margin: In units of the distance.
        squared: The gap is that of d^2.

    Returns:
        int64 (T, 3).

    Raises:
        ConfigError: On another kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"'kind' must be one of {KINDS}, found {kind!r}")
    distance, positive, negative = _relations(embeddings, labels)
    valid = positive[:, :, None] & negative[:, None, :]
    if kind != "all":
        distance = distance.square() if squared else distance
        gap = distance[:, None, :] - distance[:, :, None]
        chosen = {
            "easy": gap > margin,
            "semihard": (gap > 0) & (gap <= margin),
            "hard": gap <= 0,
            "within_margin": gap <= margin,
        }[kind]
        valid &= chosen
    return valid.nonzero()


# --- class weights as agents ------------------------------------------------------------------------------


def agent_contrastive_loss(embeddings: Tensor, weight: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over samples of d_y + sum over other classes j of max(0, m - d_j), d = ||x~ - w~_j||^2.

    NormFace, eq. 8 (C-contrastive): x~ and w~ have length 1, the margin is on the square.

    Args:
        embeddings: (B, D), normalised here.
        weight: (C, D), normalised here.
        labels: (B,).
        margin: m.

    Raises:
        ValueError: On shapes that do not fit.
    """
    distance, own = _agent_distances(embeddings, weight, labels)
    others = F.relu(margin - distance).scatter(1, labels[:, None], 0.0)
    return (own.squeeze(1) + others.sum(dim=1)).mean()


def agent_triplet_loss(embeddings: Tensor, weight: Tensor, labels: Tensor, margin: float = 0.8) -> Tensor:
    """Mean over samples of the sum over other classes j of max(0, m + d_y - d_j), d = ||x~ - w~_j||^2.

    NormFace, eq. 9 (C-triplet).

    Args:
        embeddings: (B, D), normalised here.
        weight: (C, D), normalised here.
        labels: (B,).
        margin: m.

    Raises:
        ValueError: On shapes that do not fit.
    """
    distance, own = _agent_distances(embeddings, weight, labels)
    return F.relu(margin + own - distance).scatter(1, labels[:, None], 0.0).sum(dim=1).mean()


def _agent_distances(embeddings: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances (B, C) to the classes' weights, and (B, 1) to the own one."""
    distance = 2 - 2 * cosines(embeddings, weight)
    return distance, distance.gather(1, labels[:, None])


def _relations(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (B, B), and who is a positive of whom, who a negative."""
    check_labels(embeddings, labels)
    return (pair_distances(embeddings), *relations(labels))


def _pairs(embeddings: Tensor, labels: Tensor, pairs: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The two rows of each pair, and whether they have one label."""
    check_labels(embeddings, labels)
    first, second = (all_pairs(len(labels), labels.device) if pairs is None else pairs).T
    return first, second, labels[first] == labels[second]


def check_labels(embeddings: Tensor, labels: Tensor) -> None:
    """Raises ValueError unless there is one label for each embedding."""
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"expected one label for each of {len(embeddings)} embeddings, found shape {tuple(labels.shape)}"
        )


def _mean(losses: Tensor) -> Tensor:
    """The mean; 0 of nothing, which still has a gradient."""
    return losses.sum() / max(len(losses), 1)
