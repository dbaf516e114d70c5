"""YOLO-pose: Ultralytics' data.yaml and a text file of labels for each picture.

A line is ``class x y width height`` and K times ``x y [v]``, all but class and v divided by the picture's
width or height. Multiplied by them they are posekit's pixels: that undoes what Ultralytics' own converter
does with COCO's coordinates. Without v a point at exactly (0, 0) is not labelled, any other is visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.importers.labels import (
    UNSEEN,
    VISIBLE,
    Category,
    Labels,
    Person,
    Picture,
    number,
    visibility,
)
from posekit.errors import DataError, shown
from posekit.io.images import missing_images
from posekit.io.pictures import PICTURES
from posekit.io.stored_sizes import image_size_hw
from posekit.skeletons import COCO17

FORM = "YOLO-pose"
PARTS = ("train", "val", "test")
# Points may lie outside the picture; pixels in place of shares are larger than this.
_FARTHEST = 2.0


def read_yolo(settings: Mapping[str, Any], path: str) -> Labels:
    """The labels of a data set in Ultralytics' form.

    Args:
        settings: The content of data.yaml.
        path: The file; its folders are found from there.

    Raises:
        DataError: On anything malformed, naming file, line and field.
    """
    count, width = _shape(settings.get("kpt_shape"), f"{path}, field 'kpt_shape'")
    names = _class_names(settings.get("names"), f"{path}, field 'names'")
    pairs = _flip_pairs(settings.get("flip_idx"), count, f"{path}, field 'flip_idx'")
    files = {part: _files(settings, part, Path(path)) for part in PARTS}
    pictures, people, without = [], [], 0
    for part, part_files in files.items():
        for file in part_files:
            labels = _label_file(file)
            pictures.append(Picture(str(file), part=part))
            if not labels.is_file():
                without += 1
                continue
            people += _people(labels, len(pictures) - 1, image_size_hw(file), (count, width), names)
    if not people:
        raise DataError(
            f"{path}: expected labels in {_label_file(pictures[0].name)} and the like, found nobody in the "
            f"files of {len(pictures)} pictures; 'labels' takes the place of 'images' in a picture's path"
        )
    notes = [f"{without} of {len(pictures)} pictures have no label file"] if without else []
    categories = {}
    for name in names.values():
        own, note = _keypoint_names(settings.get("kpt_names"), name, names, count, pairs, path)
        categories[name] = Category(own, flip_pairs=pairs)
    return Labels(FORM, categories, pictures, people, [*notes, *note])


def _shape(shape: Any, where: str) -> tuple[int, int]:
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int for n in shape):
        raise DataError(f"{where}: expected [keypoints, 2 or 3], found {shown(shape)}")
    if shape[0] < 1 or shape[1] not in (2, 3):
        raise DataError(f"{where}: expected [keypoints, 2 or 3], found {shown(shape)}")
    return shape[0], shape[1]


def _class_names(names: Any, where: str) -> dict[int, str]:
    found = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(found, Mapping) or not found or not all(type(key) is int for key in found):
        raise DataError(f"{where}: expected the classes' names, as 0: person, found {shown(names)}")
    if len(set(map(str, found.values()))) < len(found):
        raise DataError(f"{where}: expected different names, found {shown(names)}")
    return {key: str(name) for key, name in found.items()}


def _flip_pairs(index: Any, count: int, where: str) -> tuple[tuple[int, int], ...] | None:
    if index is None or index == []:
        return None
    whole = isinstance(index, list) and all(type(k) is int for k in index)
    if not whole or sorted(index) != list(range(count)) or any(index[index[k]] != k for k in range(count)):
        raise DataError(
            f"{where}: expected {count} keypoint numbers from 0, each keypoint's partner in the mirrored "
            f"picture (itself if none), found {shown(index)}"
        )
    return tuple((k, other) for k, other in enumerate(index) if k < other)


def _keypoint_names(
    stated: Any,
    category: str,
    classes: Mapping[int, str],
    count: int,
    pairs: tuple[tuple[int, int], ...] | None,
    path: str,
) -> tuple[tuple[str, ...], list[str]]:
    """The keypoints' names, and a note where they are not the file's."""
    if isinstance(stated, Mapping):
        key = next(key for key, name in classes.items() if name == category)
        stated = stated.get(key, stated.get(category))
    if stated is not None:
        if not isinstance(stated, list) or len(stated) != count:
            raise DataError(
                f"{path}, field 'kpt_names': expected {count} names for class '{category:.40}', "
                f"found {shown(stated)}"
            )
        return tuple(map(str, stated)), []
    coco = tuple(sorted(tuple(sorted(map(COCO17.keypoints.index, pair))) for pair in COCO17.flip_pairs))
    if count == COCO17.num_keypoints and pairs == coco:
        return COCO17.keypoints, ["no 'kpt_names', but 17 points that flip as COCO's: taken for COCO's"]
    return tuple(f"point_{k}" for k in range(count)), [
        f"no 'kpt_names' in {path}: the points are called point_0 to point_{count - 1}"
    ]


def _files(settings: Mapping[str, Any], part: str, path: Path) -> list[Path]:
    """The pictures of a part, sorted."""
    stated = settings.get(part)
    if stated is None and part == "test":
        return []
    where = f"{path}, field '{part}'"
    entries = stated if isinstance(stated, list) else [stated]
    found: list[Path] = []
    for entry in entries:
        if not isinstance(entry, str):
            raise DataError(
                f"{where}: expected a folder, a list file or several of them, found {shown(stated)}"
            )
        found += _pictures_at(_existing(entry, settings.get("path"), path, where), where)
    return sorted(set(found))


def _existing(entry: str, root: Any, path: Path, where: str) -> Path:
    """A folder of data.yaml, looked for where Ultralytics and Roboflow mean it."""
    bare = entry.replace("\\", "/")
    roots = [path.parent / str(root or ""), path.parent]
    tried = [base / name for base in roots for name in dict.fromkeys((bare, bare.removeprefix("../")))]
    for candidate in tried:
        if candidate.exists():
            return candidate
    places = ", ".join(dict.fromkeys(str(place) for place in tried))
    raise DataError(f"{where}: expected a folder of pictures or a list file, found none at {places}")


def _pictures_at(place: Path, where: str) -> list[Path]:
    """The pictures in a folder and its sub-folders, or that a list names."""
    if place.is_dir():
        found = [file for file in place.rglob("*") if file.suffix.lower() in PICTURES]
    else:
        lines = [line.strip() for line in place.read_text("utf-8", errors="replace").splitlines()]
        found = [place.parent / line.replace("\\", "/") for line in lines if line]
    if not found:
        raise DataError(f"{where}: expected pictures at {place}, found none")
    for folder, names in _by_folder(found).items():
        missing = missing_images(folder, names)  # refuses links that lead out of the folder
        if missing:
            raise DataError(f"{where}: expected pictures at {place}, found {folder / missing[0]} not there")
    return [file.absolute() for file in found]


def _by_folder(files: Sequence[Path]) -> dict[Path, list[str]]:
    folders: dict[Path, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file.name)
    return folders


def _label_file(picture: Path | str) -> Path:
    """Where a picture's labels are: "labels" for the last "images" of its path."""
    parts = list(Path(picture).with_suffix(".txt").parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


def _people(
    file: Path, picture: int, size_hw: tuple[int, int], shape: tuple[int, int], names: Mapping[int, str]
) -> list[Person]:
    people = []
    for line, text in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        words = text.split()
        where = f"{file}, line {line}"
        if not words:
            continue
        expected = 5 + shape[0] * shape[1]
        if len(words) != expected:
            raise DataError(
                f"{where}: expected {expected} numbers (class, box, {shape[0]} keypoints of {shape[1]}), "
                f"found {len(words)}; does 'kpt_shape' fit?"
            )
        category = number(words[0], f"{where}, the class")
        if category not in names:
            raise DataError(f"{where}, the class: expected one of {sorted(names)}, found {shown(words[0])}")
        points, box = _scaled(words[1:], shape, size_hw, where)
        people.append(Person(picture, names[int(category)], points, box))
    return people


def _scaled(
    words: list[str], shape: tuple[int, int], size_hw: tuple[int, int], where: str
) -> tuple[np.ndarray, tuple[float, float, float, float] | None]:
    scale = np.array((size_hw[1], size_hw[0]), np.float64)
    center, size = (
        np.array([_share(w, f"{where}, the box") for w in pair]) for pair in (words[:2], words[2:4])
    )
    low, size = (center - size / 2) * scale, size * scale
    points = np.zeros((shape[0], 3))
    for k in range(shape[0]):
        x, y, *rest = words[4 + k * shape[1] : 4 + (k + 1) * shape[1]]
        at = f"{where}, keypoint {k}"
        place = [_share(x, at), _share(y, at)]
        v = visibility(rest[0], at) if rest else (VISIBLE if any(place) else UNSEEN)
        if v:
            points[k] = *(place * scale), v
    box = (float(low[0]), float(low[1]), float(size[0]), float(size[1])) if (size > 0).all() else None
    return points, box


def _share(word: str, where: str) -> float:
    wanted = "a share of the picture's width or height, 0 to 1"
    value = number(word, where, wanted)
    if abs(value) > _FARTHEST:
        raise DataError(f"{where}: expected {wanted}, found {word}; pixels must be divided by them")
    return value
