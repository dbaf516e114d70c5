"""Video files by PyAV: each frame upright, with the number and the time that the file gives it.

Times are the stream's own time stamps, so a variable rate, a rate that the header states wrongly and frames
that were lost in the middle all come out right. A frame's number is its place among the frames that the file
holds, in the order in which they are shown; one that cannot be decoded keeps its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import DataError
from posekit.io.film_stream import (
    announced_length,
    announced_rate,
    open_film,
    pictures_of,
    pyav,
    without_stamps,
)
from posekit.io.frame_places import Places
from posekit.io.image_size import pixel_limit


class VideoFrame(NamedTuple):
    """One frame of a video.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        number: Its place in the video, from 0.
        time: Seconds since the beginning of the video.
    """

    image: np.ndarray
    number: int
    time: float


class Film:
    """The frames of a video file, to be iterated over once.

    Frames that cannot be decoded are left out; ``problem`` then says what is missing.

    Args:
        path: An existing file.

    Attributes:
        size_hw: Height and width of a frame as it is seen, pixels.
        rate: Frames a second, about; for files whose rate varies, whatever they state.
        frames: How many frames there are, about; None where the file does not tell.
        problem: What went wrong so far, in words; "" if nothing did.

    Raises:
        DataError: If no frame of it can be decoded.
    """

    def __init__(self, path: str) -> None:
        self.path, self.problem = path, ""
        self._read = self._corrupt = 0
        self._trimmed = 0  # frames that the file holds and does not show
        self._end = self._interval = 0.0  # time of the last frame, seconds, and since the one before it
        self._broken = ""
        self._container: Any = None
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed with the film
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._container = open_film(self._file, self.path)
        stream = self._stream = pictures_of(self._container, self.path)
        self.rate = announced_rate(stream)
        self._is_avi = self._container.format.name == "avi"
        self._announced = 0 if self._is_avi else stream.frames
        self._length = announced_length(self._container, stream)
        self.frames = self._announced or round(self._length * self.rate) or None
        self._unstamped = without_stamps(self._container)
        self._places = Places(
            reordered=self._is_avi and bool(stream.codec_context.has_b_frames),
            interval=round(1 / self.rate / stream.time_base) if stream.time_base else 0,
        )
        # Where frames cannot be told from each other by their stamps, packets must come out in step.
        stream.thread_type = "SLICE" if self._places.reordered else "AUTO"
        stream.codec_context.options = {"max_pixels": str(pixel_limit())}
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            raise DataError(
                f"{self.path}: a video ({stream.codec_context.name}), but not one frame of it can be decoded"
                f"{self._broken}. Is it cut off or damaged? Copy it again, or convert it to another format"
            )
        self.size_hw = self._first.image.shape[:2]

    def __iter__(self) -> Iterator[VideoFrame]:
        """Reads on from where the film stands; the file is closed at its end."""
        try:
            if self._first is not None:
                frame, self._first = self._first, None
                yield frame
            yield from self._frames
        finally:
            self.close()

    def _decode(self) -> Iterator[VideoFrame]:
        places, tick = self._places, float(self._stream.time_base or 0)
        for frame in self._decoded():
            place = places.next(None if self._unstamped else frame.pts)
            if place is None:
                continue
            number, ticks = place
            if frame.is_corrupt:
                self._corrupt += 1
                places.damaged = True
            self._interval = ticks * tick - self._end
            self._read, self._end = self._read + 1, ticks * tick
            yield VideoFrame(self._rgb(frame), number, self._end)
        places.end()
        self.problem = self._in_words()

    def _decoded(self) -> Iterator[Any]:
        """Frames as they come out of the decoder."""
        av, places = pyav(), self._places
        packets = self._container.demux(self._stream)
        if not self._unstamped:
            packets = places.apart(packets, lambda packet: _is_hidden(packet, self._stream))
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._broken = f" (reading failed: {error.strerror or error})"
                break
            if packet is None:
                break
            ends = packet.size == 0 and packet.dts is None  # the decoder then hands out what it holds
            if packet.size == 0 and not ends:  # stands for a repetition of the frame before
                continue
            if not (ends or packet.is_discard or _is_hidden(packet, self._stream)):
                places.sent(None if self._unstamped else packet.pts)
            self._trimmed += packet.is_discard
            places.damaged = places.damaged or packet.is_corrupt
            try:
                yield from packet.decode()
            except (av.FFmpegError, ValueError):
                if not ends:
                    places.failed(None if self._unstamped else packet.pts)

    def _rgb(self, frame: Any) -> np.ndarray:
        """A decoded frame as uint8 (H, W, 3), turned as the file says that it is to be shown."""
        try:
            # The conversion's own threads cost more than they save.
            image = frame.to_ndarray(format="rgb24", threads=1)
        except (pyav().FFmpegError, ValueError) as error:
            raise DataError(
                f"{self.path}: frames of the format {frame.format.name} cannot be converted to RGB "
                f"({error}); convert the video to H.264 or VP9, yuv420p, first"
            ) from error
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if matrix is not None:
            image = upright(image, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)[:2, :2])
        return np.ascontiguousarray(image)

    def _in_words(self) -> str:
        """What is missing, once the last frame has been read."""
        places, told = self._places, []
        counted = self._read + places.lost
        # Announced counts may be one off.
        short = self._announced - self._trimmed - counted
        short = short if short > 1 else 0
        if places.lost or short:
            lost = places.first_lost
            number = "" if lost is None else f" (number {lost} is the first missing)"
            told.append(
                f"{self._read} of {counted + short} frames could be read{number}, with their own numbers and "
                "times; is the video damaged or cut off? Use a whole copy if there is one"
            )
        if not self._announced and self._length - self._end > self._slack():
            told.append(
                f"its frames end at {self._end:.2f} s of the {self._length:.2f} s that it announces; "
                "is it cut off? Use a whole copy if there is one"
            )
        if self._broken:
            told.append(f"it breaks off at {self._end:.2f} s{self._broken}")
        if self._corrupt:
            told.append(f"{self._corrupt} of the frames read came out damaged")
        if self._unstamped:
            told.append(
                f"a raw stream ({self._container.format.name}) has no time stamps: the times are those of "
                f"{self.rate:g} frames a second, as far as it tells; if it was made at another rate, put it "
                "into an mp4 of that rate first: ffmpeg -r RATE -i IN -c copy OUT.mp4"
            )
        if places.doubled:
            told.append(
                f"{places.doubled} of its frames had the time stamp of the frame before; they are spread "
                "evenly up to the next"
            )
        if places.disordered and not self._unstamped:
            told.append(
                f"{places.disordered} of the frames read had no time stamp later than that of the frame "
                "before; each is put one interval after it"
            )
        return f"{self.path}: {'; '.join(told)}" if told else ""

    def _slack(self) -> float:
        """Seconds by which the last frame may lie before the announced end; sound may go on longer."""
        if self._is_avi:
            return 1.5 * max(1 / self.rate, self._interval)
        return 1 / self.rate + (0.5 if len(self._container.streams) == 1 else 2.0)

    def close(self) -> None:
        """Lets the file go."""
        if self._container is not None:
            self._container.close()
        self._file.close()


def _is_hidden(packet: Any, stream: Any) -> bool:
    """Whether a packet holds a VP8 picture that is never shown; others are predicted from it."""
    return stream.codec_context.name == "vp8" and bool(packet.size) and not memoryview(packet)[0] >> 4 & 1


def upright(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turns and mirrors a picture by right angles.

    Args:
        image: (H, W, 3).
        matrix: (2, 2); a pixel (x, y) is to be seen at (x, y) @ matrix, but for an offset. Of another angle,
            the nearest right one is taken.
    """
    (a, b), (c, d) = matrix.tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
