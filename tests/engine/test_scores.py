"""Which way a score is better: stated by what computes it, and kept to by all that rank by it."""

from __future__ import annotations

import runpy
from typing import ClassVar

import pytest
import torch
import toy_training
from mmengine.hooks import EarlyStoppingHook
from toy_training import ROOT, build, runner_log, scalars

from posekit.engine.hooks.loss import ValidationLossHook
from posekit.engine.hooks.scores import Scores, known_direction
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint
from posekit.metrics.base import PoseMetric
from posekit.visualization.records import read_curves

SAVE = "default_hooks.checkpoint.save_best"
RULE = "default_hooks.checkpoint.rule"


def validations(runner, name):
    return [record[name] for record in scalars(runner) if "iter" not in record]


def best_of(folder, name):
    return read_checkpoint(folder / "work" / f"best_{name}.pth")["meta"]["best"]


@pytest.mark.parametrize("name", ["loss", "toy/error", "toy/accuracy"])
def test_the_hooks_that_every_config_begins_with_keep_the_best_by_any_score(tmp_path, name):
    hooks = runpy.run_path(str(ROOT / "configs/_base_/runtime.py"))["default_hooks"]
    checkpoint = {**hooks["checkpoint"], "save_best": name}
    options = {"default_hooks.checkpoint": checkpoint, "default_hooks.val_loss": {}}
    runner = build(tmp_path, options)
    runner.train()
    seen = validations(runner, name)
    assert len(set(seen)) > 1
    best = best_of(tmp_path, name.replace("/", "_"))
    worse = name != "toy/accuracy"
    assert best["score"] == (min if worse else max)(seen)
    assert best["epoch"] == seen.index(best["score"]) + 1
    assert best["rule"] == ("less" if worse else "greater")


def test_the_best_by_each_of_several_scores(tmp_path):
    runner = build(tmp_path, {SAVE: ["toy/error", "auto"]})
    runner.train()
    for name, choose in (("toy/error", min), ("toy/accuracy", max)):
        assert best_of(tmp_path, name.replace("/", "_"))["score"] == choose(validations(runner, name))
    last = next(runner_log(runner).glob("*.log")).read_text().splitlines()[-1]
    assert last.endswith("best_toy_accuracy.pth")
    assert "best toy/error" in last


def test_what_was_better_before_stays_the_best(tmp_path, monkeypatch):
    scores = iter([3.0, 1.0, 2.0])

    def stated(self, runner, metrics=None):
        metrics["loss"] = next(scores)

    monkeypatch.setattr(ValidationLossHook, "after_val_epoch", stated)
    runner = build(tmp_path, {SAVE: "loss", "default_hooks.val_loss": {}})
    runner.train()
    assert validations(runner, "loss") == [3, 1, 2]
    best = best_of(tmp_path, "loss")
    assert (best["score"], best["epoch"]) == (1, 2)


def test_the_best_of_a_resumed_run_is_that_of_the_whole(tmp_path):
    """Its file tells the best so far, also where less is better."""
    options = {SAVE: "toy/error", "default_hooks.checkpoint.max_keep_ckpts": -1}
    build(tmp_path, options).train()
    work = tmp_path / "work"
    (work / "epoch_3.pth").unlink()
    (work / "last_checkpoint").write_text("epoch_2.pth")
    path = work / "best_toy_error.pth"
    content = read_checkpoint(path)
    content["meta"]["best"]["score"] = -1.0  # nothing can beat this
    torch.save(content, path)
    build(tmp_path, options, resume=True).train()
    assert best_of(tmp_path, "toy_error")["score"] == -1.0


# --- before anything is trained --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({SAVE: "toy/error", RULE: "greater"}, "'toy/error' is better when less.*expected rule='less'"),
        ({SAVE: "toy/accuracy", RULE: "less"}, "'toy/accuracy' is better when greater"),
        ({SAVE: "auto", RULE: "less"}, "'toy/accuracy' is better when greater"),
        ({SAVE: ["toy/error", "toy/accuracy"], RULE: "less"}, "'toy/accuracy' is better when greater"),
        ({SAVE: "toy/people"}, "nobody says whether 'toy/people' .*state rule='greater' or rule='less'"),
        ({SAVE: ["toy/error", "toy/eror"]}, "no score 'toy/eror'; did you mean 'toy/error'"),
        ({SAVE: ["toy/error", "toy_error"]}, "names of different files"),
        ({SAVE: ["toy/error"], RULE: ["less", "less"]}, r"one for each of \['toy/error'\]"),
        ({RULE: "more"}, "rule: expected 'greater' or 'less', or one for each"),
    ],
)
def test_a_direction_that_is_wrong_or_unknown_ends_the_start(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        build(tmp_path, options).train()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("names", [None, ["accuracy", "error", "people"], lambda: [][0]])
def test_an_evaluator_that_does_not_say_leaves_it_to_the_rule(tmp_path, monkeypatch, names):
    if names is None:
        monkeypatch.delattr(toy_training.ToyMetric, "score_names")
    else:
        stated = names if callable(names) else lambda: names
        monkeypatch.setattr(toy_training.ToyMetric, "score_names", lambda self: stated())
    with pytest.raises(ConfigError, match="nobody says whether 'toy/people'"):
        build(tmp_path, {SAVE: "toy/people"}).train()
    assert not (tmp_path / "work").exists()
    build(tmp_path, {SAVE: "toy/people", RULE: "less", "train_cfg.max_epochs": 1}).train()
    assert best_of(tmp_path, "toy_people")["rule"] == "less"


def test_the_first_score_of_an_evaluator_that_does_not_say_needs_a_rule(tmp_path, monkeypatch):
    monkeypatch.delattr(toy_training.ToyMetric, "score_names")
    with pytest.raises(ConfigError, match=r"'auto' is the first score, .* name the score, or state rule"):
        build(tmp_path, {SAVE: "auto"}).train()
    assert not (tmp_path / "work").exists()
    build(tmp_path, {SAVE: "auto", RULE: "greater", "train_cfg.max_epochs": 1}).train()
    assert best_of(tmp_path, "toy_accuracy")["rule"] == "greater"


def test_a_direction_that_is_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_training.ToyMetric, "score_names", lambda self: {"accuracy": "bigger"})
    with pytest.raises(ConfigError, match=r"ToyMetric.score_names\(\): 'accuracy': expected 'greater' or"):
        build(tmp_path).train()


def test_two_scores_of_one_name_end_the_start(tmp_path):
    twice = [{"type": "toy_training.ToyMetric"}] * 2
    words = "ToyMetric and ToyMetric both give a score 'toy/accuracy'; give one of them a prefix"
    with pytest.raises(ConfigError, match=f"toy.py: val_evaluator: {words}"):
        build(tmp_path, {"val_evaluator": twice, SAVE: None}).train()
    with pytest.raises(ConfigError, match=f"toy.py: test_evaluator: {words}"):
        build(tmp_path, {"test_evaluator": twice}).test()
    apart = [twice[0], {**twice[0], "prefix": "second"}]
    build(tmp_path, {"val_evaluator": apart, "train_cfg.max_epochs": 1}, work_dir="apart").train()


def test_two_scores_of_one_name_that_nobody_announced(tmp_path, monkeypatch):
    monkeypatch.delattr(toy_training.ToyMetric, "score_names")
    twice = [{"type": "toy_training.ToyMetric"}] * 2
    with pytest.raises(ConfigError, match=r"evaluators: There are multiple .* metric name toy/accuracy"):
        build(tmp_path, {"test_evaluator": twice}).test()


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("accuracy/top1", "greater"),
        ("coco/mAP_50", "greater"),
        ("AR@100", "greater"),
        ("val_loss", "less"),
        ("accumulated_error", "less"),
        ("NME/head_top", None),
        ("PCK@0.2/mean", None),
        ("fid", None),
    ],
)
def test_what_is_known_of_a_score_by_its_name(name, direction):
    assert known_direction(name) == direction


def test_a_metric_states_its_scores_by_patterns():
    class Mean(PoseMetric):
        higher_is_better: ClassVar = ("PCK*",)
        lower_is_better: ClassVar = ("PCK_error", "NME*")

        def compute_metrics(self, results):
            return dict.fromkeys(("PCK", "PCK_error", "NME/wrist", "people"), 0.0)

    assert Mean().score_names() == {
        "PCK": "greater", "PCK_error": "less", "NME/wrist": "less", "people": None,
    }  # fmt: skip


def test_what_one_part_of_a_config_states_holds_for_the_others():
    scores = Scores({"pixels": None})
    assert scores.settle("pixels", "less", "here") == "less"
    with pytest.raises(ConfigError, match="there: 'pixels' is better when less"):
        scores.settle("pixels", "greater", "there")


# --- what else goes by a score ---------------------------------------------------------------------------


def plateau(**stated):
    return [{"type": "mmengine.optim.ReduceOnPlateauLR", "patience": 0, "factor": 0.5, **stated}]


def test_a_plateau_is_waited_for_in_the_scores_direction(tmp_path):
    """The accuracy grows in every epoch; by mmengine's default, "less", the rate would be halved."""
    options = {"param_scheduler": plateau(monitor="toy/accuracy", threshold=0)}
    runner = build(tmp_path, options)
    runner.train()
    seen = validations(runner, "toy/accuracy")
    assert seen == sorted(set(seen))
    assert runner.param_schedulers[0].rule == "greater"
    assert runner.optim_wrapper.get_lr()["lr"] == [0.01]


def stopping(**stated):
    return [{"type": EarlyStoppingHook, **stated}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"param_scheduler": plateau(monitor="toy/error", rule="greater")}, r"scheduler\.0: 'toy/error'"),
        ({"param_scheduler": plateau()}, r"param_scheduler\.0: there is no score 'loss'"),
        ({"custom_hooks": stopping(monitor="toy/error", rule="greater")}, "EarlyStoppingHook: monitor: '"),
        ({"custom_hooks": stopping(monitor="toy/acuracy", rule="greater")}, "did you mean 'toy/accuracy'"),
        ({"custom_hooks": stopping(monitor="toy/people")}, "custom_hooks: .*infer"),
    ],
)
def test_a_monitor_of_a_wrong_name_or_direction_ends_the_start(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        build(tmp_path, options).train()
    assert not (tmp_path / "work").exists()


def test_the_curves_know_the_directions(tmp_path, monkeypatch):
    """Of a metric that is silent, too, once the config has stated it."""
    import posekit.visualization

    drawn = []
    monkeypatch.setattr(posekit.visualization, "plot_curves", lambda *a, directions: drawn.append(directions))
    monkeypatch.setattr(toy_training.ToyMetric, "score_names", lambda self: ["accuracy", "error", "people"])
    options = {SAVE: "toy/error", RULE: "less", "default_hooks.curves": {}, "train_cfg.max_epochs": 2}
    build(tmp_path, options).train()
    expected = {"toy/accuracy": None, "toy/error": "less", "toy/people": None}
    assert drawn == [expected, expected]
    log = next((tmp_path / "work").glob("*/vis_data/scalars.json"))
    for run in (tmp_path / "work", log):
        assert read_curves(run).lower == {"toy/error"}


def test_a_sweep_goes_by_one_score(tmp_path):
    from toy_sweep import write_swept

    from posekit.study.cells import make_cell
    from posekit.study.prepare import make_plan

    with pytest.raises(ConfigError, match="save_best: a sweep tests the checkpoint that one score chooses"):
        make_plan(str(write_swept(tmp_path)), [f"{SAVE}=['toy/error']"], [make_cell("focal", 1, 1, 0)])
