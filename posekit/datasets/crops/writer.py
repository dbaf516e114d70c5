"""Writes the crops of a table's people and their annotation, whole or not at all.

The files::

    DIR/images/<annotation id>.jpg     a person's crop
    DIR/annotations.json               the source's COCO form, an image and an annotation for each person

An annotation keeps its id, and a crop's image id is that of its annotation. Every image entry says in
``crop`` where it lies in which photo (:mod:`.mapping`). A photo is decoded once for all of its people.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from posekit.datasets.crops.mapping import CROP, CropFrame, check_numbers, unmapped_fields
from posekit.datasets.pictures import read_annotated
from posekit.datasets.table import OUTSIDE, PersonTable
from posekit.errors import ConfigError, DataError
from posekit.geometry import clean_box_xyxy
from posekit.io.files import atomic_file, compact_json
from posekit.io.images import cv2
from posekit.io.new_folder import new_folder
from posekit.structures import PersonRecord

ANNOTATIONS, IMAGES = "annotations.json", "images"
FORMATS = ("jpg", "png")
# OpenCV's numbers of how coarse JPEG's colours are.
CHROMA = {"444": 0x111111, "420": 0x221111}
# Crop pixels beyond what a sample shows: a bilinear sample looks at the next one.
_MARGIN = 2.0
# JPEG's blocks. A crop that begins with one of its photo's loses half as much by being coded again.
_BLOCK = 8

RegionOf = Callable[[PersonRecord], np.ndarray]


@dataclass(frozen=True)
class CropForm:
    """How crops are stored.

    Attributes:
        format: "jpg", or "png", which loses nothing.
        quality: Of JPEG, 1..100.
        chroma: Of JPEG: "444", colours as fine as brightness; or "420", half as fine in both directions, as
            most photos have them, which is smaller and read faster.
        max_size: Crops of people whose box has a longer side of more pixels are reduced to it, each pixel
            being the mean of those it covers; None: none are.

    Raises:
        ConfigError: On anything else.
    """

    format: str = "jpg"
    quality: int = 95
    chroma: str = "444"
    max_size: int | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"--format: expected one of {FORMATS}, found {self.format!r}")
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"--quality: expected a number from 1 to 100, found {self.quality}")
        if self.chroma not in CHROMA:
            raise ConfigError(f"--chroma: expected one of {tuple(CHROMA)}, found {self.chroma!r}")
        if self.max_size is not None and self.max_size < 16:
            raise ConfigError(f"--max-size: expected at least 16 pixels, found {self.max_size}")

    def scale(self, box_xyxy: np.ndarray) -> float:
        """Crop pixels per photo pixel for a person's box (4,)."""
        longer = float(max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]))
        return 1.0 if self.max_size is None or longer <= self.max_size else self.max_size / longer

    def encode(self, image: np.ndarray) -> bytes:
        """A picture, uint8 (H, W, 3) RGB, as a file's content."""
        options = []
        if self.format == "jpg":
            options = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
            options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[self.chroma]]
        done, data = cv2.imencode(f".{self.format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        if not done:
            raise RuntimeError(f"OpenCV could not encode a {self.format} picture")
        return data.tobytes()


class Written(NamedTuple):
    """What was written.

    Attributes:
        crops: How many.
        photos: Of how many photos.
        size_bytes: Of all pictures.
        left_out: Reason -> people without a crop.
        unmapped: Fields of annotations that were copied although nothing is known of them.
    """

    crops: int
    photos: int
    size_bytes: int
    left_out: dict[str, int]
    unmapped: list[str]


class _Wanted(NamedTuple):
    """A person's crop: its file's name, what it has to show (float64 xyxy of the photo), its scale."""

    name: str
    region_xyxy: tuple[float, float, float, float]
    scale: float


class _Photo(NamedTuple):
    """What is needed to cut the people of a photo."""

    path: str
    stated_hw: tuple[int, int]
    turn_by_exif: bool
    ann_file: str
    wanted: tuple[_Wanted, ...]


class _Cut(NamedTuple):
    """A crop that was written."""

    frame: CropFrame
    photo_wh: tuple[int, int]
    crop_wh: tuple[int, int]
    size_bytes: int


def write_crops(
    table: PersonTable,
    content: Mapping[str, Any],
    out: str | os.PathLike[str],
    region_of: RegionOf,
    form: CropForm = CropForm(),
    workers: int = 1,
    on_bad_image: str = "error",
    progress: bool = False,
    on_bad_record: str = "error",
) -> Written:
    """Writes a folder of crops.

    Args:
        table: The people, of :func:`~posekit.datasets.coco.load_coco`.
        content: The COCO file that the table is of.
        out: A new or empty folder.
        region_of: A person -> what its crop has to show (:class:`.reach.Reach`, :class:`.reach.Square`).
        form: How pictures are stored.
        workers: Threads; the files do not depend on it.
        on_bad_image: "error"; or "skip": people of photos that cannot be read are left out and counted.
        progress: Shows a bar with the time left.
        on_bad_record: "error"; or "skip": people of whom a field in pixels is no number are left out and
            counted, as the reader does with those it looks at.

    Raises:
        ConfigError: If ``out`` has something in it or cannot be written.
        DataError: If a record is faulty or a photo cannot be read, or all are.
    """
    records, images = _by_id(content["annotations"]), _by_id(content["images"])
    left_out = Counter({reason: n for reason, n in table.counts.items() if n and reason != OUTSIDE})
    order = np.argsort(table.image_index, kind="stable")
    sound = np.array([_is_sound(table, row, records, on_bad_record) for row in order.tolist()], bool)
    if not sound.all():
        left_out["bad_record"] += int((~sound).sum())
    if not (order := order[sound]).size:
        raise DataError(f"{table.ann_file}: expected somebody to crop, found nobody whose record is sound")
    photos = [_photo(table, rows, region_of, form) for rows in _by_photo(table, order)]
    made: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    size_bytes = 0
    with new_folder(Path(out)) as folder:
        (folder / IMAGES).mkdir()
        bar = tqdm(total=len(order), desc="crops", unit="crop", disable=not progress)
        work = partial(_cut_photo, folder=folder / IMAGES, form=form, skip=on_bad_image == "skip")
        with bar:
            for row, (wanted, cut) in zip(order.tolist(), _cut_all(work, photos, workers), strict=True):
                bar.update()
                if cut is None:
                    left_out["unreadable_photo"] += 1
                    continue
                image = images[int(table.image_ids[table.image_index[row]])]
                image_hw = table.image_sizes_hw[table.image_index[row]]
                record = records[int(table.person_ids[row])]
                made["images"].append(_image_entry(image, record["id"], wanted.name, cut))
                made["annotations"].append(_annotation(record, cut, image_hw))
                size_bytes += cut.size_bytes
        if not made["images"]:
            raise DataError(f"{table.image_dir}: not one image of {table.ann_file} can be read")
        with atomic_file(folder / ANNOTATIONS) as file:
            file.write(compact_json({**content, **made}, finite=False))
    used = {entry[CROP]["image_id"] for entry in made["images"]}
    unmapped = unmapped_fields(made["annotations"])
    return Written(len(made["images"]), len(used), size_bytes, dict(left_out), unmapped)


def _by_id(records: Any) -> dict[int, Mapping[str, Any]]:
    """The first record of each id; faulty ones are the reader's to refuse, or to skip."""
    sound = [r for r in reversed(records) if isinstance(r, Mapping) and type(r.get("id")) is int]
    return {record["id"]: record for record in sound}


def _is_sound(
    table: PersonTable, row: int, records: Mapping[int, Mapping[str, Any]], on_bad_record: str
) -> bool:
    """Whether the numbers of a person's record can be mapped, also of fields that the reader passes by."""
    person_id = int(table.person_ids[row])
    try:
        check_numbers(records[person_id], f"{table.ann_file}: annotations")
    except DataError:
        if on_bad_record == "skip":
            return False
        raise
    return True


def _by_photo(table: PersonTable, order: np.ndarray) -> list[np.ndarray]:
    image = table.image_index[order]
    return np.split(order, np.flatnonzero(np.diff(image)) + 1)


def _photo(table: PersonTable, rows: np.ndarray, region_of: RegionOf, form: CropForm) -> _Photo:
    image = int(table.image_index[rows[0]])
    height, width = table.image_sizes_hw[image].tolist()
    wanted = []
    for row in rows.tolist():
        record = table[row]
        scale = form.scale(record.box_xyxy)
        name = f"{int(table.person_ids[row]):012d}.{form.format}"
        wanted.append(_Wanted(name, _with_labels(region_of(record), record, scale), scale))
    path = table.image_path(image)
    return _Photo(path, (height, width), table.turn_by_exif, table.ann_file, tuple(wanted))


def _with_labels(
    region_xyxy: np.ndarray, record: PersonRecord, scale: float
) -> tuple[float, float, float, float]:
    """A region with the labelled keypoints and the box in it, and a margin: none may come to lie outside."""
    points = record.keypoints[record.visible > 0].reshape(-1, 2)
    inner = np.concatenate([points, record.box_xyxy.reshape(2, 2)]).astype(np.float64)
    low = np.minimum(region_xyxy[:2], inner.min(axis=0)) - _MARGIN / scale
    high = np.maximum(region_xyxy[2:], inner.max(axis=0)) + _MARGIN / scale
    left, top, right, bottom = np.concatenate([np.floor(low), np.ceil(high)]).tolist()
    return left, top, right, bottom


def _cut_all(
    work: Callable[[_Photo], list[_Cut | None]], photos: Sequence[_Photo], workers: int
) -> Iterator[tuple[_Wanted, _Cut | None]]:
    """The crops in order; None of a photo that cannot be read."""
    # OpenCV decodes, reduces and encodes outside Python's lock: threads are as good as processes here.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            for photo, cuts in zip(photos, pool.map(work, photos), strict=True):
                yield from zip(photo.wanted, cuts, strict=True)
    finally:
        cv2.setNumThreads(threads)


def _cut_photo(photo: _Photo, folder: Path, form: CropForm, skip: bool) -> list[_Cut | None]:
    """Writes a photo's crops."""
    try:
        image = read_annotated(photo.path, photo.stated_hw, photo.turn_by_exif, photo.ann_file)
    except DataError:
        if skip:
            return [None] * len(photo.wanted)
        raise
    return [_cut_person(image, wanted, folder, form) for wanted in photo.wanted]


def _cut_person(image: np.ndarray, wanted: _Wanted, folder: Path, form: CropForm) -> _Cut:
    last = np.array([image.shape[1] - 1, image.shape[0] - 1])
    x1, y1 = (np.clip(wanted.region_xyxy[:2], 0, last).astype(int) // _BLOCK * _BLOCK).tolist()
    x2, y2 = np.clip(wanted.region_xyxy[2:], (x1, y1), last).astype(int).tolist()
    crop = image[y1 : y2 + 1, x1 : x2 + 1]
    scale = min(max(wanted.scale, 1 / min(crop.shape[:2])), 1.0)  # something of it is left
    if scale < 1:
        crop = reduce_image(crop, scale)
    data = form.encode(crop)
    (folder / wanted.name).write_bytes(data)
    size_wh = crop.shape[1], crop.shape[0]
    return _Cut(CropFrame(x1, y1, scale), (x2 - x1 + 1, y2 - y1 + 1), size_wh, len(data))


def reduce_image(image: np.ndarray, scale: float) -> np.ndarray:
    """A picture, uint8 (H, W, 3), reduced by a factor below 1: x' = (x + 0.5) scale - 0.5, y alike.

    Each pixel is the mean of those it covers. The sides are rounded, the factor is not.
    """
    # Stated as factors: for a stated size OpenCV would take a factor of its own for each direction.
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _image_entry(photo: Mapping[str, Any], image_id: int, name: str, cut: _Cut) -> dict[str, Any]:
    """What the annotation says of a crop: the photo's own further fields (licence, address) stay."""
    width, height = cut.photo_wh
    return {
        **photo,
        "id": image_id,
        "file_name": name,
        "width": cut.crop_wh[0],
        "height": cut.crop_wh[1],
        CROP: {
            "image_id": photo["id"],
            "file_name": photo["file_name"],
            "x": cut.frame.x,
            "y": cut.frame.y,
            "width": width,
            "height": height,
            "scale": cut.frame.scale,
        },
    }


def _annotation(record: Mapping[str, Any], cut: _Cut, image_hw: np.ndarray) -> dict[str, Any]:
    mapped = cut.frame.mapped(record)
    if cut.frame.scale < 1 and mapped.get("keypoints"):
        mapped["keypoints"] = _kept_inside(mapped["keypoints"], record["keypoints"], cut)
    if cut.frame.scale < 1 and mapped.get("bbox"):
        mapped["bbox"] = _reduced_box(record["bbox"], mapped["bbox"], cut, image_hw)
    return {**mapped, "image_id": record["id"]}


def _reduced_box(
    of_photo: Sequence[float], mapped: list[float], cut: _Cut, image_hw: np.ndarray
) -> list[float]:
    """The box (x, y, w, h) that a reader who clips it and shrinks it by a pixel makes the photo's own of.

    The photo's is shrunk by a pixel of the photo, the crop's by one of the crop, which is more. It begins in
    the picture, so that something is left of people at the photo's last column or row.
    """
    x, y, width, height = of_photo
    cleaned = clean_box_xyxy([x, y, x + width, y + height], image_hw)
    if not np.isfinite(cleaned).all():
        return mapped
    first, end = cut.frame.to_crop(cleaned.reshape(2, 2))
    first = np.clip(first, 0, np.array(cut.crop_wh) - 1)
    return [*first.tolist(), *(np.maximum(end - first, 0) + 1).tolist()]


def _kept_inside(keypoints: Sequence[float], of_photo: Sequence[float], cut: _Cut) -> list[float]:
    """Keypoints of a reduced crop, flat (x, y, v), of which those of its photo stay in the picture.

    The first pixel's centre is further inside than the photo's was, by less than half a pixel of the crop; a
    keypoint between them would lose its weight.
    """
    made, stated = (np.array(flat, np.float64).reshape(-1, 3) for flat in (keypoints, of_photo))
    first = np.array([cut.frame.x, cut.frame.y])
    places = stated[:, :2]
    inside = (places >= first) & (places <= first + cut.photo_wh - 1)
    kept = inside.all(axis=1, keepdims=True) & (stated[:, 2:] > 0)
    made[:, :2] = np.where(kept, np.clip(made[:, :2], 0, np.array(cut.crop_wh) - 1), made[:, :2])
    flat = made.reshape(-1).tolist()
    flat[2::3] = keypoints[2::3]  # whole numbers
    return flat
