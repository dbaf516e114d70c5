"""posekit.detection.box_ap against numbers found by hand, and what a crowd does."""

import copy
import json

import pytest
from detection.detector_cases import CONTENT, write_set

from posekit.detection.box_ap import SCORE_NAMES, PersonTruth
from posekit.errors import DataError


def found(image_id, bbox, score=0.9):
    return {"image_id": image_id, "category_id": 1, "bbox": bbox, "score": score}


PERFECT = [
    found(7, [10, 12, 20, 40]),
    found(7, [50, 8, 60, 50]),
    found(3, [5, 5, 30, 60]),
    found(7, [200, 8, 9, 9]),
]


def write(folder, content):
    path = folder / "gt.json"
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


def test_perfect_boxes_score_one(tmp_path):
    scores = PersonTruth(write(tmp_path, CONTENT)).score(PERFECT)
    assert tuple(scores) == SCORE_NAMES
    assert scores["AP"] == scores["AR"] == pytest.approx(1)
    assert scores["APL"] == -1  # nobody is larger than 96 x 96


def test_a_missed_and_a_wrong_box_by_hand(tmp_path):
    """Of four people the first is found, then comes a false box, then the second person.

    Precision by recall: 1 up to 1/4, 2/3 up to 2/4, then 0. Of the 101 levels 26 lie in the first part (0 to
    0.25) and 25 in the second (0.26 to 0.50).
    """
    detections = [PERFECT[0], found(9, [1, 1, 20, 20], 0.8), {**PERFECT[1], "score": 0.7}]
    scores = PersonTruth(write(tmp_path, CONTENT)).score(detections)
    assert [scores["AP50"], scores["AP"]] == pytest.approx([(26 + 25 * 2 / 3) / 101] * 2)
    assert scores["AR"] == pytest.approx(2 / 4)


def test_a_crowd_is_neither_hit_nor_miss(tmp_path):
    truth = PersonTruth(write(tmp_path, CONTENT))
    on_crowd = found(3, [20, 0, 40, 18], 0.99)
    assert truth.score([on_crowd, *PERFECT])["AP"] == pytest.approx(1)


def test_half_overlap_counts_at_the_lower_thresholds_alone(tmp_path):
    """IoU 2/3: hit at 0.5, 0.55, 0.6, 0.65 of the ten thresholds."""
    content = {**CONTENT, "annotations": [CONTENT["annotations"][0]]}
    scores = PersonTruth(write(tmp_path, content)).score([found(7, [10, 12, 20, 60])])
    assert scores["AP50"] == pytest.approx(1)
    assert scores["AP75"] == pytest.approx(0)
    assert scores["AP"] == pytest.approx(0.4)


def test_images_left_out_do_not_count(tmp_path):
    truth = PersonTruth(write(tmp_path, CONTENT))
    assert truth.score([PERFECT[2]], image_ids=[3])["AP"] == pytest.approx(1)
    assert truth.score([], image_ids=[3])["AP"] == 0


def test_an_annotation_of_id_0_and_missing_fields_are_as_good(tmp_path):
    content = copy.deepcopy(CONTENT)
    for number, annotation in enumerate(content["annotations"]):
        annotation["id"] = number
        if not annotation["iscrowd"]:
            del annotation["iscrowd"], annotation["area"]
    assert PersonTruth(write(tmp_path, content)).score(PERFECT)["AP"] == pytest.approx(1)


def test_the_category_of_people(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["categories"] = [{"id": 4, "name": "worker"}]
    with pytest.raises(DataError, match=r"expected one named 'person', found \['cat', 'dog'\]"):
        PersonTruth(
            write(tmp_path, {**content, "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]})
        )
    assert PersonTruth(write(tmp_path, content)).category == 4
    content["annotations"][0]["bbox"] = [1, 2]
    content["annotations"][0]["category_id"] = 4
    with pytest.raises(DataError, match=r"annotations\[0\], field 'bbox'"):
        PersonTruth(write(tmp_path, content))


def test_the_set_of_the_other_tests_is_sound(tmp_path):
    assert len(PersonTruth(str(write_set(tmp_path))).annotations) == 5
