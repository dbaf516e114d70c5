"""A long run of a detector on disk: every image's boxes as they come, and COCO's result form at the end.

The partial file ``<out>.partial`` holds a line of JSON per image, after a first line that says by what and of
what. A killed run leaves at worst a line cut off, which is dropped; the same command goes on behind the last
whole one. What the run is for appears under its own name only when it is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from posekit.detection.detector import DetectedPeople
from posekit.errors import ConfigError
from posekit.geometry import xyxy_to_xywh
from posekit.io.files import atomic_file

_DIGITS = 3  # of coordinates, pixels


def coco_detections(
    people: DetectedPeople, image_id: int, category_id: int = 1, **facts: Any
) -> list[dict[str, Any]]:
    """People in COCO's detection results form; ``facts`` go into every record."""
    boxes = np.round(xyxy_to_xywh(people.boxes_xyxy), _DIGITS).tolist()
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "bbox": box,
            "score": round(float(score), 6),
            **facts,
        }
        for box, score in zip(boxes, people.scores, strict=True)
        if box[2] > 0 and box[3] > 0
    ]


class PartialRun:
    """What a run has found so far, on disk.

    Args:
        out: The file that the run will make; the partial file lies beside it.
        settings: All that its result depends on. A partial file of other settings is not continued.

    Attributes:
        done: Image key -> its record, of this run and of the one it continues.

    Raises:
        ConfigError: If there is a partial file of other settings.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}.partial")
        self.settings = json.loads(json.dumps(settings))
        self.done: dict[str, dict[str, Any]] = {}
        whole = self._read() if self.path.exists() else 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")
        self._file.truncate(whole)
        if not whole:
            self._write([{"settings": self.settings}])

    def _read(self) -> int:
        """Reads the whole lines; returns how many bytes they are."""
        whole = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            record = _parse(line)
            if record is None:
                break
            if number == 0:
                self._check(record.get("settings"))
            elif isinstance(record.get("key"), str):
                self.done[record["key"]] = record
            whole += len(line)
        return whole

    def _check(self, settings: Any) -> None:
        if settings == self.settings:
            return
        found = settings if isinstance(settings, dict) else {}
        differ = [key for key in self.settings if found.get(key) != self.settings[key]]
        shown = "; ".join(f"{key}: then {found.get(key)!r}, now {self.settings[key]!r}" for key in differ[:3])
        raise ConfigError(
            f"{self.path}: an unfinished run with other settings ({shown}). Repeat its command to finish it, "
            "or add --restart to begin anew"
        )

    def add(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Keeps records, each with its ``key``; they are on disk when this returns."""
        self._write(records)
        self.done.update({record["key"]: dict(record) for record in records})

    def _write(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._file.write("".join(json.dumps(record) + "\n" for record in records).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Removes the file, once the result is written."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> PartialRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None if it was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def write_compact(path: Path, value: Any) -> None:
    """Writes a JSON file atomically, without indentation: detections are many."""
    with atomic_file(path) as file:
        file.write((json.dumps(value) + "\n").encode())
