"""What can be looked at - a photo, a folder of photos, a video, a webcam - as frames, one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from posekit.errors import DataError
from posekit.io.pictures import PICTURES, is_picture, load_rgb, no_path, other_files, picture_files
from posekit.io.video import FILMS, VideoReader


class Frame(NamedTuple):
    """One picture of a source.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        image_id: The number its results carry; of a frame of a video its place in it, from 0.
        path: The photo's file; None for a frame of a video.
        time: Seconds since the beginning of the video, by its own time stamps; photos
            are counted at 25 a second.
    """

    image: np.ndarray
    image_id: int
    path: Path | None
    time: float


class Source(Protocol):
    """Frames to iterate over once.

    Attributes:
        name: For messages.
        count: How many frames there will be, for videos about; None where nobody knows.
        rate: Frames a second, for videos; about, as their frames have times of their own.
        is_video: Whether the frames make a video.
        is_live: Whether it goes on until it is stopped.
        problems: What could not be read, in words; complete at the end.
    """

    name: str
    problems: list[str]

    @property
    def count(self) -> int | None: ...

    @property
    def rate(self) -> float: ...

    @property
    def is_video(self) -> bool: ...

    @property
    def is_live(self) -> bool: ...

    def __iter__(self) -> Iterator[Frame]: ...


class Photos:
    """Image files; one that cannot be read is left out and stands in ``problems``.

    A photo's number is the one its name stands for where all names are numbers, as COCO's are; else its place
    in the list.
    """

    is_video = is_live = False
    rate = 25.0

    def __init__(self, paths: list[Path], name: str, left_out: str = "") -> None:
        self.paths, self.name, self.count = paths, name, len(paths)
        self.problems = [left_out] if left_out else []
        numbers = [int(path.stem) for path in paths if path.stem.isdecimal() and path.stem.isascii()]
        named = len(set(numbers)) == len(paths)
        self.image_ids = numbers if named else list(range(len(paths)))

    def __iter__(self) -> Iterator[Frame]:
        for place, (path, image_id) in enumerate(zip(self.paths, self.image_ids, strict=True)):
            try:
                image = load_rgb(path)
            except DataError as error:
                self.problems.append(str(error))
                continue
            yield Frame(image, image_id, path, place / self.rate)


class Video:
    """A video or a webcam; a frame's number is its place in the video, also where others were lost."""

    is_video = True

    def __init__(self, source: Path | int) -> None:
        self._reader = VideoReader(source)
        self.is_live = isinstance(source, int)
        self.name = f"webcam {source}" if self.is_live else str(source)
        self.count, self.rate = self._reader.frames, self._reader.rate
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._reader.timed():
            yield Frame(frame.image, frame.number, None, frame.time)
        if self._reader.problem:
            self.problems.append(self._reader.problem)


def open_source(text: str) -> Source:
    """The source that a word of the command line means: a file, a folder or a webcam's number.

    Raises:
        DataError: If there is no such thing, or a folder without images.
    """
    path = Path(text)
    # Path's own questions raise where a folder above may not be looked into, and take "" for ".".
    if os.path.isdir(text):  # noqa: PTH112
        files, others = picture_files(path), other_files(path)
        if not files:
            found = f", but {others}" if others else ""
            raise DataError(f"{path}: the folder holds no images ({' '.join(PICTURES)}){found}")
        return Photos(files, str(path), others)
    if os.path.isfile(text):  # noqa: PTH113
        if is_picture(path):
            return Photos([path], str(path))
        if path.suffix.lower() in FILMS:
            return Video(path)
        raise DataError(f"{path}: neither an image nor a video ({' '.join(FILMS)})")
    if text.isdecimal():
        return Video(int(text))
    if advice := no_path(text):
        raise DataError(f"{text}: {advice}")
    raise DataError(f"{text or repr(text)}: no such file or folder (a webcam is given by its number)")
