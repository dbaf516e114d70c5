"""Files of one's own: several categories, faulty records, areas of 0, results of more than is scored.

The loader, the evaluators and tools/evaluate.py must read them alike.
"""

import copy
import json

import numpy as np
import pytest
from evaluate_cases import run, scores_of, write
from numpy.testing import assert_allclose

from posekit.datasets.coco import load_coco
from posekit.datasets.topdown import TopDownDataset
from posekit.errors import ConfigError, DataError
from posekit.metrics.evaluators import OKSMetric, PCKMetric, PredictionWriter
from posekit.metrics.ground_truth import choose_sigmas, read_coco
from posekit.skeletons import COCO17
from posekit.structures import Pose

NAMES = ["nose", "tail", "left_paw", "right_paw"]
SKELETON = {"name": "own4", "keypoints": NAMES, "sigmas": [0.05] * 4}
SIGMAS = ["--sigmas", *[0.05] * 4]


def people(species=(3, 7, 12), each=2, images=4):
    """``each`` animals of every kind on every image, and perfect results."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(images):
        for place in range(each * len(species)):
            points = rng.uniform(0, 40, (4, 2)) + np.array([place * 60, 0])
            low, high = points.min(0) - 4, points.max(0) + 4
            annotations.append(
                {"id": 100 + len(annotations), "image_id": image,
                 "category_id": species[place % len(species)],
                 "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)], "num_keypoints": 4,
                 "bbox": [*low.tolist(), *(high - low).tolist()], "area": float((high - low).prod())}
            )  # fmt: skip
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 60 * each * len(species), "height": 60}
            for i in range(images)
        ],
        "categories": [{"id": i, "name": f"kind{i}", "keypoints": NAMES} for i in species],
        "annotations": annotations,
    }
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": float(rng.uniform(0.5, 1)),
         "keypoints": list(map(float, a["keypoints"]))}
        for a in annotations
    ]  # fmt: skip
    return content, results


def table_of(folder, content, **settings):
    path = write(folder / "own.json", content)
    return load_coco(str(path), str(folder), SKELETON, **settings)


def score(folder, content, results, *words, command="coco"):
    gt, dt = write(folder / "gt.json", content), write(folder / "dt.json", results)
    return scores_of(folder, command, "--gt", gt, "--results", dt, *words)


def refusal(folder, capsys, content, results, *words):
    gt, dt = write(folder / "gt.json", content), write(folder / "dt.json", results)
    assert run("coco", "--gt", gt, "--results", dt, *SIGMAS, *words) == 2
    return capsys.readouterr().err


def meta(table):
    return TopDownDataset(table, check_images=False).metainfo


def evaluate(metric, table, shift=0.0, swap=None):
    """The scores of perfect predictions, those of category ``swap`` being off."""
    poses = []
    for row in range(len(table)):
        off = 1000.0 if table.category_ids[row] == swap else shift
        record = table[row]
        poses.append(
            Pose(record.keypoints + np.float32(off), np.ones(4, np.float32), record.box_xyxy, 1.0,
                 record.image_id, record.person_id)
        )  # fmt: skip
    metric.dataset_meta = meta(table)
    metric.process(None, poses)
    return metric.evaluate(len(poses))


def test_pck_of_the_box_takes_the_box_as_annotated(tmp_path):
    """50 wide in the file, 49 once cleaned: at 0.2 a distance of 9.9 is right, by the metric and the tool."""
    content, results = people(species=(3,), each=2)
    for annotation, result in zip(content["annotations"], results, strict=True):
        annotation["bbox"] = [annotation["bbox"][0], -5.0, 50.0, 40.0]
        points = np.reshape(annotation["keypoints"], (-1, 3)) + np.array([9.9, 0, 0])
        result |= {"keypoints": points.ravel().tolist(), "annotation_id": annotation["id"]}
    metric = PCKMetric(norm="bbox")
    metric.dataset_meta = meta(table_of(tmp_path, content))
    metric.process(None, [
        Pose(np.float32(np.reshape(r["keypoints"], (-1, 3))[:, :2]), np.ones(4), np.zeros(4), 1.0,
             r["image_id"], r["annotation_id"])
        for r in results
    ])  # fmt: skip
    assert metric.evaluate(len(results))["PCK@0.2/mean"] == 100
    assert score(tmp_path, content, results, "--norm", "bbox", command="pck")["PCK@0.2/mean"] == 100


def test_a_box_made_of_keypoints_is_that_of_the_loader(tmp_path):
    content, _ = people(species=(3,), each=1, images=1)
    annotation = content["annotations"][0]
    del annotation["bbox"]
    annotation["keypoints"] = [5, 20, 2, 25, 22, 2, 45, 24, 2, 55, 26, 2]  # 15 % of 50 more: out of the 60
    sides = table_of(tmp_path, content).annotated_wh
    assert_allclose(sides, [[59, 21]])
    assert_allclose(read_coco(tmp_path / "own.json").truth.boxes_xywh[:, 2:], sides)


def test_categories_are_chosen_by_name_or_id(tmp_path):
    content, results = people()
    for result in results:
        if result["category_id"] == 7:
            result["keypoints"] = [v + 1000 for v in result["keypoints"]]
    both = score(tmp_path, content, results, *SIGMAS, "--category", "all")
    assert (both["AP/kind3"], both["AP/kind7"], both["AP/kind12"]) == (1, 0, 1)
    assert both["AP"] == pytest.approx(2 / 3)
    assert score(tmp_path, content, results, *SIGMAS)["AP"] == both["AP"]
    assert score(tmp_path, content, results, *SIGMAS, "--category", "kind12")["AP"] == 1
    assert score(tmp_path, content, results, *SIGMAS, "--category", "3", "kind7")["AP"] == 0.5
    pck = score(tmp_path, content, results, "--norm", "bbox", "--category", "kind7", command="pck")
    assert pck["PCK@0.2/mean"] == 0
    assert pck["counts/people_scored"] == 8
    chosen = table_of(tmp_path, content, category=["kind3", 12])
    assert set(chosen.category_ids.tolist()) == {3, 12}
    assert chosen.counts["other_category"] == 8
    assert len(table_of(tmp_path, content)) == len(table_of(tmp_path, content, category="all")) == 24


def test_results_of_other_categories_than_the_peoples_are_told(tmp_path, capsys):
    content, results = people()
    alike = [{**result, "category_id": 3} for result in results]
    assert score(tmp_path, content, alike, *SIGMAS)["AP"] < 0.5
    told = " ".join(capsys.readouterr().out.split())
    assert "the results name category 3 alone; " in told
    assert "count as missed: 7 'kind7' (8 people), 12 'kind12' (8 people). If they were looked for" in told
    assert "to score the others alone: --category 3" in told
    content["categories"].append({"id": 1, "name": "person", "keypoints": NAMES})
    ones = [{**result, "category_id": 1} for result in results]
    for command, words in (("coco", SIGMAS), ("pck", ["--norm", "bbox"])):
        scores = score(tmp_path, content, ones, *words, command=command)
        assert scores["AP" if command == "coco" else "PCK@0.2/mean"] == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "name category 1 alone" in told
        assert "write their category_id into the results" in told
        assert "--category" not in told
    score(tmp_path, content, results, *SIGMAS)
    score(tmp_path, content, [], *SIGMAS)
    assert "name" not in capsys.readouterr().out
    del content["categories"][-1]
    assert "category_id into the results, of 3 'kind3', 7 'kind7', 12 'kind12'" in refusal(
        tmp_path, capsys, content, ones
    )


def test_predictions_of_other_categories_than_the_file_scored_against_are_told(tmp_path):
    content, _ = people(species=(1,), each=2)
    table = table_of(tmp_path, content)
    content["categories"].append({"id": 2, "name": "fox", "keypoints": NAMES})
    for annotation in content["annotations"]:
        annotation["category_id"] = 2
    metric = OKSMetric(ann_file=str(write(tmp_path / "others.json", content)))
    with pytest.warns(UserWarning, match=r"the predictions name category 1 alone; .*: 2 'fox' \(8 people\)"):
        assert evaluate(metric, table)["AP"] == 0


def test_an_unknown_category_is_refused_with_those_there_are(tmp_path, capsys):
    content, results = people()
    assert "no category 'bird' with keypoints; expected one of: 3 kind3, 7 kind7, 12 kind12" in refusal(
        tmp_path, capsys, content, results, "--category", "bird"
    )
    with pytest.raises(ConfigError, match="no category 'bird'"):
        table_of(tmp_path, content, category="bird")


def test_categories_of_different_keypoints_are_chosen_too(tmp_path, capsys):
    content, results = people()
    content["categories"][1]["keypoints"] = ["a", "b", "c"]
    for a in content["annotations"]:
        if a["category_id"] == 7:
            a["keypoints"] = a["keypoints"][:9]
    assert "choose one (--category, category=): 3 kind3, 7 kind7" in refusal(
        tmp_path, capsys, content, results
    )
    assert score(tmp_path, content, results, *SIGMAS, "--category", "kind3")["AP"] == 1
    table = table_of(tmp_path, content)
    assert set(table.category_ids.tolist()) == {3, 12}
    assert evaluate(OKSMetric(), table)["AP"] == 1
    with pytest.raises(DataError, match="category id 7, field 'keypoints': expected the 4 keypoints"):
        table_of(tmp_path, content, category=[3, 7])


def test_the_evaluator_averages_categories_and_results_carry_them(tmp_path):
    content, _ = people()
    table = table_of(tmp_path, content)
    scores = evaluate(OKSMetric(rescore_threshold=None), table, swap=7)
    assert (scores["AP/kind3"], scores["AP/kind7"], scores["AP/kind12"]) == (1, 0, 1)
    assert scores["AP"] == pytest.approx(2 / 3)
    assert evaluate(OKSMetric(category="kind12"), table, swap=7)["AP"] == 1
    evaluate(PredictionWriter(str(tmp_path / "out")), table, swap=7)
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    category = {a["id"]: a["category_id"] for a in content["annotations"]}
    assert [r["category_id"] for r in written] == [category[r["annotation_id"]] for r in written]
    assert score(tmp_path, content, written, *SIGMAS)["AP"] == scores["AP"]


def test_animals_of_two_kinds_do_not_suppress_each_other(tmp_path):
    """The same pose as a cat and as a dog, with detected boxes: NMS is within a category."""
    content, _ = people(species=(3, 7), each=1, images=1)
    cat, dog = content["annotations"]
    dog.update({k: copy.deepcopy(cat[k]) for k in ("keypoints", "bbox", "area")})
    boxes = [
        {"image_id": 0, "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9} for a in (cat, dog)
    ]
    table = table_of(tmp_path, content, detections=str(write(tmp_path / "boxes.json", boxes)))
    assert table.category_ids.tolist() == [3, 7]
    points = np.array(cat["keypoints"], np.float32).reshape(4, 3)[:, :2]
    metric = OKSMetric()
    metric.dataset_meta = meta(table)
    metric.process(
        None,
        [
            Pose(points, np.ones(4, np.float32), table.boxes_xyxy[i], 0.9, 0, int(table.person_ids[i]))
            for i in (0, 1)
        ],
    )
    scores = metric.evaluate(2)
    assert (scores["AP/kind3"], scores["AP/kind7"]) == (pytest.approx(1), pytest.approx(1))


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


def test_names_that_differ_in_spelling_are_the_same(tmp_path):
    content, results = people(species=(3, 7))
    content["categories"][1]["keypoints"] = ["Nose", "TAIL", "left paw", "right-paw"]
    assert len(table_of(tmp_path, content)) == 16
    assert score(tmp_path, content, results, *SIGMAS)["AP"] == pytest.approx(1)


def test_another_file_needs_the_same_keypoints_in_the_same_order(tmp_path):
    content, _ = people(species=(3,))
    table = table_of(tmp_path, content)
    content["categories"][0]["keypoints"] = NAMES[::-1]
    other = write(tmp_path / "other.json", content)
    with pytest.raises(ConfigError, match="the same names in the same order are needed"):
        evaluate(OKSMetric(ann_file=str(other)), table)


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


def test_areas_of_zero_are_said_and_the_box_may_stand_for_them(tmp_path, capsys):
    content, results = people(species=(3,))
    for annotation in content["annotations"][::2]:
        annotation["area"] = 0
    for result in results:
        result["keypoints"] = [v + 0.5 for v in result["keypoints"]]
    assert score(tmp_path, content, results, *SIGMAS)["AR"] == 0.5
    told = capsys.readouterr().out
    assert "4 of 8 people with keypoints have 'area' 0" in told
    assert "--area box" in told
    assert score(tmp_path, content, results, *SIGMAS, "--area", "box")["AP"] > 0.9
    assert len(table_of(tmp_path, content)) == 4
    table = table_of(tmp_path, content, area="box")
    assert len(table) == 8
    assert evaluate(OKSMetric(), table)["AP"] == 1
    with pytest.warns(UserWarning, match="4 of 8 people with keypoints have 'area' 0"):
        assert evaluate(OKSMetric(area="file"), table, shift=0.5)["AR"] == 0.5
    with pytest.raises(ConfigError, match="'area' must be 'file' or 'box', found 'pixels'"):
        table_of(tmp_path, content, area="pixels")


def test_the_area_of_a_box_is_053_of_it(tmp_path):
    content, _ = people(species=(3,))
    del content["annotations"][0]["area"]
    path = write(tmp_path / "gt.json", content)
    boxes = np.array([a["bbox"] for a in content["annotations"]])
    assert_allclose(read_coco(path, area="box").truth.areas, 0.53 * boxes[:, 2] * boxes[:, 3])
    with pytest.raises(DataError, match=r"'area' is missing; expected a finite number; .*--area box"):
        read_coco(path)
    with pytest.raises(DataError, match="--area box"):
        read_coco(path, on_bad_record="skip")


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


def test_a_missing_box_is_that_of_the_keypoints(tmp_path):
    content, results = people(species=(3,))
    points = np.array(content["annotations"][0].pop("keypoints")).reshape(4, 3)
    points[3] = 0  # not labelled
    content["annotations"][0]["keypoints"] = points.ravel().tolist()
    del content["annotations"][0]["bbox"]
    low, high = points[:3, :2].min(0), points[:3, :2].max(0)
    margin = 0.15 * (high - low).max()
    table = table_of(tmp_path, content, clean_boxes=False)
    box = [*np.maximum(low - margin, 0), *np.minimum(high + margin, [119, 59])]
    assert_allclose(table.boxes_xyxy[0], box, atol=1e-4)
    assert score(tmp_path, content, results, *SIGMAS)["AP"] == 1
    content["annotations"][0]["keypoints"] = [5, 5, 2, *[0] * 9]  # of one keypoint no box can be made
    with pytest.raises(DataError, match="field 'bbox': expected it to be there"):
        table_of(tmp_path, content)


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


def test_cocos_sigmas_are_for_cocos_keypoints(tmp_path):
    def sigmas(names):
        content, _ = people(species=(3,))
        content["categories"][0]["keypoints"] = list(names)
        for annotation in content["annotations"]:
            annotation["keypoints"] = [1, 2, 2] * 17
        return choose_sigmas(read_coco(write(tmp_path / "gt.json", content)))

    assert len(sigmas(COCO17.keypoints)) == 17
    assert len(sigmas([name.replace("_", " ").title() for name in COCO17.keypoints])) == 17
    assert len(sigmas([f"kp{k}" for k in range(17)])) == 17
    with pytest.raises(ConfigError, match=r"has other keypoints than COCO's 17 and .* states no 'sigmas'"):
        sigmas([*COCO17.keypoints[1:], "nose"])


def test_sigmas_of_categories_and_of_the_skeleton(tmp_path, capsys):
    content, results = people(species=(3, 7))
    for category, sigma in zip(content["categories"], (0.05, 0.5), strict=True):
        category["sigmas"] = [sigma] * 4
    gt, dt = write(tmp_path / "gt.json", content), write(tmp_path / "dt.json", results)
    assert run("coco", "--gt", gt, "--results", dt) == 2
    assert "['kind3', 'kind7'] state different 'sigmas'; score one at a time" in capsys.readouterr().err
    assert score(tmp_path, content, results, "--category", "kind7")["AP"] == 1
    assert score(tmp_path, content, results, *SIGMAS)["AP"] == pytest.approx(1)
    content["categories"] = content["categories"][1:]
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] == 7]
    with pytest.warns(UserWarning, match="states other sigmas than are scored with here, .* the skeleton's"):
        evaluate(OKSMetric(), table_of(tmp_path, content))


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


def test_boxes_that_are_fractions_of_the_picture_are_told(tmp_path):
    content, _ = people()
    pixels = copy.deepcopy(content)
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x / 360, y / 60, width / 360, height / 60]
    with pytest.raises(DataError, match=r"fractions of the picture\? .*; left out: box_outside_image 24"):
        table_of(tmp_path, content)
    for annotation in pixels["annotations"]:
        annotation["bbox"][0] += 1000
    with pytest.raises(
        DataError, match=r"expected at least one usable person, found none; left out: \{'box_o"
    ):
        table_of(tmp_path, pixels)


def test_people_who_all_lack_an_area_are_told_the_remedy(tmp_path):
    content, _ = people()
    for annotation in content["annotations"]:
        annotation["area"] = 0
    with pytest.raises(DataError, match=r"'no_area': 24\}; state their areas, or take .* area='box'"):
        table_of(tmp_path, content)
    assert len(table_of(tmp_path, content, area="box")) == 24
