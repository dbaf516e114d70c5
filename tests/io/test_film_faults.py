"""What is no film, or no whole one: told as such, and its frames kept in their places as far as they go."""

from __future__ import annotations

import errno
import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from toy_films import destroy_frames, picture, write_film

from posekit.errors import ConfigError, DataError
from posekit.io.film_stream import _ends_within_a_box
from posekit.io.video import VideoReader


def write_sound(path: Path, cover: bool = False) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000, layout="mono")
        for start in range(0, 8000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def test_sound_alone(tmp_path):
    with pytest.raises(DataError, match=r"a\.mp4: holds sound \(aac\) and no pictures; give a video"):
        VideoReader(write_sound(tmp_path / "a.mp4"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_a_picture_with_a_films_name(tmp_path, suffix):
    (tmp_path / "a.mp4").write_bytes(cv2.imencode(suffix, picture(3))[1].tobytes())
    with pytest.raises(DataError, match=r"a\.mp4: is a picture \(\w+\), not a video; give it the suffix"):
        VideoReader(tmp_path / "a.mp4")


def test_a_film_without_its_index(tmp_path):
    path = write_film(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match=r"a\.mp4: is an MP4 or MOV file without its index .* Copy it again"):
        VideoReader(path)


@pytest.mark.parametrize("left", [20, 330])
def test_a_film_that_ends_within_its_index(tmp_path, left):
    """Before its track, or the track's codec, is described."""
    path = write_film(tmp_path / "a.mp4", codec="libx264")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") + left])
    with pytest.raises(DataError, match=r"a\.mp4: is an MP4 or MOV file without .* Copy it again; .*untrunc"):
        VideoReader(path)


@pytest.mark.parametrize("left", [0, 10])
def test_a_film_that_ends_within_a_box_of_its_own(tmp_path, left):
    """Above 4 GiB a box states its size in 64 bits, behind its kind."""
    boxes = struct.pack(">I4s8x", 16, b"ftyp") + struct.pack(">I4sQ8x", 1, b"mdat", 24)
    boxes += struct.pack(">I4s12x", 20, b"moov")
    (tmp_path / "a.mp4").write_bytes(boxes[: len(boxes) - left])
    assert _ends_within_a_box(str(tmp_path / "a.mp4")) == bool(left)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
def test_a_film_that_is_cut_off(tmp_path, name):
    path = write_film(
        tmp_path / name,
        codec="mjpeg" if name != "a.mp4" else "libx264",
        container={"movflags": "faststart"} if name == "a.mp4" else None,
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = VideoReader(path)
    frames = list(reader.timed())
    assert 10 < len(frames) < 50
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert name in reader.problem
    assert "cut off? Use a whole copy if there is one" in reader.problem


def test_not_one_frame(tmp_path):
    path = destroy_frames(write_film(tmp_path / "a.avi", codec="mjpeg"), range(60), tmp_path / "b.avi")
    with pytest.raises(DataError, match=r"b\.avi: a video \(mjpeg\), but not one frame of it can be decoded"):
        VideoReader(path)


def test_a_disk_that_fails_in_the_middle(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 160, 3), dtype=np.uint8)
    path = write_film(tmp_path / "a.avi", range(20), codec="mjpeg", images=noise)

    class Failing(io.FileIO):
        def read(self, size=-1):
            if failing and self.tell() > path.stat().st_size // 2:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    class FailingPath(type(path)):
        def open(self, mode):
            return Failing(self)

    failing = []
    monkeypatch.setattr("posekit.io.film.Path", FailingPath)
    reader = VideoReader(path)
    failing.append(True)
    frames = list(reader.timed())
    assert 5 < len(frames) < 20
    assert "a.avi: " in reader.problem
    assert "Input/output error" in reader.problem


def test_a_film_of_too_many_pixels(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4")
    monkeypatch.setenv("POSEKIT_MAX_PIXELS", "1000")
    with pytest.raises(
        DataError, match=r"a\.mp4: frames of 256 x 32 are more than 1,000 pixels; .* set POSEKIT"
    ):
        VideoReader(path)


def test_a_playlist_in_disguise_opens_nothing(tmp_path):
    write_film(tmp_path / "secret.ts", codec="mpeg2video")
    path = tmp_path / "a.mp4"
    path.write_bytes(
        b"#EXTM3U\n#\x01\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
        + str(tmp_path / "secret.ts").encode()
        + b"\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(DataError, match=r"a\.mp4"):
        VideoReader(path)


def test_without_pyav_the_remedy_is_said(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ConfigError, match=r"videos need PyAV.*pip install av"):
        VideoReader(path)


def test_a_rate_is_never_nonsense(tmp_path):
    path = write_film(tmp_path / "a.mkv", [0], Fraction(1, 1000))
    reader = VideoReader(path)
    assert 0 < reader.rate <= 1000
    assert [frame.time for frame in reader.timed()] == [0.0]
