"""MPII's three forms give the same people."""

from __future__ import annotations

import numpy as np
import pytest
import toy_people
from mpii_cases import (
    HIDDEN,
    UNLABELLED,
    joints_of,
    make_pose_json,
    official_person,
    pytorch_pose,
    structs,
    write,
    write_heads,
    write_official,
)
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import MPII16, load_mpii
from posekit.datasets.mpii import mpii_box_xyxy
from posekit.errors import ConfigError, DataError
from posekit.geometry import head_sizes


def hrnet(person, image, **changes):
    joints = joints_of(person)
    joints[UNLABELLED] = -1
    visible = np.ones(16, int)
    visible[UNLABELLED] = 0
    return {
        "image": image, "center": [100.0 + person, 90.0], "scale": 0.5, "joints": joints.tolist(),
        "joints_vis": visible.tolist(), **changes,
    }  # fmt: skip


@pytest.fixture
def official(tmp_path):
    images = [
        ("000000007.jpg", [official_person(0), official_person(1)]),
        ("000000003.jpg", []),  # no annorect at all
        ("000000009.jpg", [official_person(2)]),  # an array of one
        ("000000010.jpg", [official_person(3, annopoints=None, x1=None, x2=None), {"x1": 1.0}]),
        (
            "000000011.jpg",
            [
                official_person(4, objpos=None),
                official_person(5, annopoints=None),
                official_person(6, annopoints={"point": structs([{"x": 5.0, "y": 6.0, "id": 9}])}, x1=None),
            ],
        ),
    ]
    return write_official(tmp_path / "mpii.mat", images, [1, 1, 1, 0, 1])


@pytest.fixture
def pose_json(tmp_path):
    return make_pose_json(tmp_path)


def test_box_by_hand():
    # Centre (100, 90 + 7.5) - 1, side 100.
    assert_array_equal(mpii_box_xyxy([100, 90], 0.5), [49, 46.5, 149, 146.5])
    assert np.isnan(mpii_box_xyxy([-1, -1], 0.5)).all()
    assert np.isnan(mpii_box_xyxy([5, 5], 0)).all()


def test_tighter_boxes_keep_centre_and_height(pose_json):
    assert_array_equal(mpii_box_xyxy([100, 90], 0.5, 3 / 4), [61.5, 46.5, 136.5, 146.5])
    square, tight = (load_mpii(pose_json, "images", "train", box_aspect=a).boxes_xyxy for a in (1.0, 0.75))
    assert_allclose(tight - square, [[12.5, 0, -12.5, 0]] * 2)
    with pytest.raises(ConfigError, match="'box_aspect' must be a positive width / height, found 0"):
        load_mpii(pose_json, "images", "train", box_aspect=0)


def test_head_size_by_hand():
    assert head_sizes([10, 20, 40, 60]) == pytest.approx(30.0)  # 0.6 x 50


def check_person(table, row, person, hidden):
    record = table[row]
    expected = joints_of(person) - 1
    expected[UNLABELLED] = 0
    visible = np.full(16, 2)
    visible[UNLABELLED], visible[HIDDEN] = 0, hidden
    assert_allclose(record.keypoints, expected)
    assert_array_equal(record.visible, visible)
    assert_allclose(record.box_xyxy, mpii_box_xyxy([100 + person, 90], 0.5))
    assert record.person_id == row


def test_pytorch_pose_form(pose_json):
    train = load_mpii(pose_json, "images", "train")
    assert len(train) == 2
    assert train.counts["other_split"] == 1
    check_person(train, 0, 0, hidden=1)
    check_person(train, 1, 1, hidden=1)
    assert_array_equal(train.image_ids, [7])
    assert_array_equal(train.image_sizes_hw, [[480, 640]])
    val = load_mpii(pose_json, "images", "val")
    check_person(val, 0, 2, hidden=1)
    assert val.image_path(0) == "images/000000009.jpg"
    assert len(load_mpii(pose_json, "images", "trainval")) == 3


def test_hrnet_form(tmp_path):
    path = write(tmp_path / "valid.json", [hrnet(2, "000000009.jpg"), hrnet(0, "000000007.jpg")])
    table = load_mpii(path, "images", "val")
    check_person(table, 0, 2, hidden=2)  # this form does not tell hidden from visible
    check_person(table, 1, 0, hidden=2)
    assert_array_equal(table.image_ids, [9, 7])


def test_hrnet_test_form_has_no_joints(tmp_path):
    path = write(tmp_path / "test.json", [{"image": "1.jpg", "center": [50, 50], "scale": 1.0}])
    table = load_mpii(path, "images", "test")
    assert not table.visible.any()
    with pytest.raises(DataError, match="no person has a labelled keypoint"):
        load_mpii(path, "images", "train")


def test_official_form(official):
    table = load_mpii(official, "images", "trainval")
    assert len(table) == 4
    assert dict(table.counts) == {"no_position": 1, "no_keypoints": 1}  # sizes unknown: none "outside"
    for row in range(3):
        check_person(table, row, row, hidden=1)
    assert_array_equal(table.image_ids, [7, 9, 11])
    assert_array_equal(np.flatnonzero(table.visible[3]), [9])  # a single point
    assert_allclose(table.keypoints[3, 9], [4, 5])
    assert_allclose(table.head_sizes, [30, 30, 30, np.nan])  # the last has no x1


def test_official_test_people(official):
    table = load_mpii(official, "images", "test")
    assert len(table) == 1
    assert not table.visible.any()
    assert table.counts["no_position"] == 1
    assert_array_equal(table.image_ids, [10])


def test_official_form_is_divided_by_a_json(official, pose_json):
    train = load_mpii(official, "images", "train", split_file=pose_json)
    check_person(train, 0, 0, hidden=1)
    check_person(train, 1, 1, hidden=1)
    val = load_mpii(official, "images", "val", split_file=pose_json)
    check_person(val, 0, 2, hidden=1)
    assert_allclose(val.head_sizes, [30])
    assert val.counts["other_split"] == 3
    with pytest.raises(ConfigError, match="knows only trainval and test; split 'val' needs 'split_file'"):
        load_mpii(official, "images", "val")


def test_a_split_file_of_other_people(official, tmp_path):
    other = write(tmp_path / "o.json", [pytorch_pose(0, 1, "000000007.jpg", objpos=[300, 300])])
    with pytest.raises(DataError, match=r"o\.json: person 0 \(000000007\.jpg\): expected this person at"):
        load_mpii(official, "images", "val", split_file=other)


def test_all_forms_give_one_record(official, pose_json, tmp_path):
    short = write(tmp_path / "valid.json", [hrnet(2, "000000009.jpg")])
    tables = [
        load_mpii(official, "images", "val", split_file=pose_json),
        load_mpii(pose_json, "images", "val"),
        load_mpii(short, "images", "val"),
    ]
    for table in tables[1:]:
        assert_array_equal(table.keypoints, tables[0].keypoints)
        assert_array_equal(table.boxes_xyxy, tables[0].boxes_xyxy)
        assert_array_equal(table.image_ids, tables[0].image_ids)


def test_head_boxes(pose_json, tmp_path):
    heads = write_heads(tmp_path / "gt_valid.mat", [2])
    assert_allclose(load_mpii(pose_json, "images", "val", head_boxes=heads).head_sizes, [30])


@pytest.mark.parametrize(
    ("people", "changes", "message"),
    [
        ([2, 0], {}, r"field 'headboxes_src': expected numbers of shape \(2, 2, 1\).* found \(2, 2, 2\)"),
        ([0], {}, "person 0, field 'pos_gt_src': expected the people of .* in the same order"),
        ([2], {"jnt_missing": np.ones((16, 1))}, "person 0, field 'pos_gt_src'"),
        ([2], {"jnt_missing": "text"}, "field 'jnt_missing': expected numbers of shape"),
    ],
)
def test_head_boxes_of_other_people(pose_json, tmp_path, people, changes, message):
    heads = write_heads(tmp_path / "gt_valid.mat", people, **changes)
    with pytest.raises(DataError, match=rf"gt_valid\.mat(: |, ){message}"):
        load_mpii(pose_json, "images", "val", head_boxes=heads)


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        (
            pytorch_pose,
            {"joint_self": [[1, 2, 3]]},
            r"'joint_self': expected finite numbers of shape \(16, 3\)",
        ),
        (pytorch_pose, {"objpos": [float("nan"), 2]}, "'objpos': expected finite numbers"),
        (pytorch_pose, {"scale_provided": "big"}, "'scale_provided': expected a finite number, found 'big'"),
        (pytorch_pose, {"objpos": [-1, -1]}, r"'objpos': expected a position, found \(-1.0, -1.0\)"),
        (pytorch_pose, {"scale_provided": -2}, "'scale_provided': expected a positive number, found -2.0"),
        (pytorch_pose, {"img_paths": 7}, "'img_paths': expected str, found int"),
        (pytorch_pose, {"img_height": None}, "'img_height': expected a positive number, found None"),
        (pytorch_pose, {"img_width": float("nan")}, "'img_width': expected a positive number, found nan"),
        (pytorch_pose, {"img_width": "a"}, "'img_width': expected a positive number, found 'a'"),
        (pytorch_pose, {"img_height": -480}, "'img_height': expected a positive number, found -480"),
        (pytorch_pose, {"isValidation": "no"}, "'isValidation': expected 0 or 1, found 'no'"),
        (hrnet, {"center": [-1, -1]}, "'center': expected a position"),
        (hrnet, {"scale": 0}, "'scale': expected a positive number, found 0.0"),
        (hrnet, {"joints": [[1, 2]]}, r"'joints': expected finite numbers of shape \(16, 2\)"),
        (hrnet, {"joints_vis": [1] * 15}, "'joints_vis': expected finite numbers"),
        (hrnet, {"scale": None}, "'scale': expected a finite number, found None"),
    ],
)
def test_wrong_people_are_named_or_skipped(tmp_path, form, change, message):
    def record(person, **changes):
        image = f"{person}.jpg"
        return form(person, 0, image, **changes) if form is pytorch_pose else form(person, image, **changes)

    path = write(tmp_path / "a.json", [record(0), record(1, **change)])
    with pytest.raises(DataError, match=rf"a\.json: person (id )?1.*, field {message}"):
        load_mpii(path, "images", "train")
    table = load_mpii(path, "images", "train", on_bad_record="skip")
    assert len(table) == 1
    assert table.counts["bad_record"] == 1


@pytest.mark.parametrize("form", ["hrnet", "official"])
def test_image_sizes_are_read_where_the_file_is_silent(tmp_path, form):
    # x reaches 102 (0-based 101), y 103: in a picture 100 wide and 90 high the last joints lie outside.
    toy_people.write_picture(tmp_path / "images" / "7.jpg", toy_people.picture(90, 100))
    if form == "hrnet":
        path = write(tmp_path / "a.json", [hrnet(0, "7.jpg"), hrnet(0, "8.jpg")])
    else:
        images = [("7.jpg", [official_person(0)]), ("8.jpg", [official_person(0)])]
        path = write_official(tmp_path / "a.mat", images, [1, 1])
    table = load_mpii(path, str(tmp_path / "images"), "trainval")
    assert_array_equal(table.image_sizes_hw, [[90, 100], [0, 0]])
    outside = ((joints_of(0) - 1) > [99, 89]).any(axis=1).sum()
    assert table.counts["keypoints_outside_image"] == outside == 3


def test_default_skeleton(pose_json):
    assert load_mpii(pose_json, "images", "val").skeleton is MPII16
