"""Person detectors as a :class:`~posekit.inference.predictor.Predictor` takes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posekit.errors import ConfigError

# Takes uint8 RGB images; gives for each an object with boxes_xyxy (n, 4) and scores (n,).
Detect = Callable[[Sequence[np.ndarray]], Sequence[Any]]


def load_detector(detector: Detect | str | os.PathLike[str] | None, device: torch.device) -> Detect | None:
    """A detector from its network's name, from the path of its weights, or as it is.

    Raises:
        ConfigError: If it is none of these.
        CheckpointError: If the weights cannot be had or do not fit.
    """
    if detector is None or callable(detector):
        return detector
    if not isinstance(detector, (str, os.PathLike)):
        raise ConfigError(
            "detector: expected a network's name, the path of its weights or a function of a list of images, "
            f"found {type(detector).__name__}"
        )
    from posekit.detection import PersonDetector

    if Path(detector).is_file() or Path(detector).suffix:
        return PersonDetector(weights=Path(detector), device=device)
    return PersonDetector(network=str(detector), weights=True, device=device)


def describe_detector(detect: Detect | None) -> str:
    """In words what happens to an image without boxes."""
    if detect is None:
        return "the whole frame as one person"
    describe = getattr(detect, "describe", None)
    name = describe() if callable(describe) else getattr(detect, "__name__", type(detect).__name__)
    return f"found by {name}"
