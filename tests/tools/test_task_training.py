"""A multi-task training by the tools: trained, tested, scored, and its landmarks fine-tuned."""

from __future__ import annotations

import json

import pytest
import torch
from toy_mtfl import write_config, write_faces
from toy_training import run

from posekit.io.checkpoint import read_checkpoint

OFF = ["model.head.weights={'landmarks':1.0,'smile':0.0,'pose':0.0}", "default_hooks.task_stopping=None",
       "optim_wrapper.optimizer.weight_decay=0.0", "train_cfg.max_epochs=2"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    config = write_config(folder, write_faces(folder / "faces"))
    assert run("train", config, "--work-dir", folder / "first") == 0
    return folder, config


def test_it_is_tested_and_scored(trained, capsys):
    folder, config = trained
    assert run("test", config, folder / "first" / "epoch_4.pth", "--work-dir", folder / "tested") == 0
    printed = capsys.readouterr().out
    assert "accuracy in percent of smile, pose" in printed
    tested = json.loads((folder / "tested" / "metrics.json").read_text())
    gt, results = folder / "faces" / "test" / "labels.csv", folder / "tested" / "results.json"
    out = folder / "scores.json"
    words = ["--gt", gt, "--results", results, "--out", out]
    assert run("evaluate", "attributes", *words, "--attributes", "smile", "pose") == 0
    scores = json.loads(out.read_text())
    for name in ("accuracy/smile", "accuracy/pose", "accuracy/mean"):
        assert scores[name] == pytest.approx(tested[name])
    assert run("evaluate", "nme", *words, "--norm", "inter_pupil", "--against", results) == 0
    scores = json.loads(out.read_text())
    assert scores["NME/inter_pupil/results"] == pytest.approx(tested["NME/inter_pupil"], rel=1e-4)
    assert scores["NME/inter_pupil/difference"] == 0


def test_fine_tuning_changes_the_landmarks_alone(trained):
    folder, config = trained
    first = folder / "first" / "epoch_4.pth"
    words = ["--cfg-options", f"load_from={first}", *OFF]
    assert run("train", config, "--work-dir", folder / "fine", *words) == 0
    before, after = (read_checkpoint(path)["state_dict"] for path in (first, folder / "fine" / "epoch_2.pth"))
    branches = {name for name in before if name.startswith(("head.heads.smile.", "head.heads.pose."))}
    assert len(branches) == 4
    for name, weight in before.items():
        assert torch.equal(after[name], weight) == (name in branches)
