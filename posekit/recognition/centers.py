"""Centre loss: Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016.

``embeddings`` are (B, D), ``labels`` int64 (B,).
"""

from __future__ import annotations

import torch
from torch import Tensor

from posekit.recognition.pairs import check_labels


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
