"""Things that stand in front of people: boxes, poles, tables, balls, plants.

A prop is a list of painted polygons and the support heights of its convex pieces, in image pixels (x right,
y down), so that hiding a joint is decided by the same half-planes as for people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posekit.synthetic.figure import Shape
from posekit.synthetic.look import cloth_colour
from posekit.synthetic.shapes import ellipse_pair_hulls, polygon_hull


@dataclass(frozen=True, eq=False)
class Prop:
    """An object in front of people.

    Attributes:
        shapes: Polygons to paint, in order.
        heights: float64 (Q, V), support heights of its pieces.
    """

    shapes: list[Shape]
    heights: np.ndarray


def _tilted(centre: np.ndarray, half_size: tuple[float, float], degrees: float) -> np.ndarray:
    """Corners (4, 2) of a turned rectangle."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(half_size)
    return corners @ turn.T + centre


def slab(corners: np.ndarray, rng: np.random.Generator) -> Prop:
    """A rectangle with a lighter field and a few lines on it."""
    colour = cloth_colour(rng)
    middle = corners.mean(axis=0)
    shapes = [Shape("prop", corners, colour * 0.8, True)]
    shapes.append(Shape("prop", middle + 0.8 * (corners - middle), colour, False))
    ink = cloth_colour(rng)
    for at in np.linspace(0.15, 0.75, int(rng.integers(1, 5))):
        near, far = corners[0] + at * (corners[3] - corners[0]), corners[1] + at * (corners[2] - corners[1])
        step = 0.08 * (corners[3] - corners[0])
        inset = 0.2 * (far - near)
        band = np.array([near + inset, far - inset, far - inset + step, near + inset + step])
        shapes.append(Shape("prop", band, ink, False))
    return Prop(shapes, polygon_hull(corners)[0][None])


def _ball(centre: np.ndarray, radius: float, rng: np.random.Generator) -> Prop:
    spots = np.stack([centre, centre - 0.3 * radius])
    radii = np.array([radius, 0.45 * radius])
    heights, points = ellipse_pair_hulls(
        np.stack([spots, spots], axis=1), radii[:, None, None, None] * np.stack([np.eye(2)] * 2)
    )
    colour = cloth_colour(rng)
    shapes = [Shape("prop", points[0], colour * 0.8, True)]
    shapes.append(Shape("prop", points[1], np.minimum(colour * 1.15 + 8, 255), False))
    return Prop(shapes, heights[:1])


def _plant(centre: np.ndarray, size: float, rng: np.random.Generator) -> Prop:
    """Leaves fanning out from a point below the centre."""
    root = centre + np.array([0, size])
    tips = centre + size * rng.uniform(-1, 1, size=(9, 2)) * np.array([0.9, 0.7])
    middles = np.stack([root + 0.5 * (tips - root), tips], axis=1)
    widths = np.stack([np.full(9, 0.13), np.full(9, 0.04)], axis=1) * size
    heights, points = ellipse_pair_hulls(middles, widths[..., None, None] * np.eye(2))
    green = np.array([60.0, 120.0, 50.0]) * rng.uniform(0.6, 1.4)
    shapes = [Shape("prop", p, np.clip(green * rng.uniform(0.75, 1.25), 0, 255), True) for p in points]
    return Prop(shapes, heights)


def sample_prop(rng: np.random.Generator, target: np.ndarray, stature: float, floor: float) -> Prop:
    """Draws an object that covers a point.

    Args:
        rng: Source of randomness.
        target: (2,) the point, image pixels.
        stature: Height of the person in front of whom it stands, pixels.
        floor: y of that person's soles, pixels.

    Returns:
        The prop.
    """
    centre = target + rng.uniform(-0.05, 0.05, size=2) * stature
    kind = rng.choice(("box", "pole", "table", "ball", "plant"), p=(0.3, 0.2, 0.15, 0.15, 0.2))
    if kind == "pole":
        return slab(_tilted(centre, (rng.uniform(0.03, 0.05) * stature, 2 * stature), rng.normal(0, 15)), rng)
    if kind == "table":  # reaches from the point to the floor, and to one side
        half = np.array(
            [rng.uniform(0.2, 0.4), 0.5 * max(floor - centre[1], 0.12 * stature) / stature + 0.04]
        )
        place = centre + np.array([rng.uniform(-0.8, 0.8) * half[0], half[1] - 0.06]) * stature
        return slab(_tilted(place, (half[0] * stature, half[1] * stature), rng.normal(0, 3)), rng)
    if kind == "ball":
        return _ball(centre, rng.uniform(0.06, 0.12) * stature, rng)
    if kind == "plant":
        return _plant(centre, rng.uniform(0.15, 0.25) * stature, rng)
    half_size = rng.uniform(0.08, 0.15, size=2) * stature
    return slab(_tilted(centre, (half_size[0], half_size[1]), rng.uniform(-45, 45)), rng)
