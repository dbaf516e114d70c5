"""The command line of tools/evaluate.py, run as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from metrics import oks_cases
from scipy.io import savemat

from posekit.datasets.skeletons import LSP14
from posekit.metrics.mpii_truth import MPII_JOINTS

SCRIPT = reference.ROOT / "tools" / "evaluate.py"
SIGMAS = [0.05, 0.1, 0.03, 0.07, 0.2]
LSP = list(LSP14.keypoints)


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("evaluate_tool", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()


def run(*words: object) -> int:
    return TOOL.main([str(word) for word in words])


def scores_of(tmp_path: Path, *words: object) -> dict[str, float]:
    assert run(*words, "--out", tmp_path / "out.json") == 0
    return json.loads((tmp_path / "out.json").read_text("utf-8"))


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), "utf-8")
    return path


@pytest.fixture
def coco(tmp_path: Path) -> tuple[dict, list, Path, Path]:
    ground_truth, results = oks_cases.make_case(5)
    return (
        ground_truth,
        results,
        write(tmp_path / "gt.json", ground_truth),
        write(tmp_path / "r.json", results),
    )


# ------------------------------------------------------------------------------------------------- coco


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


# ------------------------------------------------------------------------------------------------- mpii


def mpii_files(tmp_path: Path, count: int = 6) -> tuple[Path, np.ndarray]:
    """A gt_valid.mat of people whose head size is 30, and their joints, 1-based."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(20, 300, (count, 16, 2))
    heads = np.stack([np.full((count, 2), 10.0), np.full((count, 2), 10.0) + np.array([30, 40])])
    truth = {
        "jnt_missing": np.zeros((16, count), np.uint8),
        "pos_gt_src": joints.transpose(1, 2, 0),
        "headboxes_src": heads.transpose(0, 2, 1),
        "dataset_joints": np.array([MPII_JOINTS], object),
    }
    savemat(tmp_path / "gt_valid.mat", truth)
    return tmp_path / "gt_valid.mat", joints


def prediction_files(tmp_path: Path, joints: np.ndarray) -> list[tuple[str, list[str]]]:
    """The same predictions (1-based ``joints``) in every form, with its own origin and with the other."""
    zero = joints - 1
    savemat(tmp_path / "p1.mat", {"preds": joints})
    savemat(tmp_path / "p0.mat", {"preds": zero})
    np.save(tmp_path / "p0.npy", zero)
    np.save(tmp_path / "p1.npy", joints)
    write(tmp_path / "list.json", zero.tolist())
    write(tmp_path / "list3.json", np.concatenate([zero, np.ones((len(zero), 16, 1))], 2).tolist())
    write(tmp_path / "preds.json", {"preds": zero.tolist()})
    write(tmp_path / "preds1.json", {"preds": joints.tolist()})
    triples = np.concatenate([zero, np.ones((len(zero), 16, 1))], 2).reshape(len(zero), -1)
    results = [{"image_id": 1, "annotation_id": i, "keypoints": k.tolist()} for i, k in enumerate(triples)]
    write(tmp_path / "results.json", results[::-1])
    names = ["p1.mat", "p0.npy", "list.json", "list3.json", "preds.json", "results.json"]
    other = [
        ("p0.mat", ["--pred-base", "0"]),
        ("p1.npy", ["--pred-base", "1"]),
        ("preds1.json", ["--pred-base", "1"]),
    ]
    return [*((name, []) for name in names), *other]


def test_mpii_forms_and_origins(tmp_path: Path) -> None:
    gt, joints = mpii_files(tmp_path)
    # 3 px off at head size 30: right at 0.1 (just), wrong by the origin's pixel if that were mistaken.
    for name, words in prediction_files(tmp_path, joints + np.array([2.999, 0])):
        scores = scores_of(tmp_path, "mpii", "--gt", gt, "--pred", tmp_path / name, *words)
        assert scores["PCKh@0.1/mean_weighted"] == 100.0, name
    savemat(tmp_path / "p.mat", {"preds": joints + np.array([3.001, 0])})
    scores = scores_of(tmp_path, "mpii", "--gt", gt, "--pred", tmp_path / "p.mat")
    assert (scores["PCKh@0.1/head"], scores["PCKh@0.11/head"]) == (0.0, 100.0)
    parts = ["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "mean_weighted", "mean_plain"]
    assert list(scores) == [f"PCKh@{t}/{part}" for t in ("0.5", "0.1", "0.11") for part in parts]


def test_mpii_curve(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """All joints 6 px off at head size 30: nothing below 0.2, everything from there on."""
    gt, joints = mpii_files(tmp_path)
    savemat(tmp_path / "p.mat", {"preds": joints + np.array([5.999, 0])})
    words = ("mpii", "--gt", gt, "--pred", tmp_path / "p.mat")
    scores = scores_of(tmp_path, *words, "--curve")
    assert [scores[f"PCKh_curve/{i / 100:.2f}"] for i in range(51)] == [0.0] * 20 + [100.0] * 31
    assert scores["PCKh_AUC"] == pytest.approx((0.5 + 30) / 50)  # the step is one trapezoid
    shown = capsys.readouterr().out
    assert "PCKh_AUC" in shown
    assert "PCKh_curve" not in shown
    assert not any("curve" in name or "AUC" in name for name in scores_of(tmp_path, *words))


@pytest.mark.parametrize("form", ["hrnet", "pytorch-pose"])
def test_mpii_json_truth_needs_head_boxes(tmp_path: Path, form: str, capsys: pytest.CaptureFixture) -> None:
    mat, joints = mpii_files(tmp_path)
    if form == "hrnet":
        people = [{"image": "a.jpg", "joints": j.tolist(), "joints_vis": [1] * 16} for j in joints]
    else:
        people = [{"isValidation": 1.0, "joint_self": [[*xy, 1.0] for xy in j.tolist()]} for j in joints]
        people.insert(2, {"isValidation": 0.0, "joint_self": []})
    gt = write(tmp_path / "truth.json", people)
    np.save(tmp_path / "p.npy", joints - 1)
    words = ("mpii", "--gt", gt, "--pred", tmp_path / "p.npy")
    assert run(*words) == 2
    assert "--head-boxes" in capsys.readouterr().err
    assert scores_of(tmp_path, *words, "--head-boxes", mat)["PCKh@0.1/mean_plain"] == 100.0
    _, others = mpii_files(tmp_path)
    content = {"pos_gt_src": others[::-1].transpose(1, 2, 0), "jnt_missing": np.zeros((16, 6), np.uint8)}
    savemat(tmp_path / "other.mat", {**content, "headboxes_src": np.ones((2, 2, 6)) * [[[1]], [[9]]]})
    assert run(*words, "--head-boxes", tmp_path / "other.mat") == 2
    assert "other people" in capsys.readouterr().err


def test_mpii_person_without_a_result_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gt, joints = mpii_files(tmp_path)
    prediction_files(tmp_path, joints)
    results = json.loads((tmp_path / "results.json").read_text())
    write(tmp_path / "results.json", results[:3])
    scores = scores_of(tmp_path, "mpii", "--gt", gt, "--pred", tmp_path / "results.json")
    assert scores["PCKh@0.5/mean_plain"] == pytest.approx(50.0)
    assert "3 without a prediction" in capsys.readouterr().out


def test_mpii_published_row(tmp_path: Path) -> None:
    """FACTS: the 2-stack hourglass of the pytorch-pose release on the 2,958 validation people."""
    gt = reference.path("data/mpii/detections_our_format.mat")
    pred = reference.path("data/mpii/bearpaw-hg_s2_b1.mat")
    scores = scores_of(tmp_path, "mpii", "--gt", gt, "--pred", pred)
    published = reference.load_json("pckh.json")["real_bearpaw-hg_s2_b1"]["published_bearpaw_readme_last"]
    for group, value in published.items():
        name = "mean_plain" if group == "Mean" else group.lower()
        assert scores[f"PCKh@0.5/{name}"] == pytest.approx(value, abs=0.01)
    assert scores["PCKh@0.5/mean_weighted"] == pytest.approx(87.30, abs=0.01)


# -------------------------------------------------------------------------------------------------- pck


def lsp_files(tmp_path: Path, count: int = 4, per_image: int = 1) -> tuple[dict, list]:
    """People with torso 50 (hips at y = 40, shoulders at y = 0, 30 apart) and perfect results."""
    names = np.array(LSP)
    base = np.random.default_rng(1).uniform(0, 60, (14, 2)).round(1)
    for name, xy in zip(
        ("right_hip", "left_hip", "right_shoulder", "left_shoulder"),
        ((0, 40), (30, 40), (0, 0), (30, 0)),
        strict=True,
    ):
        base[names == name] = xy
    annotations, results = [], []
    for i in range(count):
        points = base + np.array([5 + 200 * (i % per_image), 5])
        image = i // per_image + 1
        triples = np.concatenate([points, np.full((14, 1), 2)], 1).ravel().tolist()
        annotations.append(
            {"id": i + 10, "image_id": image, "category_id": 1, "keypoints": triples, "num_keypoints": 14,
             "bbox": [0, 0, 80, 40], "area": 3200, "iscrowd": 0}
        )  # fmt: skip
        results.append({"image_id": image, "category_id": 1, "keypoints": triples, "score": 0.5})
    images = [{"id": i + 1, "file_name": f"{i}.jpg"} for i in range((count - 1) // per_image + 1)]
    gt = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": LSP}],
    }
    return gt, results


def moved(result: dict, dx: float) -> dict:
    triples = np.reshape(result["keypoints"], (-1, 3)) + np.array([dx, 0, 0])
    return {**result, "keypoints": triples.ravel().tolist()}


def pck_scores(tmp_path: Path, gt: dict, results: list, *words: object) -> dict[str, float]:
    files = write(tmp_path / "gt.json", gt), write(tmp_path / "r.json", results)
    return scores_of(tmp_path, "pck", "--gt", files[0], "--results", files[1], *words)


def test_pck_norms_by_hand(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    # Torso 50: 0.2 of it is 10. Box 80 wide: 16. Head as annotated, 30: 6.
    for norm, right in (("torso", 9.999), ("bbox", 15.999), ("head", 5.999)):
        for person in gt["annotations"]:
            person["head_size"] = 30
        words = ("--threshold", "0.2", "--norm", norm)
        assert pck_scores(tmp_path, gt, [moved(r, right) for r in results], *words)["PCK@0.2/mean14"] == 100
        assert (
            pck_scores(tmp_path, gt, [moved(r, right + 0.01) for r in results], *words)["PCK@0.2/mean12"] == 0
        )


def test_pck_people_without_torso_are_left_out_and_counted(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    gt["annotations"][1]["keypoints"][3 * 2 : 3 * 2 + 3] = [0, 0, 0]  # right hip
    scores = pck_scores(tmp_path, gt, [*results[:1], moved(results[1], 900), *results[2:3]])
    assert scores["PCK@0.2/right_ankle"] == pytest.approx(200 / 3)  # of three with a torso, one has no result
    assert (scores["counts/people_scored"], scores["counts/people_without_torso_size"]) == (3, 1)
    assert scores["counts/missing_predictions"] == 1
    assert {f"PCK@0.2/{name}" for name in [*LSP, "mean", "mean12", "mean14"]} <= set(scores)


def test_pck_best_scored_result_of_an_image(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    worse = [{**moved(r, 500), "score": 0.4} for r in results]
    assert pck_scores(tmp_path, gt, worse + results)["PCK@0.2/mean"] == 100
    better = [{**r, "score": 0.6} for r in worse]
    assert pck_scores(tmp_path, gt, results + better)["PCK@0.2/mean"] == 0


def test_pck_by_annotation_id_and_by_similarity(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gt, results = lsp_files(tmp_path, per_image=2)
    assert pck_scores(tmp_path, gt, results[::-1])["counts/matched_by_similarity"] == 4
    assert "greedily by similarity" in capsys.readouterr().out
    swapped = [{**r, "annotation_id": i} for r, i in zip(results, (11, 10, 12, 13), strict=True)]
    scores = pck_scores(tmp_path, gt, swapped)
    assert scores["PCK@0.2/mean"] == 50  # two stand for each other's person
    assert scores["counts/matched_by_annotation_id"] == 4
    assert "by annotation_id" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------- bad input


def test_pck_scores_the_images_asked_for_and_needs_no_area(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    gt, results = lsp_files(tmp_path, count=6)
    for annotation in gt["annotations"]:
        annotation.pop("area", None)
    subset = [r for r in results if r["image_id"] == results[0]["image_id"]]
    scored = write(tmp_path / "ids.json", [results[0]["image_id"]])
    files = ["--gt", write(tmp_path / "gt.json", gt), "--results", write(tmp_path / "r.json", subset)]
    whole = scores_of(tmp_path, "pck", *files)
    assert "--images" in capsys.readouterr().out  # most people have no prediction: says why that may be
    part = scores_of(tmp_path, "pck", *files, "--images", scored)
    assert part["PCK@0.2/mean12"] == pytest.approx(6 * whole["PCK@0.2/mean12"])
    assert part["counts/people_scored"] == 1
    assert run("pck", *files, "--images", write(tmp_path / "ids.json", ["a"])) == 2
    assert "list of image ids" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--oks-nms", "-4"], ["--rescore", "nan"]])
def test_bad_protocol_settings(coco: tuple, capsys: pytest.CaptureFixture, words: list[str]) -> None:
    _, _, gt, dt = coco
    assert run("coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS, *words) == 2
    assert f"{words[0]}: expected" in capsys.readouterr().err


def change(value: Any, path: tuple, new: Any) -> Any:
    """A copy of nested JSON with one place changed; ``KeyError`` as the new value deletes it."""
    copied = json.loads(json.dumps(value))
    place = copied
    for step in path[:-1]:
        place = place[step]
    if new is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return copied


NAN = float("nan")
BAD_GT = [
    (("annotations",), KeyError, "'annotations' is missing"),
    (("images",), {}, "'images' to be a list"),
    (("categories", 0, "keypoints"), KeyError, "none states 'keypoints'"),
    (("annotations", 0, "keypoints"), KeyError, "'keypoints' is missing"),
    (("annotations", 0, "keypoints"), [1, 2, 2], "a list of 15 finite numbers, found a list of 3"),
    (("annotations", 0, "keypoints", 0), NAN, "finite"),
    (("annotations", 0, "keypoints", 0), "3", "finite"),
    (("annotations", 0, "area"), -5, "'area' is negative"),
    (("annotations", 0, "keypoints", 5), 3, "annotations: id 1: expected 'keypoints' to hold v = 0, 1 or 2"),
    (("annotations", 0, "keypoints", 2), -1, "found -1 for keypoint 0"),
    (("annotations", 0, "keypoints", 2), 0.5, "found 0.5 for keypoint 0"),
    (
        ("annotations", 0, "iscrowd"),
        "0",
        "id 1: expected 'iscrowd' to be an integer from 0 to 1, found str '0'",
    ),
    (("annotations", 0, "iscrowd"), 2, "'iscrowd' to be an integer from 0 to 1, found 2"),
    (("annotations", 0, "num_keypoints"), "4", "'num_keypoints' to be an integer from 0 to 5, found str '4'"),
    (("annotations", 0, "num_keypoints"), 1.5, "'num_keypoints' to be an integer from 0 to 5, found 1.5"),
    (("annotations", 0, "num_keypoints"), True, "'num_keypoints' to be an integer from 0 to 5, found True"),
    (("annotations", 0, "num_keypoints"), -1, "'num_keypoints' to be an integer from 0 to 5, found -1"),
    (("annotations", 0, "bbox"), [0, 0, 1], "a list of 4 finite numbers"),
    (("annotations", 0, "bbox"), None, "found None"),
    (("annotations", 0, "image_id"), 999, "'image_id' is 999, which is not among the 12 images"),
    (("annotations", 0, "image_id"), "a", "to be an integer"),
    (("annotations", 0, "category_id"), 9, "'category_id' is 9"),
    (("annotations", 1, "id"), 1, "have the same 'id' 1"),
    (("images", 1, "id"), 0, "have the same 'id' 0"),
    (("annotations",), [], "nobody has a labelled keypoint"),
    (("annotations", 0), 7, "expected an object, found 7"),
]
BAD_RESULTS = [
    ((), {}, "to be a list of objects"),
    ((0,), "x", "expected an object"),
    ((0, "keypoints"), KeyError, "'keypoints' is missing"),
    (
        (3, "keypoints"),
        [0] * 51,
        "results[3]: expected 'keypoints' to be a list of 15 finite numbers, found a list of 51",
    ),
    ((0, "keypoints", 4), NAN, "found a list of 15 with nan"),
    ((0, "score"), KeyError, "'score' is missing"),
    ((0, "score"), NAN, "finite"),
    ((0, "score"), "high", "found str 'high'"),
    ((0, "image_id"), 1, "'image_id' is 1, which is not among"),
    ((0, "category_id"), 2, "'category_id' is 2"),
    ((0, "category_id"), KeyError, "'category_id' is missing"),
]


def test_oks_needs_an_area(coco: tuple, capsys: pytest.CaptureFixture) -> None:
    ground_truth, _, gt, dt = coco
    write(gt, change(ground_truth, ("annotations", 0, "area"), KeyError))
    assert run("coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS) == 2
    assert "'area' is missing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["coco", "pck"])
@pytest.mark.parametrize(
    ("file", "path", "new", "message"), [*(("gt", *b) for b in BAD_GT), *(("r", *b) for b in BAD_RESULTS)]
)
def test_bad_coco_input(
    tmp_path: Path,
    coco: tuple,
    capsys: pytest.CaptureFixture,
    command: str,
    file: str,
    path: tuple,
    new: Any,
    message: str,
) -> None:
    ground_truth, results, gt, dt = coco
    value = change(ground_truth if file == "gt" else results, path, new) if path else new
    changed = write(gt if file == "gt" else dt, value)
    words = ["--sigmas", *SIGMAS] if command == "coco" else ["--norm", "bbox"]
    assert run(command, "--gt", gt, "--results", dt, *words, "--out", tmp_path / "out.json") == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(changed) in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"annotation_id": 999}, "'annotation_id' is 999"),
        ({"annotation_id": 11}, "is in image 2"),
        ({"annotation_id": 10}, None),
    ],
)
def test_bad_annotation_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture, extra: dict, message: str | None
) -> None:
    gt, results = lsp_files(tmp_path)
    files = write(tmp_path / "gt.json", gt), write(tmp_path / "r.json", [{**results[0], **extra}])
    assert run("pck", "--gt", files[0], "--results", files[1]) == (0 if message is None else 2)
    assert (message or "") in capsys.readouterr().err
    write(files[1], [{**results[0], "annotation_id": 10}] * 2)
    assert run("pck", "--gt", files[0], "--results", files[1]) == 2
    assert "have the same 'annotation_id' 10" in capsys.readouterr().err


def test_unreadable_files(tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture) -> None:
    _, _, gt, dt = coco
    cut = tmp_path / "cut.json"
    cut.write_bytes(dt.read_bytes()[:-20])
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00garbage")
    zipped = tmp_path / "cut.json.gz"
    zipped.write_bytes(b"\x1f\x8b\x08\x00")
    for path, message in (
        (cut, "is not JSON"),
        (binary, "is not JSON"),
        (zipped, "cannot be read"),
        (tmp_path / "no", "file not found"),
    ):
        assert run("coco", "--gt", gt, "--results", path, "--sigmas", *SIGMAS) == 2
        error = capsys.readouterr().err
        assert message in error
        assert str(path) in error


def test_a_mat_that_is_cut_off_is_called_that(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """At 128 bytes, its header, it still reads; nothing is in it then."""
    gt, joints = mpii_files(tmp_path)
    np.save(tmp_path / "p.npy", joints)
    whole = gt.read_bytes()
    for length, message in (
        (128, "without variables; is it truncated?"),
        (700, "not a readable MATLAB file"),
    ):
        gt.write_bytes(whole[:length])
        assert run("mpii", "--gt", gt, "--pred", tmp_path / "p.npy") == 2
        error = capsys.readouterr().err
        assert f"{gt}: " in error
        assert message in error


@pytest.mark.parametrize(
    ("key", "new", "message"),
    [
        ("jnt_missing", None, "variable 'jnt_missing' is missing"),
        ("pos_gt_src", None, "variable 'pos_gt_src' is missing"),
        ("headboxes_src", None, "variable 'headboxes_src' is missing"),
        ("pos_gt_src", np.zeros((14, 2, 6)), "expected numbers of shape 16 x 2 x N"),
        ("pos_gt_src", np.full((16, 2, 6), np.nan), "expected finite numbers"),
        ("headboxes_src", np.zeros((2, 2, 6)), "empty or infinite head box"),
        ("headboxes_src", np.zeros((2, 2, 5)), "has 5 people, the truth has 6"),
        ("jnt_missing", np.ones((16, 6)), "nobody has an annotated joint"),
        ("dataset_joints", np.array([MPII_JOINTS[::-1]], object), "'dataset_joints'"),
    ],
)
def test_bad_mpii_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture, key: str, new: Any, message: str
) -> None:
    from scipy.io import loadmat

    gt, joints = mpii_files(tmp_path)
    content = {k: v for k, v in loadmat(gt).items() if not k.startswith("__")}
    content.pop(key)
    savemat(gt, content if new is None else {**content, key: new})
    np.save(tmp_path / "p.npy", joints)
    assert run("mpii", "--gt", gt, "--pred", tmp_path / "p.npy") == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(gt) in error


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("p.npy", np.zeros((5, 16, 2)), "predictions for 5 people"),
        ("p.npy", np.zeros((6, 14, 2)), "of shape (N, 16, 2); found float64 (6, 14, 2)"),
        ("p.npy", np.full((6, 16, 2), np.nan), "person 0, joint 0: expected finite"),
        ("p.npy", np.array([{"a": 1}]), "not a readable .npy file"),
        (
            "p.mat",
            {"predictions": np.zeros((6, 16, 2))},
            "variable 'preds' is missing; found ['predictions']",
        ),
        ("p.mat", {"preds": np.zeros((6, 16))}, "'preds': expected numbers of shape N x 16 x N"),
        ("p.mat", b"not a mat file, but long enough to be looked at" * 20, "not a readable MATLAB file"),
        ("p.json", {"pred": []}, "key 'preds' is missing"),
        ("p.json", [[[1, 2], [3]]], "lengths"),
        ("p.json", [{"annotation_id": 6, "keypoints": [0] * 48}], "'annotation_id' is 6"),
        ("p.json", [{"keypoints": [0] * 48}], "'person_id' is missing"),
        ("p.json", [{"annotation_id": 1, "keypoints": [0] * 51}], "a list of 48 finite numbers"),
        ("p.txt", b"1 2 3", "expected predictions in a .mat, .npy or .json file"),
    ],
)
def test_bad_mpii_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str, value: Any, message: str
) -> None:
    gt, _ = mpii_files(tmp_path)
    path = tmp_path / name
    if isinstance(value, bytes):
        path.write_bytes(value)
    elif name.endswith(".npy"):
        np.save(path, value, allow_pickle=True)
    elif name.endswith(".mat"):
        savemat(path, value)
    else:
        write(path, value)
    assert run("mpii", "--gt", gt, "--pred", path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error


@pytest.mark.parametrize("sigmas", [["0.1"], ["0.1"] * 4 + ["-1"], ["coco99"], ["a", "b"], ["nan"] * 5])
def test_bad_sigmas(coco: tuple, capsys: pytest.CaptureFixture, sigmas: list[str]) -> None:
    assert run("coco", "--gt", coco[2], "--results", coco[3], "--sigmas", *sigmas) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_out_that_cannot_be_written(tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.json"
    assert run("coco", "--gt", coco[2], "--results", coco[3], "--sigmas", *SIGMAS, "--out", out) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_as_a_user_runs_it(tmp_path: Path, coco: tuple) -> None:
    """From another folder, in its own process: a table on stdout, and for bad input one line and status 2."""
    words = [
        sys.executable,
        SCRIPT,
        "coco",
        "--gt",
        coco[2],
        "--results",
        coco[3],
        "--sigmas",
        ",".join(map(str, SIGMAS)),
    ]
    good = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "AP50" in good.stdout
    coco[3].write_text("[")
    bad = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
    assert bad.stdout == ""
