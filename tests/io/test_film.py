"""Films by their own time stamps: what is lost, reordered, slower or misstated, a frame keeps its place."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from toy_films import MILLISECOND, SLOWER, destroy_frames, shown_number, write_film

from posekit.io.film import upright
from posekit.io.sources import open_source
from posekit.io.video import VideoReader


def read(path: Path) -> tuple[VideoReader, list[int], list[float]]:
    """The reader at its end, the frames' numbers and times; the pictures must be of those numbers."""
    reader = VideoReader(path)
    numbers, times = [], []
    for frame in reader.timed():
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert shown_number(frame.image) == frame.number
        numbers.append(frame.number)
        times.append(frame.time)
    return reader, numbers, times


# --- times and numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", None),  # B-frames: decoded in another order than shown
        ("a.mkv", "libx264", None),
        ("a.ts", "libx264", None),  # begins at 1.4 s
        ("a.avi", "libx264", None),  # knows no time stamps but the order of its chunks
        ("b.avi", "mpeg4", {"bf": "2"}),
        ("a.mpg", "mpeg2video", {"bf": "2"}),
        ("a.webm", "libvpx-vp9", {"lag-in-frames": "10", "cpu-used": "8", "deadline": "realtime"}),
        ("a.mov", "mjpeg", None),
        ("a.flv", "flv1", None),
    ],
)
def test_a_sound_film_of_30_a_second(tmp_path, name, codec, options):
    reader, numbers, times = read(write_film(tmp_path / name, codec=codec, options=options))
    assert numbers == list(range(60))
    np.testing.assert_allclose(times, np.arange(60) / 30, atol=6e-4)  # some count milliseconds
    assert reader.rate == pytest.approx(30)
    assert reader.problem == ""
    assert reader.frames == pytest.approx(60, abs=10)  # MPEG tells its length alone


@pytest.mark.parametrize(("name", "codec"), [("whole.avi", "mjpeg"), ("whole.mov", "mjpeg")])
def test_frames_lost_in_the_middle_move_no_other(tmp_path, name, codec):
    path = destroy_frames(
        write_film(tmp_path / name, codec=codec), range(20, 25), tmp_path / f"damaged_{name}"
    )
    reader, numbers, times = read(path)
    assert numbers == [*range(20), *range(25, 60)]
    np.testing.assert_allclose(times, np.array(numbers) / 30, atol=1e-6)
    assert "55 of 60 frames could be read (number 20 is the first missing)" in reader.problem
    assert f"damaged_{name}" in reader.problem
    source = open_source(str(path))
    assert [(frame.image_id, frame.time) for frame in source] == list(zip(numbers, times, strict=True))
    assert source.problems == [reader.problem]


def test_frames_lost_where_the_rate_varies(tmp_path):
    whole = write_film(tmp_path / "a.mov", SLOWER, MILLISECOND, "mjpeg")
    reader, numbers, times = read(destroy_frames(whole, range(25, 35), tmp_path / "b.mov"))
    assert numbers == [*range(25), *range(35, 60)]
    np.testing.assert_allclose(times, np.array(SLOWER)[numbers] / 1000, atol=1e-9)
    assert "50 of 60 frames could be read (number 25 is the first missing)" in reader.problem


def test_the_first_and_the_last_frames_lost(tmp_path):
    whole = write_film(tmp_path / "a.avi", codec="mjpeg")
    _, numbers, times = read(destroy_frames(whole, range(3), tmp_path / "b.avi"))
    assert numbers == list(range(3, 60))
    assert times[0] == pytest.approx(0.1)
    reader, numbers, _ = read(destroy_frames(whole, range(50, 60), tmp_path / "c.avi"))
    assert numbers == list(range(50))
    assert "50 of 60 frames could be read (number 50 is the first missing)" in reader.problem


def test_lost_frames_of_a_film_in_another_order(tmp_path):
    """Of H.264 the frames that follow are decoded, wrongly perhaps, until the next key frame."""
    whole = write_film(
        tmp_path / "a.mp4", codec="libx264", options={"g": "10", "bf": "2", "sc_threshold": "0"}
    )
    reader = VideoReader(destroy_frames(whole, range(20, 23), tmp_path / "b.mp4"))
    frames = list(reader.timed())
    for frame in frames:
        assert frame.time == pytest.approx(frame.number / 30)
        if not 19 <= frame.number < 42:
            assert shown_number(frame.image) == frame.number
    assert f"{len(frames)} of 60 frames could be read" in reader.problem


def test_packets_that_a_broadcast_lost_leave_a_gap(tmp_path):
    whole = write_film(tmp_path / "a.ts", codec="mpeg2video", options={"g": "1"})
    content = whole.read_bytes()
    with av.open(str(whole)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size]
    (tmp_path / "b.ts").write_bytes(content[: at[30]] + content[at[35] :])
    reader, numbers, times = read(tmp_path / "b.ts")
    assert numbers == [*range(30), *range(35, 60)]
    np.testing.assert_allclose(times, np.array(numbers) / 30, atol=1e-6)
    assert "55 of 60 frames could be read (number 30 is the first missing)" in reader.problem


def test_a_variable_rate(tmp_path):
    for name, codec in (("a.mkv", "mpeg4"), ("a.mp4", "libx264")):
        reader, numbers, times = read(write_film(tmp_path / name, SLOWER, MILLISECOND, codec))
        assert numbers == list(range(60))
        np.testing.assert_allclose(times, np.array(SLOWER) / 1000, atol=1e-9)
        assert reader.problem == ""


def test_a_browsers_recording_announces_nothing(tmp_path):
    path = write_film(tmp_path / "a.webm", SLOWER, MILLISECOND, "libvpx", 1000, {"live": "1"})
    reader, numbers, times = read(path)
    assert (reader.frames, numbers) == (None, list(range(60)))
    np.testing.assert_allclose(times, np.array(SLOWER) / 1000, atol=1e-9)


def test_a_clock_of_milliseconds_is_no_rate(tmp_path):
    reader, numbers, times = read(write_film(tmp_path / "a.avi", range(0, 1980, 33), MILLISECOND, rate=1000))
    assert numbers == list(range(60))
    np.testing.assert_allclose(times, np.arange(60) * 0.033, atol=1e-9)
    assert reader.rate == pytest.approx(1000 / 33)
    assert reader.frames == pytest.approx(60, abs=1)
    assert reader.problem == ""


def test_pictures_that_are_never_shown_have_no_number(tmp_path):
    """VP8 keeps them for prediction; here a frame's flag that it is shown is taken away."""
    path = write_film(tmp_path / "a.webm", codec="libvpx")
    with av.open(str(path)) as container:
        packets = [(p.pos, bytes(p)) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    at = content.index(packets[30][1], packets[30][0])
    content[at] &= ~0x10
    path.write_bytes(content)
    reader = VideoReader(path)
    frames = list(reader.timed())
    assert [frame.number for frame in frames] == list(range(59))
    assert shown_number(frames[30].image) == 31
    assert reader.problem == ""


def test_what_a_film_cuts_away_is_not_missing(tmp_path):
    """An edit list that begins at frame 20, between key frames, as phones trim films."""
    path = write_film(tmp_path / "a.mp4", codec="libx264", options={"g": "60"})
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 12  # duration and start of the first entry
    duration, start = struct.unpack_from(">Ii", content, at)
    struct.pack_into(">Ii", content, at, duration * 40 // 60, start + 20 * 512)
    path.write_bytes(content)
    reader = VideoReader(path)
    frames = list(reader.timed())
    assert [(frame.number, shown_number(frame.image)) for frame in frames] == [(n, n + 20) for n in range(40)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(40) / 30, atol=1e-6)
    assert reader.problem == ""


def test_the_values_are_opencvs(tmp_path):
    path = write_film(tmp_path / "a.mp4", codec="libx264")
    capture = cv2.VideoCapture(str(path))
    for image in VideoReader(path):
        expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=2)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.h264", "libx264", 30),
        ("a.h264", "libx264", 50),
        ("a.m2v", "mpeg2video", 30),
        ("a.m1v", "mpeg1video", 30),
        ("a.mjpeg", "mjpeg", 25),
    ],
)
def test_a_raw_stream_goes_at_the_rate_that_it_tells(tmp_path, name, codec, rate):
    path = write_film(tmp_path / name, tick=Fraction(1, rate), codec=codec, rate=rate)
    reader, numbers, times = read(path)
    assert numbers == list(range(60))
    np.testing.assert_allclose(times, np.arange(60) / rate, atol=1e-4)
    assert f"{name}: a raw stream (" in reader.problem
    assert f"the times are those of {rate} frames a second" in reader.problem
    assert "no time stamp later" not in reader.problem


def test_raw_streams_are_videos_by_their_names(tmp_path):
    source = open_source(str(write_film(tmp_path / "a.h264", range(5), codec="libx264")))
    assert [frame.image_id for frame in source] == list(range(5))
    assert len(source.problems) == 1


@pytest.mark.parametrize("group", [2, 3])
def test_frames_of_one_stamp_are_spread_up_to_the_next(tmp_path, group):
    whole = write_film(tmp_path / "a.mkv", codec="mjpeg")
    with av.open(str(whole)) as source, av.open(str(tmp_path / "b.mkv"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        stamps = [packets[n // group * group].pts for n in range(60)]
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.pts = packet.dts = stamp
            packet.stream = stream
            output.mux(packet)
    reader, numbers, times = read(tmp_path / "b.mkv")
    assert numbers == list(range(60))
    np.testing.assert_allclose(times, np.arange(60) / 30, atol=2e-3)
    lost = 60 - 60 // group
    assert f"b.mkv: {lost} of its frames had the time stamp of the frame before; they are" in reader.problem


# --- upright ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_pictures_are_upright(tmp_path, rotation, hflip):
    """The file says to turn counter-clockwise by ``rotation`` and then to mirror."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:16, :16], stored[:16, 48:] = (255, 0, 0), (0, 0, 255)  # red upper left, blue upper right
    path = write_film(
        tmp_path / "a.mp4", range(3), codec="libx264", images=[stored] * 3, rotation=rotation, hflip=hflip
    )
    reader = VideoReader(path)
    seen = np.rot90(stored, rotation // 90)[:, :: -1 if hflip else 1]
    assert reader.size_hw == seen.shape[:2]
    image = next(iter(reader))
    for corner in ((4, 4), (4, -4), (-4, 4), (-4, -4)):
        np.testing.assert_allclose(image[corner].astype(int), seen[corner].astype(int), atol=25)


def test_upright_by_hand():
    image = np.arange(6).reshape(2, 3, 1)
    rows = lambda matrix: upright(image, np.array(matrix))[..., 0].tolist()  # noqa: E731
    assert rows([[1, 0], [0, 1]]) == [[0, 1, 2], [3, 4, 5]]
    assert rows([[0, -1], [1, 0]]) == [[2, 5], [1, 4], [0, 3]]  # (x, y) is seen at (y, -x)
    assert rows([[-1, 0], [0, 1]]) == [[2, 1, 0], [5, 4, 3]]
