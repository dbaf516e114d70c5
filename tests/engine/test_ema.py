"""The average of the weights: its arithmetic, and which weights stand where."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from toy_training import build

from posekit.engine.hooks.ema import EMAHook, places_of
from posekit.engine.processes.wrapping import to_sync_batch_norm
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint

OPTIONS = {"default_hooks.ema": {"momentum": 0.1, "warmup": 0}}


def fake_runner():
    model = torch.nn.BatchNorm1d(1)
    return SimpleNamespace(bare_model=model, optim_wrapper=SimpleNamespace())


def test_the_average_is_the_stated_one():
    runner, hook = fake_runner(), EMAHook(momentum=0.25, warmup=2.0)
    hook.before_train(runner)
    expected = 1.0
    for t, weight in enumerate([3.0, -1.0, 5.0]):
        with torch.no_grad():
            runner.bare_model.weight.fill_(weight)
            runner.bare_model.running_mean.fill_(weight)
            runner.bare_model.num_batches_tracked.fill_(t)
        hook.after_train_iter(runner, t)
        share = 0.25 + 0.75 * math.exp(-(t + 1) / 2.0)
        expected += share * (weight - expected)
        assert hook.average["weight"].item() == pytest.approx(expected, rel=1e-6)
    mean = hook.average["running_mean"].item()
    assert -1 < mean < 5  # averaged too
    assert mean != expected
    assert hook.average["num_batches_tracked"].item() == 2
    assert runner.bare_model.weight.item() == 5.0


def test_a_buffer_that_a_model_replaces_is_averaged_as_it_is():
    """The places of the weights are looked up once, what stands there at every step."""
    runner, hook = fake_runner(), EMAHook(momentum=0.5, warmup=0)
    hook.before_train(runner)
    runner.bare_model.running_mean = torch.full((1,), 8.0)
    runner.bare_model.num_batches_tracked = torch.tensor(3)
    hook.after_train_iter(runner, 0)
    assert hook.average["running_mean"].item() == 4.0
    assert hook.average["num_batches_tracked"].item() == 3


@pytest.mark.parametrize("change", ["load", "assign", "to", "sync"])
def test_places_outlive_what_is_done_to_a_model(change, monkeypatch):
    """Loading, moving and conversion put other tensors, or other modules, where the first ones stood."""
    model, hook = torch.nn.Sequential(torch.nn.BatchNorm1d(2)), EMAHook(momentum=0.5, warmup=0)
    runner = SimpleNamespace(bare_model=model, optim_wrapper=SimpleNamespace())
    hook.before_train(runner)
    loaded = {name: torch.full_like(value, 5) for name, value in model.state_dict().items()}
    if change == "to":  # as torch's does for some devices
        monkeypatch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
        before = model[0].weight
        model._apply(torch.clone)
        assert model[0].weight is not before
    elif change == "sync":
        to_sync_batch_norm(model)
    model.load_state_dict(loaded, assign=change == "assign")
    hook.after_train_iter(runner, 0)
    assert hook.average["0.weight"].tolist() == [3.0, 3.0]  # of 1 and 5
    assert hook.average["0.running_mean"].tolist() == [2.5, 2.5]
    assert hook.average["0.num_batches_tracked"].item() == 5
    hook.restore(runner, loaded, 1)  # resumed from
    with torch.no_grad():
        model[0].weight.fill_(7.0)
    hook.after_train_iter(runner, 1)
    assert hook.average["0.weight"].tolist() == [6.0, 6.0]


def test_places_are_those_of_the_state_dict():
    shared = torch.nn.Linear(2, 2)
    model = torch.nn.ModuleDict({"a": shared, "b": torch.nn.Sequential(shared, torch.nn.BatchNorm1d(2))})
    model["b"].register_buffer("unsaved", torch.zeros(1), persistent=False)
    found = [table[key] for table, key in places_of(model)]
    saved = model.state_dict().values()
    assert [one.data_ptr() for one in found] == [one.data_ptr() for one in saved]


def test_without_warmup_the_long_average_is_geometric():
    runner, hook = fake_runner(), EMAHook(momentum=0.5, warmup=0)
    hook.before_train(runner)
    with torch.no_grad():
        runner.bare_model.weight.fill_(0.0)
    for t in range(5):
        hook.after_train_iter(runner, t)
    assert hook.average["weight"].item() == 0.5**5


@pytest.mark.parametrize(
    "options", [{"momentum": 0.0}, {"momentum": 1.5}, {"warmup": -1}, {"warmup": math.inf}]
)
def test_impossible_averages(options):
    with pytest.raises(ConfigError, match="ema hook: expected 0 < momentum"):
        EMAHook(**options)


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ema")
    runner = build(folder, OPTIONS)
    runner.train()
    return folder, runner


def test_training_itself_is_not_changed(averaged, tmp_path):
    plain = build(tmp_path)
    plain.train()
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, averaged[1].model.state_dict()[name])


def test_every_file_holds_what_was_validated(averaged):
    folder, runner = averaged
    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    last = read_checkpoint(folder / "work" / "epoch_3.pth")
    for name, value in runner.model.state_dict().items():
        assert torch.equal(last["ema"]["weights"][name], value)
        assert torch.equal(last["state_dict"][name], hook.average[name])
    assert not torch.equal(last["state_dict"]["layers.1.weight"], last["ema"]["weights"]["layers.1.weight"])
    assert last["ema"]["steps"] == 9
    best = read_checkpoint(folder / "work" / "best_toy_accuracy.pth")
    assert "ema" not in best
    assert torch.equal(best["state_dict"]["layers.1.weight"], last["state_dict"]["layers.1.weight"])


@pytest.mark.parametrize("name", ["epoch_3.pth", "best_toy_accuracy.pth"])
def test_testing_scores_the_average(averaged, tmp_path, name):
    folder, runner = averaged
    tester = build(tmp_path, load_from=str(folder / "work" / name))  # which need not know of the average
    assert tester.test()["toy/accuracy"] == runner.message_hub.log_scalars["val/toy/accuracy"].data[0][-1]


def test_a_training_may_start_from_an_average(averaged, tmp_path):
    path = averaged[0] / "work" / "epoch_3.pth"
    runner = build(
        tmp_path, {"train_cfg.max_epochs": 1, "optim_wrapper.optimizer.lr": 0.0}, load_from=str(path)
    )
    runner.train()
    expected = read_checkpoint(path)["state_dict"]["layers.1.weight"]
    assert torch.equal(runner.model.layers[1].weight, expected)


def test_the_average_can_be_dropped_or_begun_on_the_way(averaged, tmp_path, capsys):
    path = averaged[0] / "work" / "epoch_3.pth"
    dropped = build(tmp_path, {"train_cfg.max_epochs": 4}, resume=True, load_from=str(path))
    dropped.train()
    assert "averaged weights are dropped" in capsys.readouterr().out
    went_on = build(
        tmp_path, {**OPTIONS, "train_cfg.max_epochs": 4}, work_dir="on", resume=True, load_from=str(path)
    )
    went_on.train()
    assert torch.equal(dropped.model.layers[1].weight, went_on.model.layers[1].weight)
    begun = build(tmp_path, {**OPTIONS, "train_cfg.max_epochs": 5}, resume=True)
    begun.train()
    assert "the average begins anew" in capsys.readouterr().out
