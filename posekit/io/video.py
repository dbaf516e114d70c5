"""Videos and webcams as frames, and frames as videos; uint8 (H, W, 3) RGB, one frame in memory at a time.

Files are read and written by PyAV, which knows the frames' time stamps; webcams by OpenCV.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posekit.errors import DataError
from posekit.io.film import Film, VideoFrame
from posekit.io.film_stream import DEFAULT_RATE
from posekit.io.film_writer import UnwrittenError, video_writer
from posekit.io.images import cv2

__all__ = ["FILMS", "UnwrittenError", "VideoFrame", "VideoReader", "video_writer"]

# What a video is called. FFmpeg would open more: it makes a film of any text.
# fmt: off
FILMS = (
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif", ".flv", ".3gp", ".ogv",
    ".ts", ".mts", ".m2ts", ".mjpeg", ".h264", ".264", ".h265", ".hevc",
)
# fmt: on


class VideoReader:
    """The frames of a video, or of a webcam, to be iterated over once.

    A video that breaks off or holds frames that cannot be decoded gives those that can; ``problem`` then says
    what is missing.

    Args:
        source: A file's path, or a webcam's number.

    Attributes:
        size_hw: Height and width of a frame, pixels; turned as the file says that it is to be shown.
        rate: Frames a second, about (:meth:`timed` gives the frames' own times); 25 where nobody knows.
        frames: How many frames the file announces, about where it announces its length; None where it does
            neither, as webcams.
        problem: What went wrong so far, in words; "" if nothing did.

    Raises:
        DataError: If it is missing, cannot be opened, or no frame of it can be decoded.
        ConfigError: If PyAV, which reads the files, is not installed.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        self.source = source if isinstance(source, int) else os.fspath(source)
        self._frames = _Webcam(source) if isinstance(source, int) else _film(os.fspath(source))
        self.size_hw, self.rate, self.frames = self._frames.size_hw, self._frames.rate, self._frames.frames

    @property
    def problem(self) -> str:
        return self._frames.problem

    def timed(self) -> Iterator[VideoFrame]:
        """Reads on from where the video stands: frames with their numbers and times.

        The number is the frame's place in the video, from 0, and the time its own time stamp, seconds since
        the first; frames that cannot be decoded are left out and move no other. The file is closed at its
        end.
        """
        return iter(self._frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames' pictures alone, as :meth:`timed` gives them."""
        return (frame.image for frame in self._frames)

    def close(self) -> None:
        """Lets the file or the webcam go."""
        self._frames.close()


class _Webcam:
    """The frames of a webcam, with the time that has passed since the first was asked for."""

    frames = None
    problem = ""

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise DataError(f"webcam {number}: cannot be opened: no such device, or it is in use")
        self.size_hw = self._number(cv2.CAP_PROP_FRAME_HEIGHT), self._number(cv2.CAP_PROP_FRAME_WIDTH)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else DEFAULT_RATE

    def _number(self, which: int) -> int:
        value = self._capture.get(which)
        return int(value) if math.isfinite(value) and 0 <= value < 1e9 else 0

    def __iter__(self) -> Iterator[VideoFrame]:
        start, number = time.monotonic(), 0
        try:
            while (image := self._next()) is not None:
                yield VideoFrame(image, number, time.monotonic() - start)
                number += 1
        finally:
            self.close()

    def _next(self) -> np.ndarray | None:
        good, frame = self._capture.read()
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if good and frame is not None else None

    def close(self) -> None:
        self._capture.release()


def _film(path: str) -> Film:
    if not Path(path).is_file():
        raise DataError(f"{path}: file not found")
    _refuse_texts(path)
    return Film(path)


def _refuse_texts(path: str) -> None:
    """Refuses playlists and the like: what they name, files or addresses, would be opened for them."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(1024)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    if not any(byte < 9 or 13 < byte < 27 for byte in start):
        raise DataError(f"{path}: is {'a text, not a video' if start else 'empty; copy or record it again'}")
