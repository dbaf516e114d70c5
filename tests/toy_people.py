"""Small annotation files and pictures for the tests of posekit.datasets."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import cv2
import numpy as np

SKELETON = {
    "name": "arm3",
    "keypoints": ["head", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
    "sigmas": [0.1, 0.1, 0.1],
    "upper_body": ["head"],
}

COCO = {
    "images": [
        {"id": 11, "file_name": "a.png", "height": 40, "width": 60},
        {"id": 5, "file_name": "b.png", "height": 50, "width": 30},
    ],
    "categories": [
        {"id": 1, "name": "person", "keypoints": ["head", "left_hand", "right_hand"]},
        {"id": 2, "name": "dog"},
    ],
    "annotations": [
        {"id": 101, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 100, "bbox": [2, 3, 20, 30],
         "keypoints": [10, 5, 2, 20, 25, 1, 0, 0, 0]},
        {"id": 102, "image_id": 11, "category_id": 1, "iscrowd": 0, "area": 100, "bbox": [10, 5, 30, 30],
         "keypoints": [12, 8, 2, 62, 20, 2, 15, 30, 2]},
        {"id": 103, "image_id": 11, "category_id": 1, "iscrowd": 1, "area": 100, "bbox": [10, 5, 30, 30],
         "keypoints": [12, 8, 2, 20, 20, 2, 15, 30, 2]},
        {"id": 104, "image_id": 11, "category_id": 1, "iscrowd": 0, "area": 100, "bbox": [10, 5, 30, 30],
         "keypoints": [0, 0, 0, 0, 0, 0, 0, 0, 0]},
        {"id": 105, "image_id": 11, "category_id": 2, "iscrowd": 0, "area": 100, "bbox": [1, 1, 3, 3]},
        {"id": 106, "image_id": 11, "category_id": 1, "iscrowd": 0, "area": 0, "bbox": [10, 5, 30, 30],
         "keypoints": [12, 8, 2, 20, 20, 2, 15, 30, 2]},
        {"id": 107, "image_id": 11, "category_id": 1, "iscrowd": 0, "area": 9, "bbox": [90, 5, 30, 30],
         "keypoints": [12, 8, 2, 20, 20, 2, 15, 30, 2]},
    ],
}  # fmt: skip


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3) RGB noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_picture(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def coco() -> dict:
    """A fresh copy of the small COCO file."""
    return copy.deepcopy(COCO)


def write_coco(folder: Path, content: object | None = None, name: str = "people.json") -> Path:
    """Writes the small COCO file, its pictures under ``images``; returns the json's path."""
    for number, image in enumerate(COCO["images"]):
        write_picture(
            folder / "images" / image["file_name"], picture(image["height"], image["width"], number)
        )
    path = folder / name
    path.write_text(json.dumps(COCO if content is None else content), "utf-8")
    return path
