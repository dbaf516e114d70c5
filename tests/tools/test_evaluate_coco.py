"""tools/evaluate.py coco and crowdpose, against pycocotools and golden values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import reference
from evaluate_cases import SIGMAS, make_coco, run, scores_of, write
from metrics import oks_cases

from posekit.skeletons import LSP14


@pytest.fixture
def coco(tmp_path):
    return make_coco(tmp_path)


@pytest.mark.parametrize("form", [",".join(map(str, SIGMAS)), " ".join(map(str, SIGMAS)), None, "category"])
def test_coco_equals_pycocotools(tmp_path: Path, coco: tuple, form: str | None) -> None:
    ground_truth, results, gt, dt = coco
    words: list[object] = ["--sigmas", *(SIGMAS if form is None else [form])]
    if form == "category":
        ground_truth["categories"][0]["sigmas"] = SIGMAS
        write(gt, ground_truth)
        words = []
    scores = scores_of(tmp_path, "coco", "--gt", gt, "--results", dt, *words)
    expected = oks_cases.pycocotools_eval(ground_truth, results, np.array(SIGMAS)).stats
    assert list(scores) == ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
    np.testing.assert_allclose(list(scores.values()), expected, rtol=0, atol=1e-9)


def test_json_is_all_that_stdout_has(tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture) -> None:
    words = ("coco", "--gt", coco[2], "--results", coco[3], "--sigmas", *SIGMAS)
    expected = scores_of(tmp_path, *words)
    capsys.readouterr()
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out) == expected
    assert run(*words[:3], "--results", tmp_path / "none.json", "--json") == 2
    assert capsys.readouterr().out == ""


def test_coco_golden_sets(tmp_path: Path) -> None:
    all_sets = reference.load_json("oks.json.gz")
    for name, case in all_sets.items():
        gt = write(tmp_path / "gt.json", case["gt"] if "gt" in case else all_sets[case["gt_same_as"]]["gt"])
        dt = write(tmp_path / "dt.json", case["dt"])
        sigmas = [] if len(case["kpt_oks_sigmas"]) == 17 else ["--sigmas", *case["kpt_oks_sigmas"]]
        scores = scores_of(tmp_path, "coco", "--gt", gt, "--results", dt, *sigmas)
        assert scores == pytest.approx(case["stats"], abs=1e-9), name


def test_coco_sigmas_by_skeleton_name(tmp_path: Path) -> None:
    ground_truth, results = oks_cases.make_case(6, num_keypoints=14)
    gt, dt = write(tmp_path / "gt.json", ground_truth), write(tmp_path / "r.json", results)
    scores = scores_of(tmp_path, "coco", "--gt", gt, "--results", dt, "--sigmas", "lsp14")
    expected = oks_cases.pycocotools_eval(ground_truth, results, np.array(LSP14.sigmas)).stats
    np.testing.assert_allclose(list(scores.values()), expected, rtol=0, atol=1e-9)


def test_coco_rescore_and_nms_are_off_unless_asked_for(tmp_path: Path, coco: tuple) -> None:
    _, _, gt, dt = coco
    words = ("coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS)
    plain, asked = scores_of(tmp_path, *words), scores_of(tmp_path, *words, "--rescore", "--oks-nms", "0.9")
    assert plain != asked


def test_coco_says_where_the_boxes_are_from_and_which_suppression_it_applied(
    tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture
) -> None:
    ground_truth, results, gt, dt = coco
    words = ["coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS]
    assert run(*words, "--oks-nms", "0.5", "--nms", "soft_oks_nms") == 0
    shown = capsys.readouterr().out
    assert "boxes: not stated by the results" in shown
    assert "soft OKS-NMS 0.5" in shown
    own = {a["id"]: a for a in ground_truth["annotations"]}
    named = [
        {**results[0], "image_id": a["image_id"], "category_id": 1, "annotation_id": i}
        for i, a in own.items()
    ]
    write(dt, named)
    assert run(*words) == 0
    assert "boxes: ground truth" in capsys.readouterr().out


def test_crowdpose(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    ground_truth, results = oks_cases.make_case(2, num_keypoints=14)
    for number, image in enumerate(ground_truth["images"]):
        image["crowdIndex"] = number / 11
    gt, dt = write(tmp_path / "gt.json", ground_truth), write(tmp_path / "r.json", results)
    scores = scores_of(tmp_path, "crowdpose", "--gt", gt, "--results", dt)
    names = ["AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP_easy", "AP_medium", "AP_hard"]
    assert list(scores) == names
    assert "crowd index below 0.2 easy, below 0.8 medium" in capsys.readouterr().out
    # What easy images are is an option; with all of them easy, AP of the easy ones is AP.
    easy = scores_of(tmp_path, "crowdpose", "--gt", gt, "--results", dt, "--crowd-bounds", "2", "2")
    assert easy["AP_easy"] == easy["AP"] == scores["AP"] != scores["AP_easy"]
    assert easy["AP_hard"] == -1
    del ground_truth["images"][3]["crowdIndex"]
    assert run("crowdpose", "--gt", write(gt, ground_truth), "--results", dt) == 2
    assert f"{gt}: images: id 9: 'crowdIndex' is missing" in capsys.readouterr().err


def test_crowdpose_golden(tmp_path: Path) -> None:
    case = reference.load_json("oks.json.gz")["crowdpose14_cocoeval"]
    gt, dt = write(tmp_path / "gt.json", case["gt"]), write(tmp_path / "dt.json", case["dt"])
    scores = scores_of(tmp_path, "crowdpose", "--gt", gt, "--results", dt)
    assert scores == pytest.approx(case["official_crowdposetools_stats"], abs=5e-5)


def test_coco_without_sigmas_says_what_to_do(coco: tuple, capsys: pytest.CaptureFixture) -> None:
    assert run("coco", "--gt", coco[2], "--results", coco[3]) == 2
    assert "--sigmas" in capsys.readouterr().err
