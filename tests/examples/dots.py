"""What the examples learn from: pictures of three dots; some taken by night, each of one of four animals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posekit.datasets import EpochSampler, TopDownDataset, load_coco
from posekit.transforms import Crop

SKELETON = {"name": "dots", "keypoints": ["left", "right", "middle"], "flip_pairs": [["left", "right"]]}
COLOURS = np.array([[250, 40, 40], [40, 40, 250], [40, 220, 40]])  # RGB of left, right, middle
SIDE = 64


def write_dots(folder: Path, train: int = 64, val: int = 16) -> Path:
    """Writes ``train.json`` and ``val.json``, COCO files with the fields ``night`` and ``animal``."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    category = {"id": 1, "name": "dots", "keypoints": SKELETON["keypoints"], "skeleton": []}
    for split, first, count in (("train", 0, train), ("val", train, val)):
        drawn = [_draw(folder, number, rng) for number in range(first, first + count)]
        sizes = {"width": SIDE, "height": SIDE}
        images = [{"id": a["id"], "file_name": f"{a['id']}.png", **sizes} for a in drawn]
        content = {"images": images, "annotations": drawn, "categories": [category]}
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def _draw(folder: Path, number: int, rng: np.random.Generator) -> dict[str, Any]:
    night, animal = number % 2, number // 2 % 4
    image = np.full((SIDE, SIDE, 3), 30 if night else 130, np.uint8)
    image[:: 2 + 3 * animal] += 90  # its stripes
    points = rng.integers(12, SIDE - 12, (3, 2))
    for (x, y), colour in zip(points.tolist(), COLOURS.tolist(), strict=True):
        cv2.circle(image, (x, y), 6, colour, -1)
    cv2.imwrite(str(folder / "images" / f"{number}.png"), image[..., ::-1])
    return {
        "id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, SIDE, SIDE], "area": SIDE * SIDE,
        "iscrowd": 0, "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)],
        "num_keypoints": 3, "night": night, "animal": animal,
    }  # fmt: skip


def loader(split: str, **settings: Any) -> dict[str, Any]:
    """A data loader of a config; the settings are ``load_coco``'s."""
    source = {"type": load_coco, "ann_file": f"{split}.json", "image_dir": "images", **settings}
    crop = {"type": Crop, "input_size_hw": (SIDE, SIDE), "padding": 1.0}
    return {
        "batch_size": 8,
        "dataset": {"type": TopDownDataset, "source": source, "crop": crop},
        "sampler": {"type": EpochSampler, "shuffle": split == "train"},
    }
