"""Cuts all people of one image into one batch, each by a single ``cv2.warpAffine``.

An image of ordinary size gives exactly the crops that ``posekit.datasets.TopDownDataset`` gives. A larger one
(over 4 million pixels, or a side beyond OpenCV's 16-bit coordinates) is cut around each person first, and a
region to be shrunk more than fourfold is reduced by area averaging before it is warped: bilinear sampling
would let four pixels of many decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.geometry import apply_warp, invert_warp
from posekit.io.images import cv2
from posekit.transforms import Crop, Placement

_LARGE_AREA = 2**22
_LARGE_SIDE = 2**15 - 1
_SHRINK_FROM = 4.0
# Pixels, once reduced, kept around a region: bilinear sampling reads the next, older OpenCV rounds to 1/32.
_MARGIN = 2


def cut_people(image: np.ndarray, boxes_xyxy: np.ndarray, crop: Crop, out: np.ndarray) -> np.ndarray:
    """Cuts the crops of some boxes of one image.

    Args:
        image: uint8 (H, W, 3) RGB.
        boxes_xyxy: (n, 4), image pixels, finite and with an area.
        crop: How a box becomes the input.
        out: uint8 (n, 3, h, w), contiguous: where the crops go; black outside the image.

    Returns:
        float64 (n, 2, 3): image pixels -> input pixels.
    """
    return cut_placed(image, [crop.place(box) for box in boxes_xyxy], crop, out)


def cut_placed(image: np.ndarray, placements: Sequence[Placement], crop: Crop, out: np.ndarray) -> np.ndarray:
    """As :func:`cut_people`, of crops whose places are known: they may be turned."""
    height, width = crop.input_size_hw
    warps = np.empty((len(placements), 2, 3))
    unused = np.empty((height, width), np.uint8)
    # OpenCV 5 warps four channels three times as fast as three, and splits them faster than numpy copies.
    whole = None if _is_large(image) else cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    for i, placement in enumerate(placements):
        warps[i] = crop.warp(placement)
        source, warp = (whole, warps[i]) if whole is not None else _region(image, warps[i], (width, height))
        cut = cv2.warpAffine(source, warp, (width, height), flags=cv2.INTER_LINEAR)
        cv2.split(cut, [*out[i], unused])
    return warps


def _is_large(image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    return height * width > _LARGE_AREA or max(height, width) > _LARGE_SIDE


def _region(image: np.ndarray, warp: np.ndarray, input_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that a crop sees, RGBA, and the warp from its pixels."""
    image_wh = image.shape[1::-1]
    right, bottom = input_wh[0] - 1, input_wh[1] - 1
    seen = apply_warp([(0, 0), (right, 0), (0, bottom), (right, bottom)], invert_warp(warp))
    corners = seen.min(axis=0), seen.max(axis=0)
    factors = 1 / np.linalg.norm(warp[:, :2], axis=0)  # image pixels, across and down, to one of the input
    reduction = np.where(factors >= _SHRINK_FROM, np.maximum(factors // 2, 1), 1)
    margin = _MARGIN * reduction
    x1, y1 = np.clip(np.floor(corners[0] - margin), 0, image_wh).astype(int)
    x2, y2 = np.clip(np.ceil(corners[1] + margin) + 1, 0, image_wh).astype(int)
    if x2 <= x1 or y2 <= y1:
        return np.zeros((1, 1, 4), np.uint8), np.array([[1.0, 0, -2], [0, 1, -2]])
    region = image[y1:y2, x1:x2]
    # Small pixel p lies at p * step + (step - 1) / 2 of the region.
    pixels_wh = np.array([x2 - x1, y2 - y1])
    small_wh = np.ceil(pixels_wh / reduction).astype(int)
    step = pixels_wh / small_wh
    if (small_wh < pixels_wh).any():
        region = cv2.resize(region, small_wh.tolist(), interpolation=cv2.INTER_AREA)
    offset = (x1, y1) + (step - 1) / 2
    local = np.column_stack([warp[:, :2] * step, warp[:, :2] @ offset + warp[:, 2]])
    return cv2.cvtColor(region, cv2.COLOR_RGB2RGBA), local


def crop_of_config(cfg: Mapping[str, Any], source: str) -> Crop:
    """The crop that a config tests with (else validates, else trains with).

    Raises:
        ConfigError: If none of its data sets states one.
    """
    found = cropped_dataset(cfg, source)["crop"]
    if isinstance(found, Crop):
        return found
    return Crop(**{key: value for key, value in found.items() if key != "type"})


def cropped_dataset(cfg: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """The settings of the data set that a config tests on (else validates, else trains).

    Raises:
        ConfigError: If none states a ``crop``.
    """
    for stage in ("test", "val", "train"):
        found = _find_cropped(cfg.get(f"{stage}_dataloader"))
        if found is not None:
            return found
    raise ConfigError(f"config {source}: no data set states a 'crop', so the network's input is not known")


def _find_cropped(node: Any) -> Mapping[str, Any] | None:
    """The first settings with a ``crop`` at or below a section: data sets may be wrapped."""
    if isinstance(node, Mapping):
        if node.get("crop") is not None:
            return node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        return next((found for item in node if (found := _find_cropped(item)) is not None), None)
    return None
