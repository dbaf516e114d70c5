"""What the loaders of faces have in common: rows of points -> a checked ``PersonTable``.

Ids are numbers: a face's is its row in the file, an image's that of its first face, both from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.datasets.pictures import OTHER_SIZE, compare_pictures, label_reach
from posekit.datasets.table import PersonTable, build_table, check_policy
from posekit.errors import ConfigError, did_you_mean, is_whole, shown
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

FILE, POINTS, IMAGE = "file", "points", "image"
# What a mirrored image makes of a column: value -> value, others stay.
Mirror = Mapping[str, Mapping[int, int]]


def face_skeleton(spec: Any, count: int, where: str) -> Skeleton:
    """A stated skeleton, which must have ``count`` keypoints.

    Raises:
        ConfigError: If it has another number.
    """
    skeleton = get_skeleton(spec)
    if skeleton.num_keypoints != count:
        raise ConfigError(
            f"{where}: has {count} points, skeleton '{skeleton.name}' {skeleton.num_keypoints}; state "
            "another 'skeleton'"
        )
    return skeleton


def face_table(
    skeleton: Skeleton,
    image_dir: str,
    images: Sequence[str],
    points: np.ndarray,
    visible: np.ndarray,
    ann_file: str,
    box: str = POINTS,
    boxes_xyxy: np.ndarray | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    mirror: Mirror | None = None,
    on_bad_record: str = "error",
) -> PersonTable:
    """The table of N faces.

    Faces without a labelled point are left out and counted, as are, with ``on_bad_record="skip"``, faulty
    ones.

    Args:
        skeleton: Of the K points.
        image_dir: Folder of the images.
        images: N image names; several faces may be of one.
        points: (N, K, 2), 0-based pixels.
        visible: (N, K): 0 not labelled, 1 hidden, 2 visible.
        ann_file: The file, for messages.
        box: "points": the tight box of the labelled points; "image": the whole picture, where it is a crop of
            the face already; "file": ``boxes_xyxy``.
        boxes_xyxy: (N, 4), as the file has them.
        columns: Further columns, (N,) or (N, ...).
        mirror: Which of them change in a mirrored image, and how.
        on_bad_record: "error" or "skip".

    Raises:
        ConfigError: On another ``box``, or "file" where the file has none; on a ``mirror`` of no column, or
            that is not undone by a second mirror.
        DataError: On faulty faces, see ``PersonTable.check``, and as ``compare_pictures``.
    """
    check_policy(on_bad_record)
    known = (POINTS, IMAGE) if boxes_xyxy is None else (FILE, POINTS, IMAGE)
    if box not in known:
        raise ConfigError(f"{ann_file}: 'box' must be one of {list(known)}, found {box!r}")
    mirror = _checked_mirror(mirror, columns or {}, ann_file)
    names = list(dict.fromkeys(images))
    number = {name: i for i, name in enumerate(names)}
    index = np.array([number[name] for name in images], np.int64)
    _, first = np.unique(index, return_index=True)
    far_xy = np.where(visible[..., None] > 0, points, 0).max(axis=1, initial=0)
    stated = np.zeros((len(names), 2), np.int64)
    agreement = compare_pictures(
        image_dir, names, stated, label_reach(len(names), index, far_xy), ann_file, on_bad_record
    )
    last_xy = agreement.sizes_hw[index, ::-1] - 1.0
    if box == IMAGE:
        boxes_xyxy = np.concatenate([np.zeros_like(last_xy), last_xy], axis=1)
    elif box == POINTS:
        boxes_xyxy = _tight_boxes(points, visible > 0)
    labelled = (visible > 0).any(axis=1)
    other = np.isin(index, agreement.other_size)
    kept = labelled & ~other
    assert boxes_xyxy is not None
    people = {
        "image_index": index,
        "person_ids": np.arange(1, len(points) + 1),
        "boxes_xyxy": boxes_xyxy,
        "annotated_wh": boxes_xyxy[:, 2:] - boxes_xyxy[:, :2],
        "keypoints": points,
        "visible": visible,
        **{f"extra.{name}": column for name, column in (columns or {}).items()},
    }
    counts = {"no_labelled_keypoint": int((~labelled).sum()), OTHER_SIZE: int((labelled & other).sum())}
    table = build_table(
        skeleton,
        image_dir,
        (names, first + 1, agreement.sizes_hw),
        {name: np.asarray(column)[kept] for name, column in people.items()},
        ann_file,
        counts={reason: count for reason, count in counts.items() if count},
        on_bad_record=on_bad_record,
        turn_by_exif=agreement.turn_by_exif,
    )
    return replace(table, mirror=mirror)


def _checked_mirror(mirror: Any, columns: Iterable[str], where: str) -> dict[str, Mapping[int, int]]:
    if mirror is None:
        return {}
    if not isinstance(mirror, Mapping):
        raise ConfigError(
            f"{where}: 'mirror' must be column -> value -> value, such as dict(pose={{1: 2, 2: 1}}), found "
            f"{shown(mirror)}"
        )
    for name, changes in mirror.items():
        if name not in columns:
            raise ConfigError(
                f"{where}: 'mirror' names the column {shown(name)}, which is not read; state it in 'extra'"
                f"{did_you_mean(str(name), columns)}"
            )
        whole = isinstance(changes, Mapping) and all(
            is_whole(value, -(2**63)) for pair in changes.items() for value in pair
        )
        if not whole:
            raise ConfigError(
                f"{where}: 'mirror' of '{name}' must be whole number -> whole number, found {shown(changes)}"
            )
        one_way = [value for value, other in changes.items() if changes.get(other) != value]
        if one_way:
            raise ConfigError(
                f"{where}: 'mirror' of '{name}' makes {changes[one_way[0]]} of {one_way[0]}, but not "
                f"{one_way[0]} of {changes[one_way[0]]}; state both ways: mirrored twice is as before"
            )
    return dict(mirror)


def _tight_boxes(points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """The labelled points' boxes, (N, 4); unlike those of bodies they may leave the picture, as faces do."""
    low = np.where(labelled[..., None], points, np.inf).min(axis=1)
    high = np.where(labelled[..., None], points, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1)
