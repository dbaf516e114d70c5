"""Crops written of photos: by hand, and sample for sample against the photos."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import toy_people

from posekit.datasets import SampleKey, TopDownDataset, load_coco
from posekit.datasets.crops.mapping import CropFrame, results_on_photos, unmapped_fields
from posekit.datasets.crops.reach import Reach, Square
from posekit.datasets.crops.writer import CropForm, reduce_image, write_crops
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp
from posekit.io.files import read_object
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms import Augment, Crop

SKELETON = Skeleton.from_dict(toy_people.SKELETON)
PNG = CropForm("png")


def person(box, points=((0, 0), (0, 0), (0, 0)), visible=(0, 0, 0)):
    keypoints = np.array(points, np.float32)
    return PersonRecord("a.png", 1, 1, np.array(box, np.float32), 1.0, keypoints, np.array(visible, np.uint8))


def scene(folder, height=300, width=400, people=6, blur=1.0):
    """A photo of noise with people all over it, some at its edge; returns its annotation."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(toy_people.picture(height, width), (0, 0), blur)
    toy_people.write_picture(folder / "photos" / "a.png", picture)
    annotations = []
    for number in range(people):
        size = rng.uniform(30, 90, 2)
        start = rng.uniform(-5, 1, 2) if number == 0 else rng.uniform(0, (width, height) - size)
        points = start + rng.uniform(0, 1, (3, 2)) * size
        annotations.append(
            {
                "id": 70 + number,
                "image_id": 9,
                "category_id": 1,
                "iscrowd": 0,
                "area": float(size.prod()),
                "bbox": [*start.tolist(), *size.tolist()],
                "keypoints": np.insert(points, 2, 2, axis=1).reshape(-1).tolist(),
            }
        )
    content = {
        "images": [{"id": 9, "file_name": "a.png", "height": height, "width": width, "license": 4}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(SKELETON.keypoints)}],
        "annotations": annotations,
    }
    path = folder / "scene.json"
    path.write_text(json.dumps(content))
    return path


def cropped(folder, path, region_of, form=PNG, **options):
    """Writes crops of a scene; the photos' table, what was written, and the crops' folder."""
    table = load_coco(str(path), str(folder / "photos"), SKELETON)
    out = folder / "crops"
    return table, write_crops(table, read_object(path), out, region_of, form, **options), out


def read_back(out):
    return load_coco("annotations.json", "images", SKELETON, data_root=str(out))


# --- coordinates


def test_coordinates_by_hand():
    frame = CropFrame(10, 20, 0.5)
    # The photo's pixels 10 and 11 make the crop's pixel 0: its centre is at 10.5.
    np.testing.assert_allclose(frame.to_crop([[10.5, 20.5], [12, 20]]), [[0, 0], [0.75, -0.25]])
    np.testing.assert_allclose(frame.to_photo([[0, 0], [0.75, -0.25]]), [[10.5, 20.5], [12, 20]])
    np.testing.assert_array_equal(CropFrame(10, 20).to_crop([[10, 21]]), [[0, 1]])


def test_a_record_by_hand():
    record = {
        "id": 3,
        "bbox": [10, 20, 8, 4],
        "area": 32,
        "keypoints": [12, 20, 2, 0, 0, 0],
        "head_box": [10, 20, 14, 24],
        "head_size": 4,
        "segmentation": [[1, 2, 3, 4]],
        "scores": [0.5],
        "foot_kpts": [],
    }
    made = CropFrame(10, 20, 0.5).mapped(record)
    assert made == {
        "id": 3,
        "bbox": [-0.25, -0.25, 4, 2],
        "area": 8,
        "keypoints": [0.75, -0.25, 2, 0, 0, 0],
        "head_box": [-0.25, -0.25, 1.75, 1.75],
        "head_size": 2,
        "scores": [0.5],
        "foot_kpts": [],
    }
    assert unmapped_fields([made, {"feet": 1}]) == ["feet", "scores"]


def test_a_reduced_picture_keeps_its_places():
    ramp = np.repeat(np.linspace(0, 240, 401)[None, :, None], 301, axis=0).repeat(3, axis=2)
    for scale in (0.37, 0.5, 0.813):
        small = reduce_image(ramp.astype(np.float32), scale)
        assert small.shape[:2] == (round(301 * scale), round(401 * scale))
        shown = CropFrame(0, 0, scale).to_photo(np.stack([np.arange(small.shape[1])] * 2, axis=1))[:, 0]
        np.testing.assert_allclose(small[5, 1:-1, 0] / 0.6, shown[1:-1], atol=0.1)  # 0.6 grey levels a pixel


# --- what has to be shown


def test_a_square_by_hand():
    np.testing.assert_allclose(Square(2.0)(person([10, 10, 50, 30])), [-10, -20, 70, 60])


def test_reach_by_hand():
    crop = Crop((40, 40), padding=1.0, convention="udp")
    box = person([0, 0, 20, 20])
    np.testing.assert_allclose(Reach(crop, None, SKELETON)(box), [0, 0, 20, 20])
    turned = Augment(rotation=45, scale=(1, 2), sampling="uniform")
    np.testing.assert_allclose(
        Reach(crop, turned, SKELETON)(box), 10 + 20 * 2**0.5 * np.array([-1, -1, 1, 1])
    )
    less = Augment(rotation=45, rotation_prob=0, scale=(1, 1.5), shift=0.1)
    np.testing.assert_allclose(Reach(crop, less, SKELETON)(box), [-7, -7, 27, 27])
    # 30 degrees twice are 60: beyond 45, where a square is widest.
    normal = Augment(rotation=30, scale=(1, 1), sampling="clipped_normal")
    np.testing.assert_allclose(
        Reach(crop, normal, SKELETON)(box), 10 + 10 * 2**0.5 * np.array([-1, -1, 1, 1])
    )


AUGMENTS = {
    "hrnet": Augment.hrnet_coco(half_body_prob=0.0),
    "half body": Augment.hrnet_coco(half_body_prob=1.0, half_body_min_keypoints=2),
    "shift": Augment(rotation=40, scale=(0.65, 1.4), shift=0.2),
    "cut off": Augment(rotation=40, scale=(0.65, 1.3), truncate_prob=1.0, truncate_min_keypoints=1),
}


@pytest.mark.parametrize("name", AUGMENTS)
def test_no_sample_shows_more(name):
    augment, crop = AUGMENTS[name], Crop((64, 48))
    skeleton = Skeleton("arms", tuple("abcdefgh"), upper_body=tuple("abcd"))
    rng, height, width = np.random.default_rng(1), 64, 48
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    nearest = np.inf
    for _ in range(30):
        sides = rng.uniform(10, 100, 2)
        points = 200 + rng.uniform(0, 1, (8, 2)) * sides
        record = person([200, 200, *(200 + sides)], points, [2] * 8)
        left, top, right, bottom = Reach(crop, augment, skeleton)(record)
        for _ in range(40):
            warp = crop.warp(augment.draw(rng, record, skeleton, crop))
            seen = apply_warp(corners, invert_warp(warp))
            spare = np.concatenate([seen - (left, top), (right, bottom) - seen]).min() / sides.max()
            nearest = min(nearest, spare)
    assert nearest > -1e-6
    assert nearest < 0.15  # and hardly more is stored than is shown


# --- what is written


def test_what_is_written(tmp_path):
    path = toy_people.write_coco(tmp_path)
    table = load_coco(str(path), str(tmp_path / "images"), SKELETON)
    written = write_crops(table, read_object(path), tmp_path / "crops", Square(1.0), PNG)
    assert (written.crops, written.photos) == (2, 2)
    assert written.left_out == {
        "crowd": 1,
        "no_labelled_keypoint": 1,
        "other_category": 1,
        "no_area": 1,
        "box_outside_image": 1,
    }
    made = read_object(tmp_path / "crops" / "annotations.json")
    assert made["categories"] == toy_people.COCO["categories"]
    assert [a["id"] for a in made["annotations"]] == [i["id"] for i in made["images"]] == [102, 101]
    first, second = made["images"]
    # Of annotation 102: box 10..39, a keypoint at x = 62 beyond the photo's 60 columns, blocks of 8 pixels.
    assert first["crop"] == {
        "image_id": 11, "file_name": "a.png", "x": 8, "y": 0, "width": 52, "height": 37, "scale": 1.0
    }  # fmt: skip
    assert (first["file_name"], first["width"], first["height"]) == ("000000000102.png", 52, 37)
    stored = cv2.imread(str(tmp_path / "crops" / "images" / second["file_name"]))[..., ::-1]
    crop = second["crop"]
    photo = toy_people.picture(50, 30, 1)
    x, y = crop["x"], crop["y"]
    np.testing.assert_array_equal(stored, photo[y : y + crop["height"], x : x + crop["width"]])
    assert made["annotations"][0]["keypoints"] == [4, 8, 2, 54, 20, 2, 7, 30, 2]
    assert made["annotations"][0]["bbox"] == [2, 5, 30, 30]


def _difference(photo, crop):
    """The share of a sample's values that differ by more than rounding, and the greatest difference."""
    by = np.abs(photo.image.astype(int) - crop.image)
    return (by > 1).mean(), by.max()


@pytest.mark.parametrize(
    ("name", "convention"), list(zip(AUGMENTS, ["hrnet", "udp", "dark", "hrnet"], strict=True))
)
def test_samples_are_those_of_the_photo(tmp_path, name, convention):
    crop, augment = Crop((64, 48), convention=convention), AUGMENTS[name]
    path = scene(tmp_path)
    table, _, out = cropped(tmp_path, path, Reach(crop, augment, SKELETON))
    photos, crops = (TopDownDataset(people, crop=crop, augment=augment) for people in (table, read_back(out)))
    smaller = 0
    for row in range(len(photos)):
        frame = read_object(out / "annotations.json")["images"][row]["crop"]
        smaller += frame["width"] < 400 or frame["height"] < 300
        for epoch in range(4):
            key = SampleKey(0, epoch, row)
            one, other = photos[key], crops[key]
            share, _ = _difference(one, other)
            assert share < 0.005  # a place 1/32 of a pixel off, by its rounding
            np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
            np.testing.assert_array_equal(one.weight, other.weight)
            assert one.person_id == other.person_id
    assert smaller >= 5


@pytest.mark.parametrize("form", [PNG, CropForm("png", max_size=40), CropForm(max_size=30)])
def test_keypoints_and_boxes_map_back(tmp_path, form):
    table, _, out = cropped(tmp_path, scene(tmp_path), Square(2.5), form)
    content, back = read_object(out / "annotations.json"), read_back(out)
    assert (back.person_ids == table.person_ids).all()
    longer = (table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2]).max(axis=1)
    for row, image in enumerate(content["images"]):
        told = image["crop"]
        frame = CropFrame(told["x"], told["y"], told["scale"])
        assert frame.scale == pytest.approx(min(1, (form.max_size or 1e9) / longer[row]))
        np.testing.assert_allclose(frame.to_photo(back.keypoints[row]), table.keypoints[row], atol=1e-4)
        box = frame.to_photo(back.boxes_xyxy[row].reshape(2, 2)).reshape(-1)
        np.testing.assert_allclose(box, table.boxes_xyxy[row], atol=1 / frame.scale)
    areas = [a["area"] for a in content["annotations"]]
    truth = [a["area"] for a in read_object(tmp_path / "scene.json")["annotations"]]
    scales = np.array([image["crop"]["scale"] for image in content["images"]])
    np.testing.assert_allclose(areas, truth * scales**2)


def test_a_reduced_crop_shows_the_same(tmp_path):
    crop = Crop((32, 24), convention="udp")
    table, _, out = cropped(tmp_path, scene(tmp_path, blur=4.0), Square(2.5), CropForm("png", max_size=36))
    back = read_back(out)
    for row in range(1, len(table)):  # the first is at the photo's edge, where a reduced pixel does not end
        photo = TopDownDataset(table, crop=crop)[row]
        small = TopDownDataset(back, crop=crop)[row]
        assert np.abs(photo.image.astype(int) - small.image).mean() < 0.6
        np.testing.assert_allclose(photo.keypoints, small.keypoints, atol=1e-3)


def test_people_at_the_last_column_stay(tmp_path):
    path = scene(tmp_path, 100, 120, 13)
    content = read_object(path)
    for start, annotation in enumerate(content["annotations"]):
        annotation["bbox"] = [119 - start, 5, 40, 80] if start % 2 else [5, 99 - start, 80, 40]
    path.write_text(json.dumps(content))
    table, written, out = cropped(tmp_path, path, Square(1.5), CropForm("png", max_size=32))
    back = read_back(out)
    assert len(table) == written.crops == len(back) == 13
    for row, image in enumerate(read_object(out / "annotations.json")["images"]):
        told = image["crop"]
        frame = CropFrame(told["x"], told["y"], told["scale"])
        box = frame.to_photo(back.boxes_xyxy[row].reshape(2, 2)).reshape(-1)
        np.testing.assert_allclose(box, table.boxes_xyxy[row], atol=0.5 / frame.scale + 0.5)


def test_keypoints_at_the_edge_keep_their_weight(tmp_path):
    path = scene(tmp_path, 61, 81, 1)
    content = read_object(path)
    box = [0, 0, 81, 61]
    content["annotations"][0].update(bbox=box, keypoints=[0, 0, 2, 80, 60, 2, 85, 30, 2])
    path.write_text(json.dumps(content))
    table, _, out = cropped(tmp_path, path, Square(1.5), CropForm("png", max_size=25))
    back = read_back(out)
    assert TopDownDataset(table)[0].weight.tolist() == TopDownDataset(back)[0].weight.tolist() == [1, 1, 0]
    scale = read_object(out / "annotations.json")["images"][0]["crop"]["scale"]
    beyond = 85.5 * scale - 0.5
    np.testing.assert_allclose(back.keypoints[0], [[0, 0], [24, 18], [beyond, 30.5 * scale - 0.5]], atol=1e-5)


def test_jpeg_is_near(tmp_path):
    table, written, out = cropped(tmp_path, scene(tmp_path), Square(2.0), CropForm())
    for photo, jpeg in zip(TopDownDataset(table), TopDownDataset(read_back(out)), strict=True):
        assert np.abs(photo.image.astype(int) - jpeg.image).mean() < 4
    files = list((out / "images").iterdir())
    assert written.size_bytes == sum(file.stat().st_size for file in files)


def test_workers_change_nothing(tmp_path):
    path = toy_people.write_coco(tmp_path)
    table = load_coco(str(path), str(tmp_path / "images"), SKELETON)
    for workers in (1, 3):
        write_crops(table, read_object(path), tmp_path / str(workers), Square(1.0), workers=workers)
    files = sorted(file.relative_to(tmp_path / "1") for file in (tmp_path / "1").rglob("*.*"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "3" / file).read_bytes()


def test_a_turned_photo_is_cropped_as_it_is_labelled(tmp_path):
    from PIL import Image

    path = scene(tmp_path, 60, 80, 1)
    upright = cv2.imread(str(tmp_path / "photos" / "a.png"))[..., ::-1]
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.fromarray(np.rot90(upright).copy()).save(tmp_path / "photos" / "a.png", exif=exif)
    with pytest.warns(UserWarning, match="labelled upright"):
        _, _, out = cropped(tmp_path, path, Square(9.0))
    stored = cv2.imread(str(out / "images" / "000000000070.png"))[..., ::-1]
    np.testing.assert_array_equal(stored, upright)


# --- what goes wrong


def test_nothing_is_left_of_what_fails(tmp_path):
    path = toy_people.write_coco(tmp_path)
    table = load_coco(str(path), str(tmp_path / "images"), SKELETON)
    (tmp_path / "images" / "b.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"b\.png"):
        write_crops(table, read_object(path), tmp_path / "crops", Square(), workers=2)
    assert not [one for one in tmp_path.iterdir() if "crops" in one.name]
    written = write_crops(table, read_object(path), tmp_path / "crops", Square(), on_bad_image="skip")
    assert (written.crops, written.left_out["unreadable_photo"]) == (1, 1)
    assert [a["id"] for a in read_object(tmp_path / "crops" / "annotations.json")["annotations"]] == [102]
    with pytest.raises(ConfigError, match="a folder with something in it"):
        write_crops(table, read_object(path), tmp_path / "crops", Square())
    (tmp_path / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="not one image"):
        write_crops(table, read_object(path), tmp_path / "other", Square(), on_bad_image="skip")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"format": "bmp"}, "--format"),
        ({"quality": 0}, "--quality"),
        ({"chroma": "411"}, "--chroma"),
        ({"max_size": 3}, "--max-size"),
    ],
)
def test_impossible_forms(form, words):
    with pytest.raises(ConfigError, match=words):
        CropForm(**form)


def test_results_go_back_to_the_photos(tmp_path):
    frame = {"image_id": 9, "file_name": "a.png", "x": 8, "y": 16, "width": 9, "height": 9, "scale": 0.5}
    crops = tmp_path / "annotations.json"
    crops.write_text(json.dumps({"images": [{"id": 70, "file_name": "70.png", "crop": frame}]}))
    result = {
        "image_id": 70,
        "category_id": 1,
        "annotation_id": 70,
        "score": 0.5,
        "keypoints": [0, 0, 0.25, 1, 2, 0.75],
        "box_xywh": [0, 0, 4, 5],
        "center": [3, 4],
    }
    (tmp_path / "results.json").write_text(json.dumps([result]))
    made, dropped = results_on_photos(tmp_path / "results.json", crops)
    assert dropped == ["center"]
    assert made == [
        {
            "image_id": 9,
            "category_id": 1,
            "annotation_id": 70,
            "score": 0.5,
            "keypoints": [8.5, 16.5, 0.25, 10.5, 20.5, 0.75],
            "box_xywh": [8.5, 16.5, 8, 10],
        }
    ]


@pytest.mark.parametrize(
    ("crop", "result", "words"),
    [
        ({}, {}, "field 'crop': expected it to be there"),
        ({"crop": {"x": 0, "y": 0, "scale": 2, "image_id": 9}}, {}, "field 'scale': expected above 0"),
        (
            {"crop": {"x": 0, "y": 0, "scale": 1, "image_id": 9}},
            {"image_id": 9},
            "expected one of the 1 crops",
        ),
        ({"crop": {"x": 0, "y": 0, "scale": 1, "image_id": 9}}, {"keypoints": [1, 2]}, "'keypoints'"),
        ({"crop": {"x": 0, "y": 0, "scale": 1, "image_id": 9}}, {"annotation_id": 7}, "expected 70, for a"),
        ({"crop": {"x": 0, "y": 0, "scale": 1, "image_id": 9}}, {"score": float("nan")}, "'score' to be"),
        (
            {"crop": {"x": 0, "y": 0, "scale": 1, "image_id": 9}},
            {"category_id": 1, "keypoints": [1, 2, 1]},
            "expected 6 numbers, for category 1 of .* has 2 keypoints, found 3",
        ),
    ],
)
def test_results_that_cannot_go_back(tmp_path, crop, result, words):
    categories = {"categories": [{"id": 1, "keypoints": ["head", "foot"]}]}
    (tmp_path / "crops.json").write_text(json.dumps({"images": [{"id": 70, **crop}], **categories}))
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 70, **result}]))
    with pytest.raises(DataError, match=words):
        results_on_photos(tmp_path / "results.json", tmp_path / "crops.json")
