"""The box of a person whose annotation states none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posekit.geometry import keypoint_box_xywh


def box_of_labels(keypoints: Sequence[Any], image: Mapping[str, Any]) -> list[float]:
    """That of the labelled keypoints, as of :func:`~posekit.datasets.coco.load_coco`.

    Args:
        keypoints: COCO's, flat; those that are wrong are told by whoever reads them.
        image: Its record; its size may be missing.

    Returns:
        x, y, width, height; zeros where there is none.
    """
    numbers = all(isinstance(v, (int, float)) and abs(v) < 1e9 for v in keypoints)
    if not numbers or len(keypoints) % 3:
        return [0.0, 0.0, 0.0, 0.0]
    size_hw = _side(image.get("height")), _side(image.get("width"))
    return keypoint_box_xywh(keypoints, size_hw) or [0.0, 0.0, 0.0, 0.0]


def _side(stated: Any) -> int:
    return int(stated) if isinstance(stated, (int, float)) and 0 < stated < 2**31 else 0
