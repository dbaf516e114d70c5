"""MPII Human Pose -> ``PersonTable``, from each of the three forms its annotation is passed around in.

==========  ==========================================  =====================================================
form        file                                        recognised by
==========  ==========================================  =====================================================
official    ``mpii_human_pose_v1_u12_1.mat``            the variable RELEASE
HRNet       ``train.json``, ``valid.json``, test json   a list of objects with "image", "center", "scale"
pytorch-    ``mpii_annotations.json``, also gzipped     a list of objects with "img_paths", "joint_self"
pose
==========  ==========================================  =====================================================

All are 1-based; 1 is subtracted here. No form states boxes. A person's box is 200 scale high, the height of
its body, about the body's position moved down by 15 scale; it is square, so that ``Crop`` with padding 1.25
gives the HRNet release's crop, unless ``box_aspect`` says otherwise. An image's id is the number in its name,
the same in all three forms. Neither json carries head boxes: PCKh needs the HRNet release's ``gt_valid.mat``
beside them, whose people must be the table's, in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from posekit.datasets.mpii_mat import NUM_JOINTS, MPIIPerson, read_official
from posekit.datasets.table import PersonTable, build_table, check_policy
from posekit.errors import ConfigError, DataError, shown
from posekit.geometry import head_sizes
from posekit.io.files import read_json, under
from posekit.io.mat import read_mat
from posekit.io.records import image_side, require
from posekit.io.stored_sizes import fill_image_sizes
from posekit.registry import DATASETS
from posekit.skeletons import MPII16, get_skeleton
from posekit.structures import Skeleton

SPLITS = ("train", "val", "trainval", "test")


@DATASETS.register_module()
def load_mpii(
    ann_file: str,
    image_dir: str,
    split: str,
    head_boxes: str | None = None,
    data_root: str = "",
    split_file: str | None = None,
    skeleton: Skeleton | str | Mapping[str, Any] = MPII16,
    on_bad_record: str = "error",
    box_aspect: float = 1.0,
) -> PersonTable:
    """Reads an MPII annotation.

    Args:
        ann_file: One of the three forms.
        image_dir: Folder of the images.
        split: "train" (22,246 people) or "val" (2,958), the usual division; "trainval", all annotated
            people; "test", the people without annotation. An HRNet json is one split already and is
            taken whole.
        head_boxes: ``gt_valid.mat``, for the head sizes of the validation people of a json form.
        data_root: Put in front of the paths.
        split_file: A json form that says who is in "train" or "val" of the official file, which knows
            only trainval.
        skeleton: Checked to be MPII's 16 keypoints; names, pairs and sigmas may be stated otherwise.
        on_bad_record: "error" stops at the first faulty person; "skip" leaves them out and counts them.
        box_aspect: Width / height of the boxes. A crop of another aspect than its box's shows people smaller
            than the box is high: give both the same.

    Returns:
        The table, in the file's order (in that of ``split_file`` where there is one). A person's id is its
        row among the split's people, faulty ones that were skipped included, as ``gt_valid.mat`` and
        MPII's predictions count them. ``counts`` may hold no_position, no_keypoints, other_split,
        bad_record, keypoints_outside_image. Image sizes that the file does not state are read from the
        images.

    Raises:
        ConfigError: On a split that the file cannot tell, or an aspect that is not positive.
        DataError: On a wrong file or record, naming it, or a ``head_boxes`` file of other people.
    """
    check_policy(on_bad_record)
    if split not in SPLITS:
        raise ConfigError(f"load_mpii: 'split' must be one of {SPLITS}, found {split!r}")
    if not 0 < box_aspect < float("inf"):
        raise ConfigError(f"load_mpii: 'box_aspect' must be a positive width / height, found {box_aspect}")
    skeleton = get_skeleton(skeleton)
    if skeleton.num_keypoints != NUM_JOINTS:
        raise ConfigError(
            f"load_mpii: MPII has 16 keypoints, skeleton '{skeleton.name}' {skeleton.num_keypoints}"
        )
    path = under(data_root, ann_file)
    counts: Counter[str] = Counter()
    if path.endswith(".mat"):
        other = None if split_file is None else under(data_root, split_file)
        people, rows = _official_people(path, split, other, on_bad_record, counts)
    else:
        people, rows = _json_people(path, split, on_bad_record, counts)
    if not people:
        raise DataError(f"{path}: no person in split '{split}'. Left out: {dict(counts)}")
    if head_boxes is not None:
        _add_head_boxes(people, rows, under(data_root, head_boxes), path)
    boxes = mpii_box_xyxy([p.position for p in people], [p.scale for p in people], box_aspect)
    table = _to_table(
        people, boxes, skeleton, under(data_root, image_dir), path, split, counts, on_bad_record
    )
    return replace(table, file_people=rows)


def mpii_box_xyxy(position: Any, scale: Any, aspect: float = 1.0) -> np.ndarray:
    """The box of a person: 200 scale high, about the position moved down by 15 scale.

    Args:
        position: (..., 2), 1-based.
        scale: (...,), body height / 200 px.
        aspect: Width / height; 1, a square, is the releases'.

    Returns:
        float64 (..., 4), 0-based; NaN where the position is (-1, -1), which the files use for unknown, or
        the scale is not positive.
    """
    position, scale = np.asarray(position, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    center = position + np.stack([np.zeros_like(scale), 15 * scale], axis=-1) - 1
    half = np.where((position[..., 0] == -1) | (scale <= 0), np.nan, 100 * scale)[..., None] * (aspect, 1.0)
    return np.concatenate([center - half, center + half], axis=-1)


def _json_people(
    path: str, split: str, on_bad_record: str, counts: Counter[str]
) -> tuple[list[MPIIPerson], int]:
    """The people of an HRNet or pytorch-pose json, and how many records the split has, faulty ones too."""
    records = read_json(path)
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: expected a list of people, found {type(records).__name__}")
    read = _json_form(records, path)
    if split == "test" and read is _pytorch_pose_person:
        raise ConfigError(f"load_mpii: {path} holds no test people; 'split' must be train, val or trainval")
    divided = read is _pytorch_pose_person and split != "trainval"
    people: list[MPIIPerson] = []
    rows = 0
    for number, record in enumerate(records):
        where = f"{path}: person {number}"
        try:
            if divided and _is_validation(record, where) != (split == "val"):
                counts["other_split"] += 1
                continue
            rows += 1
            people.append(replace(read(record, where), row=rows - 1))
        except DataError:
            if on_bad_record == "error":
                raise
            counts["bad_record"] += 1
    return people, rows


def _json_form(records: Sequence[Any], path: str) -> Callable[[Any, str], MPIIPerson]:
    """The reader of the first record that shows its form: a faulty one does not hide what the file is."""
    for record in records:
        keys = set(record) if isinstance(record, Mapping) else set()
        if {"joint_self", "img_paths"} <= keys:
            return _pytorch_pose_person
        if {"image", "center", "scale"} <= keys:
            return _hrnet_person
    first = records[0]
    raise DataError(
        f"{path}: person 0: expected the fields of the pytorch-pose form ('img_paths', 'joint_self', ...) or "
        "of the HRNet form ('image', 'center', 'scale', 'joints'), found "
        f"{shown(sorted(first)) if isinstance(first, Mapping) else type(first).__name__}"
    )


def _is_validation(record: Any, where: str) -> bool:
    flag = require(record, "isValidation", where)
    if flag not in (0, 1):
        raise DataError(f"{where}, field 'isValidation': expected 0 or 1, found {shown(flag)}")
    return bool(flag)


def _pytorch_pose_person(record: Any, where: str) -> MPIIPerson:
    image = require(record, "img_paths", where, str)
    joints = _numbers(record, "joint_self", where, (NUM_JOINTS, 3))
    labelled = (joints[:, :2] != 0).any(axis=1)
    visible = np.where(labelled, np.where(joints[:, 2] > 0, 2, 1), 0)
    size_hw = image_side(record, "img_height", where), image_side(record, "img_width", where)
    position, scale = _placement(record, "objpos", "scale_provided", where)
    return MPIIPerson(image, f"{where} ({image})", position, scale, joints[:, :2], visible, size_hw)


def _hrnet_person(record: Any, where: str) -> MPIIPerson:
    image = require(record, "image", where, str)
    joints, visible = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS)
    if "joints" in record or "joints_vis" in record:  # the test json has none
        joints = _numbers(record, "joints", where, (NUM_JOINTS, 2))
        visible = np.where(_numbers(record, "joints_vis", where, (NUM_JOINTS,)) > 0, 2, 0)
    position, scale = _placement(record, "center", "scale", where)
    return MPIIPerson(image, f"{where} ({image})", position, scale, joints, visible)


def _placement(
    record: Any, position_key: str, scale_key: str, where: str
) -> tuple[tuple[float, float], float]:
    """Position and scale, which make the box."""
    x, y = _numbers(record, position_key, where, (2,)).tolist()
    scale = float(_numbers(record, scale_key, where, ()))
    if x == -1:
        raise DataError(
            f"{where}, field '{position_key}': expected a position, found {(x, y)}, which stands for unknown"
        )
    if scale <= 0:
        raise DataError(f"{where}, field '{scale_key}': expected a positive number, found {scale}")
    return (x, y), scale


def _numbers(record: Any, key: str, where: str, shape: tuple[int, ...]) -> np.ndarray:
    value = require(record, key, where)
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):  # ragged or no numbers at all
        numbers = np.zeros((0, 0, 0))
    if numbers.shape != shape or not np.isfinite(numbers).all():
        wanted = f"finite numbers of shape {shape}" if shape else "a finite number"
        raise DataError(f"{where}, field '{key}': expected {wanted}, found {shown(value)}")
    return numbers


def _official_people(
    path: str, split: str, split_file: str | None, on_bad_record: str, counts: Counter[str]
) -> tuple[list[MPIIPerson], int]:
    """As :func:`_json_people`; "train" and "val" are the people of the split file, in its order."""
    if split in ("trainval", "test"):
        return read_official(path, split == "trainval", on_bad_record, counts)
    if split_file is None:
        raise ConfigError(
            f"load_mpii: {path} knows only trainval and test; split '{split}' needs 'split_file', the "
            "pytorch-pose or HRNet json that divides them"
        )
    wanted, rows = _json_people(split_file, split, on_bad_record, Counter())
    annotated, _ = read_official(path, True, on_bad_record, counts)
    by_image: dict[str, list[MPIIPerson]] = {}
    for person in annotated:
        by_image.setdefault(person.image, []).append(person)
    chosen: list[MPIIPerson] = []
    for person in wanted:
        try:
            same = _same_person(person, by_image.get(person.image, []), path)
        except DataError:
            if on_bad_record == "error":
                raise
            continue
        chosen.append(replace(same, row=person.row))
    counts["other_split"] += len(annotated) - len(chosen)
    counts["bad_record"] = rows - len(chosen)  # of this split
    return chosen, rows


def _same_person(wanted: MPIIPerson, candidates: list[MPIIPerson], path: str) -> MPIIPerson:
    """Finds a person of the split file by image and position (the jsons round it to a pixel)."""
    distances = [np.abs(np.subtract(person.position, wanted.position)).max() for person in candidates]
    if not distances or min(distances) > 1:
        raise DataError(
            f"{wanted.where}: expected this person at {wanted.position} in {path}, found "
            f"{[person.position for person in candidates] or 'no person on that image'}"
        )
    return candidates[int(np.argmin(distances))]


def _add_head_boxes(people: list[MPIIPerson], rows: int, head_boxes: str, path: str) -> None:
    """Takes head boxes from a gt_valid.mat of ``rows`` people, after making sure that they are the same."""
    content = read_mat(head_boxes)
    boxes = _mat_array(content, "headboxes_src", head_boxes, (2, 2, rows))
    missing = _mat_array(content, "jnt_missing", head_boxes, (NUM_JOINTS, rows)).T != 0
    positions = _mat_array(content, "pos_gt_src", head_boxes, (NUM_JOINTS, 2, rows)).transpose(2, 0, 1)
    for person in people:
        row, labelled = person.row, person.visible > 0
        both = labelled & ~missing[row]
        # The file sets some coordinates outside the image to 0: the middle distance, not the largest.
        apart = np.median(np.abs(positions[row] - person.joints).max(axis=1)[both]) if both.any() else 0.0
        if apart > 1 or (labelled == missing[row]).sum() > 2:
            raise DataError(
                f"{head_boxes}: person {row}, field 'pos_gt_src': expected the people of {path} in the same "
                f"order, found another one than {person.where}"
            )
        person.head_xyxy = np.concatenate([boxes[0, :, row], boxes[1, :, row]])


def _mat_array(content: Mapping[str, Any], key: str, path: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(require(content, key, path))
    if array.shape != shape or array.dtype.kind not in "fiub":
        raise DataError(
            f"{path}, field '{key}': expected numbers of shape {shape} (the last: people), "
            f"found {array.shape} of {array.dtype}"
        )
    return array.astype(np.float64)


def _to_table(
    people: list[MPIIPerson],
    boxes_xyxy: np.ndarray,
    skeleton: Skeleton,
    image_dir: str,
    path: str,
    split: str,
    counts: Counter[str],
    on_bad_record: str,
) -> PersonTable:
    sizes: dict[str, tuple[int, int]] = {}
    for person in people:
        sizes.setdefault(person.image, person.image_size_hw)
    row_of_image = {name: row for row, name in enumerate(sizes)}
    columns = {
        "image_index": [row_of_image[person.image] for person in people],
        "person_ids": [person.row for person in people],
        "boxes_xyxy": boxes_xyxy,
        "keypoints": np.stack([person.joints for person in people]) - 1,
        "visible": np.stack([person.visible for person in people]),
        "head_sizes": head_sizes(np.stack([person.head_xyxy for person in people])),
    }
    return build_table(
        skeleton,
        image_dir,
        (
            list(sizes),
            _image_ids(list(sizes)),
            fill_image_sizes(image_dir, list(sizes), list(sizes.values())),
        ),
        columns,
        path,
        counts={reason: number for reason, number in counts.items() if number},
        on_bad_record=on_bad_record,
        annotated=split != "test",
    )


def _image_ids(names: list[str]) -> list[int]:
    """The numbers that the image names are; running numbers if they are none or repeat."""
    stems = [PurePosixPath(name).stem for name in names]
    if all(stem.isascii() and stem.isdigit() and len(stem) < 19 for stem in stems):
        ids = [int(stem) for stem in stems]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(len(names)))
