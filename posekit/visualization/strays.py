"""What no ranking of errors shows: people without a result, and results that belong to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posekit.geometry import apply_warp
from posekit.structures import Pose
from posekit.visualization.drawing import draw_pose
from posekit.visualization.sheets import contact_sheet, crop_photo

_CELL_HW = (256, 256)


def missed_sheet(table: Any, rows: Sequence[int], count: int = 24, title: str = "") -> np.ndarray:
    """Draws people whom no result belongs to, with their true keypoints, the largest first.

    Args:
        table: A ``PersonTable``.
        rows: Theirs.
        count: How many to show.
        title: See :func:`~posekit.visualization.contact_sheet`.

    Returns:
        uint8 RGB.
    """
    sides = table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2]
    pictures, captions = [], []
    for row in sorted(rows, key=lambda row: -float(sides[row].prod()))[:count]:
        record = table[row]
        truth = np.where(record.visible[:, None] > 0, record.keypoints, np.nan)
        pictures.append(_drawn(record.image_path, record.box_xyxy, truth, None, table))
        ids = dict.fromkeys([record.image_id, record.person_id])
        captions.append(f"missed · id {'/'.join(map(str, ids))}")
    return contact_sheet(pictures, None, captions, cell_size_hw=_CELL_HW, title=title)


def stray_sheet(table: Any, poses: Sequence[Pose], count: int = 24, title: str = "") -> np.ndarray:
    """Draws results that belong to nobody, the surest first.

    Args:
        table: The ``PersonTable`` of the images.
        poses: The results; ``box_score`` says how sure they are.
        count: How many to show.
        title: See :func:`~posekit.visualization.contact_sheet`.

    Returns:
        uint8 RGB.
    """
    image_of = {image_id: image for image, image_id in enumerate(table.image_ids.tolist())}
    pictures, captions = [], []
    for pose in sorted(poses, key=lambda pose: -pose.box_score)[:count]:
        path = table.image_path(image_of[pose.image_id])
        pictures.append(_drawn(path, pose.box_xyxy, pose.keypoints, pose.scores, table))
        captions.append(f"nobody's · score {pose.box_score:.2f} · image {pose.image_id}")
    return contact_sheet(pictures, None, captions, cell_size_hw=_CELL_HW, title=title)


def _drawn(
    path: str, box_xyxy: np.ndarray, points: np.ndarray, scores: np.ndarray | None, table: Any
) -> np.ndarray:
    from posekit.io.images import read_image

    photo, warp = crop_photo(read_image(path), box_xyxy, _CELL_HW)
    return draw_pose(photo, apply_warp(points.astype(np.float64), warp), scores, table.skeleton)
