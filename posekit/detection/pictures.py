"""What a detector is to look at: image files, folders, films and the images of a COCO file, one at a time.

Each picture has a key, which tells it from the others of a run and from run to run, and the id that its
detections carry: of a COCO file its own; of files the number that their names stand for where all names are
numbers, else their place in the list; of a film the frame's place in it, from 0, also where others were lost.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posekit.datasets.coco import read_images
from posekit.datasets.pictures import compare_pictures, label_reach, read_annotated
from posekit.detection.box_ap import person_category
from posekit.detection.networks import PERSON
from posekit.errors import DataError
from posekit.io.files import read_json
from posekit.io.images import check_image_name, missing_images, read_image
from posekit.io.pictures import (
    PICTURES,
    is_pattern,
    is_picture,
    load_rgb,
    other_files,
    pattern_files,
    picture_files,
)
from posekit.io.video import FILMS, VideoFrame, VideoReader
from posekit.io.web_pictures import fetch_picture, is_url

T = TypeVar("T")


@dataclass
class Picture:
    """One picture to look at.

    Attributes:
        key: Names it within the run.
        image_id: What its detections carry.
        name: Its ``file_name``, relative to the list's folder.
        load: Reads it: uint8 (H, W, 3) RGB; raises DataError.
        time: Of a film's frame, seconds.
    """

    key: str
    image_id: int
    name: str
    load: Callable[[], np.ndarray]
    time: float | None = None


@dataclass
class PictureList:
    """The pictures of a run.

    Attributes:
        pictures: To be iterated over once; a film's are read on the way, and its frames that are passed
            over cost no conversion to a picture.
        count: How many, of a film about; None where it does not say.
        folder: That the names are relative to.
        ann_file: The COCO file they are from, if any.
        category_id: Of people: that file's, else COCO's.
        problems: What could not be read of a film, in words; complete at the end.
    """

    pictures: Iterable[Picture]
    count: int | None
    folder: str
    ann_file: str | None = None
    category_id: int = PERSON
    problems: list[str] = field(default_factory=list)


def list_pictures(
    inputs: Sequence[str], image_dir: str | None = None, every: int = 1, downloads: str = ""
) -> PictureList:
    """Lists what the words of a command line mean.

    Args:
        inputs: Image files, folders, patterns of names and http(s) addresses; or one film; or one COCO json.
            What is missing beside others has its place in the list, and fails when it is read.
        image_dir: Folder of a COCO json's images; None: where the json lies.
        every: Of a film, every so manyth frame.
        downloads: Where a single address is downloaded to; several are, one by one, when they are read.

    Raises:
        DataError: If everything is missing, or there is no image in it.
    """
    first = Path(inputs[0])
    if len(inputs) == 1 and is_url(inputs[0]):
        path = fetch_picture(inputs[0], downloads)
        is_film = path.suffix.lower() in FILMS and path.suffix.lower() != ".gif"
        listed = _of_film(path, every) if is_film else _of_files([path], inputs)
        listed.folder = inputs[0].rpartition("/")[0]
        return listed
    # Not Path's exists(), which takes "" for "." and raises where it may not look.
    missing = [name for name in inputs if not os.path.exists(name) and not (is_url(name) or is_pattern(name))]  # noqa: PTH110
    if len(missing) == len(inputs):
        raise DataError(f"{missing[0] or repr('')}: no such file or folder")
    if len(inputs) == 1 and first.is_file():
        if {".json"} & set(first.suffixes):
            return _of_coco(str(first), image_dir)
        if first.suffix.lower() in FILMS:
            return _of_film(first, every)
    return _of_files([path for name in inputs for path in _meant(name)], inputs)


def _meant(name: str) -> list[Path | str]:
    """The files of a word, and addresses as they are."""
    if is_url(name):
        return [name]
    if not is_pattern(name):
        return [*_files(Path(name))] if name else [name]
    matching, others = pattern_files(name)
    if others:
        warnings.warn(f"{name}: left out: {others}", stacklevel=2)
    return [path for match in matching for path in _files(match)]


def _files(path: Path) -> list[Path]:
    if not os.path.exists(path):  # noqa: PTH110
        return [path]
    if path.is_dir():
        if others := other_files(path):
            warnings.warn(f"{path}: left out: {others}", stacklevel=2)
        return picture_files(path)
    if not is_picture(path):
        raise DataError(
            f"{path}: expected an image ({' '.join(PICTURES)}); a film or a json must stand alone"
        )
    return [path]


def _of_files(paths: Sequence[Path | str], inputs: Sequence[str]) -> PictureList:
    paths = list(dict.fromkeys(paths))
    if not paths:
        raise DataError(f"{', '.join(inputs)}: no images there ({' '.join(PICTURES)})")
    files = [path for path in paths if isinstance(path, Path)]
    folders = {path.parent for path in files}
    folder = folders.pop() if len(folders) == 1 and len(files) == len(paths) else Path()
    numbers = [int(path.stem) for path in files if path.stem.isascii() and path.stem.isdecimal()]
    ids = numbers if len(set(numbers)) == len(paths) else range(len(paths))
    pictures = [_of_file(path, image_id, folder) for path, image_id in zip(paths, ids, strict=True)]
    return PictureList(pictures, len(paths), str(folder))


def _of_file(path: Path | str, image_id: int, folder: Path) -> Picture:
    if isinstance(path, str):  # an address
        return Picture(path, image_id, path, lambda: load_rgb(path))
    name = path.relative_to(folder).as_posix() if folder != Path() else path.as_posix()
    # A user's own photo is turned as its EXIF entry says.
    return Picture(name, image_id, name, lambda: read_image(path, orientation="apply"))


def _of_coco(path: str, image_dir: str | None) -> PictureList:
    content = read_json(path)
    folder = str(Path(path).parent) if image_dir is None else image_dir
    names, ids, stated = read_images(content, path, folder)
    if not names:
        raise DataError(f"{path}, field 'images': expected at least one, found none")
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: image folder not found")
    for name, image_id in zip(names, ids, strict=True):
        check_image_name(name, f"{path}: image id {image_id}")
    missing_images(folder, names)  # refuses links that lead out of it
    # A picture of another size fails when it is read, by itself.
    agreement = compare_pictures(folder, names, np.array(stated), _reach(content, ids), path, "skip")
    pictures = [
        _annotated(str(Path(folder) / name), image_id, name, (height, width), agreement.turn_by_exif, path)
        for name, image_id, (height, width) in zip(names, ids, agreement.sizes_hw.tolist(), strict=True)
    ]
    return PictureList(pictures, len(pictures), folder, path, person_category(content, path))


def _reach(content: Any, ids: list[int]) -> np.ndarray:
    """How far the labels of a file's images reach, where it has any that can be read."""
    row_of = {image_id: row for row, image_id in enumerate(ids)}
    rows, far = [], []
    annotations = content.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not isinstance(image_id, int) or image_id not in row_of:
            continue
        box = annotation.get("bbox")
        if isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box):
            rows.append(row_of[image_id])
            far.append([box[0] + box[2], box[1] + box[3]])
    return label_reach(len(ids), np.array(rows, int), np.array(far, float).reshape(-1, 2))


def _annotated(
    path: str, image_id: int, name: str, stated_hw: tuple[int, int], turn: bool, ann_file: str
) -> Picture:
    return Picture(str(image_id), image_id, name, lambda: read_annotated(path, stated_hw, turn, ann_file))


def _of_film(path: Path, every: int) -> PictureList:
    reader = VideoReader(path)
    count = None if reader.frames is None else -(-reader.frames // every)
    listed = PictureList((), count, str(path.parent))

    def frames() -> Iterator[Picture]:
        for frame in reader.timed():
            if frame.number % every == 0:
                yield _frame(path, frame)
        if reader.problem:
            listed.problems.append(reader.problem)

    listed.pictures = frames()
    return listed


def _frame(path: Path, frame: VideoFrame) -> Picture:
    name = f"{path.stem}_{frame.number:06d}.jpg"
    return Picture(str(frame.number), frame.number, name, lambda: frame.image, round(frame.time, 6))


# --- reading ahead -----------------------------------------------------------------------------------------


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of ``size``, the last one shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _load(picture: Picture) -> np.ndarray | DataError:
    try:
        return picture.load()
    except DataError as error:
        return error


def ahead(
    pictures: Iterable[Picture], depth: int, threads: int = 4
) -> Iterator[tuple[Picture, np.ndarray | DataError]]:
    """Pictures in their order, each as an array or with the DataError of one that cannot be read.

    They are decoded by ``threads`` threads, up to ``depth`` pictures ahead.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Picture, Future[np.ndarray | DataError]]] = deque()
        for picture in pictures:
            waiting.append((picture, pool.submit(_load, picture)))
            if len(waiting) > depth:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
