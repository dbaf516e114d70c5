"""What every loss on embeddings is: checked, and computed in float32 at least."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import ConfigError


def check_above_zero(where: str, **settings: Any) -> None:
    """Raises ConfigError unless every setting is a finite number above 0."""
    for name, number in settings.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < math.inf:
            raise ConfigError(f"{where}: '{name}' must be a finite number above 0, found {number!r}")


class EmbeddingLoss(nn.Module, ABC):
    """A loss on labelled embeddings: checks them, and sees to it that they are computed exactly enough."""

    #: Whether the constructor takes the number of ``classes``.
    has_classes = False

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of embeddings (B, D) with labels (B,), ().

        Raises:
            ValueError: On shapes that do not fit, or labels that are no whole numbers.
        """
        if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or labels.is_floating_point():
            raise ValueError(
                f"{type(self).__name__}: expected embeddings (B, D) and whole-number labels (B,), found "
                f"{tuple(embeddings.shape)} and {labels.dtype} {tuple(labels.shape)}"
            )
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.compute(embeddings, labels.long())

    @abstractmethod
    def compute(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of what :meth:`forward` has checked."""
