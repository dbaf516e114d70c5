"""Reads MPII's validation truth, in three forms, to score predictions against.

All of it is checked and nothing is dropped: rows stand in file order, because predictions refer to them.
Coordinates are **1-based** pixels, as in MPII's files and its official evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.geometry import head_sizes
from posekit.io import records as rec
from posekit.io.files import read_json
from posekit.io.mat import read_mat

MPII_JOINTS = (
    "rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor",
    "neck", "head", "rwri", "relb", "rsho", "lsho", "lelb", "lwri",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MPIIPeople:
    """MPII's validation truth, 1-based, in the file's order.

    Attributes:
        file: Where it was read from.
        joints: float64 (N, 16, 2), 1-based pixels.
        annotated: bool (N, 16).
        head_sizes: float64 (N,), pixels.
    """

    file: str
    joints: np.ndarray
    annotated: np.ndarray
    head_sizes: np.ndarray


def read_mpii(path: str | Path, head_boxes: str | Path | None = None) -> MPIIPeople:
    """Reads MPII validation truth.

    Args:
        path: ``gt_valid.mat`` of the HRNet release (``jnt_missing``, ``pos_gt_src``, ``headboxes_src``);
            or a json, gzipped or not: the HRNet release's ``valid.json`` or pytorch-pose's
            ``mpii_annotations.json`` (of which the validation people are taken).
        head_boxes: A ``gt_valid.mat`` for the head boxes, which no json has.

    Raises:
        DataError: If something is missing or malformed, or the head boxes are of other people.
    """
    path = Path(path)
    if path.suffix == ".mat":
        joints, annotated = _joints_of_mat(read_mat(path), path)
    else:
        joints, annotated = _joints_of_json(path)
        if head_boxes is None:
            raise DataError(
                f"{path}: an MPII json has no head boxes, which PCKh needs; name the gt_valid.mat that "
                "has them (--head-boxes)"
            )
    source = Path(head_boxes) if head_boxes is not None else path
    if not annotated.any():
        raise DataError(f"{path}: nobody has an annotated joint")
    return MPIIPeople(str(path), joints, annotated, _head_sizes_of_mat(source, joints, annotated, path))


def mat_array(
    variables: Mapping[str, Any], key: str, file: str | Path, shape: tuple[int | None, ...]
) -> np.ndarray:
    """One numeric variable as float64; ``None`` in ``shape`` is any number.

    Raises:
        DataError: If it is missing, of another shape or not numbers.
    """
    if key not in variables:
        raise DataError(f"{file}: variable '{key}' is missing; found {sorted(variables)}")
    array = np.asarray(variables[key])
    fits = array.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "iufb":
        wanted = " x ".join("N" if s is None else str(s) for s in shape)
        raise DataError(
            f"{file}: '{key}': expected numbers of shape {wanted}, found {array.dtype} "
            f"{' x '.join(map(str, array.shape))}"
        )
    return array.astype(np.float64)


def _joints_of_mat(variables: Mapping[str, Any], path: Path) -> tuple[np.ndarray, np.ndarray]:
    position = mat_array(variables, "pos_gt_src", path, (16, 2, None)).transpose(2, 0, 1)
    missing = mat_array(variables, "jnt_missing", path, (16, position.shape[0])).T
    if "dataset_joints" in variables:
        names = [str(np.squeeze(name)).strip() for name in np.asarray(variables["dataset_joints"]).ravel()]
        if tuple(names) != MPII_JOINTS:
            raise DataError(f"{path}: 'dataset_joints': expected {list(MPII_JOINTS)}, found {names}")
    annotated = missing == 0
    _check_finite(position, annotated, f"{path}: 'pos_gt_src'")
    return position, annotated


def _check_finite(joints: np.ndarray, annotated: np.ndarray, where: str) -> None:
    bad = annotated & ~np.isfinite(joints).all(axis=2)
    if bad.any():
        person, joint = np.argwhere(bad)[0]
        raise DataError(
            f"{where}: person {person}, joint {joint}: expected finite numbers, found {joints[person, joint]}"
        )


def _joints_of_json(path: Path) -> tuple[np.ndarray, np.ndarray]:
    people = rec.record_list(read_json(path), None, path)
    if people and "joint_self" in people[0]:  # pytorch-pose: all people, unannotated joints at (0, 0)
        validation = rec.numbers(people, "isValidation", f"{path}: person") == 1
        people = [people[row] for row in np.flatnonzero(validation).tolist()]
        values = _triples(people, "joint_self", 3, path)
        joints, annotated = values[..., :2], (values[..., :2] != 0).any(axis=2)
    else:
        joints = _triples(people, "joints", 2, path)
        annotated = rec.numbers(people, "joints_vis", f"{path}: person", 16) > 0
    if not people:
        raise DataError(f"{path}: holds no validation people")
    return joints, annotated


def _triples(people: rec.Records, field: str, width: int, path: Path) -> np.ndarray:
    """Nested joints [[x, y(, v)] x 16] as (N, 16, width)."""
    flat = []
    for i, person in enumerate(people):
        nested = person.get(field)
        if not isinstance(nested, list) or not all(isinstance(joint, list) for joint in nested):
            raise DataError(f"{path}: person[{i}]: expected '{field}' to be 16 lists of {width} numbers")
        flat.append({field: [value for joint in nested for value in joint]})
    return rec.numbers(flat, field, f"{path}: person", 16 * width).reshape(-1, 16, width)


def _head_sizes_of_mat(source: Path, joints: np.ndarray, annotated: np.ndarray, truth: Path) -> np.ndarray:
    variables = read_mat(source)
    boxes = mat_array(variables, "headboxes_src", source, (2, 2, None)).transpose(2, 0, 1).reshape(-1, 4)
    if len(boxes) != len(joints):
        raise DataError(
            f"{source}: 'headboxes_src' has {len(boxes)} people, the truth has {len(joints)} ({truth})"
        )
    sizes = head_sizes(boxes)
    sizes[np.isinf(sizes)] = np.nan
    if not (sizes > 0).all():  # NaN fails this too
        raise DataError(
            f"{source}: 'headboxes_src': person {int(np.argmin(sizes > 0))} has an empty or infinite head box"
        )
    if "pos_gt_src" in variables:
        other, other_annotated = _joints_of_mat(variables, source)
        both = annotated & other_annotated
        same = np.abs(np.where(both[..., None], other - joints, 0.0)).max(axis=(1, 2)) <= 1
        # The public files disagree on a handful of people; another split or order disagrees on nearly all.
        if same.mean() < 0.9:
            raise DataError(
                f"{source}: its joints differ from those of {truth} for {np.count_nonzero(~same)} of "
                f"{len(same)} people; are these the head boxes of other people?"
            )
    return sizes
