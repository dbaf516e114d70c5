"""Schedules: as long as the training, or refused; and how a training that is over is gone on with."""

from __future__ import annotations

import math
import re
import shlex

import numpy as np
import pytest
import torch
import toy_training
from mmengine.dataset import InfiniteSampler
from mmengine.optim import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingMomentum,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolyLR,
    StepLR,
)
from mmengine.optim.scheduler.lr_scheduler import CosineRestartLR
from mmengine.runner import IterBasedTrainLoop
from toy_training import CONFIG, build, run, runner_log, weights, write_config

from posekit.engine.schedules import Length, fit_schedules
from posekit.errors import CheckpointError, ConfigError

LR = 0.01  # the toy's
PER_EPOCH = 3  # iterations


def rates(runner):
    """The learning rate of every iteration."""
    return np.array(runner.message_hub.log_scalars["train/lr"].data[0])


def trained(folder, epochs, *schedulers, **entries):
    runner = build(folder, {"train_cfg.max_epochs": epochs}, param_scheduler=list(schedulers), **entries)
    runner.train()
    return runner


# --- lengths that follow from the training's ---------------------------------------------------------------


@pytest.mark.parametrize("unit", ["epochs", "iterations", "converted"])
@pytest.mark.parametrize("epochs", [2, 5])
def test_what_is_not_stated_is_the_trainings_length(tmp_path, unit, epochs):
    counted = {
        "epochs": {},
        "iterations": {"by_epoch": False},
        "converted": {"by_epoch": True, "convert_to_iter_based": True},
    }[unit]
    steps = epochs if unit == "epochs" else epochs * PER_EPOCH
    place = np.arange(steps)
    up = float(0.3 * steps) - 1
    rise = [_cosine(0.2 / 25, 0.2, s / up) for s in place if s <= up]
    fall = [_cosine(0.2, 0.2 / 25e4, (s - up) / (steps - 1 - up)) for s in place if s > up]
    expected = {
        OneCycleLR: ({"eta_max": 0.2}, rise + fall),
        CosineAnnealingLR: ({"eta_min": 1e-3}, [_cosine(LR, 1e-3, s / steps) for s in place]),
        PolyLR: ({"eta_min": 1e-3}, LR + (1e-3 - LR) * place / (steps - 1)),
        LinearLR: ({"start_factor": 1.0, "end_factor": 0.1}, LR * (1 - 0.9 * place / (steps - 1))),
    }
    for kind, (stated, values) in expected.items():
        found = rates(trained(tmp_path, epochs, {"type": kind, **stated, **counted}, work_dir=kind.__name__))
        np.testing.assert_allclose(found, np.repeat(values, epochs * PER_EPOCH // steps), rtol=1e-9)


def _cosine(start, end, done):
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


@pytest.mark.parametrize(
    ("epochs", "stated", "places"),
    [
        (60, [3 / 4, 11 / 12], [45, 55]),
        (30, [3 / 4, 11 / 12], [22, 27]),
        (210, [170 / 210, 200 / 210], [170, 200]),
        (10, [0.7, 9], [7, 9]),
        (100, [0.29], [29]),  # 28.999999999999996 as a product
        (2, [0.6, 0.9], [1, 1]),
        (1, [0.6, 0.9], []),
    ],
)
def test_milestones_as_fractions(epochs, stated, places):
    (found,) = fit_schedules([{"type": MultiStepLR, "milestones": stated}], Length(epochs))
    assert found["milestones"] == places
    later = {"type": MultiStepLR, "milestones": [0.5], "begin": 2, "by_epoch": False}
    assert fit_schedules(later, Length(1, 10))["milestones"] == [3]  # they count from where it begins
    assert fit_schedules(later, Length(1)) is later  # how many iterations is not known yet


def test_a_rate_goes_down_at_a_fraction_of_the_training(tmp_path):
    step = {"type": MultiStepLR, "milestones": [0.5]}
    found = rates(trained(tmp_path, 4, step))
    np.testing.assert_allclose(found, [LR] * 2 * PER_EPOCH + [LR / 10] * 2 * PER_EPOCH)


@pytest.mark.parametrize("stated", [[3, 6], (3, 6)])
def test_what_is_stated_and_fits_is_taken(stated):
    fitting = [
        {"type": OneCycleLR, "total_steps": 9},
        {"type": OneCycleLR, "total_steps": 7, "begin": 2, "end": 9},
        {"type": OneCycleLR, "total_steps": None, "end": None},
        {"type": CosineAnnealingLR, "T_max": 9},
        {"type": CosineAnnealingLR, "T_max": 8},  # comes to the minimum itself
        {"type": CosineRestartLR, "periods": stated, "restart_weights": [1, 1], "eta_min": 0},
        {"type": LinearLR, "end": 3},
        {"type": ConstantLR, "end": 3},
        {"type": MultiStepLR, "milestones": stated},
        {"type": StepLR, "step_size": 8},
        {"type": ExponentialLR, "gamma": 0.5},
    ]
    for one in fitting:
        fit_schedules(one, Length(9, 99))
    # What comes down early is fine where another takes over.
    fit_schedules(
        [{"type": CosineAnnealingLR, "end": 7}, {"type": ConstantLR, "begin": 7, "factor": 1}], Length(9)
    )


# --- lengths that do not fit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ({"type": OneCycleLR, "total_steps": 6}, "OneCycleLR has 6, the training 9 epochs .*over before"),
        ({"type": OneCycleLR, "total_steps": 12}, "not come to its end; expected 9, or leave it out"),
        ({"type": OneCycleLR, "total_steps": 9, "begin": 1}, "total_steps: .*expected 8"),
        ({"type": OneCycleLR, "end": 6}, "end: .*stay at its end for the other 3 epochs; expected 9"),
        ({"type": CosineAnnealingLR, "T_max": 5}, "T_max: CosineAnnealingLR has 5"),
        ({"type": CosineAnnealingLR, "T_max": 10}, "T_max: .*not come to its end"),
        ({"type": CosineAnnealingMomentum, "T_max": 10}, "T_max: CosineAnnealingMomentum"),
        ({"type": CosineAnnealingLR, "end": 10}, "end: .*not come to its end; expected at most 9"),
        ({"type": CosineRestartLR, "periods": [3, 3]}, r"periods: .*over before; expected 9 in all"),
        ({"type": PolyLR, "end": 6}, "end: PolyLR has 6"),
        ({"type": LinearLR, "start_factor": 1.0, "end_factor": 0.1, "end": 6}, "end: LinearLR has 6"),
        ({"type": LinearLR, "end": 10}, "end: .*not come to its end"),
        ({"type": ConstantLR, "end": 10}, "end: .*not come to its end"),
        ({"type": MultiStepLR, "milestones": [0]}, "0 would do nothing"),
        ({"type": MultiStepLR, "milestones": [2.5]}, "2.5 would do nothing"),
        ({"type": MultiStepLR, "milestones": ["a"]}, "param_scheduler: "),
        ({"type": StepLR, "step_size": 9}, "step_size: .*do nothing; expected less than 9"),
        ({"type": ExponentialLR, "gamma": 0.9, "begin": 9}, "begin: .*do nothing; expected less than 9"),
    ],
)  # fmt: skip
def test_a_length_that_does_not_fit_is_refused_before_data_are_read(tmp_path, monkeypatch, scheduler, words):
    monkeypatch.setattr(toy_training.ToyDataset, "__init__", lambda self, **k: pytest.fail("data were read"))
    with pytest.raises(ConfigError, match=words) as caught:
        trained(tmp_path, 9, {"type": ExponentialLR, "gamma": 0.9}, scheduler)
    assert "toy.py: param_scheduler" in str(caught.value)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("settings", "place"), [({"milestones": [6, 9]}, 9), ({"milestones": [6], "end": 6}, 6)]
)
def test_milestones_beyond_the_end_are_a_warning(settings, place):
    plan = {"type": MultiStepLR, **settings}
    with pytest.warns(
        UserWarning, match=f"MultiStepLR has .*the training 9 epochs .*: {place} would do nothing"
    ):
        assert fit_schedules(plan, Length(9))["milestones"] == settings["milestones"]


def test_the_log_names_milestones_beyond_the_end_once(tmp_path):
    trained(tmp_path, 1, {"type": MultiStepLR, "milestones": [5]})
    log = next((tmp_path / "work").glob("*/*.log")).read_text()
    assert log.count("WARNING - config") == log.count("5 would do nothing; expected fractions") == 1


def test_a_length_in_iterations_is_looked_at_as_soon_as_they_are_known(tmp_path):
    with pytest.raises(
        ConfigError, match=r"param_scheduler\.0\.end: LinearLR has 7, the training 6 iterations:"
    ):
        trained(tmp_path, 2, {"type": LinearLR, "end": 7, "by_epoch": False})
    assert not (tmp_path / "work").exists()


def test_schedules_of_several_optimisers_are_named():
    plan = {"generator": [{"type": StepLR, "step_size": 1}, {"type": StepLR, "step_size": 3}]}
    with pytest.raises(ConfigError, match=r"c\.py: param_scheduler\.generator\.1\.step_size"):
        fit_schedules(plan, Length(3), "c.py")


# --- longer than planned -----------------------------------------------------------------------------------

CYCLE = {"type": OneCycleLR, "eta_max": 0.2, "convert_to_iter_based": True}


def log_of(runner):
    return next(runner_log(runner).glob("*.log")).read_text()


@pytest.mark.parametrize("scheduler", [CYCLE, {"type": CosineAnnealingLR, "eta_min": 1e-6}, {"type": PolyLR}])
def test_a_finished_schedule_is_not_trained_on(tmp_path, scheduler):
    last = trained(tmp_path, 3, scheduler).optim_wrapper.get_lr()["lr"][0]
    with pytest.raises(CheckpointError) as caught:
        trained(tmp_path, 6, scheduler, resume=True)
    words = str(caught.value)
    name = scheduler["type"].__name__
    assert f"resuming keeps the schedule ({name}), which was made for 3 epochs" in words
    assert (
        f"the learning rate would stay at {last:.3g}, to which it has come down, from epoch 4 to 6" in words
    )
    assert "load_from=" in words
    assert "Resume with" not in words


def test_an_unfinished_schedule_is_resumed_to_its_own_end(tmp_path):
    keep = {"default_hooks.checkpoint.max_keep_ckpts": -1, "train_cfg.max_epochs": 3}
    build(tmp_path, keep, param_scheduler=[CYCLE]).train()
    begun = str(tmp_path / "work" / "epoch_1.pth")
    for epochs, words in ((2, "after 2 the learning rate would not have come down"),
                          (5, "would stay where it ends then, from epoch 4 to 5")):  # fmt: skip
        with pytest.raises(CheckpointError, match=words) as caught:
            trained(tmp_path, epochs, CYCLE, resume=True, load_from=begun, work_dir="other")
        assert "Resume with train_cfg.max_epochs=3." in str(caught.value)
    trained(tmp_path, 3, CYCLE, resume=True, load_from=begun, work_dir="other")


@pytest.mark.parametrize(
    "schedulers", [[], [{"type": ExponentialLR, "gamma": 0.5}], [{"type": StepLR, "step_size": 2}]]
)
def test_a_schedule_without_an_end_goes_on_as_if_planned_longer(tmp_path, schedulers):
    whole = trained(tmp_path, 5, *schedulers, work_dir="whole")
    trained(tmp_path, 3, *schedulers)
    rest = trained(tmp_path, 5, *schedulers, resume=True)
    assert torch.equal(weights(rest), weights(whole))
    assert rates(rest).tolist() == rates(whole).tolist()
    said = "was to have 3 epochs and goes on to 5, by the schedule that it began with, at learning rate "
    assert said + f"{rates(whole)[9]:.3g} now" in log_of(rest)
    assert "resuming keeps" not in log_of(rest)


def test_the_advice_on_a_finished_run_is_right_with_a_schedule_that_has_come_down(tmp_path, capsys):
    text = CONFIG.replace("ExponentialLR, gamma=0.9", "OneCycleLR, eta_max=0.2").replace(
        "ExponentialLR", "OneCycleLR"
    )
    path = write_config(tmp_path, text)
    work = ("--work-dir", tmp_path / "work")
    assert run("train", path, *work) == 0
    capsys.readouterr()
    assert run("train", path, *work, "--resume") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "nothing to train: 3 of 3 epochs are done. Their schedule is over, at learning rate 8e-07" in last
    advised = re.search(r"in another folder: (.*)", last).group(1)
    words = shlex.split(advised.replace("ANOTHER", str(tmp_path / "more")).replace("EPOCHS", "2"))
    assert run("train", path, *words) == 0
    assert (tmp_path / "more" / "epoch_2.pth").is_file()
    # What was advised before: hours at a rate at which nothing is learnt.
    assert run("train", path, *work, "--resume", "--cfg-options", "train_cfg.max_epochs=13") == 2
    assert "epoch_3.pth: resuming keeps the schedule (OneCycleLR)" in capsys.readouterr().err


def test_the_advice_on_a_finished_run_is_right_with_a_schedule_that_has_no_end(tmp_path, capsys):
    path, work = write_config(tmp_path), ("--work-dir", tmp_path / "work")
    assert run("train", path, *work) == 0
    capsys.readouterr()
    assert run("train", path, *work, "--resume") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"To go on, at learning rate {LR * 0.9**3:.3g}, raise their number: --resume" in last
    words = shlex.split(re.search(r"number: (.*), for instance", last).group(1))
    assert words[-1] == "train_cfg.max_epochs=13"
    assert run("train", path, *work, *words) == 0
    assert f"at learning rate {LR * 0.9**3:.3g} now" in capsys.readouterr().out
    assert (tmp_path / "work" / "epoch_13.pth").is_file()


# --- no epochs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train_cfg": {"type": IterBasedTrainLoop, "max_iters": 9}}, "train_cfg: .*max_epochs.*found Iter"),
        ({"train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 9}}, "found IterBasedTrainLoop"),
        ({"train_cfg": {"by_epoch": False, "max_epochs": 9}}, "found by_epoch=False"),
        ({"train_dataloader.sampler": {"type": InfiniteSampler}}, "found an InfiniteSampler"),
        ({"val_dataloader.sampler": {"type": InfiniteSampler}}, "val_dataloader: .*has no end"),
    ],
)  # fmt: skip
def test_a_training_that_counts_no_epochs_is_refused(tmp_path, options, words):
    with pytest.raises(ConfigError, match=words):
        build(tmp_path, options).train()
    assert not (tmp_path / "work").exists()
