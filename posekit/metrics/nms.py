"""Non-maximum suppression of poses and boxes, array-wide.

The definitions are those of the HRNet release (``lib/nms/nms.py`` and ``lib/dataset/coco.py``); its loops
over pairs in Python cost 14 s for COCO val2017. Keypoints are (x, y, score), image pixels; areas in
square pixels. Candidates go by descending score; of equal scores the *later* goes first, as the release's
reversed sort does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from posekit.metrics.oks import rescore as rescore

_PAIRS_PER_CHUNK = 16384
SOFT_MAX_KEPT = 20


def crop_areas(boxes_xyxy: np.ndarray, aspect: float | None = None, padding: float = 1.25) -> np.ndarray:
    """Areas of the crops cut around boxes: the area that the HRNet release's OKS-NMS works with.

    Args:
        boxes_xyxy: (N, 4), image pixels.
        aspect: Width / height to which the shorter side is widened; None: as the box is.
        padding: Factor on both sides.

    Returns:
        float64 (N,), square pixels.
    """
    boxes = np.asarray(boxes_xyxy, np.float64)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    if aspect is not None:
        width, height = np.maximum(width, height * aspect), np.maximum(height, width / aspect)
    return width * height * padding**2


def _pair_oks(
    keypoints: np.ndarray,
    areas: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    keypoint_threshold: float | None,
) -> np.ndarray:
    """OKS of the poses ``first`` (P,) to the poses ``second`` (P,), the area being the mean of both."""
    variances = (np.asarray(sigmas, np.float64) * 2) ** 2
    x, y = np.ascontiguousarray(keypoints[..., 0]), np.ascontiguousarray(keypoints[..., 1])
    oks = np.empty(len(first))
    for start in range(0, len(first), _PAIRS_PER_CHUNK):
        a, b = first[start : start + _PAIRS_PER_CHUNK], second[start : start + _PAIRS_PER_CHUNK]
        dx, dy = x[b] - x[a], y[b] - y[a]
        area = (areas[a] + areas[b]) / 2 + np.spacing(1)
        similarity = np.exp(-((dx**2 + dy**2) / variances / area[:, None] / 2))
        if keypoint_threshold is None:
            oks[start : start + len(a)] = similarity.sum(axis=1) / similarity.shape[1]
            continue
        # The release tests `list and list`, which is the second list: only the second pose's scores decide.
        counted = keypoints[b, :, 2] > keypoint_threshold
        total = np.where(counted, similarity, 0.0).sum(axis=1)
        oks[start : start + len(a)] = total / np.maximum(counted.sum(axis=1), 1)
    return oks


def oks_iou(
    pose: np.ndarray,
    poses: np.ndarray,
    area: float,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    keypoint_threshold: float | None = None,
) -> np.ndarray:
    """OKS of one pose to others; the area is the mean of the two.

    Args:
        pose: (K, 3).
        poses: (P, K, 3).
        area: Of ``pose``.
        areas: (P,).
        sigmas: (K,).
        keypoint_threshold: If given, only keypoints whose score *in the other pose* is above it count
            (what the HRNet release does; it means both poses'). No such keypoint: 0.

    Returns:
        float64 (P,).
    """
    both = np.concatenate([np.asarray(pose, np.float64)[None], np.asarray(poses, np.float64)])
    both_areas = np.concatenate([[area], areas])
    second = np.arange(1, len(both))
    return _pair_oks(both, both_areas, np.zeros_like(second), second, sigmas, keypoint_threshold)


def _descending(scores: np.ndarray) -> np.ndarray:
    return np.argsort(scores, kind="stable")[::-1]


def _ranks(groups: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows ordered by (group, rank); the rank of each; and how many of its group follow it."""
    order = np.lexsort((-np.arange(len(scores)), -scores, groups))
    start = np.flatnonzero(np.diff(groups[order], prepend=groups.min(initial=0) - 1))
    size = np.diff(start, append=len(order))
    rank = np.arange(len(order)) - np.repeat(start, size)
    return order, rank, np.repeat(size, size) - rank - 1


def oks_nms(
    keypoints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    threshold: float = 0.9,
    groups: np.ndarray | None = None,
    keypoint_threshold: float | None = None,
) -> np.ndarray:
    """Greedy suppression: a pose goes if its OKS to a better, kept pose of its image is above ``threshold``.

    Args:
        keypoints: (N, K, 3).
        areas: (N,), square pixels.
        scores: (N,).
        sigmas: (K,).
        threshold: OKS above which the lesser pose is dropped.
        groups: int (N,), e.g. the image: poses of different groups leave one another alone. None: one group.
        keypoint_threshold: As in :func:`oks_iou`.

    Returns:
        int64: the kept rows, by group, best first.
    """
    keypoints, areas = np.asarray(keypoints, np.float64), np.asarray(areas, np.float64)
    scores = np.asarray(scores, np.float64)
    groups = np.zeros(len(scores), np.int64) if groups is None else np.asarray(groups)
    order, rank, followers = _ranks(groups, scores)
    # Pairs (better, lesser) as places in `order`; of a group of n there are n (n - 1) / 2.
    better = np.repeat(np.arange(len(order)), followers)
    lesser = better + 1 + np.arange(len(better)) - np.repeat(np.cumsum(followers) - followers, followers)
    oks = _pair_oks(keypoints, areas, order[better], order[lesser], sigmas, keypoint_threshold)
    similar = np.flatnonzero(oks > threshold)
    better, lesser = better[similar], lesser[similar]
    by_rank = np.argsort(rank[better], kind="stable")
    better, lesser = better[by_rank], lesser[by_rank]
    bounds = np.searchsorted(rank[better], np.arange(rank.max(initial=-1) + 2))
    kept = np.ones(len(order), bool)
    for start, stop in pairwise(bounds):
        # Everything better than this rank is settled, in all groups at once.
        kept[lesser[start:stop][kept[better[start:stop]]]] = False
    return order[kept]


def soft_oks_nms(
    keypoints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    threshold: float = 0.9,
    max_kept: int = SOFT_MAX_KEPT,
    keypoint_threshold: float | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Soft suppression: scores decay by exp(-OKS^2 / threshold) to each pose chosen; nothing else is cut.

    The decayed scores decide who is chosen next, and no more: the release writes a pose with the score it
    had. So only an image with more than ``max_kept`` poses loses any.

    Args:
        keypoints: (N, K, 3).
        areas: (N,), square pixels.
        scores: (N,).
        sigmas: (K,).
        threshold: Of the Gaussian decay.
        max_kept: At most so many of a group are returned (20 in the release).
        keypoint_threshold: As in :func:`oks_iou`.
        groups: As in :func:`oks_nms`.

    Returns:
        int64: rows by group, in the order in which they were chosen.
    """
    keypoints, areas = np.asarray(keypoints, np.float64), np.asarray(areas, np.float64)
    scores = np.asarray(scores, np.float64)
    groups = np.zeros(len(scores), np.int64) if groups is None else np.asarray(groups)
    order, _, _ = _ranks(groups, scores)
    current = scores[order]
    chosen = [np.zeros(0, np.int64)]
    for _ in range(max_kept):
        if not len(order):
            break
        # The best of every group at once; `order` stays sorted by group, then by decayed score.
        start = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
        chosen.append(order[start])
        best = np.repeat(order[start], np.diff(start, append=len(order)))
        rest = np.setdiff1d(np.arange(len(order)), start)
        oks = _pair_oks(keypoints, areas, best[rest], order[rest], sigmas, keypoint_threshold)
        order, current = order[rest], current[rest] * np.exp(-(oks**2) / threshold)
        # Of equal scores the later place goes first, as the release's reversed sort has it each time.
        again = np.lexsort((-np.arange(len(order)), -current, groups[order]))
        order, current = order[again], current[again]
    rows = np.concatenate(chosen)
    return rows[np.argsort(groups[rows], kind="stable")]


# The two suppressions by the names that configs give, and those that descriptions show.
OKS_NMS: dict[str, Callable[..., np.ndarray]] = {"oks_nms": oks_nms, "soft_oks_nms": soft_oks_nms}
NMS_NAMES = {"oks_nms": "OKS-NMS", "soft_oks_nms": "soft OKS-NMS"}


def box_nms(boxes_xyxy: np.ndarray, scores: np.ndarray, threshold: float, pixel: float = 1.0) -> np.ndarray:
    """Greedy suppression of boxes by intersection over union.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,).
        threshold: IoU above which the lesser box is dropped.
        pixel: Added to widths and heights: 1 where x2 is the last pixel inside (the release), 0 where it
            is the edge.

    Returns:
        int64: the kept rows, best first.
    """
    boxes = np.asarray(boxes_xyxy, np.float64)
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + pixel, axis=1)
    order, kept = _descending(np.asarray(scores, np.float64)), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        overlap = np.prod(np.maximum(0.0, high - low + pixel), axis=1)
        order = order[overlap / (area[best] + area[order] - overlap) <= threshold]
    return np.array(kept, np.int64)
