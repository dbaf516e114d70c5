"""Names, links, pipes and playlists that lead out of the folder: refused."""

from __future__ import annotations

import json
import os
import resource

import pytest
from fuzz import samples

from posekit.datasets.coco import load_coco
from posekit.errors import DataError
from posekit.io.images import missing_images, read_image
from posekit.io.stored_sizes import fill_image_sizes, image_size_hw
from posekit.io.video import VideoReader


@pytest.fixture(autouse=True)
def little_memory():
    """No test of this file may need more than 300 MB more than there was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


NAMES = [
    "../a.png",
    "/etc/passwd",
    "sub/../../a.png",
    "..\\a.png",
    "C:\\a.png",
    "C:a.png",
    "\\\\server\\a.png",
    "a\0.png",
    "..",
    "",
    "x" * 1001,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_image_names_stay_in_the_folder(tmp_path, name):
    content = samples.coco()
    content["images"][1]["file_name"] = name
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json: image id 6, field 'file_name': expected .*, found"):
        load_coco(str(tmp_path / "a.json"), str(tmp_path / "images"), samples.SKELETON)


def test_links_stay_in_the_folder(tmp_path, monkeypatch):
    images, outside = tmp_path / "images", tmp_path / "outside"
    for folder in (images / "sub", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(samples.picture(".png"))
    (images / "inner.png").symlink_to(images / "sub" / "a.png")
    (images / "outer.png").symlink_to(outside / "a.png")
    (images / "folder").symlink_to(outside)
    (tmp_path / "chosen").symlink_to(images)
    assert missing_images(tmp_path / "chosen", ["inner.png", "sub/a.png", "b.png"]) == ["b.png"]
    for name, link in (("outer.png", "outer.png"), ("folder/a.png", "folder")):
        with pytest.raises(
            DataError, match=rf"{link}: expected a file inside the image folder, found a link to "
        ):
            missing_images(images, [name])
    monkeypatch.setenv("POSEKIT_OUTSIDE_LINKS", "allow")
    assert missing_images(images, ["outer.png", "folder/a.png"]) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")  # opened for reading, it would wait for ever
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    for name in ("a.jpg", "b.jpg"):
        for read in (read_image, image_size_hw):
            with pytest.raises(DataError, match=rf"{name}: image cannot be read: not a regular file"):
                read(tmp_path / name)


def test_names_that_no_file_can_have(tmp_path):
    assert missing_images(tmp_path, ["x" * 300 + "/a.jpg", "y" * 300, "a\0/b"]) == [
        "x" * 300 + "/a.jpg",
        "y" * 300,
        "a\0/b",
    ]
    for name in ("a\0b.jpg", "x" * 300):
        with pytest.raises(DataError, match="image cannot be read"):
            read_image(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
        b'<?xml version="1.0"?><MPD></MPD>' * 50,
        b"",
    ],
    ids=["hls", "concat", "sdp", "dash", "empty"],
)
def test_a_playlist_is_no_video(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mp4: is (a text, not a video|empty)"):
        VideoReader(tmp_path / "a.mp4")


def test_sizes_are_not_read_through_links_that_lead_out(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "images/own.png"):
        (tmp_path / name).write_bytes(samples.picture(".png"))
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "images" / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "images" / "circle").symlink_to("circle")
    names = ["own.png", "link.png", "zero.jpg", "circle", "../a.png", "\ud800.png", "x" * 900]
    found = fill_image_sizes(tmp_path / "images", names, [(0, 0)] * len(names))
    assert found == [(24, 20)] + [(0, 0)] * 6
