"""What a run computes with: the backend of a test, and threads that a batch is worth."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import small_training
import torch
import toy_training
from toy_training import runner_log

from posekit import machine
from posekit.engine import computing
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import ConfigError
from posekit.models.backends import BACKENDS
from posekit.models.estimator import PoseEstimator


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small training's folder: its config, which has a test, and its weights."""
    folder = tmp_path_factory.mktemp("small")
    people = small_training.write_people(folder, images=8)
    small_training.build(folder, people, {"train_cfg.max_epochs": 2}).train()
    config = folder / "small.py"
    config.write_text(
        config.read_text() + "test_dataloader = val_dataloader\ntest_evaluator = val_evaluator\n", "utf-8"
    )
    return folder, people


def evaluate(small, out, *words):
    folder, _ = small
    best = folder / "work" / small_training.BEST
    assert toy_training.run("test", folder / "small.py", best, "--work-dir", out, *words) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    results = json.loads((out / "results.json").read_text())
    points = np.array([entry["keypoints"] for entry in results])
    return metrics.pop("protocol"), metrics, points, (out / "table.txt").read_text()


def test_a_test_is_folded_unless_it_is_told_otherwise(small, tmp_path):
    how, scores, points, table = evaluate(small, tmp_path / "a")
    assert how["backend"] == BACKENDS["folded"]
    assert f"  backend:   {BACKENDS['folded']}\n" in table
    exactly, their_scores, their_points, their_table = evaluate(small, tmp_path / "b", "--backend", "eager")
    assert "backend" not in exactly
    assert "backend" not in their_table
    assert scores == their_scores
    assert points.shape == their_points.shape
    assert 0 < np.abs(points - their_points).max() < 0.01  # the network that was trained is another
    by_config = evaluate(small, tmp_path / "c", "--cfg-options", "backend=eager")
    np.testing.assert_array_equal(by_config[2], their_points)


def test_a_backend_of_another_name(small, tmp_path, capsys):
    folder, _ = small
    words = [folder / "small.py", folder / "work" / small_training.BEST, "--work-dir", tmp_path / "t"]
    assert toy_training.run("test", *words, "--backend", "fast") == 2
    assert (
        "backend: expected one of eager, folded, bf16, compile, onnx, found 'fast'" in capsys.readouterr().err
    )


def test_what_is_no_pose_network_has_no_backend(trained, tmp_path):
    folder, _ = trained
    runner = toy_training.build(tmp_path, load_from=str(folder / "work" / "epoch_3.pth"), backend="onnx")
    with pytest.raises(ConfigError, match="backend onnx: for a PoseEstimator alone, found ToyModel"):
        runner.test()


def test_training_validates_the_network_that_it_trains(small, tmp_path):
    _, people = small
    runner = small_training.build(tmp_path, people, {"train_cfg.max_epochs": 2}, backend="folded")
    model = runner.model
    runner.train()
    assert runner.model is model
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())


@pytest.mark.parametrize(("worth", "count"), [(1, 1), (3.5, 3), (100, 4)])
def test_a_training_takes_the_threads_that_a_batch_is_worth(small, tmp_path, monkeypatch, worth, count):
    """As many as the multiply-adds of batch 4, forward and backward."""
    for word in machine.THREAD_WORDS:
        monkeypatch.delenv(word, raising=False)
    now = [4]
    monkeypatch.setattr(machine, "core_count", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: now[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: now.__setitem__(0, count))
    _, people = small
    runner = small_training.build(tmp_path, people, {"train_cfg.max_epochs": 2})
    macs = computing.macs_of(runner.bare_model, (32, 32))
    monkeypatch.setattr(machine, "MACS_PER_THREAD", 4 * 3 * macs / worth)
    seen = []
    step = runner.model.train_step
    runner.model.train_step = lambda *given, **named: seen.append(now[0]) or step(*given, **named)
    runner.train()
    assert set(seen) == {count}
    assert now == [4]  # given back
    said = re.findall(
        r"threads: (\d) of 4, which a batch of", next(runner_log(runner).glob("*.log")).read_text()
    )
    assert said == ([str(count)] if count < 4 else [])
    assert json.loads((tmp_path / "work" / "run.json").read_text())["torch_threads"] == count


@pytest.mark.parametrize("first", ["test", "train"])
def test_a_training_goes_on_with_its_own_network_after_a_test(small, tmp_path, first):
    folder, _ = small
    entries = {"load_from": str(folder / "work" / small_training.BEST), "work_dir": str(tmp_path / "w")}
    cfg = load_config(folder / "small.py", {**entries, "backend": "folded"})
    runner = PoseRunner.from_cfg(cfg)
    own, names = runner.bare_model, list(runner.bare_model.state_dict())
    seen = []
    predict = PoseEstimator.predict

    def watched(network, sample):
        seen.append(network.backend_words)
        return predict(network, sample)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PoseEstimator, "predict", watched)
        if first == "test":
            runner.test()
            assert set(seen) == {BACKENDS["folded"]}
        runner.train()
        assert runner.bare_model is own
        seen.clear()
        if first == "train":
            runner.test()
            assert set(seen) == {BACKENDS["folded"]}
    assert list(runner.bare_model.state_dict()) == names
