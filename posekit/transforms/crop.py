"""The plan of a crop: how a box becomes the network's input, by one warp (``geometry.warp_matrix``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posekit.errors import ConfigError
from posekit.geometry import check_convention, crop_from_box, warp_matrix
from posekit.registry import DATASETS


@DATASETS.register_module()
@dataclass(frozen=True)
class Crop:
    """How a box becomes the network's input.

    Attributes:
        input_size_hw: Height and width of the input.
        aspect: Width / height of the crop; None keeps the input's. Another aspect stretches the crop, as in
            the focal MSE paper, whose 3:4 crops (width:height) fill 256 x 256.
        padding: Factor on the crop's sides.
        convention: "hrnet", "udp" or "dark" (see ``posekit.geometry``).

    Raises:
        ConfigError: On sizes or factors that are not positive, or an unknown convention.
    """

    input_size_hw: tuple[int, int]
    aspect: float | None = None
    padding: float = 1.25
    convention: str = "hrnet"

    def __post_init__(self) -> None:
        size = tuple(self.input_size_hw)
        if len(size) != 2 or any(not isinstance(side, int) or side < 2 for side in size):
            raise ConfigError(f"crop: 'input_size_hw' must be two sides of at least 2, found {size}")
        object.__setattr__(self, "input_size_hw", size)
        if self.aspect is not None and not 0 < self.aspect < float("inf"):
            raise ConfigError(f"crop: 'aspect' must be a positive width / height, found {self.aspect}")
        if not 0 < self.padding < float("inf"):
            raise ConfigError(f"crop: 'padding' must be positive, found {self.padding}")
        check_convention(self.convention)

    @property
    def crop_aspect(self) -> float:
        """Width / height of the crop."""
        height, width = self.input_size_hw
        return width / height if self.aspect is None else self.aspect

    def place(self, box_xyxy: np.ndarray) -> Placement:
        """The crop of a box (4,), without any random change."""
        center, size_wh = crop_from_box(box_xyxy, self.crop_aspect, self.padding, self.convention)
        return Placement(center, size_wh)

    def warp(self, placement: Placement) -> np.ndarray:
        """float64 (2, 3): image pixels -> input pixels."""
        return warp_matrix(
            placement.center,
            placement.size_wh,
            self.input_size_hw,
            placement.rotation_deg,
            placement.flip,
            self.convention,
        )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a crop lies in its image.

    Attributes:
        center: float64 (2,), image pixels.
        size_wh: float64 (2,), width and height in image pixels, padding included.
        rotation_deg: Degrees, positive turns the content counter-clockwise.
        flip: Whether the crop is mirrored.
        window_xyxy: First and last column and row of the image, as though it ended there; None: all of it.
    """

    center: np.ndarray
    size_wh: np.ndarray
    rotation_deg: float = 0.0
    flip: bool = False
    window_xyxy: tuple[float, float, float, float] | None = None
