"""Videos and webcams as frames, and frames as videos; uint8 (H, W, 3) RGB, one frame in memory at a time."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.images import cv2

# What a video is called. FFmpeg would open more: it makes a film of any text.
# fmt: off
FILMS = (
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".flv", ".3gp", ".ogv",
    ".ts", ".mts", ".m2ts", ".mjpeg",
)
# fmt: on
_DEFAULT_RATE = 25.0
# Frames that may fail in a row where more are announced, before the video counts as ended.
_MAX_FAILURES = 25


class UnwrittenError(DataError):
    """A video that could not be written whole, most often because the disk is full."""


class VideoReader:
    """The frames of a video, or of a webcam.

    A video that breaks off or holds frames that cannot be decoded gives those that can; ``problem`` then says
    what is missing.

    Args:
        source: A file's path, or a webcam's number.

    Attributes:
        size_hw: Height and width of a frame, pixels.
        rate: Frames a second; 25 where the source does not say.
        frames: How many frames the file announces; None where it does not, as webcams.
        problem: What went wrong so far, in words; "" if nothing did.

    Raises:
        DataError: If it is missing or cannot be opened.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        self.source = source if isinstance(source, int) else os.fspath(source)
        if isinstance(self.source, str) and not Path(self.source).is_file():
            raise DataError(f"{self.source}: file not found")
        if isinstance(self.source, str):
            _refuse_texts(self.source)
        self._capture = cv2.VideoCapture(self.source)
        if not self._capture.isOpened():
            if isinstance(source, int):
                raise DataError(f"webcam {source}: cannot be opened: no such device, or it is in use")
            raise DataError(f"{source}: neither an image nor a video that OpenCV can read; is it damaged?")
        self.size_hw = self._number(cv2.CAP_PROP_FRAME_HEIGHT), self._number(cv2.CAP_PROP_FRAME_WIDTH)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else _DEFAULT_RATE
        count = 0 if isinstance(source, int) else self._number(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = count if count > 0 else None
        self.problem = ""

    def _number(self, which: int) -> int:
        value = self._capture.get(which)
        return int(value) if math.isfinite(value) and 0 <= value < 1e9 else 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Reads on from where the video stands; the file is closed at its end."""
        read = lost = failures = 0
        try:
            while failures <= _MAX_FAILURES:
                good, frame = self._next()
                if good:
                    lost, failures, read = lost + failures, 0, read + 1
                    yield frame
                elif self.frames is None or read + lost + failures >= self.frames:
                    break
                else:
                    failures += 1
        finally:
            self.close()
        if lost or (
            self.frames is not None and read + lost < self.frames - 1
        ):  # announced counts may be one off
            self.problem = (
                f"{self.source}: {read} of {self.frames} frames could be read; is the video damaged?"
            )

    def _next(self) -> tuple[bool, Any]:
        try:
            good, frame = self._capture.read()
        except cv2.error:  # of one frame; whether more follow shows at the next
            return False, None
        return (True, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)) if good and frame is not None else (False, None)

    def close(self) -> None:
        """Lets the file or the webcam go."""
        self._capture.release()


def _refuse_texts(path: str) -> None:
    """Refuses playlists and the like: what they name, files or addresses, would be opened for them."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(1024)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    if not any(byte < 9 or 13 < byte < 27 for byte in start):
        raise DataError(f"{path}: is {'a text, not a video' if start else 'empty'}")


@contextlib.contextmanager
def video_writer(path: str | os.PathLike[str], rate: float, size_hw: tuple[int, int]) -> Iterator[Any]:
    """Opens a video for writing, which appears under its name when the block ends well, or not at all.

    Args:
        path: ``.mp4`` (MPEG-4) or ``.avi`` (Motion JPEG); its folder is made if missing.
        rate: Frames a second.
        size_hw: Height and width of a frame, pixels.

    Yields:
        A function that appends a frame, uint8 (H, W, 3) RGB; of another size, it is resized.

    Raises:
        DataError: On another suffix, or where OpenCV cannot write such a video.
        UnwrittenError: If frames were lost on the way to the disk.
    """
    path = Path(path)
    codes = {".mp4": "mp4v", ".avi": "MJPG"}
    if path.suffix.lower() not in codes:
        raise DataError(f"{path}: expected a video's suffix, one of {sorted(codes)}, found '{path.suffix}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary, size_wh = Path(name), size_hw[::-1]
    code = cv2.VideoWriter.fourcc(*codes[path.suffix.lower()])
    writer = cv2.VideoWriter(name, code, rate, size_wh)
    try:
        if not writer.isOpened():
            raise DataError(
                f"{path}: OpenCV cannot write a video of {size_wh[0]}x{size_wh[1]} at {rate:g} a second"
            )

        count = 0

        def append(frame: np.ndarray) -> None:
            nonlocal count
            count += 1
            if frame.shape[:2] != size_hw:
                frame = cv2.resize(frame, size_wh)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

        yield append
        writer.release()
        # OpenCV does not say that a write failed; a video without its end cannot be opened or is shorter.
        if (whole := _count_frames(name)) < count:
            raise UnwrittenError(f"{path}: {whole} of {count} frames could be written; is the disk full?")
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    finally:
        writer.release()
        temporary.unlink(missing_ok=True)


def _count_frames(name: str) -> int:
    """How many frames a video announces; 0 if it cannot be opened."""
    capture = cv2.VideoCapture(name)
    try:
        return int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0)) if capture.isOpened() else 0
    finally:
        capture.release()
