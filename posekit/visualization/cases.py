"""Predictions on their photos, the worst first, each with its error.

Keypoints and boxes are image pixels. An error is a length as a fraction of the person's own size, or an OKS;
which size is named, because the same miss is 0.5 of a head and 0.15 of a torso.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from posekit.geometry import apply_warp, xyxy_to_xywh
from posekit.structures import PersonRecord, Pose, Skeleton
from posekit.visualization.drawing import canvas_of, draw_limb, draw_pose, limb_width
from posekit.visualization.sheets import contact_sheet, crop_photo

ERROR_NORMS = ("box", "torso", "head", "oks")
CHOICES = ("spread", "worst", "best", "both")


def pose_error(
    record: PersonRecord,
    pose: Pose,
    norm: str = "box",
    skeleton: Skeleton | None = None,
    area: float | None = None,
) -> float:
    """How far a prediction is from the truth, over the labelled keypoints.

    Args:
        record: The person.
        pose: The prediction.
        norm: "box": the mean distance as a fraction of the square root of the box's area; "torso", "head":
            of the size that PCK and PCKh go by; "oks": 1 - OKS, s.t. OKS is the mean of
            exp(-d^2 / (2 area (2 sigma)^2)).
        skeleton: Needed for all but "box".
        area: Of the person in square pixels, for "oks"; by default the box's, which is larger than the
            segment's area that COCO's own files state, and so kinder.

    Returns:
        0 for a perfect prediction, larger for a worse one, infinity where a labelled keypoint's prediction is
        not finite; NaN where nothing is labelled or the person has no such size.

    Raises:
        ValueError: On another norm, or without the skeleton or the sigmas that it needs.
        DataError: If the skeleton lacks the joints that it needs.
    """
    if norm not in ERROR_NORMS:
        raise ValueError(f"norm: expected one of {ERROR_NORMS}, found {norm!r}")
    labelled = record.visible > 0
    if not labelled.any():
        return float("nan")
    distances = np.linalg.norm(pose.keypoints[labelled] - record.keypoints[labelled], axis=1)
    if not np.isfinite(distances).all():
        return float("inf")
    if norm == "oks":
        if skeleton is None or not skeleton.sigmas:
            raise ValueError("norm 'oks': expected a skeleton with sigmas, found none")
        area = _box_area(record) if area is None else area
        scales = 2 * np.array(skeleton.sigmas)[labelled]
        return float(1 - np.exp(-(distances**2) / (2 * max(area, 1.0) * scales**2)).mean())
    return float(distances.mean() / _person_size(record, norm, skeleton))


def _box_area(record: PersonRecord) -> float:
    x1, y1, x2, y2 = (float(v) for v in record.box_xyxy)
    return max(x2 - x1, 1.0) * max(y2 - y1, 1.0)


def _person_size(record: PersonRecord, norm: str, skeleton: Skeleton | None) -> float:
    if norm == "box":
        return float(np.sqrt(_box_area(record)))
    if skeleton is None:
        raise ValueError(f"norm {norm!r}: expected a skeleton, found none")
    # Imported late: the metrics take longer to import than a picture to draw.
    from posekit.metrics.pck import person_sizes

    sizes = person_sizes(
        norm,
        record.keypoints[None],
        record.visible[None] > 0,
        skeleton.keypoints,
        xyxy_to_xywh(record.box_xyxy)[None],
        np.array([record.head_size]),
    )
    return float(sizes[0])


def draw_errors(
    image: np.ndarray,
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    scores: np.ndarray | None = None,
    skeleton: Skeleton | None = None,
) -> np.ndarray:
    """Draws a prediction against the truth: a white line joins each keypoint with where it should be.

    Args:
        image: uint8 (H, W, 3) RGB.
        predicted: (K, 2), image pixels.
        truth: (K, 2), image pixels.
        labelled: bool (K,): which of ``truth`` count.
        scores: See :func:`~posekit.visualization.draw_pose`.
        skeleton: See :func:`~posekit.visualization.draw_pose`.

    Returns:
        uint8 (H, W, 3): a new image.
    """
    canvas = canvas_of(image)
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    known = np.asarray(labelled, bool) & np.isfinite(predicted).all(axis=1) & np.isfinite(truth).all(axis=1)
    for k in np.flatnonzero(known):
        width = max(1.0, 0.5 * limb_width(canvas.shape, truth[known]))
        draw_limb(canvas, truth[k], predicted[k], (255, 255, 255), width)
    return draw_pose(canvas, predicted, scores, skeleton)


class _Case(NamedTuple):
    row: int
    pose: Pose
    badness: float
    words: str


def prediction_sheet(
    table: Any,
    poses: Sequence[Pose],
    *,
    skeleton: Skeleton | None = None,
    count: int = 24,
    which: str = "spread",
    norm: str = "box",
    errors: Sequence[float] | None = None,
    areas: Sequence[float | None] | None = None,
    columns: int | None = None,
    cell_size_hw: tuple[int, int] = (256, 256),
    title: str = "",
) -> np.ndarray:
    """Draws predictions on their photos, ranked from the worst to the best.

    The prediction has the colours of :func:`~posekit.visualization.draw_pose`; where the truth is known, a
    thin white line joins each labelled keypoint with its prediction, so an error shows at a glance. People
    without an error are left out, unless nobody has one (no ground truth): then the mean score ranks.

    Args:
        table: A ``PersonTable``, a ``TopDownDataset`` with one, or any sequence of ``PersonRecord``.
        poses: Predictions; each is matched with its person by image and person id, else ignored.
        skeleton: By default the table's.
        count: How many to show.
        which: "worst", "best", "both" (half of either) or "spread" (evenly through the ranking); the worst
            come first always.
        norm: What :func:`pose_error` measures by.
        errors: One number per pose to rank by and to print instead.
        areas: One per pose, for the norm "oks"; None where unknown; see :func:`pose_error`.
        columns: See :func:`~posekit.visualization.contact_sheet`.
        cell_size_hw: See :func:`~posekit.visualization.contact_sheet`.
        title: See :func:`~posekit.visualization.contact_sheet`.

    Returns:
        uint8 RGB.

    Raises:
        ValueError: If no pose belongs to a person of the table, ``errors`` or ``areas`` has another length,
            or on another ``which`` or ``norm``.
    """
    table = getattr(table, "table", table)
    skeleton = skeleton or getattr(table, "skeleton", None)
    for name, values in (("errors", errors), ("areas", areas)):
        if values is not None and len(values) != len(poses):
            raise ValueError(f"prediction_sheet: expected {len(poses)} {name}, found {len(values)}")
    cases = _ranked(table, poses, errors, areas, norm, skeleton)
    if not cases:
        raise ValueError("prediction_sheet: no pose belongs to a person of the data set")
    pictures, captions = [], []
    for rank in _chosen(len(cases), count, which):
        case = cases[rank]
        record = table[case.row]
        photo, warp = crop_photo(_photo(table, case.row), record.box_xyxy, cell_size_hw)
        predicted, truth = (
            apply_warp(points.astype(np.float64), warp) for points in (case.pose.keypoints, record.keypoints)
        )
        pictures.append(draw_errors(photo, predicted, truth, record.visible > 0, case.pose.scores, skeleton))
        # One number will do for data sets with one person an image, whose two ids are the same.
        ids = dict.fromkeys([record.image_id, record.person_id])
        captions.append(f"{rank + 1}/{len(cases)} · {case.words} · id {'/'.join(map(str, ids))}")
    return contact_sheet(pictures, columns, captions, cell_size_hw=cell_size_hw, title=title)


def _photo(table: Any, row: int) -> np.ndarray:
    """The picture of a table's person, or of one in a list of records."""
    from posekit.datasets.pictures import read_picture
    from posekit.io.images import read_image

    listed = not hasattr(table, "image_index")
    return read_image(table[row].image_path) if listed else read_picture(table, int(table.image_index[row]))


def _chosen(total: int, count: int, which: str) -> list[int]:
    """The ranks to show, ascending; 0 is the worst."""
    if which not in CHOICES:
        raise ValueError(f"which: expected one of {CHOICES}, found {which!r}")
    count = min(count, total)
    if which == "spread":
        return np.unique(np.linspace(0, total - 1, count).round().astype(int)).tolist()
    worst = {"worst": count, "best": 0, "both": -(-count // 2)}[which]
    return [*range(worst), *range(total - (count - worst), total)]


def _ranked(
    table: Any,
    poses: Sequence[Pose],
    errors: Sequence[float] | None,
    areas: Sequence[float | None] | None,
    norm: str,
    skeleton: Skeleton | None,
) -> list[_Case]:
    """The people that can be compared, the worst first."""
    cases = []
    for row, i in _match(table, poses):
        record, pose = table[row], poses[i]
        if errors is not None:
            cases.append(_Case(row, pose, float(errors[i]), f"error {errors[i]:.3g}"))
            continue
        error = pose_error(record, pose, norm, skeleton, None if areas is None else areas[i])
        cases.append(_Case(row, pose, error, error_words(error, norm)))
    known = [case for case in cases if not np.isnan(case.badness)]
    if not known:
        known = [
            case._replace(
                badness=-float(np.nanmean(case.pose.scores)), words=f"score {case.pose.scores.mean():.2f}"
            )
            for case in cases
        ]
    return sorted(known, key=lambda case: -case.badness)


def error_words(error: float, norm: str) -> str:
    """How an error of :func:`pose_error` is said."""
    if not np.isfinite(error):
        return "not finite"
    return f"OKS {1 - error:.2f}" if norm == "oks" else f"{100 * error:.1f} % of the {norm}"


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
