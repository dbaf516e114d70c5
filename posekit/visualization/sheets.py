"""Arranges many pictures on one sheet, and predictions from worst to best.

Images are uint8 (H, W, 3) RGB; keypoints and boxes are image pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from posekit.geometry import apply_warp, crop_from_box, warp_matrix
from posekit.structures import PersonRecord, Pose, Skeleton
from posekit.visualization.drawing import draw_line, draw_pose
from posekit.visualization.text import Colour, draw_text, text_width

PAPER: Colour = (250, 250, 250)
FRAME: Colour = (38, 38, 38)
INK: Colour = (40, 40, 40)


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    *,
    cell_size_hw: tuple[int, int] = (240, 240),
    gap: int = 8,
    title: str = "",
) -> np.ndarray:
    """Lays pictures out row by row, each fitted into a cell and centred, its caption below.

    Args:
        images: N pictures, uint8 (H, W, 3) RGB of any size.
        columns: By default as many as make the sheet about 4:3.
        captions: N lines; one too long for its cell is set smaller, then cut.
        cell_size_hw: Height and width of a picture's cell, pixels.
        gap: Between cells, pixels.
        title: A line above all.

    Returns:
        uint8 (H', W', 3) RGB.

    Raises:
        ValueError: If there is no picture, or not a caption for each.
    """
    if not images:
        raise ValueError("contact_sheet: expected at least one image, found none")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"contact_sheet: expected {len(images)} captions, found {len(captions)}")
    height, width = cell_size_hw
    columns = columns or max(1, round(np.sqrt(len(images) * 4 / 3 * height / width)))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    line = max(13, height // 16) if captions is not None else 0
    cell_height = height + (line + 6 if line else 0)
    head = 34 if title else 0
    sheet = np.full(
        (head + gap + rows * (cell_height + gap), gap + columns * (width + gap), 3), PAPER, np.uint8
    )
    if title:
        sheet = _text_within(sheet, title, (gap, gap), sheet.shape[1] - 2 * gap, 20, bold=True)
    for i, image in enumerate(images):
        top = head + gap + (i // columns) * (cell_height + gap)
        left = gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = letterbox(image, cell_size_hw)
        if captions is not None:
            sheet = _text_within(sheet, captions[i], (left, top + height + 4), width, line)
    return sheet


def letterbox(image: np.ndarray, size_hw: tuple[int, int], background: Colour = FRAME) -> np.ndarray:
    """Scales a picture to fit ``size_hw`` (its sides keep their ratio) and centres it on ``background``."""
    height, width = size_hw
    scale = min(height / image.shape[0], width / image.shape[1])
    new = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = image if new == image.shape[1::-1] else cv2.resize(image, new, interpolation=method)
    cell = np.full((height, width, 3), background, np.uint8)
    top, left = (height - new[1]) // 2, (width - new[0]) // 2
    cell[top : top + new[1], left : left + new[0]] = small
    return cell


def _text_within(
    image: np.ndarray, text: str, xy: tuple[int, int], width: int, height: int, *, bold: bool = False
) -> np.ndarray:
    """Writes a line no wider than ``width``: smaller by up to a fifth if need be, then cut."""
    smallest = max(9, round(0.8 * height))
    size = height
    while size > smallest and text_width(text, size, bold) > width:
        size -= 1
    if text_width(text, size, bold) > width:
        while text and text_width(text + "…", size, bold) > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    where = (xy[0], xy[1] + (height - size) // 2)
    return draw_text(image, text, where, height=size, colour=INK, bold=bold)


def crop_photo(
    image: np.ndarray, box_xyxy: np.ndarray, size_hw: tuple[int, int], padding: float = 1.4
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a person out of a photo, the box padded to the picture's shape; gray where the photo ends.

    Returns:
        The picture, uint8 (H, W, 3), and float64 (2, 3): the warp from the photo's pixels to its own.
    """
    center, size_wh = crop_from_box(box_xyxy, size_hw[1] / size_hw[0], padding)
    warp = warp_matrix(center, size_wh, size_hw)
    # Shrinking by an affine warp alone would skip pixels: cut an enlarged picture, then average it down.
    finer = int(np.clip(np.ceil(1 / warp[0, 0]), 1, 8))
    enlarged = warp * finer
    enlarged[:, 2] += (finer - 1) / 2
    cut = cv2.warpAffine(
        image,
        enlarged,
        (size_hw[1] * finer, size_hw[0] * finer),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FRAME,
    )
    return cv2.resize(cut, size_hw[::-1], interpolation=cv2.INTER_AREA), warp


def pose_error(record: PersonRecord, pose: Pose) -> float:
    """Mean distance of a prediction from the truth over the labelled keypoints, as a fraction of the person.

    The person's size is the square root of the box's area. NaN where nothing is labelled.
    """
    labelled = record.visible > 0
    if not labelled.any():
        return float("nan")
    x1, y1, x2, y2 = (float(v) for v in record.box_xyxy)
    size = np.sqrt(max(x2 - x1, 1.0) * max(y2 - y1, 1.0))
    distances = np.linalg.norm(pose.keypoints[labelled] - record.keypoints[labelled], axis=1)
    return float(distances.mean() / size)


def prediction_sheet(
    table: Any,
    poses: Sequence[Pose],
    *,
    skeleton: Skeleton | None = None,
    count: int = 24,
    errors: Sequence[float] | None = None,
    columns: int | None = None,
    cell_size_hw: tuple[int, int] = (256, 256),
    title: str = "",
) -> np.ndarray:
    """Draws predictions on their photos from the worst to the best, evenly through the ranking.

    The prediction has the colours of :func:`~posekit.visualization.draw_pose`; where the truth is known, a
    thin white line joins each labelled keypoint with its prediction, so an error shows at a glance.

    Args:
        table: A ``PersonTable``, a ``TopDownDataset`` with one, or any sequence of ``PersonRecord``.
        poses: Predictions; each is matched with its person by image and person id, else ignored.
        skeleton: By default the table's.
        count: How many to show.
        errors: One number per pose to rank by and to print; by default :func:`pose_error`. Where neither
            says anything (no ground truth), the ranking is by the mean score.
        columns: See :func:`contact_sheet`.
        cell_size_hw: See :func:`contact_sheet`.
        title: See :func:`contact_sheet`.

    Returns:
        uint8 RGB.

    Raises:
        ValueError: If no pose belongs to a person of the table, or ``errors`` has another length.
    """
    from posekit.datasets.images import read_image

    table = getattr(table, "table", table)
    skeleton = skeleton or getattr(table, "skeleton", None)
    if errors is not None and len(errors) != len(poses):
        raise ValueError(f"prediction_sheet: expected {len(poses)} errors, found {len(errors)}")
    matched = _match(table, poses)
    if not matched:
        raise ValueError("prediction_sheet: no pose belongs to a person of the data set")
    badness = [_badness(table[row], poses[i], None if errors is None else errors[i]) for row, i in matched]
    order = np.argsort([-value for value, _ in badness], kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]
    pictures = []
    for j in shown:
        row, i = matched[j]
        record = table[row]
        picture, warp = crop_photo(read_image(record.image_path), record.box_xyxy, cell_size_hw)
        pictures.append(_draw_prediction(picture, warp, record, poses[i], skeleton))
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(1, len(order) + 1)
    captions = [
        f"{ranks[j]}/{len(order)} · {badness[j][1]} · id {table[matched[j][0]].image_id}" for j in shown
    ]
    return contact_sheet(pictures, columns, captions, cell_size_hw=cell_size_hw, title=title)


def _match(table: Any, poses: Sequence[Pose]) -> list[tuple[int, int]]:
    """Pairs (row of the table, number of the pose)."""
    if hasattr(table, "person_ids"):
        # A PersonTable: no record need be made to know its ids.
        image_ids = table.image_ids[table.image_index].tolist()
        keys = list(zip(image_ids, table.person_ids.tolist(), strict=True))
    else:
        keys = [(record.image_id, record.person_id) for record in table]
    row_of = {key: row for row, key in enumerate(keys)}
    found = [(row_of.get((pose.image_id, pose.person_id)), i) for i, pose in enumerate(poses)]
    return [(row, i) for row, i in found if row is not None]


def _badness(record: PersonRecord, pose: Pose, error: float | None) -> tuple[float, str]:
    """How bad a prediction is, and how to say so."""
    if error is not None:
        return (float(error) if np.isfinite(error) else -np.inf), f"error {error:.3g}"
    measured = pose_error(record, pose)
    if np.isfinite(measured):
        return measured, f"off by {100 * measured:.1f} %"
    return -float(pose.scores.mean()), f"score {pose.scores.mean():.2f}"


def _draw_prediction(
    picture: np.ndarray, warp: np.ndarray, record: PersonRecord, pose: Pose, skeleton: Skeleton | None
) -> np.ndarray:
    predicted = apply_warp(pose.keypoints.astype(np.float64), warp)
    truth = apply_warp(record.keypoints.astype(np.float64), warp)
    for k in np.flatnonzero(record.visible > 0):
        picture = draw_line(picture, truth[k], predicted[k], thickness=1.0)
    return draw_pose(picture, predicted, pose.scores, skeleton)
