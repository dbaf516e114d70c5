"""Boxes, crops and warps: pure numpy, float64, no images.

Points are (x, y), 0-based, an integer being a pixel's centre. Boxes are ``xyxy`` with x2 = x1 + width.
A warp is the (2, 3) matrix that takes image pixels to input pixels.

Three conventions of the reference releases, each with its name. W is the input's width, w the crop's:

========  ==================  =====================  ========================
name      image point at ...  lands on input point   horizontal scale
========  ==================  =====================  ========================
hrnet     the crop's centre   W/2                    W / w
udp       the crop's centre   (W-1)/2                (W-1) / w
dark      the crop's centre   (W-1)/2                (W-1) / (w-1)
========  ==================  =====================  ========================

Vertically, hrnet and udp take H and h instead; dark takes its horizontal scale, times the stretch
(H/h) / (W/w) of a crop whose aspect is not the input's; its w-1 counts as at least 1. ``dark`` also takes a
box's centre as x + (w-1)/2.
Under ``hrnet`` a mirrored crop sits one pixel beside the mirror image of the crop; under the other two it is
its exact mirror image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from posekit.errors import ConfigError

CONVENTIONS = ("hrnet", "udp", "dark")
HEAD_SIZE_OF_DIAGONAL = 0.6
JOINT_BOX_MARGIN = 0.15


def check_convention(convention: str) -> None:
    """Raises ConfigError unless ``convention`` is one of :data:`CONVENTIONS`."""
    if convention not in CONVENTIONS:
        raise ConfigError(f"crop: 'convention' must be one of {CONVENTIONS}, found {convention!r}")


def xywh_to_xyxy(boxes: ArrayLike) -> np.ndarray:
    """(..., 4) boxes (x, y, width, height) as (x1, y1, x1 + width, y1 + height), float64."""
    boxes = np.asarray(boxes, dtype=np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: ArrayLike) -> np.ndarray:
    """(..., 4) boxes (x1, y1, x2, y2) as (x1, y1, x2 - x1, y2 - y1), float64."""
    boxes = np.asarray(boxes, dtype=np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def head_sizes(head_boxes: ArrayLike) -> np.ndarray:
    """MPII's head sizes (...) of head boxes (..., 4) as x1, y1, x2, y2: 0.6 x the diagonal, float64."""
    corners = np.asarray(head_boxes, dtype=np.float64)
    sizes: np.ndarray = np.linalg.norm(corners[..., 2:] - corners[..., :2], axis=-1) * HEAD_SIZE_OF_DIAGONAL
    return sizes


def clean_box_xyxy(box_xyxy: ArrayLike, image_size_hw: ArrayLike) -> np.ndarray:
    """The HRNet release's path from an annotated box to the box it crops.

    The box is clipped to pixels 0 .. size-1 and its width and height shrink by one:
    x1' = max(0, x1), x2' = min(W - 1, x1' + max(0, w - 1)), y likewise.

    Args:
        box_xyxy: (..., 4), image pixels.
        image_size_hw: (..., 2), the image's height and width.

    Returns:
        float64 (..., 4); all NaN where nothing of the box is left (x2' < x1' or y2' < y1', or a point).
    """
    box = np.asarray(box_xyxy, dtype=np.float64)
    last_xy = np.asarray(image_size_hw, dtype=np.float64)[..., ::-1] - 1
    top_left = np.maximum(box[..., :2], 0)
    bottom_right = np.minimum(last_xy, top_left + np.maximum(0, box[..., 2:] - box[..., :2] - 1))
    cleaned = np.concatenate(np.broadcast_arrays(top_left, bottom_right), axis=-1)
    sides = cleaned[..., 2:] - cleaned[..., :2]
    kept = (sides >= 0).all(axis=-1, keepdims=True) & (sides > 0).any(axis=-1, keepdims=True)
    return np.where(kept, cleaned, np.nan)


def joint_box_xyxy(
    joints: np.ndarray, visible: np.ndarray, sizes_hw: np.ndarray, margin: float = JOINT_BOX_MARGIN
) -> np.ndarray:
    """The box of the labelled joints with a margin.

    Args:
        joints: (N, K, 2), image pixels.
        visible: (N, K), above 0 where labelled.
        sizes_hw: (N, 2), the images' sizes, for clipping.
        margin: Share of the longer side, added on all four sides.

    Returns:
        float64 (N, 4); NaN for a person without labelled joints, or of whose box nothing lies in the image.
    """
    labelled = (visible > 0)[..., None]
    low = np.where(labelled, joints, np.inf).min(axis=1)
    high = np.where(labelled, joints, -np.inf).max(axis=1)
    grown = margin * (high - low).max(axis=1, keepdims=True)
    last_xy = sizes_hw[:, ::-1] - 1
    box = np.concatenate([np.maximum(low - grown, 0), np.minimum(high + grown, last_xy)], axis=1)
    inside = (box[:, 2:] >= box[:, :2]).all(axis=1, keepdims=True)
    return np.where(labelled.any(axis=1) & inside, box, np.nan)


def keypoint_box_xywh(keypoints: ArrayLike, size_hw: tuple[int, int]) -> list[float] | None:
    """The box of COCO's flat keypoints (x, y, v, ...), by :func:`joint_box_xyxy`.

    None if they lie in one place or outside the image, whose size may be unknown (0).
    """
    triples = np.asarray(keypoints, np.float64).reshape(1, -1, 3)
    size = np.array([[side or np.inf for side in size_hw]])
    box = xyxy_to_xywh(joint_box_xyxy(triples[..., :2], triples[..., 2], size))[0]
    return box.tolist() if (box[2:] > 0).all() else None


def crop_from_box(
    box_xyxy: ArrayLike, aspect: float, padding: float = 1.25, convention: str = "hrnet"
) -> tuple[np.ndarray, np.ndarray]:
    """The crop around a box: its shorter side widened to a fixed aspect, then padded.

    Args:
        box_xyxy: (..., 4), image pixels.
        aspect: Width / height of the crop.
        padding: Factor on both sides, after widening.
        convention: "hrnet" and "udp" take the centre x1 + w/2, "dark" x1 + (w-1)/2.

    Returns:
        ``center`` (..., 2) and ``size_wh`` (..., 2) of the crop, float64, image pixels.
    """
    check_convention(convention)
    box = np.asarray(box_xyxy, dtype=np.float64)
    size = box[..., 2:] - box[..., :2]
    center = box[..., :2] + (size - 1 if convention == "dark" else size) / 2
    # Each side is at least the other one times the aspect.
    size_wh = np.maximum(size, size[..., ::-1] * (aspect, 1 / aspect))
    return center, size_wh * padding


def warp_matrix(
    center: ArrayLike,
    size_wh: ArrayLike,
    input_size_hw: tuple[int, int],
    rotation_deg: float = 0.0,
    flip: bool = False,
    convention: str = "hrnet",
) -> np.ndarray:
    """The matrix taking image pixels to input pixels.

    input = anchor + S R (image - center), with R = [[cos, sin], [-sin, cos]] and S the two scales of the
    table above. The horizontal and the vertical scale come each from its own side, so a crop whose aspect
    is not the input's is stretched. ``flip`` then mirrors about the anchor, x -> 2 anchor_x - x.

    A positive rotation turns the content counter-clockwise on the screen, as in the HRNet release, for all
    three conventions (the UDP release turns the other way for the same number). The HRNet release mirrors
    before it rotates, which is this matrix with the opposite rotation.

    Args:
        center: (2,), the crop's centre in image pixels.
        size_wh: (2,), the crop's width and height in image pixels.
        input_size_hw: Height and width of the input.
        rotation_deg: Degrees.
        flip: Whether to mirror left and right.
        convention: One of :data:`CONVENTIONS`.

    Returns:
        float64 (2, 3).
    """
    check_convention(convention)
    (center_x, center_y), (crop_w, crop_h) = np.asarray(center).tolist(), np.asarray(size_wh).tolist()
    height, width = input_size_hw
    if convention == "hrnet":
        anchor_x, anchor_y, scale_x, scale_y = width / 2, height / 2, width / crop_w, height / crop_h
    else:
        anchor_x, anchor_y = (width - 1) / 2, (height - 1) / 2
        scale_x, scale_y = (width - 1) / crop_w, (height - 1) / crop_h
    if convention == "dark":
        # A crop of a pixel or less has no outer centres that lie apart.
        scale_x = (width - 1) / max(crop_w - 1, 1.0)
        scale_y = scale_x * (height / crop_h) / (width / crop_w)
    cos, sin = math.cos(math.radians(rotation_deg)), math.sin(math.radians(rotation_deg))
    mirror = -1.0 if flip else 1.0
    xx, xy, yx, yy = mirror * scale_x * cos, mirror * scale_x * sin, -scale_y * sin, scale_y * cos
    return np.array(
        [
            [xx, xy, anchor_x - xx * center_x - xy * center_y],
            [yx, yy, anchor_y - yx * center_x - yy * center_y],
        ]
    )


def invert_warp(warp: ArrayLike) -> np.ndarray:
    """The inverse of (..., 2, 3) affine matrices, float64 (..., 2, 3)."""
    warp = np.asarray(warp, dtype=np.float64)
    linear = np.linalg.inv(warp[..., :2])
    return np.concatenate([linear, -linear @ warp[..., 2:]], axis=-1)


def apply_warp(points: ArrayLike, warp: ArrayLike) -> np.ndarray:
    """(..., N, 2) points through (..., 2, 3) matrices, float64 (..., N, 2)."""
    points, warp = np.asarray(points, dtype=np.float64), np.asarray(warp, dtype=np.float64)
    return points @ warp[..., :2].swapaxes(-1, -2) + warp[..., None, :, 2]
