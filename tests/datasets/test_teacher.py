"""Keypoints that a set does not label, from a teacher's predictions."""

import json

import numpy as np
import pytest
import toy_people
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets.coco import load_coco
from posekit.datasets.teacher import with_teacher
from posekit.datasets.topdown import TopDownDataset
from posekit.errors import ConfigError, DataError
from posekit.structures import Skeleton

LIMBS = Skeleton("limbs", tuple(f"limb {letter}" for letter in "abcdefg"), sigmas=(0.1,) * 7)
# Their order is not the labels', and the nose comes first.
BODY = Skeleton("body", ("nose", *reversed(LIMBS.keypoints)), sigmas=(0.1,) * 8)
POINTS = np.stack([np.arange(10, 80, 10), np.arange(15, 85, 10)], axis=1).astype(float)
NOSE = [[40.0, 20.0, 0.9]]


def taught(shift=0.0, nose=NOSE, score=0.8):
    """What a teacher says of somebody whose limbs are those of POINTS."""
    limbs = np.column_stack([POINTS[::-1] + shift, np.full(7, score)])
    return [*nose, *limbs.tolist()]


@pytest.fixture
def people(tmp_path):
    """Five people, one a picture of 100 x 100; boxes 80 px long."""
    flat = np.column_stack([POINTS, np.full(7, 2)]).ravel().tolist()
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 100} for n in range(1, 6)]
    annotations = [
        {"id": 10 + n, "image_id": n, "category_id": 1, "area": 4000, "bbox": [5, 10, 70, 80],
         "keypoints": list(flat)} for n in range(1, 6)
    ]  # fmt: skip
    annotations[4]["keypoints"][:3] = [0, 0, 0]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(LIMBS.keypoints)}],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


def complete(people, predictions, **settings):
    (people / "teacher.json").write_text(json.dumps(predictions))
    source = {"type": load_coco, "ann_file": str(people / "people.json"), "clean_boxes": False}
    source |= {"image_dir": str(people), "skeleton": LIMBS}
    return with_teacher(source, "teacher.json", BODY, data_root=str(people), **settings)


def test_labels_stay_and_what_is_missing_is_the_teachers(people):
    table = complete(people, {"11": taught(3), "15": taught(3)})
    assert_array_equal(table.keypoints[0, 0], [40, 20])
    assert_array_equal(table.keypoints[0, 1:], POINTS[::-1])
    assert_allclose(table.extra["keypoint_weight"][0], [0.9, *[1] * 7])
    # The fifth has no label for its first limb, the last of BODY.
    assert_array_equal(table.keypoints[4, 7], POINTS[0] + 3)
    assert_allclose(table.extra["keypoint_weight"][4], [0.9, *[1] * 6, 0.8])
    # Nobody is taught who is not in the file.
    assert_array_equal(table.visible[1:4, 0], 0)
    assert_array_equal(table.extra["keypoint_weight"][1], [0, *[1] * 7])
    assert table.extra["keypoint_weight"].dtype == np.float32


@pytest.mark.parametrize(
    ("shift", "trusted"), [(0, True), (5.6, True), (5.7, False)]
)  # 0.1 of 80 px, along the diagonal
def test_the_teacher_is_believed_where_it_agrees(people, shift, trusted):
    table = complete(people, {"11": taught(shift)})
    assert (table.visible[0, 0] > 0) == trusted
    assert (table.extra["keypoint_weight"][0, 0] > 0) == trusted


def test_half_of_the_limbs_must_agree(people):
    points = taught()
    for wrong, agrees in ((3, True), (4, False)):
        said = [list(point) for point in points]
        for place in range(1, 1 + wrong):
            said[place][0] += 50
        table = complete(people, {"11": said})
        assert (table.visible[0, 0] > 0) == agrees
    # Limbs that the teacher does not know do not count.
    for place in range(4, 8):
        said[place][2] = 0.1
    said[1][0] -= 50
    said[2][0] -= 50
    assert complete(people, {"11": said}).visible[0, 0] == 2


@pytest.mark.parametrize(
    "nose", [[[40, 20, 0.49]], [[-1, 20, 0.9]], [[40, 99.5, 0.9]]], ids=["unsure", "left of it", "below"]
)
def test_unsure_keypoints_and_those_outside_are_left(people, nose):
    table = complete(people, {"11": taught(nose=nose)})
    assert table.visible[0, 0] == 0
    assert table.extra["keypoint_weight"][0, 0] == 0
    assert not table.keypoints[0, 0].any()


def test_the_weights_are_those_of_the_samples(people):
    (people / "teacher.json").write_text(json.dumps({"11": taught()}))
    toy_people.write_picture(people / "1.jpg", toy_people.picture(100, 100))
    source = {"type": load_coco, "ann_file": str(people / "people.json"), "image_dir": str(people)}
    source = {"type": with_teacher, "source": {**source, "skeleton": LIMBS}, "data_root": str(people)}
    source["predictions"] = "teacher.json"
    settings = {"skeleton": BODY, "keypoint_weight": "keypoint_weight", "check_images": False}
    assert_allclose(TopDownDataset(source, **settings)[0].weight, [0.9, *[1] * 7])


def test_a_score_above_one_weighs_one(people):
    assert complete(people, {"11": taught(nose=[[40, 20, 1.04]])}).extra["keypoint_weight"][0, 0] == 1


def test_people_whom_a_sure_teacher_contradicts_may_be_dropped(people):
    said = {"11": taught(30), "12": taught(30, score=0.6), "13": taught(), "15": taught(30)}
    assert len(complete(people, said)) == 5
    table = complete(people, said, contradicted="drop")
    assert table.person_ids.tolist() == [12, 13, 14]  # one it is unsure of, one it agrees on, one it has not
    assert table.counts["teacher_contradicts"] == 2
    # Five sure limbs are too few to say so.
    for place in (1, 2):
        said["11"][place][2] = 0.2
    assert 11 in complete(people, said, contradicted="drop").person_ids


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "expected an object, person id ->"),
        ({"11": taught()[:-1]}, "person id 11: expected 8 triples"),
        ({"11": [[1, 2, "high"]] * 8}, "person id 11: expected 8 triples of finite numbers"),
        ({"11": [[1, 2, float("nan")]] * 8}, "person id 11: expected 8 triples of finite"),
        ({"1": taught()}, r"ids \[11, 12, 13\], ...\), found none among 1 ids \(1, ...\)"),
    ],
)
def test_files_of_another_form_are_refused(people, said, message):
    with pytest.raises(DataError, match=message):
        complete(people, said)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contradicted": "kept"}, "'contradicted' must be 'keep' or 'drop', found 'kept'"),
        ({"agree": 50}, "'agree' must be in 0..1, found 50"),
        ({"min_score": None}, "'min_score' must be in 0..1, found None"),
    ],
)
def test_settings_out_of_range_are_refused(people, settings, message):
    with pytest.raises(ConfigError, match=message):
        complete(people, {"11": taught()}, **settings)
