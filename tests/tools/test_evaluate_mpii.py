"""tools/evaluate.py mpii: forms, origins, published scores, faulty files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from evaluate_cases import run, scores_of, write
from scipy.io import savemat

from posekit.metrics.mpii_truth import MPII_JOINTS


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
        ("p.json", [], "expected predictions as numbers of shape (N, 16, 2); found none"),
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
