"""Poses of whole pictures, on which a network finds the people itself."""

from __future__ import annotations

import numpy as np

from posekit.metrics.poses import PoseArrays


def each_once(poses: PoseArrays) -> PoseArrays:
    """The people found, in the order of the pictures' ids; a picture seen twice counts once."""
    keys = np.stack([poses.image_ids, poses.person_ids], axis=1)
    return poses.take(np.unique(keys, axis=0, return_index=True)[1])
