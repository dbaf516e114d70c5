"""Where what a command draws and finds is written, so that no two inputs meet under one name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from posekit.errors import ConfigError
from posekit.io.sources import Photos, Source, Video

SUFFIXES = (".jpg", ".jpeg", ".png")  # of pictures that are written as what they were
VIDEOS = (".mp4", ".avi")
RESULTS = "results"


class Places(NamedTuple):
    """Where the output of one source goes.

    Attributes:
        results: The poses' json.
        target: The folder, or the one file, of what is drawn; for messages.
        video: The film of a video's frames.
        pictures: Of each photo.
    """

    results: Path
    target: Path
    video: Path | None
    pictures: dict[Path, Path]


class _Names:
    """Hands out the names of files in a folder, none of them twice, in upper or lower case.

    On macOS and Windows A.jpg and a.jpg are one file.
    """

    def __init__(self) -> None:
        self._taken = {f"{RESULTS}.json"}

    def take(self, stem: str, *suffixes: str) -> str:
        """The stem, numbered if a file of it and one of the suffixes is another's."""
        number, free = 1, stem
        while not self._taken.isdisjoint(names := {f"{free}{suffix}".casefold() for suffix in suffixes}):
            number += 1
            free = f"{stem}-{number}"
        self._taken |= names
        return free


def places(out: str | None, sources: Sequence[Source]) -> list[Places]:
    """Where the output of each source goes.

    A photo keeps its name; one whose name another has, from another folder, is numbered. The poses of photos,
    and of a video that is the only source, are in ``results.json``; those of other videos in a file beside
    each.

    Args:
        out: A folder, for one photo or video also a file's name; None: ``work_dirs/demo/NAME``.
        sources: At least one.

    Raises:
        ConfigError: If one file's name is given for several pictures, or one of another kind or suffix.
    """
    path = Path(out) if out else Path("work_dirs", "demo", _name_of(sources))
    suffix = path.suffix.lower()
    if out and suffix and suffix not in (*SUFFIXES, *VIDEOS) and not _is_folder(out):
        raise ConfigError(
            f"--out {out}: expected a file that ends in {', '.join((*VIDEOS, *SUFFIXES))}, or a folder, "
            f"found '{path.suffix}'; end the name of a new folder with '/' if it has a dot"
        )
    if out is None or path.is_dir() or suffix not in (*SUFFIXES, *VIDEOS):
        names = _Names()
        return [_in_folder(path, source, names, len(sources) == 1) for source in sources]
    if (
        len(sources) > 1
        or (sources[0].count != 1 and not sources[0].is_video)
        or Path(sources[0].name).is_dir()
    ):
        what = sources[0].name if len(sources) == 1 else f"{len(sources)} inputs"
        raise ConfigError(f"--out {path}: one file's name for the photos of {what}; give a folder")
    (source,) = sources
    if source.is_video != (suffix in VIDEOS):
        wanted = "a video (.mp4, .avi)" if source.is_video else "pictures"
        raise ConfigError(f"--out {path}: the output is {wanted}; give a folder or such a file")
    pictures = {} if source.is_video else dict.fromkeys(_photos(source), path)
    return [Places(path.with_suffix(".json"), path, path if source.is_video else None, pictures)]


def refuse_overwriting(sources: Sequence[Source], outputs: Sequence[Places], others: Sequence[str]) -> None:
    """Raises ConfigError where the output would replace what is read: a source, or another file given."""
    inputs = {Path(name).resolve() for name in others}
    for source in sources:
        video = source.path if isinstance(source, Video) else None
        inputs |= {path.resolve() for path in (*_photos(source), *([video] if video else []))}
    for one in outputs:
        for path in (one.results, *([one.video] if one.video else []), *one.pictures.values()):
            if path.resolve() in inputs:
                raise ConfigError(f"--out: {path} would be overwritten; choose another place")


def _photos(source: Source) -> list[Path]:
    return source.paths if isinstance(source, Photos) else []


def _is_folder(out: str) -> bool:
    """Whether a path is a folder's: of one that is there, or by the slash at its end."""
    return Path(out).is_dir() or out.endswith(("/", os.sep))


def _name_of(sources: Sequence[Source]) -> str:
    """One source's name; of photos of one folder, the folder's."""
    if len(sources) == 1 and isinstance(sources[0], Video):
        return _stem(sources[0])
    photos = [path for source in sources for path in _photos(source)]
    if len(sources) == 1 and len(photos) == 1 and not Path(sources[0].name).is_dir():
        return photos[0].stem
    folders = {path.resolve().parent for path in photos}
    return folders.pop().name or "photos" if len(sources) == 1 and len(folders) == 1 else "several"


def _stem(video: Video) -> str:
    return video.path.resolve().stem if video.path else video.name.replace(" ", "_")


def _in_folder(folder: Path, source: Source, names: _Names, alone: bool) -> Places:
    if isinstance(source, Video):
        stem = names.take(_stem(source), ".mp4", ".json")
        results = folder / f"{RESULTS if alone else stem}.json"
        return Places(results, folder / f"{stem}.mp4", folder / f"{stem}.mp4", {})
    pictures = {}
    for photo in _photos(source):
        kept = photo.suffix.lower() in SUFFIXES
        stem, suffix = (photo.stem, photo.suffix) if kept else (photo.name, ".png")
        # What is too large for a JPEG becomes a PNG.
        pictures[photo] = folder / f"{names.take(stem, suffix, f'{suffix}.png')}{suffix}"
    return Places(folder / f"{RESULTS}.json", folder, None, pictures)
