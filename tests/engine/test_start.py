"""A training says what it starts from; a resumed one and a test need no file to start from."""

from __future__ import annotations

import json

import pytest
import small_training
import torch
from toy_training import runner_log

from posekit.errors import CheckpointError
from posekit.models.hrnet import HRNet
from posekit.models.pretrained import PretrainedFile

SHORT = {
    "train_cfg.max_epochs": 1,
    "train_cfg.val_interval": 9,
    "default_hooks.checkpoint.save_best": None,
    "param_scheduler": None,
}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return small_training.write_people(tmp_path_factory.mktemp("start"), images=4)


def build(folder, people, pretrained, **entries):
    backbone = {"type": HRNet, "variant": "w8", "pretrained": pretrained}
    return small_training.build(folder, people, {**SHORT, "model.backbone": backbone}, **entries)


def log_of(runner):
    (path,) = runner_log(runner).glob("*.log")
    return path.read_text()


def started_from(folder):
    return json.loads((folder / "work" / "run.json").read_text())["starts_from"]


def test_the_log_and_the_record_say_what_a_training_starts_from(people, tmp_path):
    torch.manual_seed(5)
    weights = HRNet("w8").state_dict()
    torch.save(weights, tmp_path / "net.pth")
    file = {"type": PretrainedFile, "path": str(tmp_path / "net.pth")}
    runner = build(tmp_path, people, file, **{"train_cfg": {"max_epochs": 1}})
    seen = []
    note = lambda model, _: seen.append(model.backbone.conv1.weight.clone()) and None  # noqa: E731
    runner.model.register_forward_pre_hook(note)
    runner.train()
    assert torch.equal(seen[0], weights["conv1.weight"])
    assert started_from(tmp_path).startswith(f"{tmp_path / 'net.pth'} (sha256 ")
    assert f"the backbone starts from {started_from(tmp_path)}" in log_of(runner)


def test_random_weights_are_a_warning_and_resuming_and_testing_need_no_file(people, tmp_path):
    file = {"type": PretrainedFile, "path": str(tmp_path / "net.pth"), "source": "https://example.org"}
    runner = build(tmp_path, people, file)
    runner.train()
    text = log_of(runner)
    assert "WARNING - the backbone starts from RANDOM weights: the recipe's net.pth is not there." in text
    assert f"put it here: {tmp_path / 'net.pth'}" in text
    assert started_from(tmp_path).startswith("RANDOM weights: the recipe's net.pth is not there")

    strict = {**file, "strict": True}
    last = str(tmp_path / "work" / "epoch_1.pth")
    resumed = build(tmp_path, people, strict, resume=True, train_cfg={"max_epochs": 2})
    resumed.train()
    assert resumed.epoch == 2
    assert "RANDOM" not in log_of(resumed)
    assert started_from(tmp_path) == last
    build(tmp_path, people, strict, work_dir="from", load_from=str(tmp_path / "work" / "epoch_2.pth")).train()

    again = build(tmp_path, people, strict, work_dir="strict")
    with pytest.raises(CheckpointError, match=r"net\.pth: file not found"):
        again.train()
    assert not (tmp_path / "strict").exists()  # what did not begin leaves nothing


def test_only_a_resumed_run_that_finds_something_needs_no_file(people, tmp_path):
    strict = {"type": PretrainedFile, "path": str(tmp_path / "net.pth"), "strict": True}
    runner = build(tmp_path, people, strict, resume=True)
    with pytest.raises(CheckpointError, match=r"net\.pth: file not found"):
        runner.train()
