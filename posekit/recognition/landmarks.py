"""The five points that faces are aligned by, from a landmark network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import ConfigError
from posekit.io.pictures import load_rgb
from posekit.structures import Skeleton

if TYPE_CHECKING:
    from posekit import Predictor


def five_points(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Eyes, nose tip and corners of the mouth from a face's landmarks, in the order of the alignment.

    An eye is its pupil where the skeleton has it, else the mean of its contour. The skeleton names the
    person's sides; the first eye of the alignment is the picture's left one, the person's right.

    Args:
        keypoints: (..., K, 2), pixels.
        skeleton: What they are, such as ``ibug68``.

    Returns:
        (..., 5, 2).

    Raises:
        ConfigError: If the skeleton lacks one of them.
    """
    places: list[list[int]] = []
    for name in ("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner"):
        own = [place for place, other in enumerate(skeleton.keypoints) if other == name]
        parts = [place for place, other in enumerate(skeleton.keypoints) if other.startswith(f"{name}_")]
        if not own and not (name.endswith("eye") and parts):
            raise ConfigError(
                f"landmarks: the skeleton {skeleton.name!r} has no keypoint {name!r}; faces are aligned by "
                "eyes, nose and corners of the mouth, as of 'face68', the network that comes with posekit"
            )
        places.append(own or parts)
    return np.stack([keypoints[..., place, :].mean(axis=-2) for place in places], axis=-2)


def find_five_points(
    predictor: Predictor, paths: Sequence[Path], names: Sequence[str], known: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The five points float64 (5, 2) of pictures of one face each, by name; those known are not looked for.

    Every picture is taken for one of a face; what a picture without any gives is nobody's.

    Args:
        predictor: Of a landmark network, without a detector: the whole picture is taken for one face, then
            looked at more closely.
        paths: Picture files.
        names: What they are called.
        known: Points by name.

    Raises:
        ConfigError: If the network's skeleton lacks one of the five.
        DataError: On a picture that cannot be read, naming it.
    """
    five_points(np.zeros((len(predictor.skeleton.keypoints), 2)), predictor.skeleton)  # told before any work
    found = dict(known)
    for path, name in zip(paths, names, strict=True):
        if name not in known:
            for pose in predictor(load_rgb(path))[:1]:
                found[name] = five_points(pose.keypoints.astype(np.float64), predictor.skeleton)
    return found
