"""Files of one's own with several categories: which are scored, their keypoints and their sigmas."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from evaluate_cases import run, write
from own_cases import NAMES, SIGMAS, evaluate, meta, people, refusal, score, table_of

from posekit.errors import ConfigError, DataError
from posekit.metrics.evaluators import OKSMetric, PredictionWriter
from posekit.metrics.ground_truth import choose_sigmas, read_coco
from posekit.skeletons import COCO17
from posekit.structures import Pose


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
