"""Leeds Sports Pose and its extension, from ``joints.mat`` and the images -> ``PersonTable``.

==============  ==============  =========================  ====================
form            ``joints``      third number               images
==============  ==============  =========================  ====================
LSP             3 x 14 x N      1 = occluded               im0001.jpg, ...
LSP-extended    14 x 3 x N      1 = labelled               im00001.jpg, ...
==============  ==============  =========================  ====================

Both are 1-based; 1 is subtracted here. Neither has boxes: the box is that of the labelled joints, grown on
all sides by 15 % of its longer side and clipped to pixels 0 .. size - 1. LSP in COCO format is read by
``load_coco``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.table import PersonTable, build_table, check_policy
from posekit.errors import ConfigError, DataError
from posekit.geometry import joint_box_xyxy
from posekit.io.files import under
from posekit.io.images import missing_images
from posekit.io.mat import read_mat
from posekit.io.records import require
from posekit.io.stored_sizes import image_size_hw
from posekit.registry import DATASETS
from posekit.skeletons import LSP14, get_skeleton
from posekit.structures import Skeleton

NUM_JOINTS = 14


@DATASETS.register_module()
def load_lsp(
    joints_file: str,
    image_dir: str,
    data_root: str = "",
    skeleton: Skeleton | str | Mapping[str, Any] = LSP14,
    on_bad_record: str = "error",
    rows: tuple[int, int] | None = None,
) -> PersonTable:
    """Reads LSP or LSP-extended; which of them, its array's shape tells.

    Args:
        joints_file: ``joints.mat``.
        image_dir: Folder of the images.
        data_root: Put in front of both.
        skeleton: Checked to have LSP's 14 keypoints.
        on_bad_record: "error" stops at the first faulty person; "skip" leaves them out and counts them.
        rows: First and one past the last person, e.g. (0, 1000) for LSP's training half, (1000, 2000)
            for its test half; None: all.

    Returns:
        The table; image and person ids are the images' numbers, from 1. ``counts`` may hold
        no_labelled_keypoint, keypoints_in_one_place (of which no box can be made, a single one above all),
        box_outside_image, bad_record, keypoints_outside_image.

    Raises:
        ConfigError: On another number of keypoints.
        DataError: On another array, a missing image or a labelled joint that is not finite.
    """
    check_policy(on_bad_record)
    skeleton = get_skeleton(skeleton)
    if skeleton.num_keypoints != NUM_JOINTS:
        raise ConfigError(
            f"load_lsp: LSP has 14 keypoints, skeleton '{skeleton.name}' {skeleton.num_keypoints}"
        )
    path, folder = under(data_root, joints_file), under(data_root, image_dir)
    joints, visible, digits = _read_joints(path)
    first, end = (0, len(joints)) if rows is None else rows
    joints, visible = joints[first:end], visible[first:end]
    ids = np.arange(len(joints)) + first + 1
    names = [f"im{number:0{digits}d}.jpg" for number in ids]
    missing = missing_images(folder, names)
    if missing:
        raise DataError(f"{path}: {len(missing)} of {len(names)} images not found in {folder}: {missing[:5]}")
    sizes = np.array([image_size_hw(Path(folder) / name) for name in names]).reshape(-1, 2)
    boxes = joint_box_xyxy(joints, visible, sizes)
    counts: Counter[str] = Counter()
    kept = _usable(
        joints,
        visible,
        boxes,
        [f"{path}: person id {i} on {n}" for i, n in zip(ids, names, strict=True)],
        on_bad_record,
        counts,
    )
    people = {
        "image_index": kept,
        "person_ids": ids[kept],
        "boxes_xyxy": boxes[kept],
        "keypoints": joints[kept],
        "visible": visible[kept],
    }
    return build_table(
        skeleton, folder, (names, ids, sizes), people, path, counts=counts, on_bad_record=on_bad_record
    )


def _usable(
    joints: np.ndarray,
    visible: np.ndarray,
    boxes: np.ndarray,
    where: list[str],
    on_bad_record: str,
    counts: Counter[str],
) -> np.ndarray:
    """The rows of the people that a box can be made for; the others are counted by their reason."""
    kept = []
    for row, labelled in enumerate(visible > 0):
        points = joints[row, labelled]
        if not np.isfinite(points).all():
            if on_bad_record == "error":
                bad = points[~np.isfinite(points).all(axis=1)][0]
                raise DataError(f"{where[row]}, field 'joints': expected finite numbers, found {bad}")
            counts["bad_record"] += 1
        elif not len(points):
            counts["no_labelled_keypoint"] += 1
        elif (points == points[0]).all():
            counts["keypoints_in_one_place"] += 1
        elif np.isnan(boxes[row]).any():
            counts["box_outside_image"] += 1
        else:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _read_joints(path: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Joints (N, 14, 2) 0-based, visibility (N, 14), and the digits of an image's number."""
    array = np.asarray(require(read_mat(path), "joints", path))
    if array.ndim != 3 or array.dtype.kind not in "fiu" or array.shape[:2] not in ((3, 14), (14, 3)):
        raise DataError(
            f"{path}, field 'joints': expected numbers of shape 3 x 14 x N (LSP) or 14 x 3 x N "
            f"(LSP-extended), found {array.shape} of {array.dtype}"
        )
    extended = array.shape[0] == NUM_JOINTS
    array = array.transpose((2, 0, 1) if extended else (2, 1, 0)).astype(np.float64)
    flag = array[..., 2] > 0.5
    visible = np.where(flag, 2, 0) if extended else np.where(flag, 1, 2)
    return array[..., :2] - 1, visible, 5 if extended else 4
