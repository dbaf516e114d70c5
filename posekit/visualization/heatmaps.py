"""Heatmaps laid over the crop they belong to: one picture, or a sheet with a row of panels per joint.

Images are uint8 (H, W, 3) RGB, the network's input; points are its pixels. Maps are (K, h, w): of a codec
with offset maps the label maps alone. ``alignment`` is the codec's: "strided" (map cell i lies at i W/w input
pixels) or "aligned" (at i (W-1)/(w-1)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from posekit.visualization.drawing import canvas_of, draw_pose, side_colour
from posekit.visualization.sheets import contact_sheet, fit
from posekit.visualization.text import Colour

# A map that is too low somewhere is blue there, one that is too high orange: Okabe and Ito's.
TOO_LOW: Colour = (0, 114, 178)
TOO_HIGH: Colour = (230, 120, 0)
_STRENGTH = 0.85  # how much a peak hides the photo, 0..1
_ROWS = 256  # blended at once: a photo of 8,000 x 8,000 pixels must not need several GB
DIFFERENCE = "difference"


def overlay_heatmaps(
    image: np.ndarray,
    heatmaps: np.ndarray,
    *,
    peak: float | None = None,
    alignment: str = "strided",
) -> np.ndarray:
    """Lays heatmaps over the crop that they were predicted from, the largest of all keypoints on top.

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        heatmaps: (K, h, w) or (h, w); NaN counts as 0.
        peak: The value shown brightest; by default the largest present.
        alignment: See above.

    Returns:
        uint8 (H, W, 3): a new image.

    Raises:
        ValueError: On another alignment or number of axes.
    """
    large = _onto(canvas_of(image), _highest(heatmaps), alignment)
    top = float(large.max()) if peak is None else peak
    level = np.clip(large / top, 0, 1) if top > 0 else np.zeros_like(large)
    heat = cv2.applyColorMap(np.rint(255 * level).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return _blend(image, heat, _STRENGTH * np.sqrt(level))


def overlay_difference(
    image: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    peak: float | None = None,
    alignment: str = "strided",
) -> np.ndarray:
    """Shows where the second map is below the first (blue) and above it (orange).

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        first: (K, h, w) or (h, w), e.g. the target. Of K maps the largest difference is shown.
        second: As ``first``, e.g. the prediction.
        peak: The difference shown strongest; by default the largest present.
        alignment: See above.

    Returns:
        uint8 (H, W, 3): a new image.

    Raises:
        ValueError: On another alignment, or maps of different shapes.
    """
    first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if first.shape != second.shape:
        raise ValueError(f"second: expected the first map's shape {first.shape}, found {second.shape}")
    signed = _onto(canvas_of(image), _highest(second - first) - _highest(first - second), alignment)
    top = float(np.abs(signed).max()) if peak is None else peak
    level = np.clip(signed / top, -1, 1) if top > 0 else np.zeros_like(signed)
    colour = np.where(level[..., None] < 0, np.array(TOO_LOW, np.uint8), np.array(TOO_HIGH, np.uint8))
    return _blend(image, colour, _STRENGTH * np.abs(level))


def _highest(heatmaps: np.ndarray) -> np.ndarray:
    """The largest value of all keypoints and not below 0 where there are several, float32 (h, w)."""
    maps = np.nan_to_num(np.asarray(heatmaps, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if maps.ndim not in (2, 3):
        raise ValueError(f"heatmaps: expected (K, h, w) or (h, w), found shape {maps.shape}")
    return np.maximum(maps if maps.ndim == 2 else maps.max(axis=0, initial=0.0), 0.0)


def _onto(image: np.ndarray, single: np.ndarray, alignment: str) -> np.ndarray:
    """A map (h, w) at the size of the image, float32 (H, W)."""
    if alignment not in ("strided", "aligned"):
        raise ValueError(f"alignment: expected 'strided' or 'aligned', found {alignment!r}")
    height, width = image.shape[:2]
    less = int(alignment == "aligned")
    # A map one cell wide has no spacing: any will do, but 0 / 0.
    scale_x = max(width - less, 1) / max(single.shape[1] - less, 1)
    scale_y = max(height - less, 1) / max(single.shape[0] - less, 1)
    warp = np.array([[scale_x, 0, 0], [0, scale_y, 0]])
    return cv2.warpAffine(
        single, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _blend(image: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Colour over the photo, which is darkened a little so that the flanks of a peak show."""
    blended = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), _ROWS):
        rows = slice(top, top + _ROWS)
        share = weight[rows, :, None]
        blended[rows] = np.rint(image[rows] * np.float32(0.8) * (1 - share) + colour[rows] * share)
    return blended


def heatmap_sheet(
    image: np.ndarray,
    maps: np.ndarray | Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    points: Mapping[str, np.ndarray] | None = None,
    difference: bool = False,
    weight: np.ndarray | None = None,
    alignment: str = "strided",
    peak: float | None = None,
    panel_px: int = 150,
    columns: int | None = None,
    title: str = "",
) -> np.ndarray:
    """Shows the heatmap of every joint, or several of the same crop side by side.

    All panels share one scale, so that a weak map looks weak; each map's own maximum is in the caption.

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        maps: (K, h, w), or several by name, shown from left to right.
        names: The K joints.
        points: Of some of the maps, by the same names: (K, 2), input pixels, marked with a ring; NaN: none.
        difference: Add a panel of the last map minus the first, see :func:`overlay_difference`.
        weight: (K,); joints of weight 0 have no target, so no difference either, and their caption says so.
        alignment: See above.
        peak: The value shown brightest; by default the largest of all maps.
        panel_px: A panel's longer side, pixels.
        columns: Joints in a row of the sheet; see :func:`~posekit.visualization.contact_sheet`.
        title: A line above all; the order of the panels is added to it.

    Returns:
        uint8 (H', W', 3) RGB.

    Raises:
        ValueError: If there is no map, or maps and names do not fit each other.
    """
    named = dict(maps) if isinstance(maps, Mapping) else {"": np.asarray(maps)}
    for name, values in named.items():
        if np.ndim(values) != 3 or len(values) != len(names):
            raise ValueError(
                f"maps {name!r}: expected ({len(names)}, h, w), one per joint, found shape {np.shape(values)}"
            )
    if not named or not len(names):
        raise ValueError("heatmap_sheet: expected at least one map of one joint, found none")
    if peak is None:
        peak = max(float(_highest(values).max()) for values in named.values())
    weight = np.ones(len(names)) if weight is None else np.asarray(weight)
    rows, captions = [], []
    for k, joint in enumerate(names):
        own = {name: values[k] for name, values in named.items()}
        marks = {name: values[k : k + 1] for name, values in (points or {}).items()}
        rows.append(
            panels(
                image, own, points=marks, joints=[joint], difference=difference, weight=weight[k : k + 1],
                alignment=alignment, peak=peak, panel_px=panel_px,
            )
        )  # fmt: skip
        peaks = " | ".join(f"{_highest(values).max():.2f}" for values in own.values())
        captions.append(f"{joint} · {peaks}{'' if weight[k] > 0 else ' (no target)'}")
    order = " | ".join([name for name in named if name] + [DIFFERENCE] * difference)
    title = " · ".join(part for part in (title, order) if part)
    return contact_sheet(rows, columns, captions, cell_size_hw=rows[0].shape[:2], title=title)


def panels(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    *,
    points: Mapping[str, np.ndarray] | None = None,
    joints: Sequence[str] = (),
    difference: bool = False,
    weight: np.ndarray | None = None,
    alignment: str = "strided",
    peak: float | None = None,
    panel_px: int = 150,
) -> np.ndarray:
    """Several maps of one crop side by side: one joint's (h, w), or all joints' (K, h, w) in one.

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        maps: By name, from left to right.
        points: By the same names: (K, 2), input pixels, marked with a ring.
        joints: Names of the points, which say their colours.
        difference: Add a panel of the last map minus the first.
        weight: (K,); joints of weight 0 are left out of the difference.
        alignment: See above.
        peak: The value shown brightest; by default the largest of all maps.
        panel_px: A panel's longer side, pixels.

    Returns:
        uint8 (H', W', 3) RGB.
    """
    if peak is None:
        peak = max(float(_highest(values).max()) for values in maps.values())
    pictures = []
    for name, values in maps.items():
        picture = overlay_heatmaps(image, values, peak=peak, alignment=alignment)
        picture, scale = fit(picture, (panel_px, panel_px))
        for point, joint in zip((points or {}).get(name, ()), joints, strict=False):
            mark = ((np.asarray(point, np.float64) + 0.5) * scale - 0.5)[None]
            # Half sure: a ring, which leaves the peak in sight.
            picture = draw_pose(picture, mark, np.array([0.39]), colour=side_colour(joint))
        pictures.append(picture)
    if difference:
        first, *_, last = (np.asarray(values, np.float32) for values in maps.values())
        if weight is not None:
            counts = (np.asarray(weight) > 0).astype(np.float32).reshape(-1, 1, 1)
            first, last = first * counts, last * counts
        shown = overlay_difference(image, first, last, peak=peak, alignment=alignment)
        pictures.append(fit(shown, (panel_px, panel_px))[0])
    return beside(pictures)


def beside(pictures: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """Pictures of one height in a row, with black between."""
    bar = np.zeros((pictures[0].shape[0], gap, 3), np.uint8)
    parts = [part for picture in pictures for part in (picture, bar)][:-1]
    return np.concatenate(parts, axis=1)


def target_sheet(
    image: np.ndarray, target: np.ndarray, prediction: np.ndarray, names: Sequence[str], **options: object
) -> np.ndarray:
    """Target against prediction of every joint, with the difference (blue: missing, orange: too much).

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        target: (K, h, w), as the codec draws it.
        prediction: (K, h, w).
        names: The K joints.
        **options: Of :func:`heatmap_sheet`; ``points`` are named "target" and "prediction".
    """
    maps = {"target": target, "prediction": prediction}
    return heatmap_sheet(image, maps, names, difference=True, **options)  # type: ignore[arg-type]


def flip_maps(heatmaps: np.ndarray, mirrored_back: np.ndarray) -> dict[str, np.ndarray]:
    """The halves of the flip test and their mean by name, for :func:`heatmap_sheet` and :func:`panels`."""
    first, second = np.asarray(heatmaps, np.float32), np.asarray(mirrored_back, np.float32)
    return {"image": first, "mirror image": second, "mean": (first + second) * 0.5}


def flip_sheet(
    image: np.ndarray,
    heatmaps: np.ndarray,
    mirrored_back: np.ndarray,
    names: Sequence[str],
    **options: object,
) -> np.ndarray:
    """The flip test's halves of every joint: the image's heatmaps, the mirror image's turned back, the mean.

    Args:
        image: uint8 (H, W, 3) RGB: the network's input.
        heatmaps: (K, h, w), of the image.
        mirrored_back: (K, h, w), of the mirror image, left and right exchanged and turned back by the codec.
        names: The K joints.
        **options: Of :func:`heatmap_sheet`; ``points`` are named "image", "mirror image" and "mean".
    """
    return heatmap_sheet(image, flip_maps(heatmaps, mirrored_back), names, **options)  # type: ignore[arg-type]
