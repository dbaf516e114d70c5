"""Windows of pictures in which nobody is: what a network learns from that a person is not everywhere.

``TopDownDataset(source=dict(type=load_backgrounds, ...), empty=True)`` makes their crops, as a part of a
:class:`~posekit.datasets.several.MixedDataset`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.datasets.coco import read_images
from posekit.datasets.table import PersonTable, build_table
from posekit.errors import ConfigError, DataError, is_whole, shown
from posekit.geometry import xywh_to_xyxy
from posekit.io.files import read_json, under
from posekit.io.records import require, require_box
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

_DRAWS = 200  # of a window, before a picture is held to have no room for it


@DATASETS.register_module()
def load_backgrounds(
    ann_file: str,
    image_dir: str = "",
    skeleton: Skeleton | str | Mapping[str, Any] = "coco17",
    data_root: str = "",
    windows: int = 8,
    sides: Sequence[float] = (0.15, 0.7),
    margin: float = 1.7,
    seed: int = 0,
) -> PersonTable:
    """Windows of a COCO file's pictures that keep clear of all its annotations, crowds among them.

    Args:
        ann_file: The json. Whatever is in a picture and should not be in a window must have its ``bbox``.
        image_dir: Folder that the file names are relative to.
        skeleton: Whose keypoints are not there.
        data_root: Put in front of both paths.
        windows: Of a picture, at most; they may overlap.
        sides: Range of a window's height and width, as shares of the picture's shorter side.
        margin: The square around a window that must be clear, its side being the window's longer one times
            this. A crop of 4:3, padded by 1.25, reaches 1.67 times a wide window's width; turned by 20
            degrees, 2.
        seed: What the windows are drawn from.

    Returns:
        The table, a row for each window and no keypoint labelled. ``counts`` may hold ``no_room``: windows
        that some pictures have no room for.

    Raises:
        ConfigError: On settings out of range.
        DataError: On a wrong file or record, or if no picture has room.
    """
    _check(windows, sides, margin)
    skeleton = get_skeleton(skeleton)
    path, folder = under(data_root, ann_file), under(data_root, image_dir)
    content = read_json(path)
    names, ids, sizes = read_images(content, path, folder)
    taken = _taken(content, path)
    found, image_index = [], []
    for row, (image_id, size) in enumerate(zip(ids, sizes, strict=True)):
        if min(size) <= 0:
            raise DataError(f"{path}: image id {image_id}: expected its 'height' and 'width', found {size}")
        rng = np.random.default_rng((seed, row))
        drawn = _clear_windows(rng, size, taken[image_id], windows, tuple(sides), margin)
        found.append(drawn)
        image_index += [row] * len(drawn)
    boxes = np.concatenate([np.zeros((0, 4)), *found])
    if not len(boxes):
        raise DataError(
            f"{path}: expected pictures with room beside their people, found none in {len(names)}; "
            f"smaller 'sides' or a smaller 'margin' leave more"
        )
    n, k = len(boxes), skeleton.num_keypoints
    return build_table(
        skeleton,
        folder,
        (names, ids, sizes),
        {
            "image_index": image_index,
            "person_ids": np.arange(n),
            "boxes_xyxy": boxes,
            "keypoints": np.zeros((n, k, 2)),
            "visible": np.zeros((n, k)),
        },
        path,
        "windows without people",
        {"no_room": windows * len(names) - n} if n < windows * len(names) else {},
        annotated=False,
    )


def _check(windows: int, sides: Sequence[float], margin: float) -> None:
    if not is_whole(windows):
        raise ConfigError(f"load_backgrounds: 'windows' must be a whole number above 0, found {windows!r}")
    if len(sides) != 2 or not 0 < sides[0] <= sides[1] <= 1:
        raise ConfigError(f"load_backgrounds: 'sides' must be a range (low, high) in 0..1, found {sides!r}")
    if not 1 <= margin < 100:
        raise ConfigError(f"load_backgrounds: 'margin' must be at least 1, found {margin!r}")


def _taken(content: Any, path: str) -> dict[int, np.ndarray]:
    """The boxes (n, 4), xyxy, of each image."""
    boxes = defaultdict(list)
    for number, annotation in enumerate(require(content, "annotations", path, list)):
        where = f"{path}: annotations[{number}]"
        box = require_box(annotation, where)
        if min(box[2:]) < 0:  # it would keep clear of nothing
            raise DataError(f"{where}, field 'bbox': expected x, y, width, height, found {shown(box)}")
        boxes[require(annotation, "image_id", where, int)].append(box)
    taken: dict[int, np.ndarray] = defaultdict(lambda: np.zeros((0, 4)))
    return taken | {image: xywh_to_xyxy(np.array(found, float)) for image, found in boxes.items()}


def _clear_windows(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    taken: np.ndarray,
    windows: int,
    sides: tuple[float, ...],
    margin: float,
) -> np.ndarray:
    """Up to ``windows`` boxes (n, 4), xyxy: of many drawn within the picture the first that are clear."""
    size_wh = np.array(size_hw[::-1], float)
    box_wh = rng.uniform(sides[0], sides[1], (_DRAWS, 2)) * size_wh.min()
    corner = rng.uniform(0, 1, (_DRAWS, 2)) * (size_wh - box_wh)
    half = margin / 2 * box_wh.max(axis=1, keepdims=True)
    centre = corner + box_wh / 2
    low, high = (centre - half)[:, None], (centre + half)[:, None]
    touches = ((low < taken[None, :, 2:]) & (high > taken[None, :, :2])).all(axis=-1).any(axis=-1)
    clear = np.flatnonzero(~touches)[:windows]
    return np.concatenate([corner, corner + box_wh], axis=1)[clear]
