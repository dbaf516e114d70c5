"""What a video file says of itself: whether there are pictures in it, how long it is, how fast it goes."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any, BinaryIO

from posekit.errors import ConfigError, DataError
from posekit.io.image_size import pixel_limit

DEFAULT_RATE = 25.0
# Nothing that a file names is opened: neither addresses nor other files.
_OPTIONS = {"protocol_whitelist": "none"}


_CUT_OFF = (
    "as one that was cut off while it was recorded or copied. Copy it again; a recorder's own repair "
    "function, or untrunc with a whole film of the same camera, may restore the index"
)
_NO_STAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS, of the containers that are none


def pyav() -> Any:
    """PyAV, imported where a video file is read or written; photos do without.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            f"videos need PyAV, which cannot be imported ({error}): pip install 'posekit[video]'"
        ) from error
    return av


def open_film(file: BinaryIO, path: str) -> Any:
    """The container of a video file.

    Raises:
        DataError: If it is none.
    """
    av = pyav()
    try:
        return av.open(file, options=_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"{path}: {_unopened(path, error)}") from error


def _unopened(path: str, error: Exception) -> str:
    """Why a file could not be opened as a video, and what to do."""
    with Path(path).open("rb") as file:
        start = file.read(12)
    reason = getattr(error, "strerror", None) or error
    if getattr(error, "errno", None) == errno.ENOMEM:  # FFmpeg refuses them before it asks for any memory
        reason = "it states impossible sizes"
    if start[4:8] == b"ftyp":
        return f"is an MP4 or MOV file without its index ({reason}), {_CUT_OFF}"
    return f"neither an image nor a video that can be read ({reason}); is it damaged?"


def pictures_of(container: Any, path: str) -> Any:
    """The stream of a container that has the film.

    Raises:
        DataError: If there is none.
    """
    av, kind = pyav(), container.format.name
    if kind.endswith("_pipe") or kind == "image2":
        name = kind.removesuffix("_pipe").upper()
        raise DataError(f"{path}: is a picture ({name}), not a video; give it the suffix of a picture")
    cover = av.stream.Disposition.attached_pic
    films = [stream for stream in container.streams.video if not stream.disposition & cover]
    context = films[0].codec_context if films else None
    if context is None and kind.startswith("mov,") and _ends_within_a_box(path):  # its index, mostly
        raise DataError(f"{path}: is an MP4 or MOV file without a whole index, {_CUT_OFF}")
    if not films:
        sound = f"sound ({container.streams.audio[0].codec_context.name})" if container.streams.audio else ""
        raise DataError(f"{path}: holds {sound or 'nothing'} and no pictures; give a video")
    if context is None:
        raise DataError(
            f"{path}: its video is of a kind that PyAV cannot decode; convert it to H.264 or VP9 first"
        )
    if context.width * context.height > pixel_limit():
        raise DataError(
            f"{path}: frames of {context.width} x {context.height} are more than {pixel_limit():,} pixels; "
            "if you trust it, set POSEKIT_MAX_PIXELS to what it needs"
        )
    return films[0]


def _ends_within_a_box(path: str) -> bool:
    """Whether an MP4 or MOV file is shorter than its boxes, of size and kind each, say."""
    end, at = Path(path).stat().st_size, 0
    with Path(path).open("rb") as file:
        while at < end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:  # what follows the kind is
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # 0: to the end of the file; others are none
                return False
            at += size
    return at > end


def without_stamps(container: Any) -> bool:
    """Whether a file is a raw stream, as of a camera's encoder: what stamps there are FFmpeg has guessed."""
    return bool(int(container.format.flags) & _NO_STAMPS)


def announced_rate(stream: Any) -> float:
    """Frames a second as far as the file tells; ``guessed_rate`` sees through a header's ticks."""
    for rate in (stream.guessed_rate, stream.average_rate):
        if rate and math.isfinite(value := float(rate)) and 0 < value <= 1000:
            return value
    return DEFAULT_RATE


def announced_length(container: Any, stream: Any) -> float:
    """Seconds that the film is announced to last; 0 where it is not."""
    if container.format.name == "avi" and stream.average_rate:  # its other lengths are taken from the file's
        seconds = stream.frames / float(stream.average_rate)
    elif stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / 1e6
    return seconds if 0 < seconds < 1e7 else 0.0
