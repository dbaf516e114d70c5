"""Draws poses and boxes on one image.

Images are uint8 (H, W, 3) RGB; points are (x, y) image pixels, an integer being a pixel's centre. The
colours are of the palette of Okabe and Ito, which people with any common colour blindness tell apart:
sky blue is the person's own left, vermillion the right, yellow what has no side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from posekit.io.files import atomic_file
from posekit.metrics.oks import rescore
from posekit.structures import Pose, Skeleton
from posekit.visualization.strokes import Layer, stroke
from posekit.visualization.text import WHITE, Colour, ink_on, plate_size_hw, write_text

LEFT: Colour = (86, 180, 233)
RIGHT: Colour = (213, 94, 0)
CENTRE: Colour = (240, 228, 66)
BOX: Colour = (0, 158, 115)
HALO: Colour = (20, 20, 20)
# One colour per track id, in turn: the palette's other members first.
IDS: tuple[Colour, ...] = (
    (230, 159, 0),
    (0, 114, 178),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (86, 180, 233),
    (213, 94, 0),
)


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


def canvas_of(image: np.ndarray, name: object = "image") -> np.ndarray:
    """A copy of an image to draw on.

    Raises:
        ValueError: On another shape or dtype than uint8 (H, W, 3).
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{name}: expected uint8 (H, W, 3), found {image.dtype} {image.shape}")
    return np.array(image, order="C")


def draw_poses(
    image: np.ndarray,
    poses: Sequence[Pose],
    skeleton: Skeleton | None = None,
    *,
    ids: Sequence[int] | None = None,
    boxes: bool = True,
    labels: bool = True,
    min_score: float = 0.0,
    confident: float = 0.4,
) -> np.ndarray:
    """Draws all people of an image: skeletons, boxes, scores, track ids.

    Args:
        image: uint8 (H, W, 3) RGB, the image that the poses are in pixels of.
        poses: Any number, none included.
        skeleton: See :func:`draw_pose`.
        ids: One per pose, e.g. of a tracker: written on the box and coloured.
        boxes: Draw each person's box.
        labels: Write id and score on it: the ``person_score`` among ``extra`` where all have one; else, as
            in a results file, the box's score times the mean of the keypoint scores above 0.2.
        min_score: See :func:`draw_pose`.
        confident: See :func:`draw_pose`.

    Returns:
        uint8 (H, W, 3): a new image.
    """
    scores, box_scores = [pose.scores for pose in poses], np.zeros(0)
    if poses:
        own = [pose.extra.get("person_score") for pose in poses]
        ranked = rescore(np.array([pose.box_score for pose in poses]), np.stack(scores))
        box_scores = ranked if None in own else np.array(own, np.float64)
    return draw_people(
        image,
        [pose.keypoints for pose in poses],
        scores,
        skeleton,
        boxes_xyxy=[pose.box_xyxy for pose in poses] if boxes else None,
        box_scores=box_scores if labels else None,
        ids=ids,
        min_score=min_score,
        confident=confident,
    )


def draw_people(
    image: np.ndarray,
    keypoints: Sequence[np.ndarray] | np.ndarray,
    scores: Sequence[np.ndarray] | np.ndarray | None = None,
    skeleton: Skeleton | None = None,
    *,
    boxes_xyxy: Sequence[np.ndarray] | np.ndarray | None = None,
    box_scores: Sequence[float] | np.ndarray | None = None,
    ids: Sequence[int] | np.ndarray | None = None,
    min_score: float = 0.0,
    confident: float = 0.4,
) -> np.ndarray:
    """As :func:`draw_poses`, from arrays of N people.

    Boxes lie under all skeletons and labels above; of people who overlap, the one with the higher box score
    is in front. Without boxes, ids and scores are written above the keypoints. Where the image is too small
    for a label, its score is left out, then all of it.

    Args:
        image: uint8 (H, W, 3) RGB.
        keypoints: (N, K, 2), image pixels.
        scores: (N, K).
        skeleton: See :func:`draw_pose`.
        boxes_xyxy: (N, 4), image pixels.
        box_scores: (N,), of the boxes or of the people, written on the boxes.
        ids: (N,), written on the boxes and coloured.
        min_score: See :func:`draw_pose`.
        confident: See :func:`draw_pose`.

    Returns:
        uint8 (H, W, 3): a new image.

    Raises:
        ValueError: If the numbers of people differ, or see :func:`draw_pose`.
    """
    canvas = canvas_of(image)
    count = len(keypoints)
    given = {"scores": scores, "boxes_xyxy": boxes_xyxy, "box_scores": box_scores, "ids": ids}
    for name, values in given.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{name}: expected {count}, one per person, found {len(values)}")
    colours = [BOX if ids is None else IDS[int(ids[i]) % len(IDS)] for i in range(count)]
    order = range(count) if box_scores is None else np.argsort(box_scores, kind="stable").tolist()
    for i in order:
        if boxes_xyxy is not None:
            _draw_box(canvas, _corners(boxes_xyxy[i]), colours[i])
    for i in order:
        _draw_pose(
            canvas, keypoints[i], None if scores is None else scores[i], skeleton, min_score, confident
        )
    for i in order:
        own = None if scores is None else scores[i]
        words = [] if ids is None else [f"#{int(ids[i])}"]
        words += [] if box_scores is None or not np.isfinite(box_scores[i]) else [f"{box_scores[i]:.2f}"]
        corners = _corners(_extent(keypoints[i], own, min_score) if boxes_xyxy is None else boxes_xyxy[i])
        if corners is not None:
            _write_label(canvas, words, corners, colours[i])
    return canvas


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
        scores: (K,), 0..1; all 1 by default; NaN leaves a keypoint out. For ground truth see
            :func:`scores_from_visible`.
        skeleton: Names (hence sides) and limbs; without it the points alone are drawn, in yellow.
        min_score: Keypoints whose score is not above this are left out.
        confident: The score from which a keypoint is drawn in full.
        thickness: Width of a limb in pixels. By default it follows the resolution, thinner for a person
            who is small in the image.
        colour: One colour for everything, e.g. to lay the truth under a prediction.

    Returns:
        uint8 (H, W, 3): a new image.

    Raises:
        ValueError: If image, keypoints, scores or skeleton do not fit each other.
    """
    canvas = canvas_of(image)
    _draw_pose(canvas, keypoints, scores, skeleton, min_score, confident, thickness, colour)
    return canvas


def _draw_pose(
    canvas: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray | None,
    skeleton: Skeleton | None,
    min_score: float,
    confident: float,
    thickness: float | None = None,
    colour: Colour | None = None,
) -> None:
    points, scores = _checked(keypoints, scores, skeleton)
    drawn = np.isfinite(points).all(axis=1) & (scores > min_score)
    if not drawn.any():
        return
    alphas = np.clip(0.3 + 0.7 * scores / max(confident, 1e-9), 0.3, 1.0)
    width = limb_width(canvas.shape, points[drawn]) if thickness is None else thickness
    if skeleton is not None:
        for a, b in skeleton.limb_index[drawn[skeleton.limb_index].all(axis=1)]:
            limb_colour = colour or side_colour(skeleton.keypoints[a], skeleton.keypoints[b])
            draw_limb(canvas, points[a], points[b], limb_colour, width, min(alphas[a], alphas[b]))
    # Markers last, so that no limb crosses them; the surest on top.
    for k in np.argsort(scores, kind="stable"):
        if drawn[k]:
            marker_colour = colour or (side_colour(skeleton.keypoints[k]) if skeleton else CENTRE)
            _draw_marker(canvas, points[k], marker_colour, width, alphas[k], scores[k] < confident)


def _checked(
    keypoints: np.ndarray, scores: np.ndarray | None, skeleton: Skeleton | None
) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(keypoints, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"keypoints: expected (K, 2), found shape {points.shape}")
    values = np.ones(len(points)) if scores is None else np.asarray(scores, dtype=np.float64)
    if values.shape != (len(points),):
        raise ValueError(f"scores: expected {len(points)}, one per keypoint, found shape {values.shape}")
    if skeleton is not None and skeleton.num_keypoints != len(points):
        raise ValueError(
            f"keypoints: skeleton '{skeleton.name}' has {skeleton.num_keypoints}, found {len(points)}"
        )
    return points, values


def limb_width(shape: tuple[int, ...], points: np.ndarray) -> float:
    """Pixels: 1/110 of the image's side, at most 1/30 of the person's extent, at least 1."""
    resolution = float(np.sqrt(shape[0] * shape[1]))
    extent = float(np.ptp(points, axis=0).max())
    wanted = resolution / 110
    return max(1.0, min(wanted, extent / 30) if extent > 0 else wanted)


def draw_limb(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: float, alpha: float = 1.0
) -> None:
    """Draws a line with a dark rim, in place."""
    rim = Layer(width + max(1.0, width * 0.5), HALO, 0.55 * alpha)
    stroke(canvas, start, end, [rim, Layer(width, colour, alpha)])


def _draw_marker(
    canvas: np.ndarray, point: np.ndarray, colour: Colour, width: float, alpha: float, hollow: bool
) -> None:
    radius = 1.2 * width + 0.3
    rim = max(0.5, 0.45 * width)
    layers = [Layer(2 * radius + 2.8 * rim, HALO, 0.6 * alpha)]
    if hollow:
        layers += [Layer(rim, colour, alpha, radius)]
    else:
        layers += [Layer(2 * radius + 1.2 * rim, WHITE, alpha), Layer(2 * radius, colour, alpha)]
    stroke(canvas, point, point, layers)


def _corners(box_xyxy: np.ndarray) -> np.ndarray | None:
    """The four corners (4, 2) clockwise from the upper left; None if the box is not finite."""
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    return corners if np.isfinite(corners).all() else None


def _extent(keypoints: np.ndarray, scores: np.ndarray | None, min_score: float) -> np.ndarray:
    """The box (4,) around the keypoints that are drawn; NaN without any."""
    points, scores = _checked(keypoints, scores, None)
    points = points[np.isfinite(points).all(axis=1) & (scores > min_score)]
    return np.concatenate([points.min(axis=0), points.max(axis=0)]) if len(points) else np.full(4, np.nan)


def _draw_box(canvas: np.ndarray, corners: np.ndarray | None, colour: Colour) -> None:
    if corners is None:
        return
    width = limb_width(canvas.shape, corners) * 0.7
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        stroke(canvas, start, end, [Layer(width, colour, 1.0)])


def _write_label(canvas: np.ndarray, words: Sequence[str], corners: np.ndarray, colour: Colour) -> None:
    """Writes on the box's upper edge, within the image, no larger than suits the person's size.

    As many of the words as take at most a third of the image's width or the box's, and a quarter of the
    image's height.
    """
    side, (box_width, box_height) = min(canvas.shape[:2]), np.ptp(corners, axis=0)
    height = max(9 if side < 160 else 11, round(min(side / 28, max(box_width, box_height) / 6)))
    room = max(canvas.shape[1] / 3, min(box_width, canvas.shape[1]))
    texts = [" ".join(words[:number]) for number in range(len(words), 0, -1)]
    fits = [text for text in texts if (plate_size_hw(text, height) <= np.array([side / 4, room])).all()]
    if not fits or not fits[0]:
        return
    text = fits[0]
    plate_height, plate_width = plate_size_hw(text, height)
    x1, y1 = corners[0]
    top = y1 - plate_height if y1 >= plate_height else y1
    # A box that lies off the image keeps its label in sight, at the nearest edge.
    x = int(np.clip(round(x1), 0, max(0, canvas.shape[1] - plate_width)))
    y = int(np.clip(round(top), 0, max(0, canvas.shape[0] - plate_height)))
    write_text(canvas, text, (x, y), height=height, colour=ink_on(colour), background=colour)


def save_image(path: str | Path, image: np.ndarray) -> Path:
    """Writes uint8 (H, W, 3) RGB as PNG, JPEG or what else the suffix says; whole or not at all.

    The file is written under another name and renamed, so an interruption leaves no half picture. Any
    name the file system allows will do (``cv2.imwrite`` garbles some).

    Raises:
        ValueError: On a suffix that OpenCV does not know, an image of another shape or dtype, or one too
            large for the form.
    """
    bgr, path = canvas_of(image, path)[..., ::-1], Path(path)
    if not cv2.haveImageWriter(f"picture{path.suffix.lower()}"):
        raise ValueError(f"{path}: expected the suffix of a picture, e.g. '.png', found '{path.suffix}'")
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
    done, encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(bgr), options)
    if not done:  # e.g. a JPEG of more than 65,500 pixels a side
        raise ValueError(f"{path}: '{path.suffix}' cannot hold {image.shape[1]} x {image.shape[0]} pixels")
    with atomic_file(path) as file:
        file.write(encoded.tobytes())
    return path
