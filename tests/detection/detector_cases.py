"""A small data set and a small detector for the tests of posekit.detection."""

from __future__ import annotations

import json
from functools import cache

import torch
from toy_people import picture, write_picture

from posekit.detection.networks import build_network

TINY = "fasterrcnn_mobilenet_v3_large_320_fpn"
CONTENT = {
    "images": [
        {"id": 7, "file_name": "000000000007.png", "height": 64, "width": 96},
        {"id": 3, "file_name": "000000000003.png", "height": 80, "width": 64},
        {"id": 9, "file_name": "000000000009.png", "height": 64, "width": 64},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 12, 20, 40], "area": 800, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [50, 8, 60, 50], "area": 1500, "iscrowd": 0},
        {"id": 3, "image_id": 3, "category_id": 1, "bbox": [5, 5, 30, 60], "area": 1800, "iscrowd": 0},
        {"id": 4, "image_id": 3, "category_id": 1, "bbox": [0, 0, 64, 20], "area": 1280, "iscrowd": 1},
        {"id": 5, "image_id": 3, "category_id": 18, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0},
        {"id": 6, "image_id": 7, "category_id": 1, "bbox": [200, 8, 9, 9], "area": 81, "iscrowd": 0},
    ],
}


def write_set(folder, content=None):
    """Writes the pictures and ``people.json``; returns the json's path."""
    for number, image in enumerate(CONTENT["images"]):
        write_picture(
            folder / "images" / image["file_name"], picture(image["height"], image["width"], number)
        )
    path = folder / "people.json"
    path.write_text(json.dumps(CONTENT if content is None else content), "utf-8")
    return path


@cache
def _weights(classes):
    torch.manual_seed(0)
    weights = build_network(TINY, classes).state_dict()
    # As it begins, a network finds all boxes equally good; then nothing could be told about their order.
    weights["roi_heads.box_predictor.cls_score.weight"] *= 100
    return weights


def write_weights(path, classes=2, prefix="", **more):
    """Writes random weights of the smallest network as a checkpoint; returns its path."""
    weights = {f"{prefix}{key}": tensor for key, tensor in _weights(classes).items()}
    torch.save({"state_dict": {**weights, **more}}, path)
    return path
