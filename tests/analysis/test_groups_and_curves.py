"""How people are divided, and the curves, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from analysis.planted import synthetic_people

from posekit.analysis.curves import curves_of
from posekit.analysis.groups import groups_of, neighbours
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.nme import auc
from posekit.skeletons import COCO17, LSP14


def people_of(folder, annotations, names=COCO17.keypoints):
    content = {
        "images": [{"id": 1}, {"id": 2}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "area": 1000.0, "bbox": [0, 0, 40, 50], **own}
            for n, own in enumerate(annotations, 1)
        ],
    }
    (folder / "gt.json").write_text(json.dumps(content))
    return read_coco(folder / "gt.json")


def labelled(visible: int, hidden: int, total: int = 17) -> list[int]:
    flags = [2] * visible + [1] * hidden + [0] * (total - visible - hidden)
    return [v for n, flag in enumerate(flags) for v in (10 + n, 20 + 2 * n, flag)]


def test_groups_by_hand(tmp_path):
    far = [1000, 1000, 10, 10]
    people = people_of(
        tmp_path,
        [
            {"area": 32.0**2 - 1, "keypoints": labelled(5, 0)},
            {"area": 32.0**2, "keypoints": labelled(6, 2)},
            {"area": 64.0**2, "keypoints": labelled(5, 5), "bbox": [30, 0, 40, 50]},
            {"area": 128.0**2, "keypoints": labelled(1, 15), "image_id": 2},
            {"area": 5000.0, "keypoints": labelled(16, 1), "bbox": far},
            {"keypoints": labelled(0, 0)},
            {"keypoints": labelled(9, 0), "iscrowd": 1},
        ],
    )
    groups = groups_of(people)
    told = {
        way: [names[g] if g >= 0 else None for g in index.tolist()] for way, (names, index) in groups.items()
    }
    assert told["size"] == ["below 32²", "32² to 64²", "64² to 96²", "above 128²", "64² to 96²", None, None]
    assert told["hidden"] == [
        "none hidden", "up to a quarter", "up to a half", "more than half", "up to a quarter", None, None
    ]  # fmt: skip
    # The paper's bounds, for COCO's 17.
    assert groups["keypoints"].names == ("1 to 5", "6 to 10", "11 to 15", "16 to 17")
    assert told["keypoints"] == ["1 to 5", "6 to 10", "6 to 10", "16 to 17", "16 to 17", None, None]
    # Boxes 40 wide and 30 apart: IoU 10 / 70. The one without keypoints is beside them all the same.
    assert neighbours(people).tolist()[:5] == [3, 3, 3, 0, 0]
    assert told["crowding"][:5] == [*["3 or more overlap"] * 3, *["nobody overlaps"] * 2]


def test_groups_of_few_keypoints_and_of_categories(tmp_path):
    people = people_of(tmp_path, [{"keypoints": [1, 1, 2]}], ["tip"])
    assert groups_of(people)["keypoints"].names == ("1",)
    people = people_of(tmp_path, [{"keypoints": [1, 1, 2, 3, 3, 2]}], ["tip", "tail"])
    assert groups_of(people)["keypoints"].names == ("1", "2")
    assert groups_of(people)["keypoints"].group.tolist() == [1]
    assert "category" not in groups_of(people)


def test_neighbours_equal_plain_loops(tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(synthetic_people(20)))
    people = read_coco(tmp_path / "gt.json")
    truth, counts = people.truth, neighbours(people)
    for a in range(len(truth)):
        number = 0
        for b in range(len(truth)):
            if a == b or truth.image[a] != truth.image[b] or truth.crowd[a] or truth.crowd[b]:
                continue
            (x, y, w, h), (u, v, s, t) = truth.boxes_xywh[a], truth.boxes_xywh[b]
            common = max(0, min(x + w, u + s) - max(x, u)) * max(0, min(y + h, v + t) - max(y, v))
            number += common / (w * h + s * t - common) >= 0.1
        assert counts[a] == number


def test_curves_by_hand(tmp_path):
    """Box sides 50; one joint of two is 5 pixels off, the other 20; a second person has no pose."""
    points = [10, 10, 2, 20, 20, 2]
    people = people_of(tmp_path, [{"keypoints": points}, {"keypoints": points, "image_id": 2}], ["a", "b"])
    predicted = np.full((2, 2, 2), np.nan)
    predicted[0] = [(15, 10), (20, 40)]
    curves = curves_of(people, predicted, np.array([0.55, 0]))
    assert curves.keys() == {"OKS", "PCK/bbox", "CED/bbox"}  # no torso and no head
    oks = dict(zip(np.round(curves["OKS"]["x"], 2), curves["OKS"]["percent"], strict=True))
    assert (oks[0.0], oks[0.01], oks[0.54], oks[0.56], oks[1.0]) == (100, 50, 50, 0, 0)
    assert curves["OKS"]["AUC"] == pytest.approx(0.275)
    pck = dict(zip(np.round(curves["PCK/bbox"]["x"], 2), curves["PCK/bbox"]["percent"], strict=True))
    assert (pck[0.09], pck[0.11], pck[0.39], pck[0.41], pck[0.5]) == (0, 25, 25, 50, 50)
    assert curves["PCK/bbox"]["people"] == 2
    assert curves["CED/bbox"]["percent"][-1] == 0  # a mean error of .25 is beyond .2
    predicted[0, 1] = (20, 25)
    curves = curves_of(people, predicted, np.array([0.55, 0]))
    assert curves["CED/bbox"]["AUC"] == pytest.approx(auc(np.array([0.1, np.inf]), 0.2)) == 0.25


def test_torso_and_head_where_people_have_them(tmp_path):
    points = [v for n in range(14) for v in (10 * n, 7 * n % 50, 2)]
    people = people_of(tmp_path, [{"keypoints": points}], LSP14.keypoints)
    curves = curves_of(people, people.truth.keypoints[..., :2], np.ones(1))
    assert curves.keys() == {"OKS", "PCK/torso", "CED/torso", "PCK/bbox", "CED/bbox", "PCKh"}
    assert all(curve["AUC"] == pytest.approx(1) for curve in curves.values())
