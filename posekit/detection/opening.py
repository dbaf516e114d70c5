"""Which detector a file of weights is for: the file says it itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from posekit.detection.detector import PersonDetector
from posekit.detection.finder import PersonFinder
from posekit.detection.finder_files import is_finder
from posekit.detection.yolox import YOLOX, YoloxDetector
from posekit.errors import ConfigError
from posekit.io.bundled import FINDER, bundled_finder, bundled_finders

AnyDetector = PersonDetector | PersonFinder | YoloxDetector


def open_detector(
    weights: bool | str | Path | None = None, network: str | None = None, **settings: Any
) -> AnyDetector:
    """A detector of people from its weights.

    Args:
        weights: A checkpoint of ``tools/train_detector.py``, of either kind, torchvision's file of a Faster
            R-CNN, an .onnx file of a YOLOX or a name of :data:`~posekit.detection.yolox.YOLOX`, "finder" or
            the name of a finder that comes with posekit, or what else
            :class:`~posekit.detection.PersonDetector` takes.
        network: A Faster R-CNN of torchvision that it must be; or a finder's name, in place of the weights.
        **settings: Thresholds, device and the like, which both kinds take.

    Raises:
        CheckpointError: If the weights cannot be had or do not fit.
        ConfigError: On an unknown network or an impossible threshold.
    """
    if network is not None and (weights is None or weights is True) and bundled_finder(network):
        weights, network = network, None
    if network is None and isinstance(weights, (str, Path)):
        if str(weights) in YOLOX or Path(weights).suffix == ".onnx":
            return YoloxDetector(weights, **settings)
        if not os.path.lexists(weights):
            if finder := bundled_finder(str(weights)):
                return PersonFinder(finder, **settings)
            if not Path(weights).suffix:
                names = ", ".join([FINDER, *bundled_finders(), *YOLOX])
                raise ConfigError(f"detector {str(weights)!r}: neither a file of weights nor one of {names}")
        if is_finder(weights):
            return PersonFinder(weights, **settings)
    return PersonDetector(network, weights, **settings)
