"""A copy of a data set that is harder to crop: pictures turned, boxes off, by a fixed seed.

What a network is worth on it says how it stands a detector's boxes and people who are not upright. It is an
ordinary data set in COCO's form, so that every tool can use it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.pictures import read_picture
from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, shown
from posekit.geometry import apply_warp
from posekit.io.files import atomic_file, write_json
from posekit.io.images import cv2
from posekit.transforms.similarity import rotation_matrix

ANN_FILE, IMAGE_DIR = "disturbed.json", "images"


def write_disturbed(
    table: PersonTable,
    out_dir: str | Path,
    rotation: float = 30.0,
    shift: float = 0.1,
    scale: float = 0.15,
    seed: int = 0,
) -> Path:
    """Writes a picture for every person of a table, turned about the middle, and a box that is off.

    Each person's numbers are drawn from its own generator of (seed, person id). The picture is turned by up
    to ``rotation``, bilinearly, on a canvas that holds all of it. The box is the tight one of the turned
    labelled keypoints (of the turned box's corners where there are none); its centre is then moved by up to
    ``shift`` of its sides, and both its sides multiplied by a factor within 1 - scale and 1 + scale.

    Args:
        table: The people.
        out_dir: Where ``disturbed.json`` and the folder ``images`` go.
        rotation: Degrees, at most 180; drawn uniformly, as the others are.
        shift: Share of the sides.
        scale: Below 1.
        seed: Of all draws.

    Returns:
        The path of the json: image and annotation ids are the people's.

    Raises:
        ConfigError: On a number out of range.
        DataError: If a picture cannot be read.
    """
    for name, value, most in (("rotation", rotation, 180), ("shift", shift, 10), ("scale", scale, 0.99)):
        if not 0 <= value <= most:
            raise ConfigError(f"write_disturbed: '{name}' must be in 0..{most}, found {shown(value)}")
    folder = Path(out_dir)
    (folder / IMAGE_DIR).mkdir(parents=True, exist_ok=True)
    images, people = [], []
    for row, person in enumerate(table.person_ids.tolist()):
        rng = np.random.default_rng([seed, person])
        angle, factor = rng.uniform(-rotation, rotation), rng.uniform(1 - scale, 1 + scale)
        moved = rng.uniform(-shift, shift, 2)
        image = read_picture(table, int(table.image_index[row]))[..., :3]
        warp, (height, width) = _turned(image.shape[:2], angle)
        picture = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR)
        with atomic_file(folder / IMAGE_DIR / f"{person}.png") as file:
            file.write(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        images.append({"id": person, "file_name": f"{person}.png", "height": height, "width": width})
        people.append({"id": person, "image_id": person, **_person(table, row, warp, moved, factor)})
    category = {"id": 1, "name": "person", "keypoints": list(table.skeleton.keypoints)}
    path = folder / ANN_FILE
    write_json(path, {"images": images, "categories": [category], "annotations": people})
    return path


def _person(
    table: PersonTable, row: int, warp: np.ndarray, moved: np.ndarray, factor: float
) -> dict[str, Any]:
    """The keypoints of a turned person and the box that is off, as COCO has them."""
    labelled, points = table.visible[row] > 0, apply_warp(table.keypoints[row], warp)
    x1, y1, x2, y2 = table.boxes_xyxy[row].tolist()
    corners = apply_warp([(x1, y1), (x2, y1), (x1, y2), (x2, y2)], warp)
    around = points[labelled] if labelled.any() else corners
    low, high = around.min(axis=0), around.max(axis=0)
    center, sides = (low + high) / 2 + moved * (high - low), (high - low) * factor
    keypoints = np.column_stack([np.where(labelled[:, None], points, 0), table.visible[row]])
    return {
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [*(center - sides / 2).tolist(), *sides.tolist()],
        "area": float(np.prod(sides)),
        "num_keypoints": int(labelled.sum()),
        "keypoints": keypoints.ravel().tolist(),
    }


def _turned(size_hw: tuple[int, ...], degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """The warp that turns a picture, its middle onto the middle of a canvas that holds all of it."""
    height, width = size_hw
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    wide, high = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
    linear = rotation_matrix(degrees)
    middle, onto = np.array([width - 1, height - 1]) / 2, np.array([wide - 1, high - 1]) / 2
    return np.column_stack([linear, onto - linear @ middle]), (high, wide)
