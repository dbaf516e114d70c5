"""Which checkpoints a training keeps, and by which score the best one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import toy_training
from mmengine.hooks import Hook
from toy_training import build, runner_log

from posekit.engine.checkpoints.files import MARKER, resume_candidates
from posekit.engine.hooks.loss import DivergenceError
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint


def test_checkpoints_are_pruned_after_the_marker_has_moved(tmp_path, monkeypatch):
    work, unlink, removed = tmp_path / "work", Path.unlink, []

    def watched(path, missing_ok=False):
        if path.name.startswith("epoch_"):
            removed.append((path.name, (work / MARKER).read_text()))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    build(tmp_path, {"train_cfg.max_epochs": 5, "default_hooks.checkpoint.max_keep_ckpts": 1}).train()
    assert removed == [(f"epoch_{n}.pth", f"epoch_{n + 1}.pth") for n in (1, 2, 3, 4)]
    assert [p.name for p in work.glob("epoch_*.pth")] == ["epoch_5.pth"]
    assert (work / MARKER).read_text() == "epoch_5.pth"
    build(
        tmp_path, {"train_cfg.max_epochs": 5, "default_hooks.checkpoint.interval": 2}, work_dir="w2"
    ).train()
    assert {p.name for p in (tmp_path / "w2").glob("epoch_*.pth")} == {"epoch_4.pth", "epoch_5.pth"}


@pytest.mark.parametrize(
    ("score", "expected"), [("toy/error", "best_toy_error.pth"), ("auto", "best_toy_accuracy.pth")]
)
def test_the_best_by_other_scores(tmp_path, score, expected):
    runner = build(tmp_path, {"default_hooks.checkpoint.save_best": score})
    runner.train()
    best = read_checkpoint(tmp_path / "work" / expected)["meta"]["best"]
    history = runner.message_hub.log_scalars[f"val/{best['metric']}"].data[0]
    assert best["score"] == (history.min() if score == "toy/error" else history.max())


def test_an_unknown_score_is_named_before_training(tmp_path):
    with pytest.raises(ConfigError, match="'toy/acuracy'; did you mean 'toy/accuracy'"):
        build(tmp_path, {"default_hooks.checkpoint.save_best": "toy/acuracy"}).train()
    assert not (tmp_path / "work").exists()
    # The loss is a score only where it is taken.
    with pytest.raises(ConfigError, match="'loss'; expected one of: toy/accuracy, toy/error, toy/people"):
        build(tmp_path, {"default_hooks.checkpoint.save_best": "loss"}).train()


def test_an_evaluator_that_does_not_say_its_scores_is_believed_until_it_scores(tmp_path, monkeypatch):
    monkeypatch.delattr(toy_training.ToyMetric, "score_names")
    wrong = {"default_hooks.checkpoint": {"save_best": "toy/acuracy", "rule": "greater"}}
    with pytest.raises(ConfigError, match="'toy/acuracy'; did you mean 'toy/accuracy'"):
        build(tmp_path, wrong).train()
    # ... and the epoch is not lost.
    assert (tmp_path / "work" / "epoch_1.pth").is_file()


def test_an_evaluator_that_cannot_score_nobody_does_not_stop_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_training.ToyMetric, "score_names", lambda self: [][0])
    runner = build(tmp_path, {"train_cfg.max_epochs": 1})
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "ToyMetric.score_names(): IndexError: list index out of range; 'save_best' is not checked" in log
    assert (tmp_path / "work" / "best_toy_accuracy.pth").is_file()


def test_a_best_without_a_validation_is_spoken_of(tmp_path):
    nothing = {"val_dataloader": None, "val_evaluator": None, "val_cfg": None}
    runner = build(tmp_path, {**nothing, "train_cfg.max_epochs": 1})
    runner.train()
    assert "nothing is validated" in next(runner_log(runner).glob("*.log")).read_text()


def test_impossible_hook_values():
    from posekit.engine.hooks.defaults import CheckpointHook

    with pytest.raises(ConfigError, match="interval"):
        CheckpointHook(interval=0)
    with pytest.raises(ConfigError, match="rule"):
        CheckpointHook(rule="more")


def test_weights_ruined_by_the_last_step_are_not_saved(tmp_path):
    """The loss of an epoch's last iteration is finite, what its step does to the weights is not."""
    runner = build(tmp_path, {"default_hooks.checkpoint.interval": 1})
    spoilt = []

    class Spoil(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 5:  # the last of the second epoch
                spoilt.append(outputs["loss"].item())
                with torch.no_grad():
                    runner.model.layers[1].weight[0, 0] = float("nan")

    runner.register_hook(Spoil())
    with pytest.raises(DivergenceError, match=r"in epoch 2 1 of 4 weights .*layers\.1\.weight") as caught:
        runner.train()
    assert math.isfinite(spoilt[0])
    assert "epoch_1.pth, --resume goes on from there" in str(caught.value)
    assert [path.name for path in (tmp_path / "work").glob("epoch_*.pth")] == ["epoch_1.pth"]


def test_a_new_run_sets_an_earlier_ones_checkpoints_aside(tmp_path):
    """Killed before its first checkpoint, it must not be resumed as the earlier run."""
    build(tmp_path).train()
    work = tmp_path / "work"
    before = {path.name: path.read_bytes() for path in work.glob("*.pth")}
    marked = (work / MARKER).read_text()

    class Killed(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            raise SystemExit

    runner = build(tmp_path)
    runner.register_hook(Killed())
    with pytest.raises(SystemExit):
        runner.train()
    assert resume_candidates(work) == []
    assert {path.name: path.read_bytes() for path in (work / "earlier_1").glob("*.pth")} == before
    assert (work / "earlier_1" / MARKER).read_text() == marked
    assert "they are in" in next(runner_log(runner).glob("*.log")).read_text()
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()
    assert [path.name for path in work.glob("earlier_2/epoch_*")] == ["epoch_1.pth"]
    # What is resumed stays.
    build(tmp_path, {"resume": True}).train()
    assert not (work / "earlier_3").exists()


def test_what_comes_from_elsewhere_does_not_mix_with_what_is_there(tmp_path):
    build(tmp_path, {"train_cfg.max_epochs": 1}, work_dir="other").train()
    build(tmp_path, {"train_cfg.max_epochs": 2}).train()
    other = tmp_path / "other" / "epoch_1.pth"
    build(tmp_path, {"resume": True, "load_from": str(other), "train_cfg.max_epochs": 2}).train()
    assert (tmp_path / "work" / "earlier_1" / "epoch_2.pth").is_file()
    assert (tmp_path / "work" / MARKER).read_text() == "epoch_2.pth"


def test_weights_that_would_be_set_aside_are_refused(tmp_path):
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()
    own = tmp_path / "work" / "epoch_1.pth"
    with pytest.raises(ConfigError, match=r"epoch_1\.pth: a checkpoint of the work directory itself"):
        build(tmp_path, {"load_from": str(own)}).train()
    assert own.is_file()
    build(tmp_path, {"load_from": str(own), "train_cfg.max_epochs": 1}, work_dir="new").train()
