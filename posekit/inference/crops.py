"""Cuts all people of one image into one batch, each by a single ``cv2.warpAffine``.

An image of ordinary size gives exactly the crops that ``posekit.datasets.TopDownDataset`` gives. A larger one
(over 4 million pixels, or a side beyond OpenCV's 16-bit coordinates) is cut around each person first, and a
region to be shrunk more than fourfold is reduced by area averaging before it is warped: bilinear sampling
would let four pixels of many decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.geometry import apply_warp, crop_from_box, invert_warp, warp_matrix
from posekit.io.images import cv2
from posekit.transforms import Crop

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
    height, width = crop.input_size_hw
    centers, sizes = crop_from_box(boxes_xyxy, crop.crop_aspect, crop.padding, crop.convention)
    warps = np.empty((len(boxes_xyxy), 2, 3))
    unused = np.empty((height, width), np.uint8)
    # OpenCV 5 warps four channels three times as fast as three, and splits them faster than numpy copies.
    whole = None if _is_large(image) else cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    for i in range(len(warps)):
        warps[i] = warp_matrix(centers[i], sizes[i], crop.input_size_hw, convention=crop.convention)
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
    corners = apply_warp([(0, 0), (input_wh[0] - 1, input_wh[1] - 1)], invert_warp(warp))
    factors = 1 / np.diag(warp[:, :2])
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
    for stage in ("test", "val", "train"):
        found = _find_crop(cfg.get(f"{stage}_dataloader"))
        if found is not None:
            settings = {} if isinstance(found, Crop) else {k: v for k, v in found.items() if k != "type"}
            return found if isinstance(found, Crop) else Crop(**settings)
    raise ConfigError(f"config {source}: no data set states a 'crop', so the network's input is not known")


def _find_crop(node: Any) -> Any:
    """The first ``crop`` at or below a section: data sets may be wrapped."""
    if isinstance(node, Mapping):
        if node.get("crop") is not None:
            return node["crop"]
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        return next((found for item in node if (found := _find_crop(item)) is not None), None)
    return None
