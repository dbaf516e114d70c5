"""The accounting of foreground and background, and the schedule of gamma and delta, in whole trainings."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import toy_training
from toy_heatmaps import build
from toy_training import weights

from posekit.errors import ConfigError
from posekit.models.losses import FocalMSELoss
from posekit.study import focal_hooks
from posekit.study.focal_hooks import FocalScheduleHook, ForegroundHook
from posekit.study.foreground import account, summarise

NAMES = ("loss_share", "gradient_share", "background_response", "peak_height", "peak_width")


def records(runner):
    """The records of this run's scalars.json."""
    text = (Path(runner.log_dir) / "vis_data" / "scalars.json").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_accounting_changes_no_bit_of_the_training(tmp_path):
    plain = build(tmp_path, work_dir="plain")
    plain.train()
    options = {"default_hooks.foreground.interval": 1, "default_hooks.val_loss": {}}
    runner = build(tmp_path, options, work_dir="accounted")
    runner.train()
    assert torch.equal(weights(runner), weights(plain))
    without = [{k: v for k, v in r.items() if "foreground" not in k} for r in records(runner)]
    assert [r.get("loss") for r in without if "iter" in r] == [
        r["loss"] for r in records(plain) if "iter" in r
    ]


def test_the_last_stack_of_the_chosen_batches_is_logged_once_per_epoch(tmp_path):
    runner = build(tmp_path, {"default_hooks.foreground.interval": 2, "train_cfg.max_epochs": 2})
    loss, calls = runner.model.head.loss_function, []
    # The accounting's own calls have a prediction that no network has made.
    loss.register_forward_pre_hook(lambda _, inputs: inputs[0].grad_fn and calls.append(inputs))
    runner.train()
    found = [r for r in records(runner) if any(name.startswith("foreground/") for name in r)]
    # Three batches an epoch, of which 0 and 2 are looked at, in two stacks each: calls 1 and 5.
    assert [(r["epoch"], r["step"]) for r in found] == [(1, 3), (2, 6)]
    assert len(calls) == 12
    for epoch, record in enumerate(found):
        sums = sum(account(loss, *calls[6 * epoch + call]) for call in (1, 5))
        expected = {f"foreground/{name}": value for name, value in summarise(sums).items()}
        assert len(expected) == len(NAMES)
        assert {name: value for name, value in record.items() if name in expected} == pytest.approx(expected)


def test_the_sums_of_all_processes_are_taken(tmp_path, monkeypatch):
    other = torch.tensor([1.0, 8.0, 2.0, 8.0, 3.0, 8.0, 4.0, 8.0, 5.0, 8.0], dtype=torch.float64) * 1e6
    monkeypatch.setattr(focal_hooks, "all_reduce", lambda sums: sums.add_(other))
    runner = build(tmp_path, {"default_hooks.foreground": {}, "train_cfg.max_epochs": 1})
    runner.train()
    (record,) = [r for r in records(runner) if "foreground/loss_share" in r]
    # The other processes' sums are so large that they decide.
    expected = [n / 8 for n in range(1, 6)]
    assert [record[f"foreground/{name}"] for name in NAMES] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({"gamma": (1, 0)}, 1.0, 0.0),
        ({"gamma": [0, 3]}, 0.0, 3.0),
        ({"delta": (1e-3, 1e-1)}, 1e-3, 1e-1),
    ],
)
def test_schedule_goes_from_start_to_end(options, start, end):
    (name,) = options
    hook = FocalScheduleHook(**options)
    values = [hook.values(i, 10, 21)[name] for i in range(30)]
    assert values[:11] == pytest.approx([start] * 11)
    assert values[20:] == pytest.approx([end] * 10)
    middle = (start + end) / 2 if name == "gamma" else math.sqrt(start * end)
    assert values[15] == pytest.approx(middle)
    steps = [b - a if name == "gamma" else b / a for a, b in pairwise(values[10:21])]
    assert steps == pytest.approx([steps[0]] * 10)


def test_an_end_at_gamma_0_is_mse_exactly():
    hook = FocalScheduleHook(gamma=(0.7, 0), delta=(0.3, 0.03))
    assert hook.values(0, 0, 7) == {"gamma": 0.7, "delta": 0.3}
    assert hook.values(6, 0, 7) == {"gamma": 0.0, "delta": 0.03}
    assert hook.values(0, 0, 1) == {"gamma": 0.7, "delta": 0.3}, "one iteration is the start"


def test_a_scheduled_run_resumes_exactly(tmp_path):
    options = {
        "default_hooks.focal_schedule": {"gamma": (2, 0), "delta": (0.1, 0.4), "begin": 1, "end": 3},
        "default_hooks.foreground.interval": 1,
        "default_hooks.logger.interval": 1,
        "train_cfg.max_epochs": 4,
    }
    whole = build(tmp_path, options)
    whole.train()
    build(tmp_path, {**options, "train_cfg.max_epochs": 2}, work_dir="half").train()
    rest = build(tmp_path, options, work_dir="half", resume=True)
    rest.train()
    assert torch.equal(weights(rest), weights(whole))
    found = {r["step"]: (r["gamma"], r["delta"]) for r in records(whole) if "iter" in r}
    # Epoch 1 holds the start, iterations 4 to 9 move in five steps, epoch 4 holds the end.
    assert [found[i][0] for i in range(1, 13)] == pytest.approx([2] * 4 + [1.6, 1.2, 0.8, 0.4] + [0] * 4)
    assert [found[i][1] for i in (3, 4, 9, 12)] == pytest.approx([0.1, 0.1, 0.4, 0.4])
    again = {r["step"]: r for r in records(rest) if "iter" in r}
    shares = {r["step"]: r["foreground/loss_share"] for r in records(whole) if "foreground/loss_share" in r}
    assert {step: r["foreground/loss_share"] for step, r in again.items() if step in (9, 12)} == {
        step: shares[step] for step in (9, 12)
    }
    assert all((r["gamma"], r["delta"]) == found[step] for step, r in again.items())


def test_the_schedule_is_what_the_loss_is_trained_with(tmp_path):
    constant = build(tmp_path, {"model.head.loss.gamma": 2, "train_cfg.max_epochs": 1}, work_dir="constant")
    constant.train()
    options = {"default_hooks.focal_schedule.gamma": (2, 2), "train_cfg.max_epochs": 1}
    scheduled = build(tmp_path, options, work_dir="scheduled")
    scheduled.train()
    assert torch.equal(weights(scheduled), weights(constant))


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ({"foreground": {"interval": 0}}, "foreground.interval: expected a whole number >= 1, found 0"),
        ({"focal_schedule": {}}, "expected 'gamma', 'delta' or both"),
        ({"focal_schedule": {"gamma": (1, -1)}}, r"gamma: expected two finite numbers >= 0.*\(1, -1\)"),
        ({"focal_schedule": {"gamma": 1}}, "gamma: expected two finite numbers"),
        ({"focal_schedule": {"gamma": (1, math.nan)}}, "gamma: expected two finite numbers"),
        ({"focal_schedule": {"delta": (0, 1)}}, "delta: expected two finite numbers > 0"),
        ({"focal_schedule": {"gamma": (1, 0), "begin": -1}}, "begin: expected a number of epochs"),
        ({"focal_schedule": {"gamma": (1, 0), "begin": 2, "end": 2}}, "end: expected more than 'begin'"),
    ],
    ids=range(8),
)
def test_impossible_settings(hook, message):
    ((name, settings),) = hook.items()
    kind = {"foreground": ForegroundHook, "focal_schedule": FocalScheduleHook}[name]
    with pytest.raises(ConfigError, match=message):
        kind(**settings)


@pytest.mark.parametrize("name", ["gamma", "delta"])
def test_a_loss_without_gamma_is_refused_and_nothing_written(tmp_path, name):
    options = {f"default_hooks.focal_schedule.{name}": (1, 0.5), "model.head.loss": {"type": "MSELoss"}}
    runner = build(tmp_path, options)
    with pytest.raises(ConfigError, match=f"the head's loss, MSELoss, has no {name}; expected FocalMSELoss"):
        runner.train()
    assert not (tmp_path / "work").exists()


def test_a_model_without_heatmaps_is_refused(tmp_path):
    runner = toy_training.build(tmp_path, {"default_hooks.foreground": {}})
    with pytest.raises(ConfigError, match="expected a heatmap head with a loss, found ToyModel"):
        runner.train()


def test_where_nothing_is_trained_the_loss_may_be_any(tmp_path):
    options = {"default_hooks.focal_schedule.gamma": (1, 0), "model.head.loss": {"type": "MSELoss"}}
    build(tmp_path, options).test()


def test_the_loss_of_label_maps_is_scheduled_too(tmp_path):
    options = {
        "model.head.codec": {"type": "UDPOffsetCodec"},
        "default_hooks.focal_schedule.gamma": (1, 0.5),
        "default_hooks.foreground": {},
        "train_cfg.max_epochs": 1,
    }
    runner = build(tmp_path, options)
    runner.train()
    loss = runner.model.head.loss_function.label_loss
    assert isinstance(loss, FocalMSELoss)
    assert loss.gamma == 0.5
    assert set(records(runner)[1]) >= {f"foreground/{name}" for name in NAMES}
