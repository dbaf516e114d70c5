"""What a predictor takes for an image, and the crops that it cuts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from toy_predictor import ANN, BOB, BOTH, close, photo, picture, save

from posekit.datasets.topdown import cut
from posekit.errors import DataError
from posekit.inference.crops import cut_people
from posekit.transforms import Crop

# --- crops -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["hrnet", "udp", "dark"])
def test_crops_are_those_of_the_data_set(convention):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 170, 3), dtype=np.uint8)
    crop = Crop((64, 48), aspect=0.9, convention=convention)
    boxes = np.array([[10, 20, 60, 100], [-30, -10, 40, 50], [150, 100, 200, 160], [80, 60, 81, 61]], float)
    out = np.empty((4, 3, 64, 48), np.uint8)
    warps = cut_people(image, boxes, crop, out)
    for i, box in enumerate(boxes):
        warp = crop.warp(crop.place(box))
        np.testing.assert_allclose(warps[i], warp, rtol=1e-12)
        np.testing.assert_array_equal(out[i], cut(image, warp, (64, 48)))


def test_large_images_are_cut_alike():
    # Over the size from which a region is cut first; smooth, so averaging changes little.
    ys, xs = np.mgrid[:2000, :2400]
    image = np.stack([xs / 2400, ys / 2000, (xs + ys) / 4400], axis=-1)
    image = (image * 255).astype(np.uint8)
    crop = Crop((64, 48))
    boxes = np.array([[100, 100, 150, 180], [300, 200, 1900, 1900], [-400, 500, 300, 1500]], float)
    out = np.empty((3, 3, 64, 48), np.uint8)
    for i, warp in enumerate(cut_people(image, boxes, crop, out)):
        expected = cut(image, warp, (64, 48)).astype(int)
        # At the image's edge the average mixes with black over more pixels.
        inside = cv2.erode((expected > 0).all(axis=0).astype(np.uint8), np.ones((5, 5))) > 0
        assert np.abs(out[i].astype(int) - expected)[:, inside].max() <= 12
        assert np.abs(out[i].astype(int) - expected)[:, inside].mean() < 1.0


def test_shrinking_averages_instead_of_picking():
    image = np.zeros((2100, 2100, 3), np.uint8)
    image[::2] = 255  # fine stripes: their mean is 127.5
    out = np.empty((1, 3, 64, 64), np.uint8)
    cut_people(image, np.array([[200, 200, 1900, 1900.0]]), Crop((64, 64)), out)
    assert np.abs(out[0, :, 8:56, 8:56].astype(float) - 127.5).max() < 10


# --- kinds of images -------------------------------------------------------------------------------------


def test_a_path_and_a_pil_image(predict, tmp_path):
    from PIL import Image

    path = save(tmp_path / "photo.png", photo())
    close(predict(path, BOTH), ANN, BOB)
    close(predict(str(path), BOTH), ANN, BOB)
    close(predict(Image.open(path), BOTH), ANN, BOB)
    close(predict(Image.fromarray(photo()).convert("RGBA"), BOTH), ANN, BOB)


def test_exif_orientation_of_a_photo_is_applied(predict, tmp_path):
    from PIL import Image

    upright = picture(90, 70, ANN)
    turned = Image.fromarray(np.rot90(upright))  # stored lying on its side
    exif = turned.getexif()
    exif[0x0112] = 6  # "turn clockwise to view"
    turned.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    for image in (tmp_path / "photo.jpg", Image.open(tmp_path / "photo.jpg")):
        people = predict(image)
        assert people.image_size_hw == (90, 70)
        close(people, ANN)


@pytest.mark.parametrize(
    "convert",
    [
        lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)]),
        lambda rgb: rgb.astype(np.uint16) * 257,
        lambda rgb: np.asfortranarray(rgb),
        lambda rgb: np.repeat(rgb, 2, axis=1)[:, ::2],
    ],
    ids=["rgba", "16 bit", "fortran", "strided"],
)
def test_other_arrays(predict, convert):
    close(predict(convert(photo()), BOTH), ANN, BOB)


def test_gray_arrays_and_files(predict, tmp_path):
    gray = photo().max(axis=2)
    expected = predict(np.dstack([gray] * 3), BOTH)
    save(tmp_path / "gray.png", gray)
    save(tmp_path / "deep.png", gray.astype(np.uint16) * 257)
    for image in (gray, gray[..., None], tmp_path / "gray.png", tmp_path / "deep.png"):
        for pose, other in zip(predict(image, BOTH), expected, strict=True):
            np.testing.assert_array_equal(pose.keypoints, other.keypoints)


def test_pil_16_bit(predict, tmp_path):
    from PIL import Image

    path = save(tmp_path / "deep.png", photo().max(axis=2).astype(np.uint16) * 257)
    for pose, other in zip(predict(Image.open(path), BOTH), predict(path, BOTH), strict=True):
        np.testing.assert_array_equal(pose.keypoints, other.keypoints)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((9, 9, 2), np.uint8), r"\(9, 9, 2\)"),
        (np.zeros((9, 9, 5), np.uint8), r"\(9, 9, 5\)"),
        (np.zeros((2, 9, 9, 3), np.uint8), r"\(2, 9, 9, 3\)"),
        (np.zeros((0, 9, 3), np.uint8), "no pixel"),
        (np.zeros((9, 9, 3)), "float64"),
        (torch.zeros(9, 9, 3), "Tensor"),
        (None, "NoneType"),
        ("nowhere.jpg", "nowhere.jpg"),
        ("", "path of a file, found ''"),
        ("photo\0.jpg", "path of a file"),
        (iter([np.zeros((9, 9, 3), np.uint8)]), r"list_iterator .*Predictor\.stream"),
    ],
)
def test_images_that_cannot_be_used(predict, image, words):
    with pytest.raises(DataError, match=words):
        predict(image)


@pytest.mark.parametrize("size", [(1, 1), (1, 30000), (30000, 1), (40, 30000), (3, 70000)])
def test_extreme_sizes(predict, size):
    people = predict(np.full((*size, 3), 200, np.uint8))
    assert np.isfinite(people[0].keypoints).all()
    assert people.image_size_hw == size
    height, width = size
    box = [width - 2, 0, width, height]
    assert np.isfinite(predict(np.full((*size, 3), 200, np.uint8), [box])[0].keypoints).all() or width < 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ftp://example.org/a.jpg",
            "ftp://example.org/a.jpg: expected an address of http or https, or a file",
        ),
        ("seq/%d.jpg", r"is a pattern, of no file's own; give 'seq/\*.jpg', or the folder"),
        ("seq/*.jpg", r"seq/\*.jpg: no picture has a name of this pattern"),
    ],
)
def test_names_of_no_file_of_ones_own(predict, name, message):
    with pytest.raises(DataError, match=message):
        predict(name)


def test_a_folder_without_pictures_is_refused(predict, tmp_path):
    with pytest.raises(DataError, match=r": the folder holds no images \(\.jpg .*\)$"):
        predict(tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"no images .*, but .*: film\.mp4 \(give a video by itself\)$"):
        predict(str(tmp_path))
    assert predict([]) == []


def test_a_pattern_is_its_pictures(predict, tmp_path):
    for name in ("b1.png", "a1.png", "c2.png", "sub/d1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, photo())
    (tmp_path / "e1.txt").write_text("no picture")
    with pytest.warns(UserWarning, match="left out: 1 file that is no picture: e1.txt"):
        found = predict(str(tmp_path / "*1.*"), [BOTH, BOTH])
    assert [people.image_path for people in found] == [str(tmp_path / "a1.png"), str(tmp_path / "b1.png")]
    assert len(predict(str(tmp_path / "**" / "*1.png"))) == 3
    with pytest.warns(UserWarning, match="among several images each must be one"):
        predict([str(tmp_path / "*.png"), str(tmp_path / "c2.png")])


def test_an_address_is_a_picture_of_the_web(predict, tmp_path, site):
    site.add("/dots.png", save(tmp_path / "dots.png", photo()).read_bytes())
    site.add("/film", b"GIF89a no film")
    url = site.url("/dots.png")
    people = predict(url, BOTH)
    close(people, ANN, BOB)
    assert people.to_dict()["image"] == url
    assert people.draw().shape == photo().shape  # fetched again
    with pytest.warns(UserWarning, match="left out: .*/none.png: answers 404"):
        one, other = predict([site.url("/none.png"), url], [BOTH, BOTH])
    assert "by hand: save it from a browser" in str(one.error)
    close(other, ANN, BOB)
    with pytest.warns(UserWarning, match="left out: http://a..b/x.png: is no address"):
        one, other = predict(["http://a..b/x.png", url], [BOTH, BOTH])
    assert "is no address" in str(one.error)
    close(other, ANN, BOB)


def test_a_file_may_have_a_patterns_name(predict, tmp_path):
    save(tmp_path / "50%d*.png", photo())
    close(predict(str(tmp_path / "50%d*.png"), BOTH), ANN, BOB)
