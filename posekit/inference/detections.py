"""Person boxes from a COCO detection file, for pictures and for the frames of a video."""

from __future__ import annotations

import math
import os
import posixpath
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.geometry import xywh_to_xyxy
from posekit.io.files import read_json
from posekit.io.records import require

PERSON = 1


class DetectionFile:
    """The people's boxes of a detection file, by image.

    The file is a list of records ``{image_id, bbox: [x, y, width, height], score}``, or an object with such
    ``annotations`` and, with ``images``, their file names. ``category_id``, where stated, must be 1 (person)
    to count; crowds do not. A record belongs to a picture by the name of the file (``file_name``, in the
    record or in ``images``), in whatever folder it is unless the file has several pictures of that name, or
    by the number its name stands for, as COCO's do (``000000000139.jpg`` is image 139); to a frame of a video
    by its number, from 0.

    Args:
        path: The json.
        threshold: Boxes scored below it are left out.

    Raises:
        DataError: If it is no such file.
    """

    def __init__(self, path: str | Path, threshold: float = 0.0) -> None:
        self.path, self.threshold = path, threshold
        content = read_json(path)
        names = _file_names(content, path)
        self._named: dict[str, set[str]] = {}
        for name in names.values():
            self._named.setdefault(PurePosixPath(name).name, set()).add(name)
        records = content.get("annotations") if isinstance(content, Mapping) else content
        if not isinstance(records, list):
            raise DataError(f"{path}: expected a list of detections, found {type(content).__name__}")
        self._boxes: dict[int | str, list[list[float]]] = {}
        self._other_categories: Counter[str] = Counter()
        self._unsure = self._crowds = 0
        self._absent: list[str] = []
        for number, record in enumerate(records):
            key, box = _read(record, f"{path}: record {number}", names)
            kept = self._boxes.setdefault(key, [])
            if isinstance(key, str):
                self._named.setdefault(PurePosixPath(key).name, set()).add(key)
            if record.get("category_id", PERSON) != PERSON:
                self._other_categories[shown(record["category_id"])] += 1
            elif record.get("iscrowd"):
                self._crowds += 1
            elif box[4] < threshold:
                self._unsure += 1
            else:
                kept.append(box)

    def __len__(self) -> int:
        return len(self._boxes)

    def of(self, image: Path | int) -> tuple[np.ndarray, np.ndarray]:
        """The boxes (n, 4) xyxy and scores (n,) of a picture or a frame; n is 0 where the file has none."""
        keys: list[int | str] = [image] if isinstance(image, int) else [*self._key_of(image)]
        if isinstance(image, Path) and image.stem.isdecimal():
            keys.append(int(image.stem))
        found = next((self._boxes[key] for key in keys if key in self._boxes), None)
        if found is None:
            self._absent.append(image.name if isinstance(image, Path) else str(image))
            found = []
        table = np.array(found, np.float64).reshape(-1, 5)
        return xywh_to_xyxy(table[:, :4]), table[:, 4]

    def _key_of(self, image: Path) -> list[str]:
        """The name that the file has for a picture: of several in different folders that with its folders."""
        named = sorted(self._named.get(image.name, ()))
        if len(named) < 2:
            return named
        places = [Path(os.path.abspath(image)).parts, image.resolve().parts]  # noqa: PTH100 - as it is named
        folders = {name: PurePosixPath(name).parts for name in named}
        same = [n for n, own in folders.items() if any(parts[-len(own) :] == own for parts in places)]
        if not same:
            raise DataError(
                f"{self.path}: several pictures are named {image.name} ({', '.join(named[:3])}), and none of "
                f"them is {image}; put it into its folder, or name it otherwise"
            )
        return [max(same, key=len)]

    def notes(self) -> list[str]:
        """What was left out of the file and why, and which images asked for so far it says nothing of."""
        notes = [
            f"{_boxes(number)} of category {category} (person is {PERSON})"
            for category, number in sorted(self._other_categories.items())
        ]
        if self._crowds:
            notes.append(f"{_boxes(self._crowds)} of a crowd ('iscrowd')")
        if self._unsure:
            notes.append(
                f"{_boxes(self._unsure)} scored below {self.threshold:g}, the threshold (--box-threshold)"
            )
        if self._absent:
            more = f" and {len(self._absent) - 3} more" if len(self._absent) > 3 else ""
            notes.append(f"the file has no box for {', '.join(self._absent[:3])}{more}; {self._known()}")
        return [f"{self.path}: {note}" for note in notes]

    def _known(self) -> str:
        """What the file has boxes for, in words."""
        ids = sorted(key for key in self._boxes if isinstance(key, int))
        names = [key for key in self._boxes if isinstance(key, str)]
        known = [f"its ids are {ids[0]}..{ids[-1]}"] if ids else []
        if names:
            known.append(f"its file names are {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
        return ", ".join(known) or "it has none"


def _boxes(number: int) -> str:
    return "1 box" if number == 1 else f"{number} boxes"


def _file_names(content: Any, path: str | Path) -> dict[int, str]:
    """Image id -> file name, as far as the file tells."""
    images = content.get("images", []) if isinstance(content, Mapping) else []
    try:
        named = [(image["id"], _name(image["file_name"])) for image in images]
        found = dict(named)
    except (TypeError, KeyError) as error:
        raise DataError(
            f"{path}: 'images': expected objects with id and file_name ({shown(error)})"
        ) from error
    again = next((number for number, name in named if found[number] != name), None)
    if again is not None:
        raise DataError(f"{path}: 'images': expected unique ids, found {shown(again)} with two file names")
    return found


def _read(record: Any, where: str, names: Mapping[Any, str]) -> tuple[int | str, list[float]]:
    """What a record belongs to, and its x, y, width, height, score."""
    stated = require(record, "bbox", where, list)
    if len(stated) != 4 or not all(type(value) in (int, float) for value in stated):
        raise DataError(f"{where}, field 'bbox': expected x, y, width, height, found {shown(stated)}")
    box = [_float(value) for value in stated]  # what is not finite is told with its picture
    score = _float(require({"score": 1.0, **record}, "score", where, (int, float)))
    if not math.isfinite(score):
        raise DataError(f"{where}, field 'score': expected a finite number, found {score}")
    if record.get("iscrowd", 0) not in (0, 1, None):  # the text "0" would count as true
        raise DataError(f"{where}, field 'iscrowd': expected 0 or 1, found {shown(record['iscrowd'])}")
    number = record.get("image_id")
    name = record.get("file_name") or (names.get(number) if isinstance(number, (int, str)) else None)
    if name:
        return _name(name), [*box, score]
    whole = require(record, "image_id", where, (int, float, str))
    try:
        if int(whole) == float(whole):
            return int(whole), [*box, score]
    except (ValueError, OverflowError):
        pass
    raise DataError(f"{where}, field 'image_id': expected a whole number, found {shown(whole)}")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1e308
        return math.inf


def _name(name: Any) -> str:
    """A picture's name with the folders that it states, none of them ``..``."""
    parts = posixpath.normpath(str(name).replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("..", ""))
