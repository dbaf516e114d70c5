"""Pictures that are not what the annotation says: turned by EXIF, exchanged sizes, other sizes."""

import io
import json
import warnings

import numpy as np
import pytest
import toy_people
from numpy.testing import assert_array_equal
from PIL import Image

from posekit.datasets import pictures
from posekit.datasets.coco import load_coco
from posekit.datasets.pictures import read_picture
from posekit.datasets.topdown import TopDownDataset
from posekit.detection.dataset import PeopleImages
from posekit.detection.pictures import list_pictures
from posekit.errors import DataError
from posekit.io.images import _header, read_image
from posekit.transforms import Crop

HEIGHT, WIDTH = 60, 40
BACK = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def upright(height=HEIGHT, width=WIDTH):
    """A smooth picture, which JPEG keeps, and that shows which way up it is."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (255 * np.stack([rows, columns, rows * columns], -1)).astype(np.uint8)


def write(folder, name, orientation=1, size_hw=(HEIGHT, WIDTH)):
    """A JPEG that shows ``upright`` once it is turned as its EXIF entry says."""
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(upright(*size_hw))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(BACK[orientation]) if orientation in BACK else image
    stored.save(path, quality=95, subsampling=0, exif=exif.tobytes())


def annotation(folder, sizes_hw, points=((5, 10), (30, 12), (20, 50)), box=(3, 4, 30, 50)):
    """One person, labelled upright, on each of as many pictures as there are stated sizes."""
    keypoints = [v for x, y in points for v in (x, y, 2)]
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": h, "width": w} for i, (h, w) in enumerate(sizes_hw)
        ],
        "categories": toy_people.COCO["categories"][:1],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": list(box), "keypoints": keypoints,
             "area": 900}
            for i in range(len(sizes_hw))
        ],
    }  # fmt: skip
    path = folder / "people.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def load(folder, **settings):
    return load_coco(str(folder / "people.json"), str(folder / "images"), toy_people.SKELETON, **settings)


def said(folder, **settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = load(folder, **settings)
    return table, [str(warning.message) for warning in caught]


def shows_upright(image):
    return np.abs(image[..., :3].astype(int) - upright(*image.shape[:2])).mean() < 3


@pytest.mark.parametrize("orientation", [6, 8])
def test_labelled_upright_read_upright(tmp_path, orientation):
    for number in range(3):
        write(tmp_path, f"{number}.jpg", orientation if number else 1)
    annotation(tmp_path, [(HEIGHT, WIDTH)] * 3)
    table, words = said(tmp_path)
    assert len(words) == 1
    assert "of 3 pictures 2 are labelled upright" in words[0]
    people = TopDownDataset(table, crop=Crop((64, 48)))
    assert all(shows_upright(read_picture(table, number)) for number in range(3))
    for number in (1, 2):
        assert np.abs(people[number].image.astype(int) - people[0].image.astype(int)).mean() < 3
        assert_array_equal(people[number].keypoints, people[0].keypoints)


def test_labelled_as_stored_stays_as_stored(tmp_path):
    write(tmp_path, "0.jpg", 6)
    annotation(tmp_path, [(WIDTH, HEIGHT)], ((5, 10), (50, 12), (20, 30)), (3, 4, 50, 30))
    table, words = said(tmp_path)
    assert not words  # they fit no other way
    annotation(tmp_path, [(WIDTH, HEIGHT)], ((5, 10), (30, 12), (20, 30)), (3, 4, 30, 30))
    table, words = said(tmp_path)
    assert "1 carry an EXIF turn, and neither sizes nor labels say" in words[0]
    assert_array_equal(read_picture(table, 0), read_image(tmp_path / "images" / "0.jpg"))


def test_labels_tell_where_a_stated_size_is_that_of_the_stored_rows(tmp_path):
    """As a converter that asks the file for its size writes it, of labels that a browser showed upright."""
    for number in range(3):
        write(tmp_path, f"{number}.jpg", 6)
    annotation(tmp_path, [(WIDTH, HEIGHT)] * 3)
    content = json.loads((tmp_path / "people.json").read_text())
    content["annotations"][2].update(bbox=[3, 4, 20, 20], keypoints=[5, 10, 2, 20, 12, 2, 20, 20, 2])
    (tmp_path / "people.json").write_text(json.dumps(content))
    table, words = said(tmp_path)
    assert "3 are labelled upright, though their size is stated as stored" in words[0]
    assert_array_equal(table.image_sizes_hw, [[HEIGHT, WIDTH]] * 3)
    assert_array_equal(table.boxes_xyxy[0], [3, 4, 32, 53])
    assert all(shows_upright(read_picture(table, number)) for number in range(3))
    content["annotations"][1].update(bbox=[3, 4, 50, 30], keypoints=[5, 10, 2, 50, 12, 2, 20, 30, 2])
    (tmp_path / "people.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="labelled in two ways: the labels of 1 fit the stored rows alone"):
        load(tmp_path)


def test_pictures_of_each_kind_beside_each_other(tmp_path):
    """Sizes tell of each picture by itself, whatever the others are."""
    write(tmp_path, "0.jpg", 6)
    write(tmp_path, "1.jpg", 6)
    write(tmp_path, "2.jpg", 6)
    annotation(tmp_path, [(HEIGHT, WIDTH), (HEIGHT, WIDTH), (WIDTH, HEIGHT)])
    content = json.loads((tmp_path / "people.json").read_text())
    content["annotations"][2].update(bbox=[3, 4, 50, 30], keypoints=[5, 10, 2, 50, 12, 2, 20, 30, 2])
    (tmp_path / "people.json").write_text(json.dumps(content))
    table, words = said(tmp_path)
    assert "2 are labelled upright" in words[0]
    assert "1 carry an EXIF turn, but their size is stated as stored, and they are read so" in words[0]
    assert "they are turned" not in words[0]
    assert_array_equal(table.image_sizes_hw, [[HEIGHT, WIDTH], [HEIGHT, WIDTH], [WIDTH, HEIGHT]])
    assert [shows_upright(read_picture(table, n)) for n in range(2)] == [True, True]
    assert_array_equal(read_picture(table, 2), read_image(tmp_path / "images" / "2.jpg"))


def test_every_picture_is_looked_at_where_faulty_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "SAMPLED", 1)
    for number in range(3):
        write(tmp_path, f"{number}.jpg")
    annotation(tmp_path, [(HEIGHT, WIDTH), (120, 80), (HEIGHT, WIDTH)])
    table, _ = said(tmp_path, on_bad_record="skip")
    assert table.counts["picture_of_other_size"] == 1


def test_what_no_size_tells_goes_by_the_others(tmp_path):
    write(tmp_path, "0.jpg", 6)
    write(tmp_path, "1.jpg", 3)  # half a turn: the size is the same
    write(tmp_path, "2.jpg", 6, (60, 60))
    annotation(tmp_path, [(HEIGHT, WIDTH), (HEIGHT, WIDTH), (60, 60)])
    table, words = said(tmp_path)
    assert "2 carry an EXIF turn that their size does not show; they are turned" in words[0]
    assert table.turn_by_exif
    assert all(shows_upright(read_picture(table, number)) for number in range(3))
    write(tmp_path, "0.jpg", 1)
    table, words = said(tmp_path)
    assert "2 carry an EXIF turn, and neither sizes nor labels say" in words[0]
    assert not shows_upright(read_picture(table, 1))


def test_sizes_that_are_not_stated_are_the_pictures(tmp_path):
    write(tmp_path, "0.jpg", 6)
    write(tmp_path, "1.jpg", 6)
    content = json.loads(annotation(tmp_path, [(HEIGHT, WIDTH)] * 2).read_text())
    del content["images"][1]["height"], content["images"][1]["width"]
    (tmp_path / "people.json").write_text(json.dumps(content))
    table, _ = said(tmp_path)
    assert_array_equal(table.image_sizes_hw, [[HEIGHT, WIDTH]] * 2)
    assert shows_upright(read_picture(table, 1))


def test_exchanged_sizes_the_pictures_hold(tmp_path):
    for number in range(2):
        write(tmp_path, f"{number}.jpg")
    annotation(tmp_path, [(WIDTH, HEIGHT), (HEIGHT, WIDTH)])
    table, words = said(tmp_path)
    assert len(words) == 1
    assert "1 have width and height exchanged" in words[0]
    assert_array_equal(table.image_sizes_hw, [[HEIGHT, WIDTH]] * 2)
    assert_array_equal(table.boxes_xyxy[0], table.boxes_xyxy[1])
    assert table.counts.get("keypoints_outside_image") == 0


@pytest.mark.parametrize("lowest", [50, 35])  # the keypoints leave the stated size; the box alone does
def test_an_exchanged_one_is_found_by_its_labels_where_the_sample_misses_it(tmp_path, monkeypatch, lowest):
    monkeypatch.setattr(pictures, "SAMPLED", 1)
    for number in range(3):
        write(tmp_path, f"{number}.jpg")
    sizes = [(HEIGHT, WIDTH), (HEIGHT, WIDTH), (WIDTH, HEIGHT)]
    annotation(tmp_path, sizes, ((5, 10), (30, 12), (20, lowest)))
    table, _ = said(tmp_path)
    assert_array_equal(table.image_sizes_hw, [[HEIGHT, WIDTH]] * 3)


def test_a_picture_that_lies_on_its_side_is_refused(tmp_path):
    """A tool stripped the EXIF entry: the labels fit what is stated, not the file."""
    write(tmp_path, "0.jpg", 1, (WIDTH, HEIGHT))
    annotation(tmp_path, [(HEIGHT, WIDTH)])
    with pytest.raises(DataError, match=r"0\.jpg: the picture is 60 x 40 .*states 40 x 60"):
        load(tmp_path)


def test_another_size_is_refused_or_left_out(tmp_path):
    for number in range(3):
        write(tmp_path, f"{number}.jpg")
    annotation(tmp_path, [(HEIGHT, WIDTH), (120, 80), (120, 80)])
    with pytest.raises(
        DataError,
        match=r"1\.jpg: the picture is 40 x 60 \(width x height\), .*people\.json states 80 x 120; "
        r".*on_bad_record='skip'.*\(and 1 more of 3 pictures\)",
    ):
        load(tmp_path)
    table, words = said(tmp_path, on_bad_record="skip")
    assert "2 are of another size" in words[0]
    assert table.person_ids.tolist() == [0]
    assert table.counts["picture_of_other_size"] == 2


def test_one_that_the_sample_missed_is_found_when_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "SAMPLED", 1)
    for number in range(3):
        write(tmp_path, f"{number}.jpg")
    annotation(tmp_path, [(HEIGHT, WIDTH), (120, 80), (HEIGHT, WIDTH)])
    table = load(tmp_path)
    with pytest.raises(DataError, match=r"1\.jpg: the picture is 40 x 60"):
        TopDownDataset(table)[1]
    people = TopDownDataset(table, on_bad_image="skip")
    assert int(people[1].person_id) == 2
    assert people.faulty_images() == ["1.jpg"]
    # Turned, or with exchanged sizes: read as at the start.
    write(tmp_path, "1.jpg", 6)
    annotation(tmp_path, [(HEIGHT, WIDTH)] * 3, ((5, 10), (30, 12), (20, 35)))
    assert shows_upright(read_picture(load(tmp_path), 1))
    write(tmp_path, "1.jpg")
    content = json.loads(annotation(tmp_path, [(HEIGHT, WIDTH)] * 3).read_text())
    content["images"][1].update(height=WIDTH, width=HEIGHT)
    content["annotations"][1].update(bbox=[3, 4, 20, 20], keypoints=[5, 10, 2, 20, 12, 2, 20, 20, 2])
    (tmp_path / "people.json").write_text(json.dumps(content))
    assert shows_upright(read_picture(load(tmp_path), 1))


def test_a_detector_learns_and_looks_likewise(tmp_path):
    write(tmp_path, "0.jpg", 6)
    write(tmp_path, "1.jpg")
    path = annotation(tmp_path, [(HEIGHT, WIDTH), (WIDTH, HEIGHT)])
    with pytest.warns(UserWarning, match="1 are labelled upright.*1 have width and height exchanged"):
        people = PeopleImages(str(path), str(tmp_path / "images"))
    with pytest.warns(UserWarning, match="1 are labelled upright"):
        listed = list_pictures([str(path)], str(tmp_path / "images"))
    for number, picture in enumerate(listed.pictures):
        assert shows_upright(people[number].image.permute(1, 2, 0).numpy())
        assert_array_equal(people[number].boxes_xyxy, [[3, 4, 33, 54]])
        assert shows_upright(picture.load())
    write(tmp_path, "1.jpg", size_hw=(30, 30))
    with pytest.raises(DataError, match=r"1\.jpg: the picture is 30 x 30"):
        PeopleImages(str(path), str(tmp_path / "images"))


def test_headers_survive_what_is_damaged():
    """PIL fails on them in several ways; none of them leaves :func:`read_header`."""
    buffer, exif, rng = io.BytesIO(), Image.Exif(), np.random.default_rng(0)
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif.tobytes())
    content = buffer.getvalue()
    assert _header(content) == ((20, 30), 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2000):
            damaged = bytearray(content[: rng.integers(2, len(content))])
            for _ in range(rng.integers(1, 6)):
                damaged[rng.integers(len(damaged))] = rng.integers(256)
            header = _header(bytes(damaged))
            assert header is None or 1 <= header.orientation <= 8
