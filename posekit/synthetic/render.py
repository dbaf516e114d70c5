"""Draws a scene's pixels with OpenCV.

Colours are RGB, images uint8 (H, W, 3). The background's random shapes carry the colours and outlines of
limbs and clothes, so that neither a colour nor a lone outlined stick tells a person.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from posekit.synthetic.figure import Figure, Shape
from posekit.synthetic.look import cloth_colour, skin_colour
from posekit.synthetic.scene import MAX_SIDE, Scene
from posekit.synthetic.shapes import DIRECTIONS, NUM_DIRECTIONS, ellipse_pair_hulls

_SHIFT = 4  # cv2 takes polygon corners as integers, here in sixteenths of a pixel
_TILE = 2 * MAX_SIDE


@cache
def _noise_tiles() -> np.ndarray:
    """uint8 (6, T, T, 3) textures of several roughnesses, the same in every process."""
    rng = np.random.default_rng(2020)
    tiles = []
    for coarse, fine in ((6, 40), (12, 80), (24, 160), (40, 260), (8, 260), (80, 520)):
        tile = np.zeros((_TILE, _TILE, 3), np.float32)
        for cells, weight in ((coarse, 0.6), (fine, 0.4)):
            grid = rng.uniform(-1, 1, size=(cells, cells, 1)) + 0.4 * rng.uniform(
                -1, 1, size=(cells, cells, 3)
            )
            tile += weight * cv2.resize(
                grid.astype(np.float32), (_TILE, _TILE), interpolation=cv2.INTER_CUBIC
            )
        tiles.append(np.clip(128 + 90 * tile, 0, 255).astype(np.uint8))
    return np.stack(tiles)


@cache
def _grain() -> np.ndarray:
    """int16 (T, T, 3) sensor noise of unit strength times 16."""
    rng = np.random.default_rng(2021)
    return np.clip(rng.normal(0, 16, size=(_TILE, _TILE, 3)), -60, 60).astype(np.int16)


def _patch(tile: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    y, x = (int(rng.integers(_TILE - side + 1)) for side in size_hw)
    return tile[y : y + size_hw[0], x : x + size_hw[1]]


def _texture(rng: np.random.Generator, size_hw: tuple[int, int]) -> np.ndarray:
    """A coloured, textured surface."""
    tiles = _noise_tiles()
    patch = _patch(tiles[rng.integers(len(tiles))], size_hw, rng)
    strength = rng.uniform(0.12, 0.5)
    colour = cloth_colour(rng)
    table = np.arange(256)[:, None] * strength - 128 * strength + colour
    return cv2.LUT(patch, np.clip(table, 0, 255).astype(np.uint8)[None])


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def paint(image: np.ndarray, shapes: list[Shape], line_width: float = 1.0) -> None:
    """Paints polygons with smooth edges, in order, in place.

    Args:
        image: uint8 (H, W, 3).
        shapes: What to paint.
        line_width: Of the dark lines around outlined shapes, pixels.
    """
    for shape in shapes:
        if shape.outlined:
            dark = (shape.colour * 0.28).tolist()
            cv2.fillPoly(image, [_fixed(_grown(shape.points, line_width))], dark, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(image, [_fixed(shape.points)], shape.colour.tolist(), cv2.LINE_AA, _SHIFT)


def _grown(points: np.ndarray, by: float) -> np.ndarray:
    """A convex polygon made larger on all sides."""
    if len(points) == NUM_DIRECTIONS:  # support points: each moves in its own direction
        return points + by * DIRECTIONS
    outward = points - points.mean(axis=0)
    return points + by * outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9)


def _clutter(rng: np.random.Generator, size_hw: tuple[int, int], count: int) -> list[Shape]:
    """Boxes, discs and limb-like sticks."""
    size_wh = np.array(size_hw[::-1])
    start = rng.uniform(-0.05, 1.05, size=(count, 2)) * size_wh
    length = rng.uniform(8, 70, size=(count, 1))
    turn = rng.uniform(0, np.pi, size=count)
    end = start + length * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    radii = rng.uniform(2.5, 11, size=(count, 2))
    radii[: count // 4] *= 2.2
    outlines = ellipse_pair_hulls(np.stack([start, end], axis=1), radii[..., None, None] * np.eye(2))[1]
    shapes = []
    for k, outline in enumerate(outlines):
        colour = skin_colour(rng) if rng.random() < 0.15 else cloth_colour(rng)
        points = outline if rng.random() < 0.6 else outline[::5] + rng.normal(0, 3, size=(4, 2))
        shapes.append(Shape("clutter", points, colour, bool(rng.random() < 0.4)))
        if k % 2:
            middle = outline.mean(axis=0)
            shapes.append(
                Shape("clutter", middle + 0.55 * (outline - middle), np.minimum(colour * 1.15, 255), False)
            )
    return shapes


def _background(rng: np.random.Generator, size_hw: tuple[int, int]) -> np.ndarray:
    image = np.ascontiguousarray(_texture(rng, size_hw))
    height, width = size_hw
    if rng.random() < 0.7:  # a floor
        edge = int(height * rng.uniform(0.45, 0.85))
        image[edge:] = _texture(rng, (height - edge, width))
    if rng.random() < 0.35:  # tiles, planks or a fence
        step, shade = int(rng.integers(9, 34)), cloth_colour(rng).tolist()
        for x in range(int(rng.integers(step)), width, step):
            cv2.line(image, (x, 0), (x + int(rng.integers(-6, 7)), height), shade, 1, cv2.LINE_AA)
        for y in range(int(rng.integers(step)), height, step) if rng.random() < 0.5 else ():
            cv2.line(image, (0, y), (width, y), shade, 1, cv2.LINE_AA)
    paint(image, _clutter(rng, size_hw, int(rng.integers(5, 16))))
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 2.4))  # out of focus


def _shadow(image: np.ndarray, figure: Figure) -> None:
    """Darkens the ground under a person's feet."""
    x, y = float(figure.joints[[0, 5], 0].mean()), float(figure.box[3])
    half = 0.16 * figure.stature
    top, bottom = max(int(y - 0.25 * half), 0), min(int(y + 0.35 * half), image.shape[0])
    left, right = max(int(x - half), 0), min(int(x + half), image.shape[1])
    if top < bottom and left < right:
        ground = image[top:bottom, left:right]
        dark = ground // 2
        mask = np.zeros(ground.shape[:2], np.uint8)
        centre = (int(x) - left, int(y) - top)
        cv2.ellipse(mask, centre, (int(0.95 * half), max(int(0.22 * half), 1)), 0, 0, 360, 255, -1)
        cv2.copyTo(dark, mask, ground)


def _finish(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven light, exposure, blur and sensor noise."""
    size_hw = image.shape[0], image.shape[1]
    light = _patch(_noise_tiles()[rng.integers(3)], size_hw, rng)
    weight = rng.uniform(0.1, 0.35)
    light = cv2.convertScaleAbs(light, alpha=weight, beta=128 * (1 - weight))
    image = cv2.multiply(image, light, scale=rng.uniform(0.8, 1.2) / 128)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.8))
    grain = _patch(_grain(), size_hw, rng)
    image = cv2.addWeighted(image.astype(np.int16), 1.0, grain, rng.uniform(0.05, 0.3), 0.0)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.04:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return image


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Draws a scene.

    Args:
        scene: What to draw.
        rng: For background, light and noise; annotations do not depend on it.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    image = _background(rng, scene.size_hw)
    for layer in scene.layers:
        if isinstance(layer, Figure):
            _shadow(image, layer)
            paint(image, layer.shapes, max(0.011 * layer.stature, 0.7))
        else:
            paint(image, layer.shapes)
    return _finish(image, rng)
