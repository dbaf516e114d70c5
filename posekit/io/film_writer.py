"""Writes films that play: H.264 with the frames' own times (.mp4), or Motion JPEG (.avi)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import atomic_path
from posekit.io.film_stream import DEFAULT_RATE, pyav
from posekit.io.images import cv2

_TICKS = 90_000  # of an mp4's second; the usual intervals and milliseconds are whole numbers of them


class UnwrittenError(DataError):
    """A video that could not be written whole, most often because the disk is full."""


@contextlib.contextmanager
def video_writer(path: str | os.PathLike[str], rate: float, size_hw: tuple[int, int]) -> Iterator[Any]:
    """Opens a video for writing, which appears under its name when the block ends well, or not at all.

    An ``.mp4`` is H.264 in yuv420p with its index in front, which browsers play, and keeps the frames' own
    times; a row or column is repeated where its size is odd. An ``.avi`` is Motion JPEG of constant rate: its
    frames stand at the next multiple of 1 / ``rate``.

    Args:
        path: ``.mp4`` or ``.avi``; its folder is made if missing.
        rate: Frames a second, of frames that come without a time and of an ``.avi``.
        size_hw: Height and width of a frame, pixels.

    Yields:
        ``append(frame, time=None)``: appends a frame, uint8 (H, W, 3) RGB, resized if it has another size,
        that is shown from ``time`` on, seconds; None: 1 / ``rate`` after the one before. Times increase.

    Raises:
        DataError: On another suffix, or where such a video cannot be written.
        UnwrittenError: If frames were lost on the way to the disk, or there was none.
    """
    path = Path(path)
    if path.suffix.lower() not in (".avi", ".mp4"):
        raise DataError(f"{path}: expected a video's suffix, .mp4 or .avi, found '{path.suffix}'")
    with atomic_path(path) as temporary:
        film = _FilmWriter(path, temporary, rate, size_hw)
        try:
            yield film.append
            film.finish()
        finally:
            film.close()
        if not film.count:
            raise UnwrittenError(f"{path}: a video of no frames cannot be written")
        if (whole := _count_frames(str(temporary))) < film.count:
            raise UnwrittenError(
                f"{path}: {whole} of {film.count} frames could be written; is the disk full?"
            )


class _FilmWriter:
    """Encodes frames into a file."""

    def __init__(self, path: Path, temporary: Path, rate: float, size_hw: tuple[int, int]) -> None:
        self.path, self.count, self._size_hw = path, 0, size_hw
        av, mp4 = pyav(), path.suffix.lower() == ".mp4"
        rated = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 240 else Fraction(round(DEFAULT_RATE))
        self._tick = Fraction(1, _TICKS) if mp4 else 1 / rated
        self._usual = round(1 / rated / self._tick)
        self._interval = self._usual  # ticks that the last frame is shown for
        self._last = -self._usual
        try:
            # The prefix keeps a colon in the name from starting an address.
            self._container = av.open(
                f"file:{temporary}", "w", format="mp4" if mp4 else "avi",
                options={"movflags": "+faststart"} if mp4 else {},
            )  # fmt: skip
            self._stream = _h264(self._container, rated) if mp4 else _motion_jpeg(self._container, rated)
        except (av.FFmpegError, ValueError) as error:
            raise DataError(f"{path}: a video cannot be written ({error}); try .avi instead") from error
        even = 2 if mp4 else 1
        self._stream.height, self._stream.width = (side + side % even for side in size_hw)
        self._stream.time_base = self._stream.codec_context.time_base = self._tick

    def append(self, frame: np.ndarray, time: float | None = None) -> None:
        """Encodes a frame; see :func:`video_writer`."""
        ticks = self._last + self._usual if time is None else round(time / self._tick)
        ticks = max(ticks, self._last + 1 if self.count else 0)
        if self.count:
            self._interval = ticks - self._last
        self._last, self.count = ticks, self.count + 1
        if frame.shape[:2] != self._size_hw:
            frame = cv2.resize(frame, self._size_hw[::-1])
        extra = self._stream.height - frame.shape[0], self._stream.width - frame.shape[1]
        if any(extra):
            frame = np.pad(frame, ((0, extra[0]), (0, extra[1]), (0, 0)), mode="edge")
        picture = pyav().VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = ticks, self._tick
        self._write(picture)

    def finish(self) -> None:
        """Writes what the encoder still holds, and the index."""
        if self.count:
            self._write(None)
            with self._disk_errors():
                self._container.close()

    def _write(self, picture: Any) -> None:
        with self._disk_errors():
            for packet in self._stream.encode(picture):
                packet.duration = self._interval  # a file keeps that of its last frame
                self._container.mux(packet)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (pyav().FFmpegError, OSError) as error:
            told = f"{self.path}: not all of its {self.count} frames could be written ({error.strerror})"
            size = f"{self._stream.width} x {self._stream.height} pixels"
            full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)
            hint = "is the disk full?" if full else f"can frames of {size} be encoded? Try .avi"
            raise UnwrittenError(f"{told}; {hint}") from error

    def close(self) -> None:
        """Lets the file go, whatever state it is in."""
        with contextlib.suppress(pyav().FFmpegError, OSError):  # the error that led here has been raised
            self._container.close()


def _h264(container: Any, rate: Fraction) -> Any:
    stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    # With frames that are decoded before they are shown, the file's length follows the wrong intervals.
    context.max_b_frames = 0
    # What the pixels mean: BT.601's matrix, sRGB's primaries and curve, levels 16 to 235.
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 1, 13, 1
    return stream


def _motion_jpeg(container: Any, rate: Fraction) -> Any:
    stream = container.add_stream("mjpeg", rate=rate, options={"qmin": "2", "qmax": "3"})
    stream.pix_fmt = "yuvj420p"
    return stream


def _count_frames(name: str) -> int:
    """How many frames a video holds by its index; 0 if it cannot be opened."""
    av = pyav()
    try:
        with av.open(f"file:{name}") as container:
            return container.streams.video[0].frames
    except (av.FFmpegError, IndexError):
        return 0
