"""Faulty MPII records are named or skipped; ids and rows stay those of the file."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from mpii_cases import (
    EMPTY,
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

from posekit.datasets import COCO17, load_mpii
from posekit.errors import ConfigError, DataError


@pytest.fixture
def pose_json(tmp_path):
    return make_pose_json(tmp_path)


@pytest.mark.parametrize("bad", [7, {"joint_self": []}])
@pytest.mark.parametrize("place", [0, 1])
def test_records_that_are_no_people_follow_the_policy(tmp_path, bad, place):
    people = [pytorch_pose(0, 0, "0.jpg"), pytorch_pose(1, 0, "1.jpg")]
    people.insert(place, bad)
    path = write(tmp_path / "a.json", people)
    with pytest.raises(DataError, match=rf"a\.json: person {place}[,:].*expected"):
        load_mpii(path, "images", "train")
    table = load_mpii(path, "images", "train", on_bad_record="skip")
    assert_array_equal(table.image_ids, [0, 1])
    assert table.counts["bad_record"] == 1


def test_ids_and_head_boxes_stay_those_of_the_file_where_people_are_skipped(tmp_path):
    people = [
        pytorch_pose(3, 0, "3.jpg"),
        pytorch_pose(0, 1, "0.jpg"),
        pytorch_pose(1, 1, "1.jpg", scale_provided="big"),
        pytorch_pose(2, 1, "2.jpg"),
    ]
    heads = write_heads(tmp_path / "gt_valid.mat", [0, 1, 2])
    content = scipy.io.loadmat(heads)
    content["headboxes_src"][1, :, 2] = [10 + 2 + 60, 20 + 80]  # the last head is twice as large: 60
    scipy.io.savemat(heads, {key: content[key] for key in ("headboxes_src", "jnt_missing", "pos_gt_src")})
    path = write(tmp_path / "a.json", people)
    table = load_mpii(path, "images", "val", heads, on_bad_record="skip")
    assert_array_equal(table.person_ids, [0, 2])
    assert_allclose(table.head_sizes, [30, 60])
    assert (table.counts["bad_record"], table.counts["other_split"]) == (1, 1)


def test_ids_of_the_official_form_count_skipped_people(tmp_path):
    people = [
        official_person(0),
        official_person(1, scale="big"),
        official_person(2),
        official_person(3, scale=0.0),
    ]
    path = write_official(tmp_path / "a.mat", [("1.jpg", people)], [1])
    table = load_mpii(path, "images", "trainval", on_bad_record="skip")
    assert_array_equal(table.person_ids, [0, 2])
    assert dict(table.counts) == {"bad_record": 1, "no_position": 1}  # no scale, no box: as without position


def test_rows_of_the_official_form_count_a_last_person_that_is_skipped(tmp_path):
    """The head boxes are of three people, one of whom the annotation states wrongly."""
    people = [official_person(0), official_person(1), official_person(2, scale="big")]
    path = write_official(tmp_path / "a.mat", [("1.jpg", people)], [1])
    heads = write_heads(tmp_path / "heads.mat", [0, 1, 2])
    table = load_mpii(path, "images", "trainval", heads, on_bad_record="skip")
    assert (len(table), table.file_people) == (2, 3)
    assert_allclose(table.head_sizes, [30, 30])
    short = write_heads(tmp_path / "short.mat", [0, 1])
    with pytest.raises(DataError, match=r"numbers of shape \(2, 2, 3\)"):
        load_mpii(path, "images", "trainval", short, on_bad_record="skip")


def test_ids_of_the_divided_official_form_are_the_split_files(tmp_path):
    people = [official_person(0), official_person(1, scale="big"), official_person(2), official_person(3)]
    path = write_official(tmp_path / "a.mat", [("1.jpg", people)], [1])
    wanted = [pytorch_pose(p, v, "1.jpg") for p, v in ((2, 1), (1, 1), (3, 0), (0, 1))]
    wanted[1]["objpos"] = [400, 90]  # far from the others, who stand a pixel apart
    table = load_mpii(
        path,
        "images",
        "val",
        split_file=write(tmp_path / "a.json", wanted),
        on_bad_record="skip",
        head_boxes=write_heads(tmp_path / "gt_valid.mat", [2, 1, 0]),
    )
    assert_array_equal(table.person_ids, [0, 2])
    assert_allclose(table.keypoints[1, 1], joints_of(0)[1] - 1)
    assert dict(table.counts) == {"bad_record": 1, "other_split": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "expected a list of people, found dict"),
        ([{"a": 1}], "person 0: expected the fields"),
        ([], "list"),
    ],
)
def test_other_jsons_are_named(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        load_mpii(write(tmp_path / "a.json", content), "images", "train")


def test_other_mats_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": 1})
    with pytest.raises(DataError, match=r"a\.mat, field 'RELEASE\.annolist'"):
        load_mpii(str(tmp_path / "a.mat"), "images", "trainval")
    (tmp_path / "b.mat").write_bytes(b"not a mat file at all")
    with pytest.raises(DataError, match=r"b\.mat: not a readable MATLAB file"):
        load_mpii(str(tmp_path / "b.mat"), "images", "trainval")
    with pytest.raises(DataError, match=r"none\.mat: file not found"):
        load_mpii(str(tmp_path / "none.mat"), "images", "trainval")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "big"}, "field 'scale': expected a finite number"),
        ({"x1": np.nan}, "field 'x1': expected a finite number"),
        ({"objpos": {"x": np.nan, "y": 3.0}}, "field 'objpos.x': expected a finite number"),
        ({"annopoints": {"point": structs([{"x": 1.0, "y": 2.0, "id": 16}])}}, "point.id': expected 0 to 15"),
        (
            {"annopoints": {"point": structs([{"x": EMPTY, "y": 2.0, "id": 1}])}},
            "point.x' or '.y': expected a number",
        ),
        ({"annopoints": {"point": structs([{"x": 1.0, "y": 2.0, "id": 1}] * 2)}}, "found 1 twice"),
    ],
)
def test_wrong_people_of_the_official_form(tmp_path, changes, message):
    images = [("1.jpg", [official_person(0), official_person(1, **changes)])]
    path = write_official(tmp_path / "a.mat", images, [1])
    with pytest.raises(DataError, match=rf"a\.mat: annolist\(1\)\.annorect\(2\) \(1\.jpg\), .*{message}"):
        load_mpii(path, "images", "trainval")
    assert len(load_mpii(path, "images", "trainval", on_bad_record="skip")) == 1


def test_wrong_settings(pose_json):
    with pytest.raises(ConfigError, match="'split' must be one of"):
        load_mpii(pose_json, "images", "valid")
    with pytest.raises(ConfigError, match="holds no test people"):
        load_mpii(pose_json, "images", "test")
    with pytest.raises(ConfigError, match="MPII has 16 keypoints, skeleton 'coco17' 17"):
        load_mpii(pose_json, "images", "train", skeleton=COCO17)
