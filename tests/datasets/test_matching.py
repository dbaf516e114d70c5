"""posekit.datasets.matching by hand, and load_coco(boxes="detected_matched")."""

import json

import numpy as np
import pytest
import toy_people
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import load_coco
from posekit.datasets.matching import box_iou, match_boxes, match_by_image
from posekit.errors import ConfigError, DataError


def test_iou_by_hand():
    boxes = [[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 20]]
    expected = [[1, 50 / 150, 0], [50 / 150, 1, 0], [0, 0, 0]]
    assert_allclose(box_iou(np.array(boxes), np.array(boxes)), expected)


def test_the_best_pair_goes_first():
    """Detection 0 fits person 0 at 0.8 and person 1 at 0.9: person 1 has it, person 0 the lesser one."""
    people = np.array([[0, 0, 10, 8], [0, 0, 10, 9.0], [50, 50, 60, 60]])
    detected = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [50, 50, 54, 60.0]])
    assert_array_equal(match_boxes(people, detected), [1, 0, -1])
    assert_array_equal(match_boxes(people, detected, 0.4), [1, 0, 2])
    assert_array_equal(match_boxes(people, detected, 0.7), [-1, 0, -1])
    assert_array_equal(match_boxes(people, np.zeros((0, 4))), [-1, -1, -1])
    assert_array_equal(match_boxes(people[:1], people[:1], 1.0), [0])


BOXES = st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2), max_size=6)


@given(BOXES, BOXES)
def test_nobody_shares_a_detection_and_all_fit(people, detected):
    tables = [np.array(b, float).reshape(-1, 4) for b in (people, detected)]
    for table in tables:
        table[:, 2:] += table[:, :2]
    matches = match_boxes(*tables)
    taken = matches[matches >= 0]
    assert len(set(taken.tolist())) == len(taken)
    overlap = box_iou(*tables)
    assert (overlap[np.flatnonzero(matches >= 0), taken] >= 0.5).all()
    # No pair is left that could still be made.
    free = np.ones(len(detected), bool)
    free[taken] = False
    assert not (overlap[np.flatnonzero(matches < 0)][:, free] >= 0.5).any()


def test_images_do_not_mix():
    box = np.array([[0, 0, 10, 10.0]])
    people, detected = np.repeat(box, 3, axis=0), np.repeat(box, 2, axis=0)
    assert_array_equal(match_by_image(people, [4, 2, 4], detected, [9, 4]), [1, -1, -1])
    assert_array_equal(match_by_image(people[:0], [], detected, [9, 4]), [])


DETECTIONS = [
    {"image_id": 5, "category_id": 1, "bbox": [3, 4, 20, 30], "score": 0.9},  # near person 101
    {"image_id": 5, "category_id": 1, "bbox": [2, 3, 20, 31], "score": 0.2},  # nearer
    {"image_id": 11, "category_id": 1, "bbox": [40, 5, 15, 30], "score": 0.8},  # nobody there
]


def load(folder, records=DETECTIONS, **settings):
    path = toy_people.write_coco(folder)
    (folder / "boxes.json").write_text(json.dumps(records), "utf-8")
    return load_coco(
        str(path),
        str(folder / "images"),
        toy_people.SKELETON,
        **{"detections": str(folder / "boxes.json"), "boxes": "detected_matched", **settings},
    )


def test_people_have_their_detections_boxes_and_their_own_keypoints(tmp_path):
    plain, table = load(tmp_path, boxes="annotated", detections=None), load(tmp_path)
    assert_array_equal(table.person_ids, plain.person_ids)  # 102 on image 11, 101 on image 5
    assert_array_equal(table.keypoints, plain.keypoints)
    assert_array_equal(table.visible, plain.visible)
    assert_array_equal(table.boxes_xyxy, [plain.boxes_xyxy[0], [2, 3, 22, 34]])  # not cleaned
    assert_allclose(table.box_scores, [1, 0.2])
    assert table.box_source == "boxes.json, matched to 1 of 2 people at IoU 0.5"


def test_thresholds_choose(tmp_path):
    assert_array_equal(load(tmp_path, score_threshold=0.5).boxes_xyxy[1], [3, 4, 23, 34])
    assert load(tmp_path, match_iou=1.0).box_source.endswith("matched to 0 of 2 people at IoU 1")


def test_settings_must_fit(tmp_path):
    with pytest.raises(ConfigError, match="boxes='detected_matched' makes no sense without 'detections'"):
        load(tmp_path, detections=None)
    with pytest.raises(ConfigError, match="'boxes' must be one of"):
        load(tmp_path, boxes="all")
    with pytest.raises(ConfigError, match="'match_iou' must be above 0"):
        load(tmp_path, match_iou=0)


def test_wrong_detections_are_named(tmp_path):
    with pytest.raises(DataError, match=r"boxes\.json: detection 0, field 'bbox'"):
        load(tmp_path, [{**DETECTIONS[0], "bbox": [1, 2, 0, 4]}])


def test_missing_detections_are_told_before_anything_is_read(tmp_path):
    """With the command that makes them; whether the annotation is there does not matter yet."""
    with pytest.raises(DataError) as caught:
        load_coco("a.json", "pictures", data_root=str(tmp_path), detections="boxes.json")
    words, root = str(caught.value), tmp_path
    assert words.startswith(f"{root}/boxes.json: file not found")
    command = f"python tools/detect.py {root}/a.json --image-dir {root}/pictures --out {root}/boxes.json"
    assert command in words.splitlines()[1]
