"""Whole pictures with all their people as samples; where nobody is labelled, nothing is learnt."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bottomup.toy_scenes import HEADS, SIDE, STICKS, people_of, picture, record, write_scenes
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import BottomUpDataset, TopDownDataset, load_coco
from posekit.datasets.regions import unlabelled_regions
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp
from posekit.transforms import Augment

CROP = {"input_size_hw": (SIDE, SIDE), "padding": 1.0, "convention": "udp"}


@pytest.fixture
def path(tmp_path):
    return write_scenes(tmp_path)


def add(path, *annotations):
    """Adds annotations, and an image without anybody, to the file."""
    content = json.loads(path.read_text())
    for number, annotation in enumerate(annotations):
        content["annotations"].append({**annotation, "id": 900 + number})
    path.write_text(json.dumps(content))


def table(path, **settings):
    return load_coco(str(path), str(path.parent / "images"), STICKS, **settings)


def dataset(path, crop=CROP, **settings):
    return BottomUpDataset(table(path), crop=crop, **settings)


def test_a_sample_is_a_picture_with_all_its_people(path):
    data = dataset(path, most_people=4)
    assert len(data) == len(HEADS)
    for number, heads in enumerate(HEADS):
        sample = data[number]
        assert_array_equal(sample.image, picture(number).transpose(2, 0, 1))
        assert_allclose(sample.keypoints[: len(heads)], people_of(number), atol=1e-4)
        assert_array_equal(sample.weight.sum(axis=1), [3] * len(heads) + [0] * (4 - len(heads)))
        assert not sample.keypoints[len(heads) :].any()
        assert not sample.extra["ignored"].any()
        assert (int(sample.image_id), sample.box_xyxy.tolist()) == (10 + number, [0, 0, SIDE, SIDE])


def test_another_aspect_is_letterboxed_by_one_warp(path):
    sample = dataset(path, {**CROP, "input_size_hw": (96, 192)})[1]
    assert_allclose(sample.keypoints[:3], apply_warp(people_of(1), sample.warp), atol=1e-4)
    assert_allclose(sample.keypoints[:3] - people_of(1), [[[48, 0]] * 3] * 3, atol=1)
    assert sample.image[:, :, 49:143].all()
    assert not sample.image[:, :, :47].any()  # black beside the picture
    assert not sample.image[:, :, 145:].any()


def test_points_go_with_the_pixels_whatever_is_drawn(path):
    """Heads are red, whatever the turn, the size, the mirror image: the points lie on them."""
    data = dataset(path, augment=Augment(rotation=40, scale=(0.8, 1.3), flip_prob=0.5))
    mirrored = []
    for number in [*range(len(HEADS))] * 3:
        sample = data[number]
        mirrored.append(np.linalg.det(sample.warp[:, :2]) < 0)
        people = sample.keypoints[sample.weight[:, 0] > 0]
        inside = ((people[:, 0] > 3) & (people[:, 0] < SIDE - 4)).all(axis=1)
        x, y = people[inside, 0].round().astype(int).T
        red, green, _ = sample.image[:, y, x].astype(int)
        assert (red > 150).all()
        assert (green < 120).all()
        truth = apply_warp(people_of(number), sample.warp)
        truth = truth[:, [0, 2, 1]] if mirrored[-1] else truth
        assert_allclose(people, truth, atol=1e-3)
    assert any(mirrored)
    assert not all(mirrored)


def test_crowds_and_the_unlabelled_are_ignored(path):
    nothing = [0.0] * 9
    runs = {"size": [SIDE, SIDE], "counts": [50 * SIDE + 10, 20, SIDE * (SIDE - 50) - 30]}
    add(
        path,
        record(0, [60, 60, 20, 30], nothing),
        record(2, [0, 0, 50, 10], people_of(2)[0].ravel().tolist(), iscrowd=1),
        record(2, [0, 50, 30, 20], nothing, segmentation=[[0, 50, 30, 50, 0, 80]]),
        record(3, [0, 0, 9, 9], nothing, iscrowd=1, segmentation=runs),
    )
    data = dataset(path)
    one = data[0].extra["ignored"]
    assert one[60:90, 60:80].all()
    assert not one[:, 82:].any()
    two = data[2].extra["ignored"]
    assert two[1:9, 1:49].all()
    assert two[51, 2]
    assert not two[70, 25]  # in the box, not in its outline
    three = data[3].extra["ignored"]
    assert_array_equal(np.argwhere(three), [[y, 50] for y in range(10, 30)])
    assert not data[1].extra["ignored"].any()


def test_a_region_goes_with_the_picture(path):
    """It is drawn where the warp takes it, be it mirrored and turned."""
    add(path, record(2, [40, 20, 20, 10], [0.0] * 9))
    sample = dataset(path, augment=Augment(rotation=30, flip_prob=1))[2]
    centre = apply_warp([[49.5, 24.5]], sample.warp)[0]
    found = np.argwhere(sample.extra["ignored"])[:, ::-1].mean(axis=0)
    assert_allclose(found, centre, atol=1)


def test_people_who_are_not_chosen_are_ignored(path):
    rows = [0, 2]  # one of two people of the first picture, one of three of the second
    data = BottomUpDataset(table(path), crop=CROP, subset=rows)
    assert len(data) == 2
    sample = data[0]
    assert sample.weight.any(axis=1).sum() == 1
    x, y = people_of(0)[1].mean(axis=0).astype(int)
    assert sample.extra["ignored"][y, x]
    assert data.metainfo["image_ids"].tolist() == [10, 11]


def test_pictures_of_nobody_stay_unless_unwanted(path):
    content = json.loads(path.read_text())
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 12]
    path.write_text(json.dumps(content))
    assert [int(dataset(path)[row].image_id) for row in range(4)] == [10, 11, 12, 13]
    assert not dataset(path)[2].weight.any()
    fewer = dataset(path, keep_empty=False)
    assert [int(fewer[row].image_id) for row in range(len(fewer))] == [10, 11, 13]
    assert fewer.metainfo["image_ids"].tolist() == [10, 11, 13]
    assert dataset(path).metainfo["image_ids"] is None


def test_what_cannot_be_whole_pictures(path, tmp_path):
    with pytest.raises(ConfigError, match="image id 11 has 3 people; expected at most 2; set most_people=3"):
        dataset(path, most_people=2)
    with pytest.raises(ConfigError, match="'half_body_prob' and 'truncate_prob' are of crops of one person"):
        dataset(path, augment={"truncate_prob": 0.2})
    found = tmp_path / "found.json"
    found.write_text(json.dumps([{"image_id": 10, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]))
    with pytest.raises(ConfigError, match=r"found\.json; a network that finds people itself is given no det"):
        BottomUpDataset(table(path, detections=str(found)), crop=CROP)


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([[1, 2, 3]], "expected polygons of x, y, ... of at least three points, found"),
        ([["a", 2, 3, 4, 5, 6]], "expected polygons"),
        ({"size": [96, 96], "counts": [5, 7]}, "expected run lengths that add up to a 'size' which is the p"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "expected run lengths"),
        ({"size": [96], "counts": [96]}, "expected run lengths"),
        ({"size": [96, 96], "counts": [-1, 9217]}, "expected run lengths"),
    ],
)
def test_a_faulty_outline_is_named(path, outline, message):
    add(path, record(0, [1, 1, 9, 9], [0.0] * 9, iscrowd=1, segmentation=outline))
    with pytest.raises(DataError, match=f"annotation id 900, field 'segmentation': {message}"):
        dataset(path)


def test_a_file_of_another_form_does_not_say_where_nobody_is_labelled(path):
    other = path.with_name("mpii.json")
    other.write_text("[]")
    data = table(path)
    with pytest.raises(DataError, match="expected COCO's form, which says where people are not labelled"):
        unlabelled_regions(data.__class__(**{**vars(data), "ann_file": str(other)}))


def test_samples_are_the_same_whatever_asks(path):
    """As of any data set: by seed, epoch and row; a top-down one sees the same people."""
    first, second = (dataset(path, augment=Augment(), pixels={"jitter_prob": 1}) for _ in range(2))
    assert_array_equal(first[1].image, second[1].image)
    assert not np.array_equal(first[1].image, second[0].image[..., ::-1])
    assert len(TopDownDataset(table(path))) == sum(map(len, HEADS))
