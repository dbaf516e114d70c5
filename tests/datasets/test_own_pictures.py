"""posekit.datasets.importers.pictures: pictures found by name, their sizes, and those that EXIF turns."""

from __future__ import annotations

from pathlib import Path

import label_forms
import numpy as np
import pytest

from posekit.datasets import load_coco
from posekit.datasets.importers import Picture, read_labels
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.dataset import own_dataset
from posekit.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "day/a.png", "day/b.png", "night/c.png", "day/c.png"):
        label_forms.write_picture(tmp_path / name, label_forms.picture(8, 6))
    return PictureFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("day/a.png", "day/a.png"),
        ("b.png", "day/b.png"),
        ("/home/me/data/day/a.png", "day/a.png"),
        ("C:\\data\\day\\b.png", "day/b.png"),
        ("./day/b.png", "day/b.png"),
        ("../media/night/c.png", "night/c.png"),
        ("dusk/b.png", None),
        ("d.png", None),
        ("", None),
    ],
)
def test_pictures_are_found(folder, name, found):
    assert folder.find(name) == found


def test_open_questions_about_pictures_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"one picture 'c\.png', found day/c\.png and night/c\.png"):
        folder.find("c.png")
    with pytest.raises(DataError, match="expected the folder of the pictures"):
        PictureFolder(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found none; state --images DIR"):
        PictureFolder(tmp_path / "empty")


def turned_picture(path: Path, orientation: int, size_wh=(6, 8)) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_exif_turns_needs_a_size_that_tells(tmp_path, orientation):
    turned_picture(tmp_path / "a.jpg", orientation)
    pictures = PictureFolder(tmp_path)
    for stated, expected in [
        (None, (8, 6) if orientation == 1 else None),
        ((8, 6), None if orientation in (2, 3, 4) else (8, 6)),
        ((6, 8), (6, 8) if orientation >= 5 else None),
        ((6, 9), None),
    ]:
        if expected:
            assert pictures.sizes([Picture("a.jpg", stated)], "x") == [("a.jpg", expected)]
        else:
            with pytest.raises(DataError):
                pictures.sizes([Picture("a.jpg", stated)], "x")
    turned_picture(tmp_path / "square.jpg", 6, (8, 8))
    with pytest.raises(DataError, match=r"found EXIF orientation 6; .* save it upright"):
        PictureFolder(tmp_path).sizes([Picture("square.jpg", (8, 8))], "x")


@pytest.mark.parametrize("orientation", [2, 3, 4, 6, 8])
def test_yolo_with_a_picture_that_exif_turns_is_refused(tmp_path, orientation):
    """Its labels are shares of a picture that Ultralytics has turned; they state no size."""
    source = label_forms.yolo(tmp_path)
    for path in sorted(tmp_path.rglob("*.png")):
        turned_picture(path, orientation, (60, 40))
    with pytest.raises(DataError, match=f"found EXIF orientation {orientation}; .* save it upright"):
        own_dataset(read_labels(source), PictureFolder(tmp_path), source)


def test_labels_of_an_upright_picture_are_read_as_they_were_made(tmp_path):
    """From LabelMe's file to the crop: posekit turns the picture, and the point stays on the spot."""
    from PIL import Image

    from posekit.datasets.pictures import read_picture

    upright = np.zeros((40, 60, 3), np.uint8)
    upright[6:12, 40:46] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored rows are turned once to the right to be seen
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    shapes = [
        {"label": name, "points": [point], "shape_type": "point"}
        for name, point in (("spot", [43, 9]), ("corner", [20, 30]))
    ]
    sides = {"imagePath": "a.png", "imageHeight": 40, "imageWidth": 60}
    source = label_forms.write(tmp_path / "a.json", {**sides, "shapes": shapes})
    data = own_dataset(read_labels(source), PictureFolder(tmp_path), source)
    path = label_forms.write(tmp_path / "out" / "all.json", data.contents["annotations"])
    with pytest.warns(UserWarning, match="labelled upright"):
        table = load_coco(str(path), str(tmp_path), data.skeleton)
    image = read_picture(table, 0)
    assert image.shape == (40, 60, 3)
    x, y = table[0].keypoints[0].astype(int)
    assert image[y, x].tolist() == [255, 255, 255]
    assert image.mean() < 10


def test_a_link_out_of_the_folder_is_refused(tmp_path, monkeypatch):
    label_forms.write_picture(tmp_path / "out" / "a.png", label_forms.picture(8, 6))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "out" / "a.png")
    pictures = PictureFolder(tmp_path / "in")
    with pytest.raises(
        DataError, match=r"x\.json: .* found a link to .*; if you made it yourself, set POSEKIT"
    ):
        pictures.sizes([Picture("a.png")], "x.json")
    monkeypatch.setenv("POSEKIT_OUTSIDE_LINKS", "allow")
    assert pictures.sizes([Picture("a.png")], "x.json") == [("a.png", (8, 6))]
