"""A person as flat shapes: a body and a look, projected, shaded and sorted by depth.

A figure lives in unit coordinates: x right, y down, the body's upright height is 1, the pelvis at the
origin; ``place`` brings it into an image. Parts are convex hulls of two ellipsoids (see
:mod:`~posekit.synthetic.shapes`) and painted from far to near.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posekit.synthetic.body import JOINT, Body
from posekit.synthetic.look import Look
from posekit.synthetic.shapes import DIRECTIONS, ellipse_pair_hulls
from posekit.synthetic.solids import Canvas, dress

# The parts on which a joint can be seen; covered by any other part it counts as hidden.
_SIDED = {
    "ankle": ("shin", "foot"),
    "knee": ("thigh", "shin"),
    "hip": ("thigh", "/hips", "/belly"),
    "wrist": ("forearm", "hand"),
    "elbow": ("upper_arm", "forearm"),
    "shoulder": ("upper_arm", "/chest"),
}
CARRIERS: dict[int, tuple[str, ...]] = {
    JOINT["pelvis"]: ("hips", "belly", "chest", "left_thigh", "right_thigh"),
    JOINT["thorax"]: ("chest", "neck"),
    JOINT["upper_neck"]: ("neck", "head", "hair", "chest"),
    JOINT["head_top"]: ("head", "hair"),
}
for _side in ("left", "right"):
    for _joint, _parts in _SIDED.items():
        CARRIERS[JOINT[f"{_side}_{_joint}"]] = tuple(
            part[1:] if part.startswith("/") else f"{_side}_{part}" for part in _parts
        )


@dataclass(frozen=True, eq=False)
class Shape:
    """A polygon to paint.

    Attributes:
        part: Name of the part it belongs to.
        points: float64 (N, 2).
        colour: RGB.
        outlined: Whether a dark line goes around it.
    """

    part: str
    points: np.ndarray
    colour: np.ndarray
    outlined: bool


@dataclass(frozen=True, eq=False)
class Figure:
    """A painted person, in unit coordinates or, once placed, in image pixels.

    Attributes:
        shapes: From far to near.
        part_names: Names of the P solid parts, from far to near.
        heights: float64 (P, V), the parts' support heights.
        joints: float64 (16, 2).
        head_box: float64 (2, 2), upper left and lower right corner.
        stature: The body's upright height.
    """

    shapes: list[Shape]
    part_names: tuple[str, ...]
    heights: np.ndarray
    joints: np.ndarray
    head_box: np.ndarray
    stature: float = 1.0

    @property
    def head_size(self) -> float:
        """MPII's head size, 0.6 x the head box's diagonal."""
        return float(0.6 * np.linalg.norm(self.head_box[1] - self.head_box[0]))

    @property
    def box(self) -> np.ndarray:
        """float64 (4,), x1 y1 x2 y2 around all parts."""
        quarter = len(DIRECTIONS) // 4
        right, bottom, left, top = (self.heights[:, k * quarter].max() for k in range(4))
        return np.array([-left, -top, right, bottom])

    def place(self, scale: float, offset: np.ndarray) -> Figure:
        """The figure scaled about its origin, then moved by ``offset`` (2,)."""
        return replace(
            self,
            shapes=[Shape(s.part, s.points * scale + offset, s.colour, s.outlined) for s in self.shapes],
            heights=self.heights * scale + DIRECTIONS @ offset,
            joints=self.joints * scale + offset,
            head_box=self.head_box * scale + offset,
            stature=self.stature * scale,
        )


def make_figure(body: Body, look: Look, light: np.ndarray, distance: float) -> Figure:
    """Projects and shades a person.

    Args:
        body: The posed skeleton.
        look: Clothes and colours.
        light: (2,) unit vector to the light in the image, y down.
        distance: Of the camera, in body heights; perspective shrinks what lies behind the pelvis.

    Returns:
        The figure in unit coordinates.
    """
    return _project(dress(body, look), body, light, distance)


def _flatten(points: np.ndarray, distance: float) -> np.ndarray:
    """Perspective projection (..., 3) -> (..., 2), y turned down."""
    return points[..., :2] * (distance / (distance - points[..., 2:])) * np.array([1.0, -1.0])


def _project(canvas: Canvas, body: Body, light: np.ndarray, distance: float) -> Figure:
    centres = np.array([[one[0], two[0]] for _, one, two, _, _ in canvas.solids])
    axes = np.array([[one[1], two[1]] for _, one, two, _, _ in canvas.solids])
    depth = centres[..., 2].mean(axis=1) + np.array([nearer for *_, nearer in canvas.solids])
    shrink = (distance / (distance - centres[..., 2]))[..., None, None]
    flat = axes[:, :, :2] * shrink * np.array([1.0, -1.0])[:, None]
    middles = _flatten(centres, distance)
    heights, outlines = ellipse_pair_hulls(middles, flat)
    reach = np.swapaxes(flat, -1, -2) @ light
    lit = (flat @ reach[..., None])[..., 0] / (np.linalg.norm(reach, axis=-1)[..., None] + 1e-9)
    highlights = ellipse_pair_hulls(middles + 0.33 * lit, 0.5 * flat)[1]
    order = np.argsort(depth, kind="stable")
    shapes: list[Shape] = []
    for k in order:
        part, colour = canvas.solids[k][0], canvas.solids[k][3]
        shapes.append(Shape(part, outlines[k], colour * 0.86, True))
        shapes.append(Shape(part, highlights[k], np.minimum(colour * 1.08 + 6, 255), False))
        for points, paint in canvas.details.get(int(k), []):
            shapes.append(Shape(part, _flatten(points, distance), paint, False))
    names = tuple(canvas.solids[k][0] for k in order)
    head = next(k for k, solid in enumerate(canvas.solids) if solid[0] == "head")
    corners = np.array([outlines[head].min(axis=0), outlines[head].max(axis=0)])
    return Figure(shapes, names, heights[order], _flatten(body.joints, distance), corners)
