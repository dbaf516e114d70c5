"""posekit.io.images: odd but readable files are read right, broken ones named."""

from __future__ import annotations

import struct
import warnings

import cv2
import numpy as np
import pytest
import toy_people
from numpy.testing import assert_array_equal

from posekit.errors import ConfigError, DataError
from posekit.io.images import ImageBuffer, leaves_folder, missing_images, read_image
from posekit.io.pictures import rgb_from_array
from posekit.io.stored_sizes import image_size_hw

RGB = toy_people.picture(20, 30)


@pytest.fixture
def smooth():
    """A picture that survives JPEG: a slope per channel."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([4 * x, 5 * y, 255 - 4 * x], axis=-1).astype(np.uint8)


def test_png_is_read_as_rgb(tmp_path):
    toy_people.write_picture(tmp_path / "a.png", RGB)
    assert_array_equal(read_image(tmp_path / "a.png"), RGB)
    assert_array_equal(ImageBuffer().read(str(tmp_path / "a.png"))[..., :3], RGB)


def test_a_buffer_is_used_again(tmp_path):
    toy_people.write_picture(tmp_path / "a.png", RGB)
    toy_people.write_picture(tmp_path / "b.png", RGB[:10, :10] // 2)
    buffer = ImageBuffer()
    first = buffer.read(str(tmp_path / "a.png"))
    second = buffer.read(str(tmp_path / "b.png"))
    assert np.shares_memory(first, second)
    assert_array_equal(second[..., :3], RGB[:10, :10] // 2)


def test_non_ascii_path(tmp_path):
    toy_people.write_picture(tmp_path / "Füße 人.png", RGB)
    assert_array_equal(read_image(str(tmp_path / "Füße 人.png")), RGB)


def test_grayscale(tmp_path):
    cv2.imwrite(str(tmp_path / "g.png"), RGB[..., 0])
    assert_array_equal(read_image(tmp_path / "g.png"), np.repeat(RGB[..., :1], 3, axis=-1))


def test_sixteen_bits(tmp_path):
    cv2.imwrite(str(tmp_path / "s.png"), cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257)
    assert_array_equal(read_image(tmp_path / "s.png"), RGB)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jp2"])
@pytest.mark.parametrize(
    ("highest", "words"),
    [(4095, "12 bits; .* all but black.* by 16,"), (200, "10 bits; .* is black.* by 64,")],
)
def test_levels_of_a_camera_with_fewer_bits_are_told_once(tmp_path, monkeypatch, suffix, highest, words):
    monkeypatch.setattr("posekit.io.deep_levels._told", False)
    levels = np.full((64, 64), highest, np.uint16)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}{suffix}"), levels)
    with pytest.warns(
        UserWarning, match=rf"a\{suffix}: has 16-bit .* is {highest // 10}\d of 65535, .* {words}"
    ):
        image = read_image(tmp_path / f"a{suffix}")
    assert image.max() == highest >> 8  # as it stands
    assert_array_equal(read_image(tmp_path / f"b{suffix}"), image)


@pytest.mark.parametrize(
    "levels", [np.zeros((4, 4), np.uint16), np.full((4, 4), 4096, np.uint16), np.full((4, 4), 9, np.uint8)]
)
def test_other_dark_pictures_are_nothing_to_tell(tmp_path, monkeypatch, levels):
    monkeypatch.setattr("posekit.io.deep_levels._told", False)
    cv2.imwrite(str(tmp_path / "a.png"), levels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(tmp_path / "a.png")


def test_an_array_of_few_bits(monkeypatch):
    monkeypatch.setattr("posekit.io.deep_levels._told", False)
    with pytest.warns(UserWarning, match="image: an array: has 16-bit levels"):
        assert rgb_from_array(np.full((4, 4), 4095, np.uint16)).max() == 15


def test_alpha(tmp_path):
    cv2.imwrite(str(tmp_path / "t.png"), np.dstack([cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR), RGB[..., 0]]))
    assert_array_equal(read_image(tmp_path / "t.png"), RGB)


def test_cmyk_jpeg(tmp_path, smooth):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(smooth).convert("CMYK").save(tmp_path / "c.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "c.jpg").astype(int) - smooth).max() <= 16


def with_orientation(jpeg: bytes, value: int) -> bytes:
    """Puts an EXIF segment with the orientation behind a JPEG's first marker."""
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, value, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_orientation_is_ignored_or_applied(tmp_path, smooth):
    encoded = cv2.imencode(".jpg", cv2.cvtColor(smooth, cv2.COLOR_RGB2BGR))[1].tobytes()
    (tmp_path / "e.jpg").write_bytes(with_orientation(encoded, 6))  # to be turned clockwise
    stored = read_image(tmp_path / "e.jpg")
    assert stored.shape == (40, 60, 3)
    assert image_size_hw(tmp_path / "e.jpg") == (40, 60)
    assert_array_equal(read_image(tmp_path / "e.jpg", orientation="apply"), np.rot90(stored, -1))
    with pytest.raises(ConfigError, match="'orientation'"):
        read_image(tmp_path / "e.jpg", orientation="exif")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_truncated_files_are_noticed(tmp_path, suffix, kept):
    encoded = cv2.imencode(suffix, toy_people.picture(64, 64))[1].tobytes()
    (tmp_path / f"whole{suffix}").write_bytes(encoded)
    assert read_image(tmp_path / f"whole{suffix}").shape == (64, 64, 3)
    (tmp_path / f"cut{suffix}").write_bytes(encoded[: int(len(encoded) * kept)])
    with pytest.raises(DataError, match=rf"cut{suffix}: image file is truncated"):
        read_image(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_behind_a_jpeg_are_harmless(tmp_path, smooth, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    encoded = cv2.imencode(".jpg", smooth, options)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(encoded + b"some camera's own data")
    assert read_image(tmp_path / "a.jpg").shape == smooth.shape
    # The end marker of a preview in the header does not make a truncated file whole.
    preview = with_orientation(encoded, 1)[:-2].replace(b"Exif\0\0", b"Exif\xff\xd9")
    (tmp_path / "b.jpg").write_bytes(preview)
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "b.jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"not an image", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC .*convert it to JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC .*convert it to JPEG"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.jpg.*{message}"):
        read_image(tmp_path / "x.jpg")


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(DataError, match=f"{path}: image cannot be read"):
            read_image(path)
    with pytest.raises(DataError, match="cannot be read"):
        image_size_hw(tmp_path / "none.jpg")


def test_size_of_a_png(tmp_path):
    toy_people.write_picture(tmp_path / "a.png", RGB)
    assert image_size_hw(tmp_path / "a.png") == (20, 30)


def test_missing_images_are_listed(tmp_path):
    toy_people.write_picture(tmp_path / "sub" / "a.png", RGB)
    toy_people.write_picture(tmp_path / "b.png", RGB)
    names = ["b.png", "sub/a.png", "sub/c.png", "other/a.png"]
    assert missing_images(tmp_path, names) == ["sub/c.png", "other/a.png"]
    with pytest.raises(DataError, match="image folder not found"):
        missing_images(tmp_path / "nowhere", names)


@pytest.mark.parametrize("name", ["../a.jpg", "a/../../b.jpg", "/etc/a.jpg", "..\\a.jpg", "C:\\a.jpg"])
def test_names_that_leave_the_folder(name):
    assert leaves_folder(name)
    assert not leaves_folder("sub/a..b.jpg")
