"""People -> samples: one decoded image, one warp, one crop per person.

The crop is cut by a single ``cv2.warpAffine``, the mirror image folded into its matrix. A sample's random
draws depend on (seed, epoch, row) alone, so neither the sampler nor the number of workers or processes
changes it (:mod:`posekit.datasets.draws`).
Images are read as their labels mean them (:mod:`posekit.datasets.pictures`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from posekit.datasets.draws import Draw, Draws
from posekit.datasets.mapping import with_skeleton
from posekit.datasets.pictures import read_picture
from posekit.datasets.split import check_rows
from posekit.datasets.stages import Placed
from posekit.datasets.table import PersonTable
from posekit.datasets.weights import take_keypoint_weights
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp
from posekit.io.images import ImageBuffer, cv2, missing_images
from posekit.io.near_images import missing_message
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import PersonRecord, Sample, Skeleton
from posekit.transforms import Augment, Crop, Pixels, Placement, Upright
from posekit.transforms.pixels import Change, PixelChanges
from posekit.transforms.truncation import within_window

# Where a keypoint is that is known not to be there: beyond any crop, input pixels.
NOWHERE = -1e5

_worker_is_set_up = False


@DATASETS.register_module()
class TopDownDataset(Dataset[Sample]):
    """The crops of a table's people.

    Args:
        source: A table, or a loader and its settings: ``dict(type=load_coco, ann_file=..., ...)``.
        skeleton: The keypoints; handed to the loader unless the source states its own.
        empty: The rows are windows without a person (:func:`~posekit.datasets.background.load_backgrounds`):
            every keypoint is known to be nowhere. Samples have them far outside, with weight 1; a codec with
            ``outside="keep"`` teaches empty maps by them.
        keypoint_map: The source has another skeleton, its loader's own: "names" takes the keypoints of the
            same name, a dict says more (:func:`~posekit.datasets.mapping.columns_of`). Keypoints that it
            does not label carry no weight.
        crop: A ``Crop`` or its settings.
        upright: How points that are known already correct the crop's rotation and box before any random
            change (:class:`~posekit.transforms.Upright`, or its settings); None: crops are the boxes'.
        first_stage: Where these points are from (:mod:`posekit.datasets.stages`): a network, or a file of
            its results, or settings of one. None: they are the labelled keypoints.
        augment: An ``Augment`` or its settings; None: none.
        pixels: Changes of the crop's pixels: ``Pixels`` or its settings, any function ``(image, rng) ->
            image`` of uint8 (H, W, 3) RGB, or a list of these, each with a generator of its own; None: none.
        keypoint_weight: The extra column of the table, (people, K) in 0..2, that is multiplied with the
            keypoints' weights (:mod:`posekit.datasets.weights`).
        subset: Row numbers, or a selector and its settings: ``dict(type=hashed_split, part="val")``.
        on_bad_image: "error" raises on an image that cannot be read; "skip" takes the next readable
            person's sample instead and remembers the file (:meth:`faulty_images`).
        check_images: Look at once whether all image files exist.
        seed: Of the augmentation in a ``DataLoader`` of one's own; a run's data sets draw by its own seed.

    Raises:
        ConfigError: On settings that contradict each other.
        DataError: On a faulty annotation, or a missing image unless images may be skipped.
    """

    def __init__(
        self,
        source: PersonTable | Mapping[str, Any],
        skeleton: Skeleton | str | Mapping[str, Any] | None = None,
        crop: Crop | Mapping[str, Any] = Crop((256, 256)),  # noqa: B008 (immutable)
        augment: Augment | Mapping[str, Any] | None = None,
        subset: Sequence[int] | Callable[[PersonTable], Any] | Mapping[str, Any] | None = None,
        on_bad_image: str = "error",
        check_images: bool = True,
        seed: int = 0,
        keypoint_map: Mapping[str, Any] | str | None = None,
        empty: bool = False,
        pixels: Any = None,
        keypoint_weight: str | None = None,
        upright: Upright | Mapping[str, Any] | None = None,
        first_stage: Any = None,
    ) -> None:
        if on_bad_image not in ("error", "skip"):
            raise ConfigError(f"'on_bad_image' must be 'error' or 'skip', found {on_bad_image!r}")
        self.table = select_people(load_people(source, skeleton, keypoint_map), subset)
        self._weights: np.ndarray | None = None
        if keypoint_weight is not None:
            self.table, self._weights = take_keypoint_weights(self.table, keypoint_weight)
        images = None if subset is None else np.unique(self.table.image_index)
        self._image_ids = None if images is None else self.table.image_ids[images]
        self.crop: Crop = _build(crop, Crop)
        self.augment: Augment | None = None if augment is None else _build(augment, Augment)
        if self.augment is not None:
            self.augment.check_skeleton(self.table.skeleton)
        stated = pixels if isinstance(pixels, (list, tuple)) else [pixels]
        self.pixels = None if pixels is None else PixelChanges([_build(one, Pixels) for one in stated])
        self.on_bad_image = on_bad_image
        self.empty = empty
        if empty and self.table.visible.any():
            raise ConfigError(
                f"dataset: {self.table.ann_file} labels keypoints, which 'empty' says are nowhere"
            )
        self._flip_index = self.table.skeleton.flip_index
        # One flag per image, in shared memory: workers set it, the main process reads it.
        self._faulty = torch.zeros(len(self.table.image_ids), dtype=torch.uint8).share_memory_()
        self._draws = Draws(len(self), seed)
        self._buffer = ImageBuffer()
        self._last: tuple[int, np.ndarray] | None = None
        if check_images:
            self._check_images()
        stages = _build(upright, Upright), _build(first_stage, Placed)
        self._placed = None if stages == (None, None) else Placed(self.table, self.crop, *stages)

    def __len__(self) -> int:
        return len(self._image_index)

    @property
    def _image_index(self) -> np.ndarray:  # of each sample
        return self.table.image_index

    @property
    def metainfo(self) -> dict[str, Any]:
        """What evaluators and logs need to know.

        Skeleton, table, box source, annotation file, crop, images to score, number of people, what was left
        out of the file and why, and what corrects the crops, if anything does. ``image_ids`` is None where
        all images of the annotation count, as they do without a ``subset``.
        """
        return {
            "skeleton": self.table.skeleton,
            "table": self.table,
            "box_source": self.table.box_source,
            "ann_file": self.table.ann_file,
            "crop": self.crop,
            "image_ids": self._image_ids,
            "people": len(self.table),
            "counts": dict(self.table.counts),
            **({} if self._placed is None else {"crops": self._placed.describe()}),
        }

    def faulty_images(self) -> list[str]:
        """Names of the images that could not be read so far, by any worker."""
        return [self.table.image_name(int(image)) for image in self._faulty.nonzero()]

    def full_init(self) -> None:
        """Nothing, since the table is read at once; mmengine's wrappers of data sets ask for it."""

    def __getitem__(self, key: int) -> Sample:
        """The sample of a row.

        Args:
            key: A row number, or the key that an ``EpochSampler`` yields. The n-th time that a row is asked
                for by its bare number, from 0, its augmentation is that of epoch n.

        Raises:
            DataError: If the image cannot be read and may not be skipped, or none can.
        """
        _set_up_worker()
        row, draw = self._draws.of(key)
        try:
            return self._sample(draw, row)
        except DataError:
            if self.on_bad_image == "error":
                raise
            self._faulty[int(self._image_index[row])] = 1
        return self._substitute(draw, row)

    def _substitute(self, draw: Draw, row: int) -> Sample:
        """The sample of the next person whose image can be read; the same whoever asks, and when."""
        for step in range(1, len(self)):
            other = (row + step) % len(self)
            image = int(self._image_index[other])
            if self._faulty[image]:
                continue
            try:
                return self._sample(draw, other)
            except DataError:
                self._faulty[image] = 1
        raise DataError(f"{self.table.image_dir}: not one image of {self.table.ann_file} can be read")

    def _sample(self, draw: Draw, row: int) -> Sample:
        record = self.table[row]
        image = self._image(row)
        placement = self._placement(draw, row, record)
        warp = from_part = self.crop.warp(placement)
        first_xy = (0, 0)
        if placement.window_xyxy is not None:
            image, from_part, first_xy = within_window(image, warp, placement.window_xyxy)
        change = None if self.pixels is None else partial(self.pixels, generator=partial(draw.rng, row, 1))
        keypoints, weight = self._keypoints(row, first_xy, image.shape[:2], warp, placement.flip)
        return Sample(
            image=cut(image, from_part, self.crop.input_size_hw, change),
            keypoints=keypoints,
            weight=weight,
            warp=warp,
            box_xyxy=np.array(record.box_xyxy),
            box_score=np.float32(record.box_score),
            image_id=np.int64(record.image_id),
            person_id=np.int64(record.person_id),
            extra=self.table.columns_of(record, placement.flip),
        )

    def _placement(self, draw: Draw, row: int, record: PersonRecord) -> Placement:
        """Where a person's crop lies: by box or points, then changed at random if there is an ``augment``."""
        base = () if self._placed is None else (self._placed.of(row),)
        if self.augment is not None:
            return self.augment.draw(draw.rng(row), record, self.table.skeleton, self.crop, *base)
        return base[0] if base else self.crop.place(record.box_xyxy)

    def _image(self, row: int) -> np.ndarray:
        """The decoded image; the last one is kept, since a detector finds some 20 people on each."""
        index = int(self._image_index[row])
        if self._last is None or self._last[0] != index:
            self._last = None  # its memory is about to be overwritten
            self._last = index, read_picture(self.table, index, self._buffer.read)
        return self._last[1]

    def _keypoints(
        self, row: int, first_xy: tuple[int, int], size_hw: tuple[int, ...], warp: np.ndarray, flip: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints in input pixels and their weights; a mirrored crop has left and right exchanged."""
        if self.empty:
            number = self.table.skeleton.num_keypoints
            return np.full((number, 2), NOWHERE, np.float32), np.ones(number, np.float32)
        keypoints, labelled = self.table.keypoints[row], self.table.visible[row] > 0
        last_xy = (first_xy[0] + size_hw[1] - 1, first_xy[1] + size_hw[0] - 1)
        inside = ((keypoints >= first_xy) & (keypoints <= last_xy)).all(axis=1)
        points = apply_warp(keypoints, warp).astype(np.float32) * labelled[:, None]
        weight = (labelled & inside).astype(np.float32)
        if self._weights is not None:
            weight *= self._weights[row]
        if flip:
            points, weight = points[self._flip_index], weight[self._flip_index]
        return points, weight

    def _check_images(self) -> None:
        images = np.unique(self._image_index)
        names = [self.table.image_name(int(image)) for image in images]
        missing = missing_images(self.table.image_dir, names)
        if not missing:
            return
        message = missing_message(self.table.ann_file, self.table.image_dir, missing, len(names))
        if self.on_bad_image == "error" or len(missing) == len(names):
            raise DataError(message)
        warnings.warn(message + "; other people take their place", stacklevel=3)
        gone = set(missing)
        self._faulty[[int(i) for i, name in zip(images, names, strict=True) if name in gone]] = 1

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None, "_buffer": ImageBuffer()}


def cut(
    image: np.ndarray, warp: np.ndarray, input_size_hw: tuple[int, int], change: Change | None = None
) -> np.ndarray:
    """Cuts a crop: bilinear, black outside the image.

    Args:
        image: uint8 (H, W, 3) RGB, or with a fourth channel as ``ImageBuffer`` reads it.
        warp: float64 (2, 3), image -> input pixels.
        input_size_hw: The crop's height h and width w.
        change: Makes of the crop, uint8 (h, w, 3) RGB, another of this kind.

    Returns:
        uint8 (3, h, w), contiguous.
    """
    height, width = input_size_hw
    if image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    crop = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR)
    crop = crop if change is None else change(cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB))
    planes = np.empty((crop.shape[2], height, width), dtype=np.uint8)
    # OpenCV splits into these planes in half the time of numpy's transposed copy.
    cv2.split(crop, list(planes))
    return planes[:3]


def _set_up_worker() -> None:
    """One OpenCV thread per data worker: the workers are the parallelism; in the main process, nothing."""
    global _worker_is_set_up
    if not _worker_is_set_up and get_worker_info() is not None:
        cv2.setNumThreads(0)
        _worker_is_set_up = True


def _build(spec: Any, default: Callable[..., Any]) -> Any:
    """An object from itself or from its settings, a dict whose ``type`` may be left out or be a name."""
    if not isinstance(spec, Mapping):
        return spec
    settings = dict(spec)
    maker = _resolve(settings.pop("type", default))
    try:
        return maker(**settings)
    except TypeError as error:  # a misspelt or missing setting
        raise ConfigError(f"{getattr(maker, '__name__', maker)}: {error}") from error


def _resolve(maker: Any) -> Callable[..., Any]:
    if isinstance(maker, str):
        found = DATASETS.get(maker)
        if found is None:
            raise ConfigError(f"dataset: 'type' names {maker!r}, which is not registered")
        return found
    return maker


def load_people(
    source: PersonTable | Mapping[str, Any],
    skeleton: Skeleton | str | Mapping[str, Any] | None,
    keypoint_map: Mapping[str, Any] | str | None = None,
) -> PersonTable:
    """The table of a data set's ``source``; arguments and errors as :class:`TopDownDataset` has them."""
    if keypoint_map is not None:
        if skeleton is None:
            raise ConfigError("dataset: 'keypoint_map' needs the 'skeleton' that it leads to")
        return with_skeleton(load_people(source, None), get_skeleton(skeleton), keypoint_map)
    if isinstance(source, Mapping):
        if "type" not in source:
            raise ConfigError("dataset: 'source' needs a 'type', e.g. load_coco")
        settings = dict(source)
        if skeleton is not None:
            settings.setdefault("skeleton", skeleton)
        source = _build(settings, PersonTable)
    if not isinstance(source, PersonTable):
        raise ConfigError(f"dataset: 'source' must give a PersonTable, found {type(source).__name__}")
    if skeleton is not None and get_skeleton(skeleton) != source.skeleton:
        raise ConfigError(
            f"dataset: the source has skeleton '{source.skeleton.name}', the config states "
            f"'{get_skeleton(skeleton).name}' (or other names, pairs or sigmas); keypoint_map='names' takes "
            "the keypoints that both have"
        )
    return source


def select_people(table: PersonTable, subset: Any) -> PersonTable:
    """The people of a table that a data set's ``subset`` chooses."""
    if subset is None:
        return table
    if isinstance(subset, Mapping):
        settings = dict(subset)
        if "type" not in settings:
            raise ConfigError("dataset: 'subset' needs a 'type', e.g. hashed_split")
        subset = _build({"table": table, **settings}, PersonTable)
    elif callable(subset):
        subset = subset(table)
    rows = np.asarray(subset)
    if rows.size == 0 or (rows.dtype == bool and not rows.any()):
        raise ConfigError(f"dataset: 'subset' selects no one of the {len(table)} people of {table.ann_file}")
    if rows.dtype != bool or rows.shape != (len(table),):
        check_rows(rows, len(table), "dataset: 'subset'", f"people of {table.ann_file}")
    return table.select(rows)
