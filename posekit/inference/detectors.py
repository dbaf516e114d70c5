"""Person detectors as a :class:`~posekit.inference.predictor.Predictor` takes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posekit.errors import ConfigError
from posekit.io.bundled import FINDER, bundled_finder, bundled_finders
from posekit.io.files import read_json, read_object
from posekit.io.records import require
from posekit.machine import threads, threads_for
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

# Of a predictor: the finder that comes with posekit, for networks of people; else the whole frame.
AUTO = "auto"
# Whose keypoints are those of people.
_OF_PEOPLE = ("coco17", "lsp14", "mpii16", "crowdpose14", "openpose18")
# Takes uint8 RGB images; gives for each an object with boxes_xyxy (n, 4) and scores (n,).
Detect = Callable[[Sequence[np.ndarray]], Sequence[Any]]


@torch.inference_mode(False)  # what is built learns which of its weights count
def load_detector(
    detector: Detect | str | os.PathLike[str] | None, device: torch.device, threshold: float | None = None
) -> Detect | None:
    """A detector from its network's name, from the path of its weights, or as it is.

    What is built here leaves out boxes scored below ``threshold``; None: what its card says, else 0.5.

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
    from posekit.detection import NETWORKS, YOLOX, PersonDetector, open_detector

    by_name = str(detector) in YOLOX or bundled_finder(str(detector)) is not None
    if by_name or os.path.isfile(detector) or Path(detector).suffix:  # noqa: PTH113
        least = _threshold(threshold, bundled_finder(str(detector)) or _finder_with_card(Path(detector)))
        return open_detector(str(detector), score_threshold=least, device=device)
    if str(detector) not in NETWORKS:
        raise ConfigError(
            f"detector {str(detector)!r}: neither a file of weights nor the name of a network "
            f"({', '.join([FINDER, *bundled_finders(), *NETWORKS, *YOLOX])})"
        )
    return PersonDetector(str(detector), True, _threshold(threshold), device=device)


def _finder_with_card(weights: Path) -> Path | None:
    """The weights, if a card of a finder lies beside them."""
    card = weights.with_suffix(".json")
    told = weights.suffix == ".safetensors" and card.is_file()
    return weights if told and "form" in read_object(card) else None


def _threshold(stated: float | None, finder: Path | None = None) -> float:
    """What is stated, else what the card of a finder says, else 0.5."""
    if stated is not None or finder is None:
        return 0.5 if stated is None else stated
    card = finder.with_suffix(".json")
    return float(require(read_json(card), "threshold", str(card), (int, float)))


@torch.inference_mode(False)  # what is built learns which of its weights count
def embedded_finder(
    skeleton: Skeleton, device: torch.device, threshold: float | None = None
) -> Detect | None:
    """The person finder that comes with posekit, for a network of people's keypoints; None for any other."""
    finders = bundled_finders()
    if (
        not finders
        or skeleton.name not in _OF_PEOPLE
        or skeleton.keypoints != get_skeleton(skeleton.name).keypoints
    ):
        return None
    path = next(iter(finders.values()))
    from posekit.detection import PersonFinder

    with threads(threads_for(0)):  # hundreds of small tensors
        return PersonFinder(path, score_threshold=_threshold(threshold, path), device=device, exact=False)


def describe_detector(detect: Detect | None, refine: int, auto: bool = False) -> str:
    """In words what happens to an image without boxes; ``refine`` as of the predictor."""
    closer = f", then {refine} closer looks at the joints found" if refine else ""
    whole = f"the whole frame as one person{closer}"
    if detect is None:
        return f"one person only, as there is no detector: {whole}"
    describe = getattr(detect, "describe", None)
    name = describe() if callable(describe) else getattr(detect, "__name__", type(detect).__name__)
    return f"found by {name}" + (f"; where it finds nobody, {whole}" if auto else "")
