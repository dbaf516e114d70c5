"""TensorBoard, Weights & Biases and MLflow beside a training; what goes to the console, what to the file."""

from __future__ import annotations

import json
import re
from typing import ClassVar

import numpy as np
import pytest
import toy_training
from mmengine.runner import LogProcessor
from mmengine.visualization import WandbVisBackend
from toy_training import build, run, runner_log, scalars, weights, write_config

from posekit.engine import loggers
from posekit.engine.log_means import IntervalMeans
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint


class Recorder:
    """In a package's place: keeps what it is given."""

    made: ClassVar[list[Recorder]] = []
    fails = ""

    def __init__(self, save_dir, **arguments):
        self.save_dir, self.arguments, self.rows, self.closed = save_dir, arguments, [], 0
        Recorder.made.append(self)

    def add_config(self, cfg):
        if self.fails == "start":
            raise RuntimeError("no account:\nlog in")
        self.work_dir = cfg.work_dir

    def add_scalars(self, row, step):
        if self.fails == "later" and step > 3:
            raise OSError("server gone")
        self.rows.append((step, dict(row)))

    def close(self):
        self.closed += 1


@pytest.fixture
def recorders(monkeypatch):
    """Each logger's class replaced, its package taken for installed."""
    monkeypatch.setattr(Recorder, "made", [])
    monkeypatch.setattr(loggers, "LOGGERS", dict.fromkeys(loggers.LOGGERS, Recorder))
    monkeypatch.setattr(loggers, "find_spec", lambda name: object())
    return Recorder.made


def test_curves_go_there_over_iterations_and_change_nothing(tmp_path, recorders):
    plain = build(tmp_path)
    plain.train()
    runner = build(tmp_path, {"loggers": ["tensorboard", "wandb", "mlflow"]}, "logged")
    assert recorders == []  # a test, or a start that fails, begins none
    runner.train()
    assert (weights(runner) == weights(plain)).all()
    board, wandb, mlflow = recorders
    assert [step for step, _ in board.rows] == [2, 3, 3, 5, 6, 6, 8, 9, 9]
    own = scalars(runner)
    trained, validated = ([r for r in own if ("iter" in r) == of] for of in (True, False))
    found = [row for _, row in board.rows if "train/loss" in row]
    assert [row["train/loss"] for row in found] == [record["loss"] for record in trained]
    assert "train/iter" not in found[0]
    scored = [row["val/toy/accuracy"] for _, row in board.rows if "val/toy/accuracy" in row]
    assert scored == [record["toy/accuracy"] for record in validated]
    assert [row["iter"] for _, row in wandb.rows] == [step for step, _ in board.rows]
    assert wandb.arguments["define_metric_cfg"][1] == {"name": "val/*", "step_metric": "iter"}
    assert mlflow.arguments["tracking_uri"] == f"sqlite:///{tmp_path / 'logged' / 'mlflow.db'}"
    assert {recorder.closed for recorder in recorders} == {1}
    assert board.save_dir == str(runner_log(runner) / "vis_data")


def test_names_that_mlflow_takes(recorders):
    there = loggers.Loggers({"mlflow": Recorder("")}, None)
    there.add("val", {"PCK@0.5/left_hip": 1, "words": "none"}, 4)
    assert recorders[0].rows == [(4, {"val/PCK_0.5/left_hip": 1.0})]


def test_arguments_of_a_config_go_before_posekits(recorders, tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "LOGGERS", {"wandb": WandbVisBackend})
    stated = [{"type": WandbVisBackend, "init_kwargs": {"project": "p"}}, "wandb"]
    assert loggers.chosen_loggers({"loggers": stated}, "c") == [("wandb", {"init_kwargs": {"project": "p"}})]
    with pytest.raises(ConfigError, match=r"'loggers.0' has an unknown key 'project'"):
        build(tmp_path, {"loggers": [{"type": "WandbVisBackend", "project": "p"}]})


def test_one_that_fails_is_told_and_left_out(tmp_path, recorders, monkeypatch):
    monkeypatch.setattr(Recorder, "fails", "later")
    runner = build(tmp_path, {"loggers": "mlflow"})
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert log.count("WARNING - loggers: 'mlflow' failed and is left out: OSError: server gone") == 1
    assert len(recorders[0].rows) == 3
    assert runner.epoch == 3


def test_one_that_cannot_begin_ends_the_start_and_leaves_nothing(tmp_path, recorders, monkeypatch, capsys):
    monkeypatch.setattr(Recorder, "fails", "start")
    config = write_config(tmp_path)
    assert run("train", config, "--tensorboard", "--work-dir", tmp_path / "w") == 2
    assert "loggers: 'tensorboard' cannot begin: RuntimeError: no account: log in" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tensorboard"], "'tensorboard' needs a package that is not installed: pip install 'posekit[log"),
        (["--cfg-options", "loggers=['wandb']"], "(or wandb)"),
        (["--cfg-options", "loggers=tensorbord"], "did you mean 'tensorboard'?"),
        (["--cfg-options", "loggers=3"], "expected names of ['tensorboard', 'wandb', 'mlflow'], or dict("),
    ],
)
def test_a_missing_package_or_a_wrong_name_is_refused(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_tensorboard_itself(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard, of the extra loggers")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = write_config(tmp_path)
    assert run("train", config, "--tensorboard", "--work-dir", tmp_path / "w") == 0
    events = EventAccumulator(str(next((tmp_path / "w").glob("*/vis_data"))))
    events.Reload()
    assert [value.step for value in events.Scalars("val/toy/accuracy")] == [3, 6, 9]
    assert len(events.Scalars("train/loss")) == 6


# --- means ------------------------------------------------------------------------------------------------


def test_each_record_is_the_mean_of_the_batches_since_the_last(tmp_path):
    runner = build(tmp_path, {"train_dataloader.batch_size": 5, "default_hooks.logger.interval": 3})
    runner.train()
    assert isinstance(runner.log_processor, IntervalMeans)
    losses = np.array(runner.message_hub.log_scalars["train/loss"].data[0])
    rates = np.array(runner.message_hub.log_scalars["train/lr"].data[0])
    records = [r for r in scalars(runner) if "iter" in r]
    assert [r["iter"] for r in records] == [3, 5, 8, 10, 13, 15]
    for begin, record in zip([0, 3, 5, 8, 10, 13], records, strict=True):
        assert record["loss"] == losses[begin : record["iter"]].mean()
        assert record["lr"] == rates[record["iter"] - 1]


def test_accuracies_are_means_and_settings_are_not():
    averaged = IntervalMeans().mean_pattern
    for name in ("acc_pose", "acc", "stack_0", "grad_norm", "loss", "time", "foreground/share"):
        assert averaged.search(name), name
    for name in ("lr", "base_lr", "head.lr", "momentum", "gamma", "delta"):
        assert not averaged.search(name), name


def test_a_config_can_state_how_many(tmp_path):
    runner = build(tmp_path, {"log_processor": {"window_size": 1}})
    runner.train()
    losses = runner.message_hub.log_scalars["train/loss"].data[0]
    assert [r["loss"] for r in scalars(runner) if "iter" in r] == [losses[n - 1] for n in (2, 3, 5, 6, 8, 9)]


@pytest.mark.parametrize("hierarchy", [False, True])
def test_a_small_loss_is_shown_to_four_digits_of_its_own(tmp_path, monkeypatch, hierarchy):
    collect = LogProcessor._collect_scalars

    def smaller(self, parsed, runner, mode, named=False):
        found, name = collect(self, parsed, runner, mode, named), f"{mode}/" if named else ""
        made = {
            "loss": found[f"{name}loss"] * 1e-5,
            "aux_loss": 0.00001,
            "large_loss": 12345.678,
            "acc": 1e-5,
        }
        return found | {f"{name}{key}": value for key, value in made.items()}

    monkeypatch.setattr(LogProcessor, "_collect_scalars", smaller)
    runner = build(tmp_path, {"log_processor.log_with_hierarchy": hierarchy})
    runner.train()
    (log,) = runner_log(runner).glob("*.log")
    lines = [line for line in log.read_text().splitlines() if "Epoch(train)" in line]
    shown = [float(re.search(r" loss: (\S+)", line)[1]) for line in lines]
    name = "train/loss" if hierarchy else "loss"
    losses = [record[name] for record in scalars(runner) if name in record]
    assert 0 < max(losses) < 1e-4
    assert shown == pytest.approx(losses, rel=5e-4)
    for line in lines:
        assert "aux_loss: 1e-05" in line
        assert "acc: 0.0000" in line
        assert "large_loss: 12345.6780" in line


# --- the console ------------------------------------------------------------------------------------------


def test_a_training_shows_a_short_header(tmp_path, capsys):
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w", "--seed", 7) == 0
    shown, log = capsys.readouterr().out, next((tmp_path / "w").glob("*/*.log"))
    first = shown.splitlines()[0]
    assert first.startswith("posekit ", first.index("INFO - ") + 7)
    assert first.endswith(f"toy.py, seed 7; environment, config and log: {log}")
    assert "Epoch(train)" in shown
    for word in ("Adam", "torch_threads", "LossLogHook"):
        assert word not in shown
        assert word in log.read_text()


def test_a_test_prints_its_scores_alone(tmp_path, capsys):
    config = write_config(tmp_path)
    assert run("train", config, "--work-dir", tmp_path / "w") == 0
    text = toy_training.CONFIG.replace("size=_size)", 'size=_size, faulty=["a.jpg"])')
    capsys.readouterr()
    checkpoint = tmp_path / "w" / "epoch_3.pth"
    words = [write_config(tmp_path, text, "faulty.py"), checkpoint, "--work-dir", tmp_path / "t"]
    assert run("test", *words) == 0
    said = capsys.readouterr()
    assert said.out == f"{(tmp_path / 't' / 'table.txt').read_text()}  written to {tmp_path / 't'}\n"
    assert "WARNING - test: 1 image(s) could not be read" in said.err
    assert "weights loaded" not in said.err
    log = next((tmp_path / "t").glob("*/*.log")).read_text()
    assert "weights loaded" in log
    assert "Adam" in log
    best = read_checkpoint(tmp_path / "w" / "best_toy_accuracy.pth")["meta"]["best"]["score"]
    assert best >= json.loads((tmp_path / "t" / "metrics.json").read_text())["toy/accuracy"]


def test_a_slow_test_shows_that_it_goes_on(tmp_path, capsys, monkeypatch):
    config = write_config(tmp_path)
    assert run("train", config, "--work-dir", tmp_path / "w") == 0
    capsys.readouterr()
    words = [config, tmp_path / "w" / "epoch_3.pth", "--work-dir", tmp_path / "t"]
    assert run("test", *words, "--cfg-options", "default_hooks.logger.seconds=0.0") == 0
    assert capsys.readouterr().err.count("Epoch(test)") == 3
