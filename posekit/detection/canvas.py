"""Whole pictures changed at random: parts of several, in other sizes and places, on one canvas.

Few photos, and photos of one large person each, so become many that hold people of every size. Several on a
canvas is the "mosaic" of Bochkovskiy et al., *YOLOv4* (2020), section 3.4, here with grids of any side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from posekit.datasets.draws import Draws, drawing_for
from posekit.datasets.mixture import build_dataset, metainfo_of, parts_of
from posekit.detection.dataset import ImageSample, image_sample
from posekit.detection.letterbox import FILL, resized
from posekit.detection.pasted import LEAST_SIDE, PastedPeople
from posekit.errors import ConfigError, shown
from posekit.registry import DATASETS
from posekit.transforms.pixels import PixelChanges

# Of an inner edge of a grid, as a share of a cell's side.
_JITTER = 0.3


class Piece(NamedTuple):
    """A part of a picture, resized, and where it lies.

    Attributes:
        image: uint8 (h, w, 3).
        boxes_xyxy: float32 (n, 4), of people.
        ignored_xyxy: float32 (m, 4).
    """

    image: np.ndarray
    boxes_xyxy: np.ndarray
    ignored_xyxy: np.ndarray


@DATASETS.register_module()
class PeopleCanvas(Dataset[ImageSample]):
    """Canvases of one size, each with one picture of a data set or a grid of several.

    Each picture of the data set is once in an epoch the first of a canvas; the others are drawn. A picture is
    resized about the size that fits its cell; what reaches beyond is cut at random, and where it is smaller
    it lies at random. All draws depend on seed, epoch and sample alone.

    Args:
        dataset: A data set of :class:`~posekit.detection.dataset.ImageSample`, or its settings:
            ``PeopleImages``, or a ``MixedDataset`` of such.
        size_hw: Of the canvas, pixels.
        grids: Side of the grid -> how often: ``{1: 0.6, 2: 0.4}`` has 2 x 2 pictures on two canvases of five.
        scale: Range of the factor on the size in which a picture just fits its cell, even over its logarithm.
        stretch: Width and height are changed against each other by up to this factor.
        least_visible: Of a person's box, at least this share of the area must be left, or what is left is
            ignored: neither person nor background.
        pixels: Changes of the canvas's pixels, as of ``TopDownDataset``: ``Pixels`` or its settings, any
            function ``(image, rng) -> image``, or a list of these.
        seed: In a ``DataLoader`` of one's own; a run's data sets draw by its own seed.
        pasted: People to paste onto the canvas before its pixels change:
            :class:`~posekit.detection.pasted.PastedPeople` or its settings.

    Raises:
        ConfigError: On an impossible setting.
    """

    def __init__(
        self,
        dataset: Any,
        size_hw: Sequence[int] = (320, 320),
        grids: Mapping[int, float] | None = None,
        scale: Sequence[float] = (0.5, 2.0),
        stretch: float = 1.2,
        least_visible: float = 0.4,
        pixels: Any = None,
        seed: int = 0,
        pasted: Any = None,
    ) -> None:
        self.dataset = build_dataset(dataset)
        self.size_hw, self.scale = tuple(size_hw), tuple(scale)
        self.grids, self.shares = _grids({1: 1.0} if grids is None else grids)
        self.stretch, self.least_visible = stretch, least_visible
        changes = pixels if isinstance(pixels, (list, tuple)) else [] if pixels is None else [pixels]
        self.pixels = PixelChanges([build_dataset(one) for one in changes])
        self.pasted = None if pasted is None else build_dataset(pasted)
        self._check()
        self._draws = Draws(len(self.dataset), seed)

    def _check(self) -> None:
        if len(self.size_hw) != 2 or min(self.size_hw) < 32:
            raise ConfigError(f"PeopleCanvas: 'size_hw' must be two sides from 32 on, found {self.size_hw}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] <= 8:
            raise ConfigError(
                f"PeopleCanvas: 'scale' must be a range (low, high) within 0 to 8, found {self.scale}"
            )
        if not 1 <= self.stretch <= 4:
            raise ConfigError(f"PeopleCanvas: 'stretch' must be from 1 to 4, found {self.stretch!r}")
        if not 0 < self.least_visible <= 1:
            raise ConfigError(
                f"PeopleCanvas: 'least_visible' must be above 0, at most 1, found {self.least_visible!r}"
            )
        if self.pasted is not None and not isinstance(self.pasted, PastedPeople):
            raise ConfigError(
                "PeopleCanvas: 'pasted' must be PastedPeople or its settings, found "
                f"{shown(self.pasted)}; what changes pixels alone belongs in 'pixels'"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def parts(self) -> list[Any]:
        """The data set within, for what is asked of each part of a mixture."""
        return [self.dataset]

    @property
    def metainfo(self) -> dict[str, Any]:
        """For logs, what the data set within says of itself."""
        inner = self.dataset
        return inner.metainfo if hasattr(inner, "metainfo") else metainfo_of(inner)

    def full_init(self) -> None:
        """Nothing; mmengine's wrappers of data sets ask for it."""

    def faulty_images(self) -> list[str]:
        """Names of the images that could not be read so far, by any worker."""
        found = [part.faulty_images() for part in parts_of(self) if hasattr(part, "faulty_images")]
        return [name for names in found for name in names]

    def __getitem__(self, key: int) -> ImageSample:
        """The canvas of a number, or of the key that a sampler yields."""
        index, draw = self._draws.of(key)
        rng = draw.rng(index)
        side = int(rng.choice(self.grids, p=self.shares))
        others = rng.integers(len(self.dataset), size=side**2 - 1).tolist()
        with drawing_for(draw.key(index)):
            samples = [self.dataset[row] for row in (index, *others)]
        cells = grid_cells(self.size_hw, side, rng)
        canvas = np.empty((*self.size_hw, 3), np.uint8)
        canvas[:] = FILL
        boxes, ignored = [np.zeros((0, 4), np.float32)], [np.zeros((0, 4), np.float32)]
        for sample, cell in zip(samples, rng.permutation(cells).tolist(), strict=True):
            piece = self._piece(sample, (cell[2] - cell[0], cell[3] - cell[1]), rng)
            corner = np.array(cell[:2], np.float32)
            height, width = piece.image.shape[:2]
            canvas[cell[1] : cell[1] + height, cell[0] : cell[0] + width] = piece.image
            boxes.append(piece.boxes_xyxy + np.tile(corner, 2))
            ignored.append(piece.ignored_xyxy + np.tile(corner, 2))
        people, unclear = np.concatenate(boxes), np.concatenate(ignored)
        if self.pasted is not None:
            people, unclear = self.pasted(canvas, people, unclear, draw.rng(index, 2))
        canvas = self.pixels(canvas, partial(draw.rng, index, 1))
        return image_sample(canvas, people, samples[0].image_id, unclear)

    def _piece(self, sample: ImageSample, cell_wh: tuple[int, int], rng: np.random.Generator) -> Piece:
        """What of a picture lies in a cell, filled up to the cell's size."""
        image = sample.image.permute(1, 2, 0).numpy()
        size_wh, room = np.array(image.shape[1::-1]), np.array(cell_wh)
        factor = (room / size_wh).min() * np.exp(rng.uniform(*np.log(self.scale)))
        ratio = np.exp(rng.uniform(-1, 1) * np.log(self.stretch) / 2)
        new_wh = np.maximum(np.round(size_wh * factor * np.array([ratio, 1 / ratio])), 1).astype(int)
        # The new picture's corner in the cell: anywhere that leaves no more of either empty than need be.
        corner = np.round(rng.uniform(0, 1, 2) * (room - new_wh)).astype(int)
        boxes, ignored = (
            table.numpy() * np.tile(new_wh / size_wh, 2) + np.tile(corner, 2)
            for table in (sample.boxes_xyxy, sample.ignored_xyxy)
        )
        people, cut_away = clipped(boxes, cell_wh, self.least_visible)
        regions, slivers = clipped(ignored, cell_wh, 0.0)
        shown = _placed(resized(image, new_wh.tolist()), corner, cell_wh)
        return Piece(shown, people, np.concatenate([cut_away, regions, slivers]))


def _grids(grids: Mapping[int, float]) -> tuple[list[int], np.ndarray]:
    sides, shares = list(grids), np.array(list(grids.values()), np.float64)
    whole = all(isinstance(side, int) and 1 <= side <= 8 for side in sides)
    if not whole or not len(sides) or not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ConfigError(
            f"PeopleCanvas: 'grids' must state sides from 1 to 8, each with a positive share, found {grids!r}"
        )
    return sides, shares / shares.sum()


def grid_cells(size_hw: Sequence[int], side: int, rng: np.random.Generator) -> np.ndarray:
    """The cells of a grid whose inner edges are drawn, int (side^2, 4) xyxy; they fill the canvas."""
    edges = []
    for length in size_hw:
        inner = np.arange(1, side) + rng.uniform(-_JITTER, _JITTER, side - 1)
        edges.append(np.round(np.array([0, *inner, side]) * (length / side)).astype(int))
    y, x = edges
    return np.array(
        [(x[j], y[i], x[j + 1], y[i + 1]) for i in range(side) for j in range(side)], dtype=np.int64
    )


def _placed(image: np.ndarray, corner: np.ndarray, cell_wh: Sequence[int]) -> np.ndarray:
    """What a cell shows of a picture with its corner there, uint8 (h, w, 3)."""
    width, height = cell_wh
    cell = np.empty((height, width, 3), np.uint8)
    cell[:] = FILL
    left, top = np.maximum(-corner, 0)
    x, y = np.maximum(corner, 0)
    shown = image[top : top + height - y, left : left + width - x]
    cell[y : y + shown.shape[0], x : x + shown.shape[1]] = shown
    return cell


def clipped(
    boxes_xyxy: np.ndarray, size_wh: Sequence[int], least_visible: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as a window shows them, float32 (n, 4) and (m, 4).

    Args:
        boxes_xyxy: (k, 4), window pixels.
        size_wh: Of the window.
        least_visible: Of a box's area, the least share.

    Returns:
        Those of which that share is left, and what is left of the others; of boxes outside, nothing.
    """
    inside = np.clip(boxes_xyxy, 0, np.tile(size_wh, 2)).astype(np.float32)
    area, left = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (boxes_xyxy, inside))
    whole = (left >= least_visible * area) & ((inside[:, 2:] - inside[:, :2]).min(axis=1) >= LEAST_SIDE)
    return inside[whole], inside[~whole & (left > 0)]
