"""Files of one's own whose areas and boxes are 0, missing or strange."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from evaluate_cases import write
from numpy.testing import assert_allclose
from own_cases import SIGMAS, evaluate, meta, people, score, table_of

from posekit.errors import ConfigError, DataError
from posekit.metrics.evaluators import OKSMetric, PCKMetric
from posekit.metrics.ground_truth import read_coco
from posekit.structures import Pose


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
