"""posekit.datasets.mpii: one person, three file forms, one record; the real files; wrong ones."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import reference
import scipy.io
import toy_people
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import COCO17, MPII16, load_mpii
from posekit.datasets.mpii import head_size, mpii_box_xyxy
from posekit.errors import ConfigError, DataError
from posekit.transforms import Crop

# Three people, 1-based, as the files number them. Joint 0 is hidden, joint 5 not labelled.
JOINTS = np.arange(32.0).reshape(16, 2) * 3 + 11
HIDDEN, UNLABELLED = 0, 5


def joints_of(person):
    joints = JOINTS + 10 * person
    joints[UNLABELLED] = 0
    return joints


def pytorch_pose(person, validation, image, **changes):
    joints = np.concatenate([joints_of(person), np.ones((16, 1))], axis=1)
    joints[[HIDDEN, UNLABELLED], 2] = 0
    return {
        "dataset": "MPI", "isValidation": float(validation), "img_paths": image, "img_width": 640.0,
        "img_height": 480.0, "objpos": [100.0 + person, 90.0], "joint_self": joints.tolist(),
        "scale_provided": 0.5, "annolist_index": 1.0, "people_index": 1.0, **changes,
    }  # fmt: skip


def hrnet(person, image, **changes):
    joints = joints_of(person)
    joints[UNLABELLED] = -1
    visible = np.ones(16, int)
    visible[UNLABELLED] = 0
    return {
        "image": image, "center": [100.0 + person, 90.0], "scale": 0.5, "joints": joints.tolist(),
        "joints_vis": visible.tolist(), **changes,
    }  # fmt: skip


def official_person(person, **changes):
    """An annorect with the file's gaps: flags as numbers, texts, empty or absent."""
    points = []
    for joint in range(16):
        if joint == UNLABELLED:
            continue
        x, y = joints_of(person)[joint]
        point = {"x": x, "y": y, "id": joint}
        flag = ["0", "1", 1, np.zeros((0, 0)), None][0 if joint == HIDDEN else 1 + joint % 4]
        if person == 2 and joint == HIDDEN:
            flag = 0
        point["is_visible"] = np.zeros((0, 0)) if flag is None else flag
        points.append(point)
    fields = {
        "x1": 10.0 + person, "y1": 20.0, "x2": 40.0 + person, "y2": 60.0,
        "scale": 0.5, "objpos": {"x": 100.0 + person, "y": 90.0}, "annopoints": {"point": structs(points)},
        **changes,
    }  # fmt: skip
    return {key: value for key, value in fields.items() if value is not None}


def structs(records):
    """A MATLAB struct array: every record gets every field, empty where it has none."""
    names = sorted({name for record in records for name in record})
    array = np.empty((1, len(records)), dtype=[(name, object) for name in names])
    for number, record in enumerate(records):
        array[0, number] = tuple(record.get(name, np.zeros((0, 0))) for name in names)
    return array


EMPTY = np.zeros((0, 0))


def write_official(path, images, train):
    """``images``: (name, annorects) each."""
    annolist = structs(
        [
            {"image": {"name": name}, "annorect": structs(people) if len(people) else EMPTY}
            for name, people in images
        ]
    )
    scipy.io.savemat(path, {"RELEASE": {"annolist": annolist, "img_train": np.array([train])}})
    return str(path)


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


def write(path, content):
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


@pytest.fixture
def pose_json(tmp_path):
    return write(
        tmp_path / "annotations.json",
        [
            pytorch_pose(0, 0, "000000007.jpg"),
            pytorch_pose(2, 1, "000000009.jpg"),
            pytorch_pose(1, 0, "000000007.jpg"),
        ],
    )


def write_heads(path, people, **changes):
    joints = np.stack([joints_of(person) for person in people])
    missing = np.zeros((16, len(people)), np.uint8)
    missing[UNLABELLED] = 1
    boxes = np.stack([np.array([[10.0 + p, 20], [40 + p, 60]]) for p in people], axis=-1)
    content = {"headboxes_src": boxes, "jnt_missing": missing, "pos_gt_src": joints.transpose(1, 2, 0)}
    scipy.io.savemat(path, {**content, **changes})
    return str(path)


def test_box_by_hand():
    # Centre (100, 90 + 7.5) - 1, side 100.
    assert_array_equal(mpii_box_xyxy([100, 90], 0.5), [49, 46.5, 149, 146.5])
    assert np.isnan(mpii_box_xyxy([-1, -1], 0.5)).all()
    assert np.isnan(mpii_box_xyxy([5, 5], 0)).all()


def test_head_size_by_hand():
    assert head_size([10, 20, 40, 60]) == pytest.approx(30.0)  # 0.6 x 50


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


# Reference numbers and real files -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["embedded", "reference"])
def test_golden_records(source):
    if source == "reference":
        golden = reference.load("crop.npz")
    else:
        with np.load(reference.GOLDEN / "crops.npz") as arrays:
            golden = dict(arrays)
    boxes = mpii_box_xyxy(golden["mpii_in_center"], golden["mpii_in_scale"])
    crop = Crop((256, 256))
    for row, box in enumerate(boxes):
        if golden["mpii_in_center"][row, 0] == -1:  # the release crops nonsense here; posekit refuses
            assert np.isnan(box).all()
            continue
        placed = crop.place(box)
        assert_allclose(placed.center, golden["mpii_out_center"][row], rtol=1e-9)
        assert_allclose(placed.size_wh / 200, golden["mpii_out_scale"][row], rtol=1e-9)


@pytest.mark.parametrize("source", ["embedded", "reference"])
def test_golden_joints(source, tmp_path):
    if source == "reference":
        golden = reference.load("crop.npz")
    else:
        with np.load(reference.GOLDEN / "crops.npz") as arrays:
            golden = dict(arrays)
    rows = [row for row, center in enumerate(golden["mpii_in_center"]) if center[0] != -1]
    people = [
        {
            "image": f"{row}.jpg",
            "center": golden["mpii_in_center"][row].tolist(),
            "scale": float(golden["mpii_in_scale"][row]),
            "joints": golden["mpii_in_joints"][row].tolist(),
            "joints_vis": golden["mpii_in_vis"][row].tolist(),
        }
        for row in rows
    ]
    table = load_mpii(write(tmp_path / "a.json", people), "images", "train")
    labelled = table.visible > 0
    assert_array_equal(labelled, golden["mpii_out_vis"][rows] > 0)
    assert_allclose(table.keypoints[labelled], golden["mpii_out_joints"][rows][labelled], rtol=1e-6)


@pytest.fixture(scope="module")
def real():
    root = reference.path("data/mpii")
    return root, load_mpii("mpii_annotations.json.gz", "images", "trainval", data_root=str(root))


def test_real_file(real):
    _, table = real
    assert len(table) == 25204
    outside = table.outside_image()
    # 479 among those flagged visible, 532 among all labelled ones.
    assert (outside & (table.visible == 2)).sum() == 479
    assert table.counts["keypoints_outside_image"] == outside.sum() == 532


def test_real_validation_people_are_those_of_gt_valid(real):
    root, _ = real
    table = load_mpii(
        "mpii_annotations.json.gz", "images", "val", "detections_our_format.mat", data_root=str(root)
    )
    assert len(table) == 2958
    content = scipy.io.loadmat(root / "detections_our_format.mat")
    sides = content["headboxes_src"][1] - content["headboxes_src"][0]
    assert_allclose(table.head_sizes, 0.6 * np.hypot(*sides), rtol=1e-6)
    assert_array_equal(table.visible == 0, content["jnt_missing"].T == 1)
    close = np.abs(table.keypoints + 1 - content["pos_gt_src"].transpose(2, 0, 1)) < 1e-3
    assert close[table.visible > 0].mean() > 0.999


def test_real_order_is_checked(real, tmp_path):
    root, _ = real
    people = json.loads(gzip.decompress((root / "mpii_annotations.json.gz").read_bytes()))
    people = [person for person in people if person["isValidation"]]
    people[3], people[4] = people[4], people[3]
    with pytest.raises(DataError, match="person 3, field 'pos_gt_src'"):
        load_mpii(
            write(tmp_path / "a.json", people), "images", "val", str(root / "detections_our_format.mat")
        )


def test_real_hrnet_form_agrees(real):
    root, table = real
    people = load_mpii("test_mpii.json", "images", "val", data_root=str(root))
    names = [table.image_name(int(image)) for image in table.image_index]
    for row in range(len(people)):
        record = people[row]
        same = [
            table[other]
            for other, name in enumerate(names)
            if name == people.image_name(int(people.image_index[row]))
        ]
        assert record.image_id == same[0].image_id
        assert min(np.abs(record.keypoints - other.keypoints).max() for other in same) < 1e-3
        assert min(np.abs(record.box_xyxy - other.box_xyxy).max() for other in same) < 0.1


def test_default_skeleton(pose_json):
    assert load_mpii(pose_json, "images", "val").skeleton is MPII16
