"""posekit.datasets.coco: who is kept, what is counted, and which message a wrong file gets."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import reference
import toy_people
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import load_coco
from posekit.errors import ConfigError, DataError
from posekit.registry import DATASETS


def load(folder, content=None, **settings):
    path = toy_people.write_coco(folder, content)
    return load_coco(str(path), str(folder / "images"), toy_people.SKELETON, **settings)


def test_people_are_kept_as_in_the_release(tmp_path):
    table = load(tmp_path)
    assert_array_equal(table.person_ids, [102, 101])  # grouped by image, in the order of the images
    assert_array_equal(table.image_ids, [11, 5])
    assert_array_equal(table.image_index, [0, 1])
    # bbox 10, 5, 30, 30: one less on the right and below.
    assert_array_equal(table.boxes_xyxy, [[10, 5, 39, 34], [2, 3, 21, 32]])
    assert_array_equal(table.visible, [[2, 2, 2], [2, 1, 0]])
    assert_array_equal(table.keypoints[1], [[10, 5], [20, 25], [0, 0]])
    assert dict(table.counts) == {
        "crowd": 1,
        "no_labelled_keypoint": 1,
        "other_category": 1,
        "no_area": 1,
        "box_outside_image": 1,
        "keypoints_outside_image": 1,
    }
    assert table.box_source == "ground truth"
    record = table[1]
    assert record.image_path == str(tmp_path / "images" / "b.png")
    assert (record.image_id, record.person_id, record.box_score) == (5, 101, 1.0)


def test_people_with_hidden_keypoints_alone_are_kept(tmp_path):
    content = toy_people.coco()
    content["annotations"][0]["keypoints"] = [10, 5, 1, 20, 25, 1, 0, 0, 0]
    assert_array_equal(load(tmp_path, content).visible, [[2, 2, 2], [1, 1, 0]])


def test_boxes_as_annotated(tmp_path):
    content = toy_people.coco()
    del content["annotations"][6]
    assert_array_equal(load(tmp_path, content, clean_boxes=False).boxes_xyxy[0], [10, 5, 40, 35])


def test_data_root_and_gzip(tmp_path):
    path = toy_people.write_coco(tmp_path)
    (tmp_path / "people.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    table = load_coco("people.json.gz", "images", toy_people.SKELETON, data_root=str(tmp_path))
    assert len(table) == 2
    assert table.image_path(0) == str(tmp_path / "images" / "a.png")


def test_it_is_registered():
    assert DATASETS.get("load_coco") is load_coco


def test_names_may_differ_in_spelling(tmp_path):
    content = toy_people.coco()
    content["categories"][0]["keypoints"] = ["Head", "left hand", "Right-Hand"]
    assert len(load(tmp_path, content)) == 2


DETECTIONS = [
    {"image_id": 5, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.9},
    {"image_id": 11, "category_id": 1, "bbox": [-3, 2, 10, 20], "score": 0.3},
    {"image_id": 5, "category_id": 2, "bbox": [1, 2, 10, 20], "score": 0.8},
    {"image_id": 11, "category_id": 1, "bbox": [4, 2, 10, 20], "score": 0.7},
]


def load_detections(folder, detections, **settings):
    (folder / "boxes.json").write_text(json.dumps(detections), "utf-8")
    return load(folder, detections=str(folder / "boxes.json"), **settings)


def test_detections_replace_the_boxes(tmp_path):
    table = load_detections(tmp_path, DETECTIONS)
    assert table.box_source == "boxes.json"
    assert table.ann_file.endswith("people.json")
    assert_array_equal(table.image_index, [0, 0, 1])
    assert_array_equal(table.boxes_xyxy[0], [-3, 2, 7, 22])  # not cleaned
    assert_allclose(table.box_scores, [0.3, 0.7, 0.9], rtol=1e-6)
    assert not table.visible.any()
    assert not table.keypoints.any()
    assert table.counts["other_category"] == 1


def test_weak_detections_are_counted(tmp_path):
    assert len(load_detections(tmp_path, DETECTIONS, score_threshold=0.7)) == 2  # at it is not below it
    table = load_detections(tmp_path, DETECTIONS, score_threshold=0.5)
    assert_allclose(table.box_scores, [0.7, 0.9], rtol=1e-6)
    assert table.counts["low_score"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, r"detection 1, field 'image_id': .* found 99"),
        ({"bbox": [1, 2, 0, 4]}, r"detection 1, field 'bbox': .*positive width"),
        ({"score": float("nan")}, r"detection 1, field 'score': expected a finite number, found nan"),
        ({"score": "high"}, r"detection 1, field 'score': expected int or float, found str 'high'"),
        ({"score": 10**400}, r"detection 1, field 'score': expected a finite number"),
    ],
)
def test_wrong_detections_are_named(tmp_path, change, message):
    broken = [DETECTIONS[0], {**DETECTIONS[1], **change}]
    with pytest.raises(DataError, match=rf"boxes\.json: {message}"):
        load_detections(tmp_path, broken)
    table = load_detections(tmp_path, broken, on_bad_record="skip")
    assert len(table) == 1
    assert table.counts["bad_record"] == 1


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0.1, 0.1, 0.5, 0.8], [0.5, 0.2, 0.4, 0.7]], "no number above 1.5 in any detection"),
        ([[20, 5, 29, 25], [25, 10, 29, 29], [0, 0, 9, 9]], "2 of 3 boxes reach beyond their pictures"),
        ([[1, 2, 10, 20], [40, 2, 10, 20]], "1 of 2 boxes lie wholly outside their pictures"),
        ([[1, 2, 10, 20], [2, 2, 10, 20], [1, 2, 10, 20]], "1 of 3 detections repeat the box of another"),
    ],
)
def test_boxes_that_can_hardly_be_meant_are_told_once(tmp_path, boxes, words):
    detections = [DETECTIONS[0] | {"bbox": box} for box in boxes]
    with pytest.warns(UserWarning, match=r"boxes\.json: ") as told:
        table = load_detections(tmp_path, detections)
    assert len(table) == len(boxes)
    (message,) = [str(warning.message) for warning in told]
    assert words in message


def test_boxes_may_reach_over_the_edge_and_sizes_may_be_unknown(tmp_path, recwarn):
    load_detections(tmp_path, [DETECTIONS[0] | {"bbox": [-3, -2, 50, 40]}])
    few = [DETECTIONS[0] | {"bbox": [1, 2, 10, 20 + k]} for k in range(20)]
    load_detections(tmp_path, [*few, few[0]])
    content = toy_people.coco()
    for image in content["images"]:
        del image["width"], image["height"]
    (tmp_path / "boxes.json").write_text(json.dumps([DETECTIONS[0] | {"bbox": [500, 2, 10, 20]}]), "utf-8")
    assert not recwarn.list
    # A size that is not stated is the picture's own.
    with pytest.warns(UserWarning, match="1 of 1 boxes lie wholly outside their pictures"):
        load(tmp_path, content, detections=str(tmp_path / "boxes.json"))


def test_ids_beyond_64_bits_are_named_or_skipped(tmp_path):
    content = toy_people.coco()
    content["annotations"][0]["id"] = 2**63
    with pytest.raises(DataError, match=r"annotations\[0\], field 'id': expected an integer of 64 bits"):
        load(tmp_path, content)
    table = load(tmp_path, content, on_bad_record="skip")
    assert_array_equal(table.person_ids, [102])
    content["images"][1]["id"] = -(2**63) - 1
    with pytest.raises(DataError, match=r"images\[1\], field 'id': expected an integer of 64 bits"):
        load(tmp_path, content, on_bad_record="skip")


BAD_RECORDS = [
    ({"keypoints": [1, 2, 2]}, r"field 'keypoints': expected 9 numbers \(3 keypoints.*\), found 3"),
    ({"keypoints": [float("nan"), 5, 2] + [0] * 6}, "field 'keypoints': expected finite numbers, found nan"),
    ({"keypoints": ["x", 5, 2] + [0] * 6}, "field 'keypoints': expected finite numbers, found 'x'"),
    ({"keypoints": [1, 5, 3] + [0] * 6}, "field 'keypoints': expected v = 0, 1 or 2, found 3"),
    ({"keypoints": None}, "field 'keypoints': expected list, found NoneType"),
    ({"bbox": [2, 3, -20, 30]}, r"field 'bbox': .*positive width and height, found \[2, 3, -20, 30\]"),
    ({"bbox": [2, 3, 0, 30]}, "field 'bbox'"),
    ({"bbox": [float("nan"), 3, 20, 30]}, "field 'bbox'"),
    ({"bbox": [2, 3, 20]}, "field 'bbox'"),
    ({"image_id": 77}, r"field 'image_id': expected the id of one of the 2 images, found 77"),
    ({"id": 102}, "field 'id': expected unique ids"),
    ({"area": float("nan")}, "field 'area'"),
    ({"category_id": "person"}, "field 'category_id': expected int, found str"),
]


@pytest.mark.parametrize(("change", "message"), BAD_RECORDS)
def test_wrong_people_are_named_or_skipped(tmp_path, change, message):
    content = toy_people.coco()
    # The second person of the file first, so that a repeated id is found on the changed one.
    content["annotations"][:2] = [content["annotations"][1], {**content["annotations"][0], **change}]
    with pytest.raises(DataError, match=rf"people\.json: annotation id {change.get('id', 101)}, {message}"):
        load(tmp_path, content)
    table = load(tmp_path, content, on_bad_record="skip")
    assert_array_equal(table.person_ids, [102])
    assert table.counts["bad_record"] == 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("annotations",), None, "field 'annotations': expected list, found NoneType"),
        (("images", 0, "id"), "x", r"images\[0\], field 'id': expected int, found str 'x'"),
        (
            ("images", 0, "id"),
            5,
            r"image id 5, field 'id': expected unique ids, found it again in images\[1\]",
        ),
        (("images", 0, "file_name"), "../a.png", "image id 11, field 'file_name': .*found '../a.png'"),
        (("images", 0, "file_name"), "/a.png", "image id 11, field 'file_name'"),
        (("images", 0, "height"), -3, "image id 11, field 'height'"),
        (("images", 0, "height"), 0, "image id 11, fields 'height' and 'width'"),
        (
            ("categories", 0, "keypoints"),
            ["head", "left_hand"],
            r"category id 1, field 'keypoints': expected the 3 keypoints of skeleton 'arm3' .*found 2",
        ),
        (
            ("categories", 0, "keypoints"),
            ["head", "right_hand", "left_hand"],
            ".*number 1 being 'left_hand', found 'right_hand'",
        ),
        (("categories",), [], "field 'categories': expected one with the 3 keypoints .* found none"),
    ],
)
def test_wrong_files_are_named(tmp_path, path, value, message):
    content = toy_people.coco()
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(DataError, match=rf"people\.json(: |, ){message}"):
        load(tmp_path, content)


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_key_is_named(tmp_path, key):
    content = toy_people.coco()
    del content[key]
    with pytest.raises(DataError, match=rf"people\.json, field '{key}': expected it to be there"):
        load(tmp_path, content)


def test_no_annotated_person_at_all(tmp_path):
    content = toy_people.coco()
    content["annotations"] = content["annotations"][2:5]
    with pytest.raises(
        DataError, match=r"people\.json: expected at least one usable person, found none; .*crowd"
    ):
        load(tmp_path, content)


@pytest.mark.parametrize("content", [b"", b"{'a': 1}", b"\x89PNG\xff\xfe", b"\x1f\x8b broken", b"[1, 2]"])
def test_other_files_are_named(tmp_path, content):
    path = toy_people.write_coco(tmp_path)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"people\.json: "):
        load_coco(str(path), str(tmp_path), toy_people.SKELETON)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: file not found"):
        load_coco(str(tmp_path / "none.json"), str(tmp_path))


def test_wrong_settings(tmp_path):
    with pytest.raises(ConfigError, match="'on_bad_record'"):
        load(tmp_path, on_bad_record="ignore")
    with pytest.raises(ConfigError, match="'clean_boxes' must be True or False, found 'no'"):
        load(tmp_path, clean_boxes="no")


# Real files ---------------------------------------------------------------------------------------------


def test_coco_photos():
    root = reference.path("data/coco")
    table = load_coco("annotations/person_keypoints_train2017.json", "train2017", data_root=str(root))
    assert len(table) == 86
    assert (table.counts["no_labelled_keypoint"], table.counts["crowd"]) == (56, 5)
    assert len(np.unique(table.image_index)) <= 28
    record = table[int(np.flatnonzero(table.person_ids == 441444)[0])]
    assert_allclose(record.box_xyxy, [120.46, 133.32, 331.77, 630.9], atol=1e-3)
    assert_array_equal(record.keypoints[0], [281, 240])


def test_coco_detections():
    root = reference.path("data/coco")
    table = load_coco(
        "annotations/person_keypoints_val2017.json",
        "val2017",
        data_root=str(root),
        detections="person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
    )
    assert len(table) == 118
    assert table.box_source == "COCO_val2017_detections_AP_H_56_person.json"
    assert (np.diff(table.image_index) >= 0).all()


def test_lsp_extended_and_crowdpose():
    lsp = load_coco("train.json", "images", "lsp14", data_root=str(reference.path("data/lsp_extended")))
    assert (len(lsp), int((lsp.visible == 2).sum())) == (6374, 85066)
    crowd = load_coco(
        "test_crowdpose.json", "", "crowdpose14", data_root=str(reference.path("data/crowdpose"))
    )
    assert (len(crowd), crowd.counts["no_labelled_keypoint"]) == (4, 1)


@pytest.mark.parametrize("crowd", ["0", 2, [0]])
def test_iscrowd_is_0_or_1(tmp_path, crowd):
    content = toy_people.coco()
    content["annotations"][0]["iscrowd"] = crowd
    path = toy_people.write_coco(tmp_path, content)
    with pytest.raises(DataError, match=r"annotation id 101, field 'iscrowd': expected 0 or 1, found"):
        load_coco(str(path), "images", toy_people.SKELETON)
