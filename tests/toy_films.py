"""Small films for the tests: on frame n a white square lies at x = 4 n, on noise."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SIZE_HW = (32, 256)
MILLISECOND = Fraction(1, 1000)
# 30 frames at 33 ms, then 30 at 100 ms, as a phone has it in the dark: 3.9 s from the first to the last.
SLOWER = [round(33.333 * n) for n in range(30)] + [1000 + 100 * n for n in range(30)]


def picture(number: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 40, (*size_hw, 3), dtype=np.uint8)
    noise[8:24, 4 * number : 4 * number + 12] = 255
    return noise


def shown_number(image: np.ndarray) -> int:
    """The number of the frame that a picture is of."""
    (columns,) = np.nonzero(image[9:23].mean(axis=(0, 2)) > 150)
    return round((columns.mean() - 5.5) / 4)


def write_film(
    path: Path,
    ticks: Sequence[int] = range(60),
    tick: Fraction = Fraction(1, 30),
    codec: str = "mpeg4",
    rate: int = 30,
    container: dict[str, str] | None = None,
    images: Sequence[np.ndarray] | None = None,
    **settings: Any,
) -> Path:
    """A film whose frames have the given time stamps.

    Args:
        path: Its suffix says the container.
        ticks: The frames' times, in ticks.
        tick: Seconds.
        codec: The encoder.
        rate: What the file states, frames a second.
        container: Options of the container.
        images: The frames; None: :func:`picture`.
        settings: ``options`` of the encoder; ``rotation`` of the pictures, degrees, and ``hflip``.
    """
    images = [picture(n) for n in range(len(ticks))] if images is None else images
    with av.open(str(path), "w", options=container or {}) as output:
        stream = output.add_stream(codec, rate=rate, options=settings.get("options"))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = stream.time_base = tick
        if container == {"live": "1"}:  # such a file states no rate
            stream.codec_context.framerate = Fraction(0, 1)
        if "rotation" in settings:
            stream.set_display_rotation(settings["rotation"], hflip=settings.get("hflip", False))
        for number, image in zip(ticks, images, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def destroy_frames(path: Path, numbers: range, new: Path) -> Path:
    """A copy in which the bytes of some frames are zeros, as where a sector is bad."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for at, size in (packets[number] for number in numbers):
        content[at : at + size] = bytes(size)
    new.write_bytes(content)
    return new
