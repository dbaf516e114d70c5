"""Files of one's own with faulty records, and results of more, or of fewer, than is scored.

The loader, the evaluators and tools/evaluate.py must read them alike.
"""

from __future__ import annotations

import numpy as np
import pytest
from evaluate_cases import write
from own_cases import SIGMAS, evaluate, meta, people, refusal, score, table_of

from posekit.errors import DataError
from posekit.metrics.evaluators import OKSMetric
from posekit.metrics.ground_truth import read_coco
from posekit.structures import Pose


def test_results_of_what_is_not_scored_are_left_out_and_said(tmp_path, capsys):
    content, results = people()
    few = write(tmp_path / "few.json", [0, 1])
    assert score(tmp_path, content, results, *SIGMAS, "--images", few)["AP"] == 1
    assert "12 are of images that are not scored, and are left out" in capsys.readouterr().out
    content["images"] = content["images"][:2]
    assert "--on-bad-record skip" in refusal(tmp_path, capsys, content, results)
    assert score(tmp_path, content, results, *SIGMAS, "--on-bad-record", "skip")["AP"] == 1
    told = capsys.readouterr().out
    assert "12 faulty annotations are left out" in told
    assert "gt.json does not have, and are left out" in told


FAULTS = {
    "orphan": {"image_id": 99},
    "box alone": {"keypoints": KeyError, "num_keypoints": KeyError},
    "no box width": {"bbox": [1, 2, 0, 5]},
    "keypoints short": {"keypoints": [1, 2, 2]},
    "a text": {"keypoints": ["a", 2, 2] * 4},
    "visibility": {"keypoints": [1, 2, 7] * 4},
    "no category": {"category_id": KeyError},
    "a crowd without keypoints": {"iscrowd": 1, "keypoints": [1, 2, 2]},
    "again": {"id": 101},
    "no record": None,
    "an unknown category": {"category_id": 9},
    "an endless area": {"area": float("inf")},
}


@pytest.mark.parametrize("change", FAULTS.values(), ids=FAULTS)
def test_one_policy_for_loader_evaluator_and_tool(tmp_path, capsys, change):
    content, results = people(species=(3,))
    faulty = content["annotations"][0]
    if change is None:
        content["annotations"][0], change = 5, {}
    for field, value in change.items():
        if value is KeyError:
            faulty.pop(field)
        else:
            faulty[field] = value
    # Of crowds the loader reads nothing more; those of other categories are none of its business.
    if "iscrowd" not in change and change != {"category_id": 9}:
        with pytest.raises(DataError):
            table_of(tmp_path, content)
    if "bbox" not in change:  # which the loader alone needs
        refusal(tmp_path, capsys, content, results)
    table = table_of(tmp_path, content, on_bad_record="skip")
    assert len(table) == len(content["annotations"]) - 1
    assert evaluate(OKSMetric(), table)["AP"] == 1
    lost = 1 if "id" in change else 0  # of two of one id the second
    del results[lost]
    own = score(tmp_path, content, results, *SIGMAS, "--on-bad-record", "skip")
    assert own["AP"] == own["AR"] == 1


@pytest.mark.parametrize("stated", [17, -1, "2", 2.0, True, None])
def test_no_num_keypoints_makes_anybody_unusable(tmp_path, stated):
    content, results = people(species=(3,))
    content["annotations"][0]["num_keypoints"] = stated
    assert len(table_of(tmp_path, content, on_bad_record="skip")) == 8
    scores = score(tmp_path, content, results, *SIGMAS, "--on-bad-record", "skip")
    assert scores["AP"] == scores["AR"] == 1


@pytest.mark.parametrize(("where", "field"), [("r", "score"), ("r", "image_id"), ("a", "id"), ("a", "area")])
def test_a_truth_value_among_numbers_is_none(tmp_path, capsys, where, field):
    content, results = people(species=(3,))
    (results if where == "r" else content["annotations"])[0][field] = True
    said = refusal(tmp_path, capsys, content, results)
    assert f"'{field}'" in said
    assert "found True" in said


def test_results_of_annotations_that_are_left_out_leave_with_them(tmp_path, capsys):
    content, results = people(species=(3,))
    for result, annotation in zip(results, content["annotations"], strict=True):
        result["annotation_id"] = annotation["id"]
    results[0]["score"] = 1.0
    content["annotations"][0]["bbox"] = [1, 2, -3, 4]
    assert score(tmp_path, content, results, *SIGMAS, "--on-bad-record", "skip")["AP"] == 1
    assert "1 are of annotations that are left out" in capsys.readouterr().out
    words = ("--norm", "bbox", "--on-bad-record", "skip")
    assert score(tmp_path, content, results, *words, command="pck")["PCK@0.2/mean"] == 100


def test_images_of_another_size_are_not_scored_with_detected_boxes_either(tmp_path):
    import cv2

    content, _ = people(species=(3,))
    for image in content["images"]:
        cv2.imwrite(str(tmp_path / image["file_name"]), np.zeros((60, 120, 3), np.uint8))
    content["images"][0].update(width=240, height=120)
    boxes = [
        {"image_id": a["image_id"], "category_id": 3, "bbox": a["bbox"], "score": 0.9}
        for a in content["annotations"]
    ]
    detected = {"detections": str(write(tmp_path / "boxes.json", boxes)), "on_bad_record": "skip"}
    with pytest.warns(UserWarning, match="1 are of another size"):
        table = table_of(tmp_path, content, **detected)
    truth = np.array([a["keypoints"] for a in content["annotations"]], np.float32).reshape(8, 4, 3)
    metric = OKSMetric()
    metric.dataset_meta = meta(table)
    poses = [
        Pose(truth[number, :, :2], np.ones(4, np.float32), table.boxes_xyxy[row], 0.9,
             int(table[row].image_id), int(number))
        for row, number in enumerate(table.person_ids)
    ]  # fmt: skip
    metric.process(None, poses)
    assert len(poses) == 6
    assert metric.evaluate(6)["AP"] == pytest.approx(1)


def test_people_with_a_box_alone_are_no_false_alarm(tmp_path, capsys):
    content, results = people(species=(3,))
    for annotation in content["annotations"][::2]:
        del annotation["keypoints"], annotation["num_keypoints"]
    # All are predicted: on people that are not labelled nothing is right or wrong.
    assert score(tmp_path, content, results, *SIGMAS, "--on-bad-record", "skip")["AP"] == 1
    assert "4 people have a box and no 'keypoints': not labelled" in capsys.readouterr().out


@pytest.mark.parametrize("stated", [0, 4, 17, 10**30])
def test_num_keypoints_is_recounted(tmp_path, capsys, stated):
    content, results = people(species=(3,))
    for annotation in content["annotations"][::2]:
        annotation["num_keypoints"] = stated
        if stated == 4:
            annotation["keypoints"] = [0] * 12
    scores = score(tmp_path, content, results, *SIGMAS)
    assert scores["AP"] == 1
    assert "4 annotations state another 'num_keypoints' than they hold" in capsys.readouterr().out


def test_more_people_than_count_are_said(tmp_path, capsys):
    content, results = people(species=(3,), each=6, images=2)
    scores = score(tmp_path, content, results, *SIGMAS, "--max-per-image", 4)
    assert scores["AR"] == pytest.approx(4 / 6)
    assert "2 image(s) have more than 4 people to find" in capsys.readouterr().out
    assert score(tmp_path, content, results, *SIGMAS)["AR"] == 1
    assert "people to find" not in capsys.readouterr().out
    with pytest.warns(UserWarning, match=r"2 image\(s\) have more than 4 people to find"):
        assert evaluate(OKSMetric(max_per_image=4), table_of(tmp_path, content))["AR"] == pytest.approx(4 / 6)
    assert "--max-per-image: expected at least 1" in refusal(
        tmp_path, capsys, content, results, "--max-per-image", 0
    )


def test_people_who_were_not_predicted_are_told(tmp_path):
    content, _ = people(species=(3,))
    table = table_of(tmp_path, content)
    metric = OKSMetric()
    metric.dataset_meta = meta(table)
    record = table[0]
    metric.process(
        None,
        [Pose(record.keypoints, np.ones(4, np.float32), record.box_xyxy, 1.0, 0, record.person_id)],
    )
    with pytest.warns(UserWarning, match=r"1 of the 8 people of .*own\.json were predicted"):
        metric.evaluate(1)


def test_windows_and_absolute_names(tmp_path):
    content, _ = people(species=(3,))
    content["images"][0]["file_name"] = "sub\\0.png"
    content["images"][1]["file_name"] = str(tmp_path / "1.png")
    table = table_of(tmp_path, content)
    assert [table.image_name(i) for i in range(2)] == ["sub/0.png", "1.png"]
    content["images"][2]["file_name"] = "C:\\photos\\2.png"
    with pytest.raises(DataError, match=r"image id 2, field 'file_name': .* write names relative to it"):
        table_of(tmp_path, content)
    table = table_of(tmp_path, content, on_bad_record="skip")
    assert table.counts["bad_record"] == 2
    assert 2 not in table.image_ids


def test_when_everything_is_left_out_the_reason_is_told(tmp_path):
    content, _ = people()
    for annotation in content["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:-1]
    path = write(tmp_path / "own.json", content)
    with pytest.raises(DataError, match="in the 4 images to score; 24 faulty annotations are left out"):
        read_coco(path, on_bad_record="skip")
    for annotation in content["annotations"]:
        annotation["keypoints"] = [0] * 12
    with pytest.raises(DataError, match=r"in the 4 images to score$"):
        read_coco(write(path, content), on_bad_record="skip")
