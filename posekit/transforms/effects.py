"""What may befall a picture's pixels, one function each: uint8 (H, W, 3) RGB in, a new one of the same out.

Numbers that are random for :class:`~posekit.transforms.pixels.Pixels` are arguments here; what takes many of
them (shapes, textures) draws from a generator that is handed in.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from posekit.io.images import cv2

_GREY = np.array([0.299, 0.587, 0.114])
# YIQ: grey, and two axes of colour, which saturation stretches and hue turns into each other.
_RGB_TO_YIQ = np.array([_GREY, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_TO_GREY, _TO_COLOUR, _TURNED = (
    np.linalg.inv(_RGB_TO_YIQ) @ part @ _RGB_TO_YIQ
    for part in (np.diag([1, 0, 0]), np.diag([0, 1, 1]), [[0, 0, 0], [0, 0, -1], [0, 1, 0]])
)


def recolour(
    image: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float
) -> np.ndarray:
    """Changes colours, all at once by one matrix.

    Args:
        image: The picture.
        brightness: Factor on everything.
        contrast: Factor on the distance from the picture's mean grey.
        saturation: Factor on the distance from grey; 0: a grey picture.
        hue: Degrees by which colours turn about grey.
    """
    cos, sin = saturation * math.cos(math.radians(hue)), saturation * math.sin(math.radians(hue))
    mean = float(_GREY @ cv2.mean(image)[:3])
    matrix = np.empty((3, 4))
    matrix[:, :3] = brightness * contrast * (_TO_GREY + cos * _TO_COLOUR + sin * _TURNED)
    matrix[:, 3] = brightness * (1 - contrast) * mean
    return cv2.transform(image, matrix)


def grey(image: np.ndarray) -> np.ndarray:
    """The picture without colours."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur of a standard deviation in pixels, cut at two of them."""
    kernel = cv2.getGaussianKernel(2 * math.ceil(2 * sigma) + 1, sigma)
    return cv2.sepFilter2D(image, -1, kernel, kernel)  # twice as fast as GaussianBlur of uint8


def motion_blur(image: np.ndarray, length: int, angle_deg: float) -> np.ndarray:
    """The mean along a line of so many pixels, as of a camera that moved."""
    reach = (length - 1) / 2
    step = reach * np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    kernel = np.zeros((length, length), np.float32)
    ends = [tuple(np.rint(reach + sign * step).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def add_noise(image: np.ndarray, std: float, place: float) -> np.ndarray:
    """Adds normal noise, independent in each pixel and channel.

    Its values are a stretch of one fixed table, since to draw them takes ten times as long.

    Args:
        image: The picture.
        std: Standard deviation, of values 0..255.
        place: Where in the table the stretch begins, in 0..1.
    """
    table = _normal_table(max(20, (2 * image.size).bit_length()))
    start = int(place * (len(table) - image.size))
    noise = table[start : start + image.size].reshape(image.shape)
    return cv2.addWeighted(image, 1.0, noise, std, 0.0, dtype=cv2.CV_8U)


@lru_cache(maxsize=2)
def _normal_table(bits: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(1 << bits, np.float32)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """The picture after a JPEG file of a quality from 1 to 100."""
    _, stored = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    restored = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    assert restored is not None
    return cv2.cvtColor(restored, cv2.COLOR_BGR2RGB)


def erase(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Puts noise in the place of one rectangle of up to a share of the picture (Zhong et al. 2020)."""
    height, width = image.shape[:2]
    ratio = 3 ** rng.uniform(-1, 1)  # height / width, as often above 1 as below
    area = share * height * width
    h, w = _side(math.sqrt(area * ratio), height), _side(math.sqrt(area / ratio), width)
    y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
    image = image.copy()
    image[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    return image


def occlude(image: np.ndarray, shares_hw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Puts ellipses and rectangles in front of the picture, anywhere, perhaps partly beyond its edge.

    Each is of one colour, or shows a piece of the picture itself: twice as large and upside down, a texture
    rather than another limb.

    Args:
        image: The picture.
        shares_hw: Their heights and widths, as shares of the picture's, (N, 2).
        rng: What places, angles, shapes and fillings are drawn from.
    """
    changed, texture = image.copy(), None
    height, width = image.shape[:2]
    for share_h, share_w in shares_hw:
        y, x, angle, round_, plain = rng.random(5)
        shape = ((x * width, y * height), (share_w * width, share_h * height), 180 * angle)
        if plain < 0.5:
            _draw(changed, shape, round_ < 0.5, rng.integers(0, 256, 3).tolist())
        else:
            mask = np.zeros((height, width), np.uint8)
            _draw(mask, shape, round_ < 0.5, [1])
            texture = _texture(image, rng) if texture is None else texture
            cv2.copyTo(texture, mask, changed)
    return changed


def _draw(
    canvas: np.ndarray,
    shape: tuple[tuple[float, float], tuple[float, float], float],
    round_: bool,
    value: list[int],
) -> None:
    """Fills an ellipse or a rectangle: centre, sides, degrees."""
    if round_:
        cv2.ellipse(canvas, shape, value, cv2.FILLED)
    else:
        cv2.fillConvexPoly(canvas, np.rint(cv2.boxPoints(shape)).astype(np.int32), value)


def _texture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random part of the picture, half as high and wide, in its size and upside down."""
    height, width = image.shape[:2]
    half_h, half_w = (height + 1) // 2, (width + 1) // 2
    y, x = rng.integers(height - half_h + 1), rng.integers(width - half_w + 1)
    return cv2.flip(cv2.resize(image[y : y + half_h, x : x + half_w], (width, height)), 0)


def _side(length: float, longest: int) -> int:
    """A whole number of pixels that the picture has room for."""
    return min(max(round(float(length)), 1), longest)
