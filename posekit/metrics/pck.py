"""PCK (Yang & Ramanan, TPAMI 2013): the share of joints within a part of each person's own size, in percent.

Three sizes are in use: the torso, the box and the head. A person without a size is left out and counted.
Only labelled joints count. ``mean`` is the plain mean over the joints; for LSP's 14 joints the same mean
is given as ``mean14``, and ``mean12`` leaves neck and head top out.

Conventions: keypoints (x, y), image pixels; joints are found by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.errors import DataError
from posekit.metrics.pckh import fraction_within, mean_plain, normalised_distances

NORMS = ("torso", "bbox", "head")
TORSO_JOINTS = ("right_hip", "left_shoulder", "left_hip", "right_shoulder")
NECK_NAMES = ("upper_neck", "neck")
HEAD_TOP = "head_top"
_LSP_HEAD_JOINTS = ("neck", "head_top")
_LSP_JOINTS = frozenset(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
).union(_LSP_HEAD_JOINTS)


def torso_sizes(keypoints: np.ndarray, labelled: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The longer diagonal of the torso: max(|right hip - left shoulder|, |left hip - right shoulder|).

    Args:
        keypoints: (N, K, 2+), pixels.
        labelled: bool (N, K).
        names: K keypoint names.

    Returns:
        float64 (N,), pixels; NaN where one of the four joints is not labelled or the torso is a point.

    Raises:
        DataError: If the skeleton lacks one of the four joints.
    """
    joints = _find(names, TORSO_JOINTS, "torso")
    right_hip, left_shoulder, left_hip, right_shoulder = (keypoints[:, j, :2] for j in joints)
    size = np.maximum(_distance(right_hip, left_shoulder), _distance(left_hip, right_shoulder))
    return np.where(labelled[:, joints].all(axis=1) & (size > 0), size, np.nan)


def box_sizes(boxes: np.ndarray) -> np.ndarray:
    """The longer side of boxes as the annotation states them; NaN where it is not positive.

    The crops' boxes are no measure: the HRNet release takes a pixel off them, detectors find others.

    Args:
        boxes: (N, 2) width, height, or (N, 4) x, y, width, height; pixels.
    """
    size = np.asarray(boxes, np.float64)[:, -2:].max(axis=1)
    return np.where(size > 0, size, np.nan)


def neck_head_sizes(keypoints: np.ndarray, labelled: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The distance from upper neck (or neck) to head top: a head size where no head box is annotated.

    Args:
        keypoints: (N, K, 2+), pixels.
        labelled: bool (N, K).
        names: K keypoint names.

    Returns:
        float64 (N,), pixels; NaN where one of the two is not labelled.

    Raises:
        DataError: If the skeleton has no such joints.
    """
    neck = next((name for name in NECK_NAMES if name in names), NECK_NAMES[0])
    joints = _find(names, (neck, HEAD_TOP), "head")
    size = _distance(keypoints[:, joints[0], :2], keypoints[:, joints[1], :2])
    return np.where(labelled[:, joints].all(axis=1) & (size > 0), size, np.nan)


def person_sizes(
    norm: str,
    keypoints: np.ndarray,
    labelled: np.ndarray,
    names: Sequence[str],
    boxes: np.ndarray,
    annotated_head_sizes: np.ndarray,
) -> np.ndarray:
    """The size that ``norm`` names, of N people; NaN where a person has none.

    Args:
        norm: ``"torso"``, ``"bbox"`` (the longer side of the box as annotated) or ``"head"`` (the annotated
            head size if anybody has one, else neck to head top).
        keypoints: (N, K, 2+), pixels.
        labelled: bool (N, K).
        names: K keypoint names.
        boxes: As :func:`box_sizes` has them.
        annotated_head_sizes: (N,), NaN where unknown.

    Raises:
        DataError: If the joints that ``norm`` needs are not in the skeleton.
    """
    if norm == "torso":
        return torso_sizes(keypoints, labelled, names)
    if norm == "bbox":
        return box_sizes(boxes)
    if norm != "head":
        raise ValueError(f"expected a norm of {NORMS}, found {norm!r}")
    sizes = np.asarray(annotated_head_sizes, np.float64)
    if np.isfinite(sizes).any():
        return np.where(sizes > 0, sizes, np.nan)
    return neck_head_sizes(keypoints, labelled, names)


def pck(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    sizes: np.ndarray,
    names: Sequence[str],
    threshold: float = 0.2,
) -> dict[str, float]:
    """PCK of every joint and its means, in percent, over the people that have a size.

    Args:
        predicted: (N, K, 2+), pixels; NaN = no prediction, counted as wrong.
        truth: (N, K, 2+), pixels.
        labelled: bool (N, K).
        sizes: (N,), pixels; NaN leaves the person out.
        names: K keypoint names.
        threshold: In sizes; a distance equal to it is right.

    Returns:
        ``{"PCK@0.2/<joint>": ..., "PCK@0.2/mean": ...}``, with ``mean12`` and ``mean14`` for LSP's
        joints; NaN for a joint that nobody has.
    """
    used = np.isfinite(sizes)
    labelled = np.asarray(labelled, bool)[used]
    distances = normalised_distances(predicted[used], truth[used], sizes[used])
    per_joint = fraction_within(distances, labelled, (threshold,))[0]
    counts = labelled.sum(axis=0)
    prefix = f"PCK@{threshold:g}"
    scores = {f"{prefix}/{name}": float(value) for name, value in zip(names, per_joint, strict=True)}
    scores[f"{prefix}/mean"] = mean_plain(per_joint, counts, left_out=())
    if set(names) == _LSP_JOINTS:
        head = [list(names).index(name) for name in _LSP_HEAD_JOINTS]
        scores[f"{prefix}/mean12"] = mean_plain(per_joint, counts, left_out=head)
        scores[f"{prefix}/mean14"] = scores[f"{prefix}/mean"]
    return scores


def weights_of_mean(names: Sequence[str]) -> tuple[str, np.ndarray]:
    """The mean that stands for a skeleton: its name in :func:`pck` and the joints' weights in it (K,)."""
    if set(names) != _LSP_JOINTS:
        return "mean", np.ones(len(names))
    return "mean12", np.array([float(name not in _LSP_HEAD_JOINTS) for name in names])


def assign_by_distance(
    predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray
) -> list[tuple[int, int]]:
    """Pairs the results and the people of one image, the most similar pair first, each used once.

    The similarity is the mean distance over a person's labelled keypoints in units of the longer side of
    their extent; it needs neither sigmas nor the size of the metric.

    Args:
        predicted: (R, K, 2+), pixels.
        truth: (P, K, 2+), pixels.
        labelled: bool (P, K), at least one for each person.

    Returns:
        (result, person) pairs, min(R, P) of them.
    """
    offset = predicted[:, None, :, :2] - truth[None, :, :, :2]
    distance = np.where(labelled[None], np.hypot(offset[..., 0], offset[..., 1]), 0.0)
    low = np.where(labelled[..., None], truth[..., :2], np.inf).min(axis=1)
    high = np.where(labelled[..., None], truth[..., :2], -np.inf).max(axis=1)
    extent = np.maximum((high - low).max(axis=1), 1.0)  # one keypoint has no extent
    cost = distance.sum(axis=2) / labelled.sum(axis=1) / extent
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(cost, axis=None, kind="stable"):
        result, person = divmod(int(place), len(truth))
        if all(result != r and person != p for r, p in pairs):
            pairs.append((result, person))
    return pairs


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64), axis=1)


def _find(names: Sequence[str], wanted: Sequence[str], norm: str) -> list[int]:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DataError(
            f"norm '{norm}' needs the keypoints {list(wanted)}; {missing} not among {list(names)}; "
            "choose another norm"
        )
    return [list(names).index(name) for name in wanted]
