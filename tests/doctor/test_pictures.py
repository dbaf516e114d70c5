"""Sizes and orientations of image files against what the annotation says, and files that cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import doctor_cases as cases
import numpy as np
import pytest
from PIL import Image

from posekit.doctor import examine
from posekit.doctor.exif import orientation
from posekit.doctor.pictures import look_at
from posekit.doctor.sources import parts_of_files, with_pictures

COUNT = 8
HEIGHT, WIDTH = 60, 100


def exif(value, order="big"):
    """A TIFF block that states an orientation."""
    mark = b"MM\0*" if order == "big" else b"II*\0"
    numbers = [(8, 4), (1, 2), (0x0112, 2), (3, 2), (1, 4), (value, 2), (0, 2), (0, 4)]
    return mark + b"".join(number.to_bytes(size, order) for number, size in numbers)


def jpeg(image, turned=1):
    data = cv2.imencode(".jpg", image)[1].tobytes()
    if turned == 1:
        return data
    block = b"Exif\0\0" + exif(turned)
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def chunk(name, content):
    return len(content).to_bytes(4, "big") + name + content + b"\0\0\0\0"


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_by_each_format(value, order):
    block = exif(value, order)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"eXIf", block)
    webp = b"RIFF\0\0\0\0WEBP" + b"VP8X" + (10).to_bytes(4, "little") + bytes(10)
    webp += b"EXIF" + len(block).to_bytes(4, "little") + block
    picture = jpeg(np.zeros((4, 4, 3), np.uint8))
    app1 = b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block
    assert [orientation(data) for data in (png, webp, picture[:2] + app1 + picture[2:])] == [value] * 3


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG", b"RIFF1234WEBP", b"GIF89a", b"\xff\xd8\xff\xe1\0\x08Exif\0\0"]
)
def test_no_orientation(data):
    assert orientation(data) == 1


def content():
    """A file of eight pictures of 100 x 60 with a person each."""
    clean = cases.people()
    rows = [row for row in cases.labelled(clean) if min(clean["annotations"][row]["keypoints"][2::3]) > 0]
    images, annotations = [], []
    for number, row in enumerate(rows[:COUNT]):
        person = clean["annotations"][row]
        places = cases.points(person)
        places[:, :2] -= places[:, :2].min(axis=0)
        places[:, :2] *= 50 / places[:, :2].max()
        places[:, 0] += 45
        cases.put(person, places)
        low, high = places[:, :2].min(axis=0) - 1, places[:, :2].max(axis=0) + 1
        box = [*np.maximum(low, 0), *(high - np.maximum(low, 0))]
        person.update(id=number, image_id=number, bbox=box, area=float(box[2] * box[3]))
        annotations.append(person)
        images.append({"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT})
    return {**clean, "images": images, "annotations": annotations}


def write(folder, size_hw=(HEIGHT, WIDTH), turned=1):
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
        (folder / f"{number}.jpg").write_bytes(jpeg(image, turned))


def kinds(folder, annotation, decode=True):
    part = with_pictures(cases.part(annotation, image_dir=str(folder)), decode)
    return {finding.kind: finding for finding in examine([part])}


@pytest.mark.parametrize("decode", [True, False])
def test_right_sizes_are_passed_in_silence(tmp_path, decode):
    write(tmp_path)
    assert kinds(tmp_path, content(), decode) == {}


@pytest.mark.parametrize("turned", [5, 6, 7, 8])
def test_turned_pictures_are_found(tmp_path, turned):
    write(tmp_path, (WIDTH, HEIGHT), turned)
    findings = kinds(tmp_path, content())
    assert set(findings) == {"picture_turned"}
    assert findings["picture_turned"].count == COUNT


def test_labels_of_the_stored_rows_are_no_fault(tmp_path):
    """As posekit and the releases read annotated pictures."""
    write(tmp_path, turned=6)
    assert kinds(tmp_path, content()) == {}


@pytest.mark.parametrize("turned", [2, 3, 4])
def test_mirrored_pictures_cannot_be_told_by_their_size(tmp_path, turned):
    write(tmp_path, turned=turned)
    assert set(kinds(tmp_path, content())) == {"picture_perhaps_turned"}


def test_exchanged_width_and_height_are_found_with_the_pictures(tmp_path):
    write(tmp_path)
    annotation = content()
    for image in annotation["images"][:5]:
        image["width"], image["height"] = image["height"], image["width"]
    findings = kinds(tmp_path, annotation)
    assert set(findings) == {"width_height_exchanged"}
    assert findings["width_height_exchanged"].images.tolist() == [0, 1, 2, 3, 4]
    assert findings["width_height_exchanged"].mended


def test_exchanged_x_and_y_are_told_from_exchanged_sizes_by_the_pictures(tmp_path):
    write(tmp_path)
    annotation = content()
    for person in annotation["annotations"]:
        cases.swap_all(person, np.array([WIDTH, HEIGHT]))
    findings = kinds(tmp_path, annotation)
    assert set(findings) == {"xy_exchanged"}
    assert findings["xy_exchanged"].mended


def test_of_a_sample_all_with_exchanged_sizes_the_others_have_them_too(tmp_path):
    write(tmp_path)
    annotation = content()
    for image in annotation["images"]:
        image["width"], image["height"] = image["height"], image["width"]
    part = with_pictures(cases.part(annotation, image_dir=str(tmp_path)), False, most=3)
    assert part.facts.pictures.looked.sum() == 3
    (finding,) = examine([part])
    assert (finding.kind, finding.count, finding.of) == ("width_height_exchanged", 3, 3)


@pytest.mark.parametrize(
    ("file", "stated", "words"), [(0.5, 1, "labels lie beyond the picture"), (1, 0.6, "within the picture")]
)
def test_another_size_says_whose_pixels_the_labels_are(tmp_path, file, stated, words):
    write(tmp_path, (int(file * HEIGHT), int(file * WIDTH)))
    annotation = content()
    for image in annotation["images"]:
        image.update(width=int(stated * WIDTH), height=int(stated * HEIGHT))
    findings = kinds(tmp_path, annotation)
    assert findings["size_differs"].count == COUNT
    assert words in findings["size_differs"].found


@pytest.mark.parametrize("decode", [True, False])
def test_unreadable_pictures_are_named(tmp_path, decode):
    write(tmp_path)
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "2.jpg").write_bytes(b"")
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    data = (tmp_path / "4.jpg").read_bytes()
    (tmp_path / "4.jpg").write_bytes(data[: len(data) // 2])
    annotation = content()
    annotation["images"][5]["file_name"] = "../outside.jpg"
    findings = kinds(tmp_path, annotation, decode)
    assert set(findings) == {"picture_unreadable"}
    wanted = [1, 2, 3, 4, 5] if decode else [1, 2, 3, 5]  # the header of a truncated one is whole
    assert findings["picture_unreadable"].images.tolist() == wanted


def test_what_is_not_looked_at_is_not_known(tmp_path):
    write(tmp_path)
    pictures = look_at(str(tmp_path), [f"{n}.jpg" for n in range(COUNT)], [0, 2], decode=False)
    assert pictures.looked.tolist() == [True, False, True] + [False] * 5
    assert np.isnan(pictures.sizes_hw[1]).all()
    facts = replace(cases.part(content()).facts, pictures=pictures)
    assert facts.reading.sizes_wh.tolist() == [[WIDTH, HEIGHT]] * COUNT


@pytest.mark.parametrize("how", ["backslashes", "absolute"])
def test_names_are_understood_as_the_loader_understands_them(tmp_path, how):
    """Backslashes, as Windows writes them, and absolute names within the folder of the images."""
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": ["nose"]}]}
    for number in range(3):
        file = images / "sub" / f"{number}.png"
        Image.fromarray(np.full((9, 9, 3), 90 * number, np.uint8)).save(file)
        name = str(file) if how == "absolute" else f"sub\\{number}.png"
        content["images"].append({"id": number, "file_name": name, "width": 9, "height": 9})
    (tmp_path / "people.json").write_text(json.dumps(content), "utf-8")
    for folders in ([str(images)], []):  # stated, and found beside the file
        (part,) = parts_of_files([str(tmp_path / "people.json")], folders)
        looked = look_at(part.facts.image_dir, part.facts.image_names, range(3))
        assert looked.looked.all()
        assert looked.faults == {}


def test_a_folder_that_is_not_there_is_found(tmp_path):
    one = cases.part(cases.people(), image_dir=str(tmp_path / "imgs"))
    (finding,) = examine([with_pictures(one)])
    assert finding.kind == "image_folder_missing"
    assert str(tmp_path / "imgs") in finding.found
