"""Multi-scale test: the network sees the crop in several sizes, its heatmaps are averaged in a common frame.

As in bottom-up pose estimation (HigherHRNet) and segmentation: the crop, not the box, is resized, so no data
set has to know. The common frame is the heatmap grid of the crop's own size; the codec's alignment says how
cells move under the resizing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from posekit.errors import ConfigError


def check_scales(scales: Any) -> tuple[float, ...]:
    """The scales of a config as a tuple of different positive numbers.

    Raises:
        ConfigError: If they are anything else.
    """
    found = tuple(scales) if isinstance(scales, Sequence) and not isinstance(scales, str) else ()
    numbers = [s for s in found if isinstance(s, (int, float)) and not isinstance(s, bool)]
    positive = all(0 < s < math.inf for s in numbers)
    if not found or len(numbers) < len(found) or not positive or len(set(found)) < len(found):
        raise ConfigError(
            f"model.test_scales: expected different positive numbers, such as [1.0, 0.75, 1.25], "
            f"found {scales!r}"
        )
    return tuple(float(scale) for scale in found)


def scaled_size(size_hw: tuple[int, int], scale: float, divisor: int) -> tuple[int, int]:
    """Both sides times the scale, rounded to multiples of what the network can halve.

    Raises:
        ConfigError: If rounding leads back to the size itself, so that the scale would do nothing.
    """
    height, width = (max(round(side * scale / divisor), 1) * divisor for side in size_hw)
    if (height, width) == tuple(size_hw):
        raise ConfigError(
            f"model.test_scales: {scale:g} times an input of {size_hw[0]} x {size_hw[1]} (height x width), "
            f"rounded to multiples of {divisor}, is the input itself; take a scale farther from 1"
        )
    return height, width


def resize_input(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A normalised batch (B, 3, H, W) in another size: bilinear, half-pixel centres, smoothed if smaller."""
    return F.interpolate(image, size=size_hw, mode="bilinear", align_corners=False, antialias=True)
