"""Draws poses, lines, boxes and heatmaps on one image.

Images are uint8 (H, W, 3) RGB; points are (x, y) image pixels, an integer being a pixel's centre. The
colours are of the palette of Okabe and Ito, which people with any common colour blindness tell apart:
sky blue is the person's own left, vermillion the right, yellow what has no side.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from posekit.files import atomic_file
from posekit.structures import Skeleton
from posekit.visualization.text import WHITE, Colour, draw_text

LEFT: Colour = (86, 180, 233)
RIGHT: Colour = (213, 94, 0)
CENTRE: Colour = (240, 228, 66)
BOX: Colour = (0, 158, 115)
HALO: Colour = (20, 20, 20)


def side_of(name: str) -> str:
    """Returns "left", "right" or "centre" for a keypoint's name, e.g. ``"left_knee"``, ``"r_wrist"``."""
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    if "left" in words or words[0] == "l" or words[0].startswith("left"):
        return "left"
    if "right" in words or words[0] == "r" or words[0].startswith("right"):
        return "right"
    return "centre"


def side_colour(*names: str) -> Colour:
    """Returns the colour of a keypoint, or of the limb between two: the side they share, if any."""
    sides = {side_of(name) for name in names} - {"centre"}
    if len(sides) != 1:
        return CENTRE
    return LEFT if sides == {"left"} else RIGHT


def scores_from_visible(visible: np.ndarray) -> np.ndarray:
    """Turns a ground truth's ``visible`` (..., K) of 0/1/2 into scores: absent, faded and hollow, full."""
    return np.array([0.0, 0.25, 1.0], dtype=np.float32)[np.asarray(visible, dtype=np.int64)]


def draw_pose(
    image: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray | None = None,
    skeleton: Skeleton | None = None,
    *,
    min_score: float = 0.0,
    confident: float = 0.4,
    thickness: float | None = None,
    colour: Colour | None = None,
) -> np.ndarray:
    """Draws one person's keypoints and limbs.

    A keypoint surer than ``confident`` is a filled disc; below it fades and becomes a hollow ring. A limb
    is as faint as the less sure of its ends.

    Args:
        image: uint8 (H, W, 3) RGB.
        keypoints: (K, 2), image pixels; points that are not finite are left out.
        scores: (K,), 0..1; all 1 by default. For ground truth see :func:`scores_from_visible`.
        skeleton: Names (hence sides) and limbs; without it the points alone are drawn, in yellow.
        min_score: Keypoints whose score is not above this are left out.
        confident: The score from which a keypoint is drawn in full.
        thickness: Width of a limb in pixels. By default it follows the resolution, thinner for a person
            who is small in the image.
        colour: One colour for everything, e.g. to lay the truth under a prediction.

    Returns:
        uint8 (H, W, 3): a new image.
    """
    points = np.asarray(keypoints, dtype=np.float64).reshape(-1, 2)
    scores = np.ones(len(points)) if scores is None else np.asarray(scores, dtype=np.float64)
    drawn = np.isfinite(points).all(axis=1) & (scores > min_score)
    alphas = np.clip(0.3 + 0.7 * scores / confident, 0.3, 1.0)
    canvas = np.array(image, dtype=np.uint8, order="C")
    if not drawn.any():
        return canvas
    width = _limb_width(canvas.shape, points[drawn]) if thickness is None else thickness
    for a, b in [] if skeleton is None else skeleton.limb_index:
        if drawn[a] and drawn[b]:
            limb_colour = colour or side_colour(skeleton.keypoints[a], skeleton.keypoints[b])  # type: ignore[union-attr]
            _draw_limb(canvas, points[a], points[b], limb_colour, width, min(alphas[a], alphas[b]))
    # Markers last, so that no limb crosses them; the surest on top.
    for k in np.argsort(scores, kind="stable"):
        if drawn[k]:
            marker_colour = colour or (side_colour(skeleton.keypoints[k]) if skeleton else CENTRE)
            _draw_marker(canvas, points[k], marker_colour, width, alphas[k], scores[k] < confident)
    return canvas


def _limb_width(shape: tuple[int, ...], points: np.ndarray) -> float:
    """Pixels: 1/110 of the image's side, at most 1/30 of the person's extent, at least 1.2."""
    resolution = float(np.sqrt(shape[0] * shape[1]))
    extent = float(np.ptp(points, axis=0).max())
    wanted = resolution / 110
    return max(1.2, min(wanted, extent / 30) if extent > 0 else wanted)


def _draw_limb(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: float, alpha: float
) -> None:
    _stroke(canvas, start, end, width + max(1.0, width * 0.5), HALO, 0.55 * alpha)
    _stroke(canvas, start, end, width, colour, alpha)


def _draw_marker(
    canvas: np.ndarray, point: np.ndarray, colour: Colour, width: float, alpha: float, hollow: bool
) -> None:
    radius = 1.15 * width + 0.6
    rim = max(1.0, 0.45 * width)
    # A stroke from a point to itself is a disc.
    _stroke(canvas, point, point, 2 * radius + 2.8 * rim, HALO, 0.6 * alpha)
    if hollow:
        _stroke(canvas, point, point, rim, colour, alpha, radius)
        return
    _stroke(canvas, point, point, 2 * radius + 1.2 * rim, WHITE, alpha)
    _stroke(canvas, point, point, 2 * radius, colour, alpha)


def _stroke(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    width: float,
    colour: Colour,
    alpha: float,
    radius: float = 0.0,
) -> None:
    """Blends a line with round ends into ``canvas``, or the line all around it at a distance ``radius``.

    A pixel's cover is taken from its centre's distance to the line, so edges are even at any angle.
    """
    reach = width / 2 + radius + 1
    low = np.floor(np.minimum(start, end) - reach).clip(0, canvas.shape[1::-1]).astype(int)
    high = np.ceil(np.maximum(start, end) + reach + 1).clip(0, canvas.shape[1::-1]).astype(int)
    if (high <= low).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]
    xs = np.arange(low[0], high[0]) - start[0]
    ys = (np.arange(low[1], high[1]) - start[1])[:, None]
    (dx, dy), length2 = end - start, float(((end - start) ** 2).sum())
    along = np.clip((xs * dx + ys * dy) / length2, 0, 1) if length2 > 0 else 0.0
    distance = np.abs(np.hypot(xs - along * dx, ys - along * dy) - radius)
    weight = alpha * np.clip(width / 2 - distance + 0.5, 0, 1)[..., None]
    region[:] = np.rint(region * (1 - weight) + np.array(colour) * weight).astype(np.uint8)


def draw_line(
    image: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    colour: Colour = WHITE,
    *,
    thickness: float = 1.0,
) -> np.ndarray:
    """Draws a line between two points (2,) of image pixels with a dark rim.

    Returns:
        uint8 (H, W, 3): a new image.
    """
    canvas = np.array(image, dtype=np.uint8, order="C")
    if np.isfinite(start).all() and np.isfinite(end).all():
        _draw_limb(canvas, np.asarray(start, np.float64), np.asarray(end, np.float64), colour, thickness, 1.0)
    return canvas


def draw_box(
    image: np.ndarray,
    box_xyxy: np.ndarray,
    colour: Colour = BOX,
    *,
    label: str = "",
    thickness: float | None = None,
) -> np.ndarray:
    """Draws a box (4,) of image pixels, with a label on its upper left corner (inside, where the image ends).

    Returns:
        uint8 (H, W, 3): a new image.
    """
    canvas = np.array(image, dtype=np.uint8, order="C")
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    if not np.isfinite(corners).all():
        return canvas
    width = _limb_width(canvas.shape, corners) * 0.7 if thickness is None else thickness
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        _stroke(canvas, start, end, width, colour, 1.0)
    if label:
        height = max(11, round(min(canvas.shape[:2]) / 28))
        above = y1 - 1.4 * height
        where = (round(x1), round(above if above >= 0 else y1 + width))
        canvas = draw_text(canvas, label, where, height=height, background=colour)
    return canvas


def overlay_heatmaps(
    image: np.ndarray,
    heatmaps: np.ndarray,
    *,
    strength: float = 0.85,
    peak: float | None = None,
    alignment: str = "strided",
) -> np.ndarray:
    """Lays heatmaps over the crop that they were predicted from, the largest of all keypoints on top.

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        heatmaps: (K, h, w) or (h, w).
        strength: How much a peak hides the photo, 0..1.
        peak: The value shown brightest; by default the largest present.
        alignment: "strided" (map cell i lies at i W/w input pixels) or "aligned" (i (W-1)/(w-1)), the
            codec's.

    Returns:
        uint8 (H, W, 3): a new image.

    Raises:
        ValueError: On another alignment or number of axes.
    """
    if alignment not in ("strided", "aligned"):
        raise ValueError(f"alignment: expected 'strided' or 'aligned', found {alignment!r}")
    maps = np.asarray(heatmaps, dtype=np.float32)
    if maps.ndim not in (2, 3):
        raise ValueError(f"heatmaps: expected (K, h, w) or (h, w), found shape {maps.shape}")
    largest = maps.max(axis=0) if maps.ndim == 3 else maps
    height, width = image.shape[:2]
    less = int(alignment == "aligned")
    scale_x = (width - less) / (largest.shape[1] - less)
    scale_y = (height - less) / (largest.shape[0] - less)
    warp = np.array([[scale_x, 0, 0], [0, scale_y, 0]])
    large = cv2.warpAffine(
        largest, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    top = float(large.max()) if peak is None else peak
    level = np.clip(large / top, 0, 1) if top > 0 else np.zeros_like(large)
    heat = cv2.applyColorMap(np.rint(255 * level).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    # The square root keeps the flanks of a peak in sight; the photo is darkened a little so that they show.
    weight = (strength * np.sqrt(level))[..., None]
    return np.rint(image * 0.8 * (1 - weight) + heat * weight).astype(np.uint8)


def save_image(path: str | Path, image: np.ndarray) -> Path:
    """Writes uint8 (H, W, 3) RGB as PNG, JPEG or what else the suffix says; whole or not at all.

    The file is written under another name and renamed, so an interruption leaves no half picture. Any
    name the file system allows will do (``cv2.imwrite`` garbles some).

    Raises:
        ValueError: On a suffix that OpenCV does not know, or an image of another shape or dtype.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{path}: expected uint8 (H, W, 3), found {image.dtype} {image.shape}")
    path = Path(path)
    if not cv2.haveImageWriter(f"picture{path.suffix.lower()}"):
        raise ValueError(f"{path}: expected the suffix of a picture, e.g. '.png', found '{path.suffix}'")
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
    _, encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image[..., ::-1]), options)
    with atomic_file(path) as file:
        file.write(encoded.tobytes())
    return path
