"""The heatmaps of an estimator, be its head one of heatmaps or several heads by name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from posekit.errors import ConfigError
from posekit.models.heads import HeatmapHead


def heatmap_head(model: Any, purpose: str) -> HeatmapHead:
    """The heatmap head of an estimator, be it one of several.

    Args:
        model: A ``PoseEstimator``.
        purpose: What wants heatmaps, for the message.

    Raises:
        ConfigError: If it has none.
    """
    found = next((part for part in model.head.modules() if isinstance(part, HeatmapHead)), None)
    if found is None:
        raise ConfigError(f"{purpose}: needs heatmaps, which {type(model.head).__name__} does not give")
    return found


def heatmaps_of(model: Any, outputs: Any) -> Tensor:
    """The heatmaps (B, C, h, w) among the outputs of an estimator that has a heatmap head."""
    if isinstance(outputs, Tensor):
        return outputs
    name = next(name for name, head in model.head.heads.items() if isinstance(head, HeatmapHead))
    return outputs[name]
