"""Random changes of a crop's pixels, after it is cut: colours, blur, noise, compression, things in front.

They change no keypoint, and their random numbers are not those of :class:`~posekit.transforms.Augment`: the
crops are the same with them and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.registry import DATASETS
from posekit.transforms import effects
from posekit.transforms.settings import is_number, number_range, probability, whole_range

_probability = partial(probability, "pixels")
_range, _whole = partial(number_range, "pixels"), partial(whole_range, "pixels")

Change = Callable[[np.ndarray], np.ndarray]
RandomChange = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# In the order in which they happen: first what is in front of the camera, then the light, the lens, the
# sensor, the file.
_EFFECTS = ("occlude", "erase", "jitter", "grey", "blur", "motion", "noise", "jpeg")
_NUMBERS = 4  # that each may use


@DATASETS.register_module()
class Pixels:
    """Random changes of a picture's colours and details; a probability of 0 leaves an effect out.

    Each effect has random numbers of its own, which do not depend on what else happens. Lengths are pixels
    of the crop. A range is (low, high), both included; for a factor s means (1 - s, 1 + s).

    A keypoint behind an occluder or in an erased part keeps its label: it is hidden, as joints of photos
    are, and to be told from the rest of the body is what these effects teach.

    Args:
        jitter_prob: Probability of other brightness, contrast, saturation and hue, all at once.
        brightness: Range of the factor on all values.
        contrast: Range of the factor on the distance from the mean grey.
        saturation: Range of the factor on the distance from grey.
        hue: Colours turn by up to so many degrees, one way or the other.
        grey_prob: Probability of a grey picture.
        blur_prob: Probability of a Gaussian blur.
        blur_sigma: Range of its standard deviation.
        motion_prob: Probability of a blur along a line in any direction.
        motion_length: Range of its length.
        noise_prob: Probability of normal noise.
        noise_std: Range of its standard deviation, of values 0..255.
        jpeg_prob: Probability of JPEG's losses.
        jpeg_quality: Range of its quality, 1..100.
        erase_prob: Probability of one rectangle of noise.
        erase_area: Range of its share of the picture.
        occlude_prob: Probability of things in front: ellipses and rectangles of one colour, or of what is
            elsewhere in the crop.
        occluders: Range of their number.
        occluder_size: Range of their height and width, as shares of the picture's.

    Raises:
        ConfigError: On a probability outside 0..1, or a range that is empty or leaves what is possible.
    """

    def __init__(
        self,
        jitter_prob: float = 0.8,
        brightness: float | Sequence[float] = (0.6, 1.4),
        contrast: float | Sequence[float] = (0.6, 1.4),
        saturation: float | Sequence[float] = (0.5, 1.5),
        hue: float = 15.0,
        grey_prob: float = 0.1,
        blur_prob: float = 0.2,
        blur_sigma: Sequence[float] = (0.3, 2.0),
        motion_prob: float = 0.1,
        motion_length: Sequence[int] = (3, 9),
        noise_prob: float = 0.2,
        noise_std: Sequence[float] = (2.0, 12.0),
        jpeg_prob: float = 0.2,
        jpeg_quality: Sequence[int] = (20, 80),
        erase_prob: float = 0.1,
        erase_area: Sequence[float] = (0.02, 0.15),
        occlude_prob: float = 0.3,
        occluders: Sequence[int] = (1, 2),
        occluder_size: Sequence[float] = (0.1, 0.35),
    ) -> None:
        self.jitter_prob = _probability("jitter_prob", jitter_prob)
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        if not is_number(hue) or not 0 <= hue <= 180:
            raise ConfigError(f"pixels: 'hue' must be in 0..180 degrees, found {shown(hue)}")
        self.hue = float(hue)
        self.grey_prob = _probability("grey_prob", grey_prob)
        self.blur_prob = _probability("blur_prob", blur_prob)
        self.blur_sigma = _range("blur_sigma", blur_sigma, 0.1, 100)
        self.motion_prob = _probability("motion_prob", motion_prob)
        self.motion_length = _whole("motion_length", motion_length, 2, 100)
        self.noise_prob = _probability("noise_prob", noise_prob)
        self.noise_std = _range("noise_std", noise_std, 0, 255)
        self.jpeg_prob = _probability("jpeg_prob", jpeg_prob)
        self.jpeg_quality = _whole("jpeg_quality", jpeg_quality, 1, 100)
        self.erase_prob = _probability("erase_prob", erase_prob)
        self.erase_area = _range("erase_area", erase_area, 0, 1)
        self.occlude_prob = _probability("occlude_prob", occlude_prob)
        self.occluders = _whole("occluders", occluders, 1, 100)
        self.occluder_size = _range("occluder_size", occluder_size, 0, 1)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes a picture.

        Args:
            image: uint8 (H, W, 3), RGB; it is left as it is.
            rng: What the changes are drawn from.

        Returns:
            uint8 (H, W, 3), RGB.
        """
        # All at once: what an effect draws depends on no other's setting.
        drawn = rng.random((len(_EFFECTS), 1 + _NUMBERS)).tolist()
        for name, (happens, *numbers) in zip(_EFFECTS, drawn, strict=True):
            if happens < getattr(self, f"{name}_prob"):
                image = getattr(self, f"_{name}")(image, *numbers)
        return image

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"Pixels({settings})"

    def _occlude(self, image: np.ndarray, number: float, seed: float, *_: float) -> np.ndarray:
        rng = _generator(seed)
        sizes = rng.uniform(*self.occluder_size, (_whole_in(self.occluders, number), 2))
        return effects.occlude(image, sizes, rng)

    def _erase(self, image: np.ndarray, area: float, seed: float, *_: float) -> np.ndarray:
        return effects.erase(image, _in(self.erase_area, area), _generator(seed))

    def _jitter(
        self, image: np.ndarray, bright: float, contrast: float, colour: float, hue: float
    ) -> np.ndarray:
        return effects.recolour(
            image,
            _in(self.brightness, bright),
            _in(self.contrast, contrast),
            _in(self.saturation, colour),
            _in((-self.hue, self.hue), hue),
        )

    def _grey(self, image: np.ndarray, *_: float) -> np.ndarray:
        return effects.grey(image)

    def _blur(self, image: np.ndarray, sigma: float, *_: float) -> np.ndarray:
        return effects.blur(image, _in(self.blur_sigma, sigma))

    def _motion(self, image: np.ndarray, length: float, angle: float, *_: float) -> np.ndarray:
        return effects.motion_blur(image, _whole_in(self.motion_length, length), 180 * angle)

    def _noise(self, image: np.ndarray, std: float, place: float, *_: float) -> np.ndarray:
        return effects.add_noise(image, _in(self.noise_std, std), place)

    def _jpeg(self, image: np.ndarray, quality: float, *_: float) -> np.ndarray:
        return effects.jpeg(image, _whole_in(self.jpeg_quality, quality))


def _in(low_high: tuple[float, float], share: float) -> float:
    """The number at a share, 0..1, of the way through a range."""
    return low_high[0] + (low_high[1] - low_high[0]) * share


def _whole_in(first_last: tuple[int, int], share: float) -> int:
    """Each whole number of a range for an equal part of the shares below 1."""
    return int(first_last[0] + (first_last[1] - first_last[0] + 1) * share)


def _generator(share: float) -> np.random.Generator:
    """For an effect that needs more numbers than a few."""
    return np.random.default_rng(int(share * 2**53))


class PixelChanges:
    """Several changes of pixels in turn, each with random numbers of its own, and each checked.

    Args:
        changes: Functions or objects ``(image, rng) -> image``; the image is uint8 (H, W, 3), RGB.

    Raises:
        ConfigError: If one of them cannot be called.
    """

    def __init__(self, changes: Sequence[RandomChange]) -> None:
        for change in changes:
            if not callable(change):
                raise ConfigError(
                    "dataset: 'pixels' must be Pixels, a function (image, rng) -> image, or a list of these, "
                    f"found {shown(change)}"
                )
        self.changes = list(changes)

    def __call__(self, image: np.ndarray, generator: Callable[[int], np.random.Generator]) -> np.ndarray:
        """The changed picture.

        Args:
            image: uint8 (H, W, 3), RGB.
            generator: The number of a change -> its random numbers.

        Raises:
            ConfigError: If a change returns something else than a picture of the same size.
        """
        for number, change in enumerate(self.changes):
            try:
                changed = change(image, generator(number))
            except DataError as error:  # of the change, not of the picture, which might be skipped
                raise ConfigError(f"dataset: 'pixels': {_name(change)}: {error}") from error
            if not _is_like(changed, image):
                raise ConfigError(
                    f"dataset: 'pixels': {_name(change)}: expected an image uint8 {image.shape}, as it was "
                    f"given, found {_described(changed)}; only changes of pixels fit here, what moves, cuts "
                    "or normalises the picture does not"
                )
            image = np.ascontiguousarray(changed)
        return image


def _is_like(changed: Any, image: np.ndarray) -> bool:
    return isinstance(changed, np.ndarray) and (changed.dtype, changed.shape) == (np.uint8, image.shape)


def _described(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else shown(value)


def _name(change: Any) -> str:
    return getattr(change, "__name__", type(change).__name__)


def _factors(name: str, value: Any) -> tuple[float, float]:
    return _range(name, (1 - value, 1 + value) if is_number(value) else value, 0, 100)
