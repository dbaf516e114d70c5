"""What can be looked at - photos, folders of them, videos, webcams - as frames, one at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from posekit.errors import DataError
from posekit.io.pictures import (
    folder_pictures,
    is_pattern,
    is_picture,
    load_rgb,
    no_path,
    pattern_files,
)
from posekit.io.video import FILMS, VideoReader
from posekit.io.web_pictures import fetch_picture, is_url


class Frame(NamedTuple):
    """One picture of a source.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        image_id: The number its results carry; of a frame of a video its place in it, from 0.
        path: The photo's file; None for a frame of a video.
        time: Seconds since the beginning of the video, by its own time stamps; photos
            are counted at 25 a second.
        name: What its results call the photo: the file's name; its path as it was given where others have
            the same name; the address that it is from.
    """

    image: np.ndarray
    image_id: int
    path: Path | None
    time: float
    name: str = ""


class Source(Protocol):
    """Frames to iterate over once.

    Attributes:
        name: For messages: what was given.
        count: How many frames there will be, for videos about; None where nobody knows.
        rate: Frames a second, for videos; about, as their frames have times of their own.
        is_video: Whether the frames make a video.
        is_live: Whether it goes on until it is stopped.
        problems: What could not be read, in words; complete at the end.
        notes: What else is left out: files that are no pictures.
    """

    name: str
    problems: list[str]
    notes: list[str]

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

    def __init__(
        self,
        paths: Sequence[Path],
        name: str,
        notes: Sequence[str] = (),
        given: Mapping[Path, str] | None = None,
    ) -> None:
        self.paths, self.name, self.count = list(paths), name, len(paths)
        self.problems: list[str] = []
        self.notes = list(notes)
        numbers = [int(path.stem) for path in paths if path.stem.isdecimal() and path.stem.isascii()]
        named = len(set(numbers)) == len(paths)
        self.image_ids = numbers if named else list(range(len(paths)))
        times = Counter(path.name for path in paths)
        self.names = [path.name if times[path.name] == 1 else path.as_posix() for path in paths]
        if given:  # from addresses
            self.names = [given.get(path, own) for path, own in zip(paths, self.names, strict=True)]

    def __iter__(self) -> Iterator[Frame]:
        for place, (path, image_id) in enumerate(zip(self.paths, self.image_ids, strict=True)):
            try:
                image = load_rgb(path)
            except DataError as error:
                self.problems.append(str(error))
                continue
            yield Frame(image, image_id, path, place / self.rate, self.names[place])


class Video:
    """A video or a webcam; a frame's number is its place in the video, also where others were lost."""

    is_video = True

    def __init__(self, source: Path | int, name: str = "") -> None:
        self._reader = VideoReader(source)
        self.is_live = isinstance(source, int)
        self.path = None if isinstance(source, int) else source
        self.name = f"webcam {source}" if self.is_live else name or str(source)
        self.count, self.rate = self._reader.frames, self._reader.rate
        self.problems: list[str] = []
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._reader.timed():
            yield Frame(frame.image, frame.number, None, frame.time)
        if self._reader.problem:
            self.problems.append(self._reader.problem)


def open_sources(words: Sequence[str], folder: str | os.PathLike[str]) -> tuple[list[Source], list[str]]:
    """The sources that words of a command line mean: all photos as one, then each video.

    Args:
        words: Files, folders, patterns of names, http(s) addresses, webcams' numbers. A file that is meant
            twice is taken once.
        folder: Where what is downloaded is put; to remove it is the caller's part.

    Returns:
        At least one source; and why other words mean none.

    Raises:
        DataError: If no word means any: why.
    """
    photos: dict[Path, str] = {}  # with the address that each is from, if it is
    videos: dict[str, Source] = {}
    notes: list[str] = []
    problems: list[str] = []
    for word in words:
        try:
            paths = [word]
            if is_url(word):
                paths = [str(fetch_picture(word, folder))]
            elif is_pattern(word):
                matching, others = pattern_files(word)
                paths, notes = [str(path) for path in matching], [*notes, *([others] if others else [])]
        except DataError as error:
            problems.append(str(error))
            continue
        for path in paths:
            name = word if is_url(word) else path
            try:
                source = open_source(path, name)
            except DataError as error:
                problems.append(str(error).replace(path, name))
                continue
            if isinstance(source, Photos):
                photos |= {one: word if is_url(word) else photos.get(one, "") for one in source.paths}
                notes += source.notes
            else:
                videos.setdefault(source.name, source)
    sources = list(videos.values())
    if photos:
        given = {path: url for path, url in photos.items() if url}
        name = words[0] if len(words) == 1 else f"{len(photos)} photos"
        sources.insert(0, Photos(list(photos), name, notes, given))
    if not sources:
        raise DataError("\n".join(problems))
    return sources, problems


def open_source(text: str, name: str = "") -> Source:
    """The source that one file, folder or webcam's number is.

    Args:
        text: Its path, or the number.
        name: What messages call it; "": its path.

    Raises:
        DataError: If there is no such thing, or a folder without images.
    """
    path = Path(text)
    # Path's own questions raise where a folder above may not be looked into, and take "" for ".".
    if os.path.isdir(text):  # noqa: PTH112
        files, others = folder_pictures(path)
        return Photos(files, str(path), [others] if others else [])
    if os.path.isfile(text):  # noqa: PTH113
        if is_picture(path):
            return Photos([path], str(path))
        if path.suffix.lower() in FILMS:
            return Video(path, name)
        raise DataError(f"{path}: neither an image nor a video ({' '.join(FILMS)})")
    if text.isdecimal():
        return Video(int(text))
    if advice := no_path(text):
        raise DataError(f"{text}: {advice}")
    raise DataError(f"{text or repr(text)}: no such file or folder (a webcam is given by its number)")
