"""Benchmark of training samples from large photos against those from crops of their people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from posekit.datasets import COCO17, SampleKey, TopDownDataset, load_coco
from posekit.datasets.crops.reach import Reach
from posekit.datasets.crops.writer import ANNOTATIONS, IMAGES, CropForm, write_crops
from posekit.engine.crop_dataset import full_size
from posekit.io.files import read_object, write_json
from posekit.transforms import Augment, Crop

from .common import INPUT_HW, Row, Settings, exhaust
from .samples import rate

KINDS = {"420": "colours 4:2:0", "444": "colours 4:4:4"}
PHOTO_HW = (1080, 1920)
PEOPLE_HEIGHTS = (300, 900)  # pixels of a photo's people, evenly


def crop_sample(settings: Settings) -> list[Row]:
    """A training sample of a crop that ``tools/crop_dataset.py`` wrote: 256x192, HRNet's COCO augmentation.

    The reference is the same sample from its 1920x1080 photo, a JPEG of .7 MB; no picture serves two samples
    in a row. People are 300 to 900 pixels high. Crops are reduced by ``--max-size auto``, their colours as
    coarse as the photos' (``--chroma 420``), or fine.

    Targets:
        colours 4:2:0: ratio >= 5
        colours 4:4:4: ratio >= 3
    """
    folder = settings.folder / "large"
    photos = write_photos(folder, settings.count(24))
    table = load_coco(str(photos), str(folder))
    reach = Reach(Crop(INPUT_HW), Augment.hrnet_coco(), table.skeleton)
    tables = [table]
    for chroma in KINDS:
        form = CropForm(chroma=chroma, max_size=full_size(reach.crop))
        write_crops(table, read_object(photos), folder / chroma, reach, form)
        tables.append(load_coco(ANNOTATIONS, IMAGES, data_root=str(folder / chroma)))
    sets = [TopDownDataset(people, crop=reach.crop, augment=reach.augment) for people in tables]
    keys = [SampleKey(0, 1, row) for row in range(len(table))]
    timers = [settings.timed(partial(make_samples, one, keys)) for one in sets]
    photo, *crops = settings.in_turns(*timers)
    return [
        rate(what, len(keys), (ours, photo), "the sample from its photo")
        for what, ours in zip(KINDS.values(), crops, strict=True)
    ]


def make_samples(dataset: TopDownDataset, keys: Sequence[SampleKey]) -> None:
    exhaust(dataset[key] for key in keys)


def write_photos(folder: Path, count: int) -> Path:
    """Writes photos of a person each; returns their annotation."""
    folder.mkdir(exist_ok=True)
    (height, width), rng = PHOTO_HW, np.random.default_rng(0)
    images, annotations = [], []
    for number, person in enumerate(np.linspace(*PEOPLE_HEIGHTS, count)):
        name = f"{number}.jpg"
        cv2.imwrite(str(folder / name), large_photo(number))
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        size_wh = np.array([rng.uniform(0.35, 0.6) * person, person])
        left_top = rng.uniform(0, 1, 2) * ((width, height) - size_wh)
        points = left_top + rng.uniform(0, 1, (len(COCO17.keypoints), 2)) * size_wh
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "area": float(size_wh.prod() / 2),
                "bbox": [*left_top.tolist(), *size_wh.tolist()],
                "keypoints": np.insert(points, 2, 2, axis=1).reshape(-1).tolist(),
            }
        )
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}
    content = {"images": images, "categories": [category], "annotations": annotations}
    write_json(folder / "people.json", content)
    return folder / "people.json"


def large_photo(seed: int) -> np.ndarray:
    """uint8 (1080, 1920, 3): blobs of all sizes, as fine as a camera's photo at the file's size."""
    rng = np.random.default_rng(seed)
    height, width = PHOTO_HW
    photo = np.full((height, width, 3), 128.0, np.float32)
    for cell, contrast in ((360, 40), (90, 30), (24, 15), (4, 14)):
        blobs = rng.normal(scale=contrast, size=(height // cell, width // cell, 3)).astype(np.float32)
        photo += cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    return photo.clip(0, 255).astype(np.uint8)
