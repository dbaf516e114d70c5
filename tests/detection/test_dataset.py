"""PeopleImages: which boxes are learnt from, and where they lie in a mirrored image."""

import copy

import numpy as np
import pytest
import torch
from detection.detector_cases import CONTENT, write_set
from numpy.testing import assert_array_equal

from posekit.datasets.sampler import SampleKey
from posekit.detection.dataset import PeopleImages, collate, mirrored
from posekit.errors import ConfigError, DataError
from posekit.io.images import read_image


def load(folder, content=None, **settings):
    return PeopleImages("people.json", "images", data_root=str(write_set(folder, content).parent), **settings)


def test_boxes_are_those_of_people_clipped_to_the_image(tmp_path):
    people = load(tmp_path)
    assert [int(people[row].image_id) for row in range(3)] == [7, 3, 9]
    assert_array_equal(people[0].boxes_xyxy, [[10, 12, 30, 52], [50, 8, 96, 58]])
    assert_array_equal(people[1].boxes_xyxy, [[5, 5, 35, 65]])
    assert people[2].boxes_xyxy.shape == (0, 4)
    assert people[0].boxes_xyxy.dtype == torch.float32
    meta = people.metainfo
    assert meta["people"] == 3
    assert meta["counts"] == {"crowd": 1, "other_category": 1, "box_outside_image_or_empty": 1}
    assert meta["image_ids"] == [7, 3, 9]


def test_images_without_people_may_be_left_out(tmp_path):
    people = load(tmp_path, keep_empty=False)
    assert people.image_ids == [7, 3]
    assert people.metainfo["counts"]["image_without_people"] == 1


def test_images_are_rgb_planes(tmp_path):
    sample = load(tmp_path)[0]
    assert sample.image.shape == (3, 64, 96)
    assert_array_equal(sample.image.permute(1, 2, 0), read_image(tmp_path / "images" / "000000000007.png"))


def test_a_mirrored_image_has_mirrored_boxes(tmp_path):
    plain, flipped = load(tmp_path)[0], load(tmp_path, flip_prob=1.0)[0]
    assert_array_equal(flipped.image, plain.image.flip(2))
    # Edges, not centres: the box's pixels 10..29 of 96 become 66..85.
    assert_array_equal(flipped.boxes_xyxy, [[66, 12, 86, 52], [0, 8, 46, 58]])
    x1, y1, x2, y2 = plain.boxes_xyxy[0].int().tolist()
    u1, v1, u2, v2 = flipped.boxes_xyxy[0].int().tolist()
    assert_array_equal(flipped.image[:, v1:v2, u1:u2], plain.image[:, y1:y2, x1:x2].flip(2))


def test_two_mirrors_are_none():
    boxes = np.array([[1.5, 2, 7, 9]], np.float32)
    assert_array_equal(mirrored(mirrored(boxes, 10), 10), boxes)


def test_the_mirror_depends_on_seed_epoch_and_row_alone(tmp_path):
    people = load(tmp_path, flip_prob=0.5)
    keys = [SampleKey(0, epoch, 0) for epoch in range(8)]
    boxes = [people[key].boxes_xyxy.tolist() for key in keys]
    assert boxes == [people[key].boxes_xyxy.tolist() for key in keys]
    assert len({str(box) for box in boxes}) == 2


def test_a_batch_keeps_the_sizes(tmp_path):
    people = load(tmp_path)
    batch = collate([people[0], people[1]])
    assert [tuple(image.shape) for image in batch.image] == [(3, 64, 96), (3, 80, 64)]
    assert batch.image_id.tolist() == [7, 3]


def test_unreadable_images_are_skipped_and_remembered(tmp_path):
    people = load(tmp_path, on_bad_image="skip")
    (tmp_path / "images" / "000000000007.png").write_bytes(b"no picture")
    assert int(people[0].image_id) == 3
    assert people.faulty_images() == ["000000000007.png"]
    strict = load(tmp_path / "strict")
    (tmp_path / "strict" / "images" / "000000000007.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"000000000007\.png"):
        strict[0]


def test_faults_are_named(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["annotations"][0]["image_id"] = 4
    with pytest.raises(
        DataError, match=r"annotations\[0\], field 'image_id': expected the id of an image, found 4"
    ):
        load(tmp_path, content)
    with pytest.raises(DataError, match="expected at least one box of a person"):
        load(tmp_path, {**CONTENT, "annotations": []})
    content = copy.deepcopy(CONTENT)
    content["images"][2]["file_name"] = "gone.png"
    with pytest.raises(DataError, match=r"1 of 3 images not found .*: gone\.png"):
        load(tmp_path, content)
    assert load(tmp_path, content, on_bad_image="skip").faulty_images() == ["gone.png"]
    with pytest.raises(ConfigError, match="'flip_prob'"):
        load(tmp_path, flip_prob=2)


def test_a_file_without_anybody_is_taken_where_that_is_said(tmp_path):
    data = load(tmp_path, {**CONTENT, "annotations": []}, nobody=True)
    assert len(data) == len(CONTENT["images"])
    assert all(len(data[row].boxes_xyxy) == 0 for row in range(len(data)))
