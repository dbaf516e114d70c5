"""Videos: what is written is read, damaged ones give what they have, nothing half-written stays."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from posekit.errors import DataError
from posekit.io.video import VideoReader, video_writer


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
    announced = reader.frames
    frames = list(reader)
    assert 15 < len(frames) < 45
    if announced is not None and announced > len(frames) + 1:
        assert "video.avi" in reader.problem


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
    """A limit on the size of files stands in for it: OpenCV says nothing of a write that failed."""
    path, rng = tmp_path / f"video{suffix}", np.random.default_rng(0)
    path.write_bytes(b"the old one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with video_writer(path, 10.0, (120, 160)) as append:
            for _ in range(60):
                append(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DataError, match="of 60 frames could be written; is the disk full"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_other_suffixes(tmp_path):
    with pytest.raises(DataError, match=r"\.mp4"), video_writer(tmp_path / "video.txt", 10.0, (48, 64)):
        pass
