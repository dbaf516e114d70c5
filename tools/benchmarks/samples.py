"""Benchmarks of samples for training and testing, and the photos they are cut from.

The photos are synthetic 640x480 JPEGs in the settings' folder, or the user's own COCO files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from posekit.datasets import COCO17, PersonTable, SampleKey, TopDownDataset, load_coco
from posekit.structures import Sample
from posekit.transforms import Augment, Crop, Pixels

from .common import INPUT_HW, Row, Settings, exhaust, synthetic_table


def train_sample(settings: Settings) -> list[Row]:
    """A training sample from its JPEG: read, draw, cut a 256x192 crop, HRNet's COCO augmentation.

    The reference is bare OpenCV, ``imread`` and one ``warpAffine`` with the same warps on the same images;
    no image serves two samples in a row.

    Targets:
        JPEG -> sample: ratio >= 0.9
    """
    table = photo_table(settings)
    dataset = training_set(table, np.concatenate(rows_by_image(table, settings.count(48), 1)))
    keys = [SampleKey(0, 1, row) for row in range(len(dataset))]
    paths, warps = image_paths(dataset), [dataset[key].warp for key in keys]
    seconds = settings.in_turns(
        settings.timed(lambda: exhaust(dataset[key] for key in keys)),
        settings.timed(lambda: exhaust(map(read_and_warp, paths, warps))),
    )
    return [rate("JPEG -> sample", len(keys), seconds, "bare imread + warpAffine")]


def train_sample_memory(settings: Settings) -> list[Row]:
    """The same training sample where the image is decoded already.

    A data set keeps its last image, so here each of several images has a data set of its own. The
    reference is one ``warpAffine`` of the decoded picture.

    Targets:
        decoded image -> sample: >= 4000 samples/s
    """
    table = photo_table(settings)
    groups = [training_set(table, rows) for rows in rows_by_image(table, settings.count(12), 16)]
    work = [(group, SampleKey(0, 1, row)) for row in range(16) for group in groups]
    images = [bare_read(image_paths(group)[0]) for group in groups]
    crops = [(images[i % len(groups)], group[key].warp) for i, (group, key) in enumerate(work)]
    seconds = settings.in_turns(
        settings.timed(lambda: exhaust(group[key] for group, key in work)),
        settings.timed(lambda: exhaust(warp_image(image, warp) for image, warp in crops)),
    )
    return [rate("decoded image -> sample", len(work), seconds, "bare warpAffine")]


def train_sample_pixels(settings: Settings) -> list[Row]:
    """The change of a training crop's pixels, by default ``Pixels``: what it adds to a 160x160 sample.

    The same samples are made from their JPEGs with it and without.

    Targets:
        sample with pixels: ratio >= 0.67
    """
    table = photo_table(settings)
    rows = np.concatenate(rows_by_image(table, settings.count(48), 1))
    plain, changed = (
        TopDownDataset(table.select(rows), crop=Crop((160, 160)), augment=Augment.hrnet_coco(), pixels=pixels)
        for pixels in (None, Pixels())
    )
    keys = [SampleKey(0, 1, row) for row in range(len(rows))]
    seconds = settings.in_turns(
        settings.timed(lambda: exhaust(changed[key] for key in keys)),
        settings.timed(lambda: exhaust(plain[key] for key in keys)),
    )
    return [rate("sample with pixels", len(keys), seconds, "the sample without")]


def test_sample(settings: Settings) -> list[Row]:
    """A test sample where a detector found 20 people on each image.

    The reference decodes the JPEG once per box, as the peers do, and warps it once.

    Targets:
        20 boxes per image: ratio >= 3.5
    """
    table = photo_table(settings)
    rows = np.concatenate(rows_by_image(table, settings.count(12), 20))
    dataset = TopDownDataset(table.select(rows), crop=Crop(INPUT_HW))
    paths, warps = image_paths(dataset), [sample.warp for sample in samples_of(dataset)]
    seconds = settings.in_turns(
        settings.timed(lambda: exhaust(samples_of(dataset))),
        settings.timed(lambda: exhaust(map(read_and_warp, paths, warps))),
    )
    return [rate("20 boxes per image", len(rows), seconds, "bare imread + warpAffine per box")]


def rate(what: str, number: int, seconds: Sequence[float], reference_is: str) -> Row:
    """A row of samples per second."""
    ours, theirs = (number / value for value in seconds)
    return Row(what, ours, theirs, "samples/s", reference_is)


def read_and_warp(path: str, warp: np.ndarray) -> np.ndarray:
    return warp_image(bare_read(path), warp)


def bare_read(path: str) -> np.ndarray:
    image = cv2.imread(path)
    assert image is not None  # the data set has read it before
    return image


def warp_image(image: np.ndarray, warp: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, warp, INPUT_HW[::-1])


def samples_of(dataset: TopDownDataset) -> Iterable[Sample]:
    return (dataset[row] for row in range(len(dataset)))


def image_paths(dataset: TopDownDataset) -> list[str]:
    return [dataset.table.image_path(int(image)) for image in dataset.table.image_index]


def training_set(table: PersonTable, rows: np.ndarray) -> TopDownDataset:
    return TopDownDataset(table.select(rows), crop=Crop(INPUT_HW), augment=Augment.hrnet_coco())


def rows_by_image(table: PersonTable, images: int, per_image: int) -> list[np.ndarray]:
    """The rows of so many people of each of some images; where there are fewer, they are repeated."""
    chosen = np.random.default_rng(0).permutation(np.unique(table.image_index))[:images]
    return [np.resize(np.flatnonzero(table.image_index == image), per_image) for image in chosen]


def photo_table(settings: Settings) -> PersonTable:
    """The user's people, or synthetic ones on pictures written to the temporary folder."""
    if settings.images and settings.annotations:
        return load_coco(settings.annotations, settings.images)
    table = synthetic_table(COCO17, settings.count(48) * 4, settings.count(48), settings.folder)
    for number in range(len(table.image_ids)):
        path = Path(table.image_path(number))
        if not path.exists():
            cv2.imwrite(str(path), synthetic_photo(number))
    return table


def synthetic_photo(seed: int) -> np.ndarray:
    """uint8 (480, 640, 3): blobs of all sizes, which make a JPEG of about the size of COCO's (160 kB)."""
    rng = np.random.default_rng(seed)
    photo = np.full((480, 640, 3), 128.0)
    for cell, contrast in ((160, 40), (40, 30), (10, 15), (2, 14)):
        blobs = rng.normal(scale=contrast, size=(480 // cell, 640 // cell, 3))
        photo += cv2.resize(blobs, (640, 480), interpolation=cv2.INTER_CUBIC)
    return photo.clip(0, 255).astype(np.uint8)
