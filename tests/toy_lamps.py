"""Rendered desk lamps with 7 keypoints: an object that no model of posekit has seen."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

NAMES = ("base_left", "base_right", "hinge", "elbow", "neck", "shade_left", "shade_right")
LIMBS = ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6), (5, 6))


def lamp(rng: np.random.Generator, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 (H, W, 3) BGR, and the points of its lamp, float64 (7, 2)."""
    height, width = size_hw
    noise = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) // 2 + 60
    for _ in range(6):  # clutter: bars that are no arms
        a, b = (rng.uniform(0, (width, height)) for _ in range(2))
        colour, thick = rng.integers(0, 256, 3).tolist(), int(rng.integers(2, 6))
        cv2.line(image, _at(a), _at(b), colour, thick, cv2.LINE_AA)
    points = _points(rng, size_hw)
    thick = max(3, round(0.02 * height))
    body, inside = (rng.integers(low, low + 100, 3).tolist() for low in (0, 155))
    left, right, hinge, elbow, neck, shade_left, shade_right = points
    cv2.fillPoly(image, [np.int32(np.round([left, right, hinge]))], body, cv2.LINE_AA)
    for a, b in ((hinge, elbow), (elbow, neck)):
        cv2.line(image, _at(a), _at(b), body, thick, cv2.LINE_AA)
    cv2.fillPoly(image, [np.int32(np.round([neck, shade_left, shade_right]))], inside, cv2.LINE_AA)
    cv2.polylines(image, [np.int32(np.round([neck, shade_left, shade_right]))], True, body, 2, cv2.LINE_AA)
    for joint in (hinge, elbow, neck):
        cv2.circle(image, _at(joint), thick, inside, -1, cv2.LINE_AA)
    return image, points


def _points(rng: np.random.Generator, size_hw: tuple[int, int]) -> np.ndarray:
    height, width = size_hw
    scale = rng.uniform(0.22, 0.32) * min(height, width)
    hinge = np.array([rng.uniform(0.4, 0.6) * width, 0.8 * height])
    side = rng.choice((-1, 1))
    elbow = hinge + scale * _direction(-90 + side * rng.uniform(10, 50))
    neck = elbow + 0.9 * scale * _direction(-90 - side * rng.uniform(20, 80))
    down = 90 - side * rng.uniform(-30, 50)
    open_ = rng.uniform(25, 35)
    ends = [neck + 0.6 * scale * _direction(down + turn) for turn in (open_, -open_)]
    foot = [hinge + scale * np.array([s * 0.5, 0.25]) for s in (-1, 1)]
    return np.array([*foot, hinge, elbow, neck, *ends])


def _direction(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def write_lamps(folder: Path, number: int, seed: int = 0) -> Path:
    """Writes pictures to ``folder/images`` and a COCO-form json; returns the json's path."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for k in range(number):
        size_hw = tuple(int(side) for side in rng.integers(180, 300, 2))
        image, points = lamp(rng, size_hw)
        name = f"lamp_{k:03d}.jpg"
        assert cv2.imwrite(str(folder / "images" / name), image)
        images.append({"id": k, "file_name": name, "height": size_hw[0], "width": size_hw[1]})
        values = [v for x, y in points for v in (round(x, 2), round(y, 2), 2)]
        annotations.append({"id": k, "image_id": k, "category_id": 0, "keypoints": values})
    skeleton = [[a + 1, b + 1] for a, b in LIMBS]
    category = {"id": 0, "name": "lamp", "keypoints": list(NAMES), "skeleton": skeleton}
    path = folder / "lamps.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [category]}), "utf-8"
    )
    return path
