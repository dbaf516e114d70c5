"""Videos: what is written is read, damaged ones give what they have, nothing half-written stays."""

from __future__ import annotations

import resource
from pathlib import Path

import av
import numpy as np
import pytest

from posekit.errors import DataError
from posekit.io.video import UnwrittenError, VideoReader, video_writer


def write(path: Path, frames: int = 12, size_hw=(48, 64)) -> Path:
    with video_writer(path, 10.0, size_hw) as append:
        for i in range(frames):
            frame = np.zeros((*size_hw, 3), np.uint8)
            frame[..., 0], frame[..., 2] = 20 * i % 240, 200
            append(frame)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_frames_come_back_in_order_and_rgb(tmp_path, suffix):
    reader = VideoReader(write(tmp_path / f"video{suffix}"))
    assert (reader.frames, reader.size_hw, reader.rate) == (12, (48, 64), 10.0)
    frames = list(reader)
    assert len(frames) == 12
    np.testing.assert_allclose([f[..., 0].mean() for f in frames], 20 * np.arange(12), atol=8)
    np.testing.assert_allclose([f[..., 2].mean() for f in frames], 200, atol=8)
    assert reader.problem == ""
    assert [path.name for path in tmp_path.iterdir()] == [f"video{suffix}"]


def test_a_video_cut_off_gives_its_first_frames(tmp_path):
    path = write(tmp_path / "video.avi", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = VideoReader(path)
    frames = list(reader)
    assert 15 < len(frames) < 45
    assert "video.avi: " in reader.problem
    assert "of the 6.00 s that it announces; is it cut off?" in reader.problem


def test_damage_in_the_middle_stops_nothing(tmp_path):
    path = write(tmp_path / "video.avi", frames=60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = bytes(1500)
    path.write_bytes(content)
    frames = list(VideoReader(path))
    assert len(frames) > 45
    np.testing.assert_allclose(frames[0][..., 2].mean(), 200, atol=8)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"video\.mp4"):
        VideoReader(path)


def test_missing_videos_and_webcams(tmp_path):
    with pytest.raises(DataError, match="not found"):
        VideoReader(tmp_path / "none.mp4")
    with pytest.raises(DataError, match="webcam 97"):
        VideoReader(97)


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"the old one")

    def broken_off() -> None:
        with video_writer(path, 10.0, (48, 64)) as append:
            append(np.zeros((48, 64, 3), np.uint8))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken_off()
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_full_disk_is_noticed(tmp_path, suffix):
    """A limit on the size of files stands in for it."""
    path, rng = tmp_path / f"video{suffix}", np.random.default_rng(0)
    path.write_bytes(b"the old one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with video_writer(path, 10.0, (120, 160)) as append:
            for _ in range(60):
                append(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DataError, match=r"of its \d+ frames could be written .*is the disk full"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


# --- what is written plays ----------------------------------------------------------------------------------


def write_times(path: Path, times, size_hw=(48, 64), rate: float = 30.0) -> Path:
    with video_writer(path, rate, size_hw) as append:
        for number, time in enumerate(times):
            append(np.full((*size_hw, 3), 4 * number % 256, np.uint8), time)
    return path


def opened(path: Path):
    """The stream's facts, and the times of its frames, seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
        return stream.codec_context, float(stream.duration * stream.time_base), stream.frames, times


def test_an_mp4_is_what_browsers_play(tmp_path):
    path = write_times(tmp_path / "video.mp4", [None] * 20)
    context, seconds, frames, times = opened(path)
    assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert (frames, seconds) == (20, pytest.approx(20 / 30))
    np.testing.assert_allclose(times, np.arange(20) / 30, atol=1e-6)
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")  # the index comes first


def test_frames_keep_their_own_times(tmp_path):
    """Slower in the dark, and 5 frames missing: as long as what it was made from, to the frame."""
    times = [n / 30 for n in range(20)] + [n / 30 for n in range(25, 30)] + [1 + n / 10 for n in range(30)]
    _, seconds, frames, found = opened(write_times(tmp_path / "video.mp4", times))
    assert frames == 55
    np.testing.assert_allclose(found, times, atol=1e-5)
    assert seconds == pytest.approx(4.0)  # the last is shown as long as the one before it
    reader = VideoReader(tmp_path / "video.mp4")
    np.testing.assert_allclose([frame.time for frame in reader.timed()], times, atol=1e-5)
    assert reader.problem == ""


def test_an_avi_keeps_the_times_by_its_rate(tmp_path):
    times = [n / 30 for n in range(30)] + [1 + n / 10 for n in range(30)]
    write_times(tmp_path / "video.avi", times)
    reader = VideoReader(tmp_path / "video.avi")
    np.testing.assert_allclose([frame.time for frame in reader.timed()], times, atol=1e-6)
    assert reader.problem == ""


@pytest.mark.parametrize("rate", [1000.0, float("nan"), 0.0, 29.97])
def test_a_rate_that_is_none_harms_no_times(tmp_path, rate):
    _, _, _, found = opened(write_times(tmp_path / "video.mp4", [0.0, 0.033, 0.066], rate=rate))
    np.testing.assert_allclose(found, [0.0, 0.033, 0.066], atol=1e-5)


def test_times_that_do_not_increase_lose_no_frame(tmp_path):
    _, _, frames, found = opened(write_times(tmp_path / "video.mp4", [0.0, 0.1, 0.1, 0.05, 0.2]))
    assert frames == 5
    np.testing.assert_allclose(found, [0.0, 0.1, 0.1, 0.1, 0.2], atol=1e-4)


def test_an_odd_size_loses_no_pixel(tmp_path):
    image = np.zeros((47, 63, 3), np.uint8)
    image[-8:, -8:] = 255
    with video_writer(tmp_path / "video.mp4", 10.0, (47, 63)) as append:
        append(image)
    (found,) = VideoReader(tmp_path / "video.mp4")
    assert found.shape == (48, 64, 3)
    np.testing.assert_allclose(found[40:, 56:].astype(int), 255, atol=10)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_colours_come_back(tmp_path, suffix):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 30, 40), (30, 180, 60)
    with video_writer(tmp_path / f"video{suffix}", 10.0, (48, 64)) as append:
        append(image)
    (found,) = VideoReader(tmp_path / f"video{suffix}")
    for column in (10, 50):
        np.testing.assert_allclose(found[20, column].astype(int), image[20, column].astype(int), atol=4)


def test_a_video_of_no_frames_is_none(tmp_path):
    with (
        pytest.raises(DataError, match="video of no frames"),
        video_writer(tmp_path / "a.mp4", 10.0, (48, 64)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_cannot_be_encoded(tmp_path):
    with (
        pytest.raises(UnwrittenError, match=r"can frames of 20000 x 16 pixels be encoded\? Try \.avi"),
        video_writer(tmp_path / "a.mp4", 10.0, (16, 20000)) as append,
    ):
        append(np.zeros((16, 20000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes(tmp_path):
    with pytest.raises(DataError, match=r"\.mp4"), video_writer(tmp_path / "video.txt", 10.0, (48, 64)):
        pass
