"""The skeletons of the public data sets, by name.

A config states its skeleton once, by one of these names or as a dict of ``Skeleton``'s fields. They are
made in :mod:`posekit.body_skeletons`, which says where sigmas come from, and :mod:`posekit.face_skeletons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posekit.body_skeletons import BODIES, COCO17, CROWDPOSE14, LSP14, MPII16, OPENPOSE18
from posekit.errors import ConfigError
from posekit.face_skeletons import AFLW19, COFW29, FACES, IBUG68, MTFL5, WFLW98
from posekit.structures import Skeleton

__all__ = [
    "AFLW19",
    "COCO17",
    "COFW29",
    "CROWDPOSE14",
    "IBUG68",
    "LSP14",
    "MPII16",
    "MTFL5",
    "NO_KEYPOINTS",
    "OPENPOSE18",
    "SKELETONS",
    "WFLW98",
    "get_skeleton",
]

# For tasks that ask for no keypoints, such as telling people apart.
NO_KEYPOINTS = Skeleton("none", ())

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (*BODIES, *FACES, NO_KEYPOINTS)}


def get_skeleton(spec: Skeleton | str | Mapping[str, Any]) -> Skeleton:
    """The skeleton that a config states: itself, one of :data:`SKELETONS` by name, or a dict of fields.

    Raises:
        ConfigError: On an unknown name, or a dict that is not a skeleton.
    """
    if isinstance(spec, Skeleton):
        return spec
    if isinstance(spec, str):
        if spec not in SKELETONS:
            raise ConfigError(
                f"skeleton: unknown name {spec!r}; expected one of {sorted(SKELETONS)} or a dict"
            )
        return SKELETONS[spec]
    if isinstance(spec, Mapping):
        return Skeleton.from_dict(spec)
    raise ConfigError(f"skeleton: expected a name, a dict or a Skeleton, found {type(spec).__name__}")
