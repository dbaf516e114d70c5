"""Whole pictures with the boxes of their people, for training and validating a detector.

Boxes are COCO's numbers as xyxy (:mod:`posekit.detection`), clipped to the image (0 to W, 0 to H); in a
mirrored image x is W - x. Crowd regions are no people to learn from: torchvision's training leaves them out,
a finder's takes them for neither people nor background; in the score they are what pycocotools makes of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from posekit.datasets.coco import read_images
from posekit.datasets.draws import Draw, Draws
from posekit.datasets.pictures import compare_pictures, label_reach, read_annotated
from posekit.detection.box_ap import person_category
from posekit.errors import ConfigError, DataError
from posekit.geometry import xywh_to_xyxy
from posekit.io.files import read_json, under
from posekit.io.images import check_image_name, missing_images
from posekit.io.records import require, require_box
from posekit.registry import DATASETS

_LEAST_SIDE = 1.0  # pixels that must be left of a box inside the image


class ImageSample(NamedTuple):
    """A picture, or a batch of them; pictures have different sizes, so that a batch holds lists.

    Attributes:
        image: uint8 (3, H, W) RGB; a list of B.
        boxes_xyxy: float32 (n, 4), image pixels; a list of B.
        image_id: int64 (); (B,).
        ignored_xyxy: float32 (m, 4), image pixels: regions that are neither person nor background; a list of
            B.
    """

    image: Any
    boxes_xyxy: Any
    image_id: Any
    ignored_xyxy: Any = None


def collate(samples: Sequence[ImageSample]) -> ImageSample:
    """Makes a batch of samples."""
    images, boxes, ids, ignored = zip(*samples, strict=True)
    numbers = torch.tensor([int(image_id) for image_id in ids])
    return ImageSample(list(images), list(boxes), numbers, list(ignored))


@DATASETS.register_module()
class PeopleImages(Dataset[ImageSample]):
    """The images of a COCO file with the boxes of their people.

    Args:
        ann_file: The json: ``images``, ``annotations`` with ``bbox``, ``categories``; no keypoints needed.
        image_dir: Folder that the file names are relative to.
        data_root: Put in front of both paths.
        flip_prob: How often an image is mirrored.
        keep_empty: Keep the images without people, which teach what is none.
        nobody: The file may hold no person at all: photos of rooms, animals, things, as a part of a mixture.
        on_bad_image: "error" raises on an image that cannot be read; "skip" takes the next readable one
            instead and remembers the file (:meth:`faulty_images`).
        seed: Of the mirroring in a ``DataLoader`` of one's own; a run's data sets draw by its own seed.

    Raises:
        ConfigError: On an impossible setting.
        DataError: On a faulty annotation, a missing image unless images may be skipped, or if nobody is left
            and that is not what ``nobody`` says.
    """

    def __init__(
        self,
        ann_file: str,
        image_dir: str,
        data_root: str = "",
        flip_prob: float = 0.0,
        keep_empty: bool = True,
        nobody: bool = False,
        on_bad_image: str = "error",
        seed: int = 0,
    ) -> None:
        if on_bad_image not in ("error", "skip"):
            raise ConfigError(f"'on_bad_image' must be 'error' or 'skip', found {on_bad_image!r}")
        if not 0 <= flip_prob <= 1:
            raise ConfigError(f"'flip_prob' must be from 0 to 1, found {flip_prob!r}")
        self.ann_file, self.image_dir = under(data_root, ann_file), under(data_root, image_dir)
        self.flip_prob, self.on_bad_image = flip_prob, on_bad_image
        content = read_json(self.ann_file)
        self.category_id = person_category(content, self.ann_file)
        names, ids, stated = read_images(content, self.ann_file, self.image_dir)
        self.counts: Counter[str] = Counter()
        boxes, ignored = _boxes(content, self.ann_file, self.category_id, ids, self.counts)
        sizes = self._as_pictured(names, stated, [boxes[image_id] for image_id in ids])
        self._drop_outside(boxes, ids, sizes)
        kept = [row for row, image_id in enumerate(ids) if keep_empty or len(boxes[image_id])]
        self.counts["image_without_people"] += len(ids) - len(kept)
        self.names, self.image_ids = [names[row] for row in kept], [ids[row] for row in kept]
        self.boxes = [boxes[image_id] for image_id in self.image_ids]
        self.ignored = [ignored[image_id] for image_id in self.image_ids]
        self.sizes_hw = [sizes[row] for row in kept]
        if not nobody and not any(len(found) for found in self.boxes):
            raise DataError(
                f"{self.ann_file}: expected at least one box of a person, found none; of photos without "
                "anybody, set nobody=True"
            )
        self._faulty = torch.zeros(len(self.names), dtype=torch.uint8).share_memory_()
        self._draws = Draws(len(self.names), seed)
        self._check_images()

    def _as_pictured(
        self, names: list[str], stated_hw: list[tuple[int, int]], boxes: list[np.ndarray]
    ) -> list[tuple[int, int]]:
        """The pictures' sizes; of those that agree with the annotation only after a turn, that one."""
        image = np.repeat(np.arange(len(boxes)), [len(found) for found in boxes])
        reach_xy = label_reach(len(names), image, np.concatenate([np.zeros((0, 4)), *boxes])[:, 2:])
        agreement = compare_pictures(
            self.image_dir, names, np.array(stated_hw), reach_xy, self.ann_file, self.on_bad_image
        )
        self.turn_by_exif = agreement.turn_by_exif
        return [(height, width) for height, width in agreement.sizes_hw.tolist()]

    def _drop_outside(
        self, boxes: dict[int, np.ndarray], ids: Sequence[int], sizes: Sequence[tuple[int, int]]
    ) -> None:
        """Clips boxes to images of known size, and leaves out those of which nothing stays."""
        for image_id, (height, width) in zip(ids, sizes, strict=True):
            found = boxes[image_id]
            if height and width:
                found = np.clip(found, 0, np.array([width, height, width, height], np.float32))
            kept = (found[:, 2:] - found[:, :2] >= _LEAST_SIDE).all(axis=1)
            self.counts["box_outside_image_or_empty"] += int((~kept).sum())
            boxes[image_id] = found[kept]

    def _check_images(self) -> None:
        for image_id, name in zip(self.image_ids, self.names, strict=True):
            check_image_name(name, f"{self.ann_file}: image id {image_id}")
        missing = set(missing_images(self.image_dir, self.names))
        if missing and (self.on_bad_image == "error" or len(missing) == len(self.names)):
            shown = ", ".join(sorted(missing)[:5])
            raise DataError(
                f"{self.ann_file}: {len(missing)} of {len(self.names)} images not found in {self.image_dir}: "
                f"{shown}"
            )
        self._faulty[[row for row, name in enumerate(self.names) if name in missing]] = 1

    def __len__(self) -> int:
        return len(self.names)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What evaluators and logs need to know."""
        return {
            "ann_file": self.ann_file,
            "category_id": self.category_id,
            "image_ids": list(self.image_ids),
            "people": sum(len(found) for found in self.boxes),
            "counts": {reason: number for reason, number in self.counts.items() if number},
        }

    def faulty_images(self) -> list[str]:
        """Names of the images that could not be read so far, by any worker."""
        return [self.names[int(row)] for row in self._faulty.nonzero()]

    def full_init(self) -> None:
        """Nothing, since the file is read at once; mmengine's wrappers of data sets ask for it."""

    def __getitem__(self, key: int) -> ImageSample:
        """The sample of a row number or of the key that an ``EpochSampler`` yields.

        Raises:
            IndexError: If there is no such row.
            DataError: If the image cannot be read and may not be skipped, or none can.
        """
        row, draw = self._draws.of(key)
        for step in range(len(self)):
            other = (row + step) % len(self)
            if self._faulty[other]:
                continue
            try:
                return self._sample(draw, other)
            except DataError:
                if self.on_bad_image == "error":
                    raise
                self._faulty[other] = 1
        raise DataError(f"{self.image_dir}: not one image of {self.ann_file} can be read")

    def _sample(self, draw: Draw, row: int) -> ImageSample:
        path = str(Path(self.image_dir) / self.names[row])
        image = read_annotated(path, self.sizes_hw[row], self.turn_by_exif, self.ann_file)
        boxes, ignored = self.boxes[row], self.ignored[row]
        if draw.rng(row).random() < self.flip_prob:
            boxes, ignored = (mirrored(one, image.shape[1]) for one in (boxes, ignored))
            image = image[:, ::-1]
        return image_sample(image, boxes, self.image_ids[row], ignored)


def image_sample(image: np.ndarray, boxes: np.ndarray, image_id: int, ignored: np.ndarray) -> ImageSample:
    """The sample of a picture uint8 (H, W, 3), of arrays as :class:`ImageSample` has them."""
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    tables = (torch.from_numpy(np.array(table, np.float32)) for table in (boxes, ignored))
    return ImageSample(planes, next(tables), np.int64(image_id), next(tables))


def mirrored(boxes_xyxy: np.ndarray, width: int) -> np.ndarray:
    """Boxes (n, 4) of the mirror image of an image of that width: x1' = width - x2, x2' = width - x1."""
    x1, y1, x2, y2 = boxes_xyxy.T
    return np.stack([width - x2, y1, width - x1, y2], axis=1).astype(np.float32)


def _boxes(
    content: Any, path: str, category: int, image_ids: Sequence[int], counts: Counter[str]
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """The boxes of every image's people and of its crowds, float32 (n, 4) xyxy; others are counted."""
    people: dict[int, list[list[float]]] = {image_id: [] for image_id in image_ids}
    crowds: dict[int, list[list[float]]] = {image_id: [] for image_id in image_ids}
    for number, annotation in enumerate(require(content, "annotations", path, list)):
        where = f"{path}: annotations[{number}]"
        if require(annotation, "category_id", where, int) != category:
            counts["other_category"] += 1
            continue
        crowd = bool(annotation.get("iscrowd"))
        counts["crowd"] += crowd
        found = crowds if crowd else people
        found[_image_of(annotation, where, people)].append(require_box(annotation, where))
    return _as_xyxy(people), _as_xyxy(crowds)


def _as_xyxy(boxes: dict[int, list[list[float]]]) -> dict[int, np.ndarray]:
    return {
        image_id: xywh_to_xyxy(np.array(found, np.float64).reshape(-1, 4)).astype(np.float32)
        for image_id, found in boxes.items()
    }


def _image_of(annotation: Any, where: str, known: dict[int, Any]) -> int:
    image_id: int = require(annotation, "image_id", where, int)
    if image_id not in known:
        raise DataError(f"{where}, field 'image_id': expected the id of an image, found {image_id}")
    return image_id
