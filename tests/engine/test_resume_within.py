"""Stopping between two batches and going on: nothing is lost, and no bit is another."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from toy_training import build, run, scalars, weights, write_config

from posekit.engine.checkpoints.files import resume_words, saved_files
from posekit.engine.checkpoints.within_epoch import Appointments
from posekit.engine.hooks.ema import EMAHook
from posekit.engine.loops import SkippingBatches
from posekit.engine.processes.signals import Stopped
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import read_checkpoint

# Five batches an epoch; dropout draws from torch's generator at every step.
BASE = {
    "train_dataloader.dataset.size": 40,
    "train_dataloader.sampler": {"type": "posekit.datasets.sampler.EpochSampler", "shuffle": True},
    "model.dropout": 0.5,
}
AMP = "posekit.engine.optim.MixedPrecisionOptimWrapper"
SETTINGS = {
    "plain": {},
    "workers": {"train_dataloader.num_workers": 2},
    "mmengine's sampler": {"train_dataloader.sampler": {"type": "DefaultSampler", "shuffle": True}},
    "clipped": {"optim_wrapper.clip_grad": {"max_norm": 0.1}},
    "accumulated": {"optim_wrapper.accumulative_counts": 4},
    "ema": {"default_hooks.ema": {"momentum": 0.1, "warmup": 3}, "optim_wrapper.accumulative_counts": 2},
    "bfloat16": {"optim_wrapper.type": AMP, "optim_wrapper.dtype": "bfloat16"},
    "float16": {
        "optim_wrapper.type": AMP,
        "optim_wrapper.dtype": "float16",
        "optim_wrapper.init_scale": 2.0**22,
    },
    "channels_last": {"channels_last": True},
    "compiled": {"compile": {"backend": "eager"}},
    "all at once": {
        "optim_wrapper": {
            "type": AMP,
            "dtype": "float16",
            "init_scale": 2.0**22,
            "accumulative_counts": 2,
            "clip_grad": {"max_norm": 0.5},
            "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9},
        },
        "default_hooks.ema": {"momentum": 0.1, "warmup": 3},
        "default_hooks.runtime_info": {"on_divergence": "skip"},
        "channels_last": True,
        "compile": {"backend": "eager"},
    },
    "by iteration": {"param_scheduler.0.by_epoch": False},
    "skipping": {
        "default_hooks.runtime_info": {"on_divergence": "skip"},
        "train_dataloader.dataset.poison": [3],
    },
}


class SignalAt(Hook):
    """Sends this process a signal after some iteration (from 1)."""

    def __init__(self, iteration, number=signal.SIGTERM):
        self.iteration, self.number = iteration, number

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), self.number)


def stopped(folder, options, at, number=signal.SIGTERM, **entries):
    runner = build(folder, options, **entries)
    runner.register_hook(SignalAt(at, number))
    with pytest.raises(Stopped) as caught:
        runner.train()
    return runner, caught.value


def state(runner):
    """All numbers that a training goes on from."""
    found = {
        "weights": weights(runner),
        "losses": runner.message_hub.log_scalars["train/loss"].data[0].tolist(),
    }
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            found["average"] = torch.cat([value.flatten().float() for value in hook.average.values()])
    for key, values in runner.optim_wrapper.optimizer.state_dict()["state"].items():
        found[f"moments of {key}"] = torch.cat([v.flatten().float() for v in values.values()])
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of ``BASE`` that was left alone."""
    runner = build(tmp_path_factory.mktemp("whole"), BASE)
    runner.train()
    return runner


@pytest.fixture(scope="module")
def at_7(tmp_path_factory):
    """The work directory of one that was stopped at iteration 7."""
    folder = tmp_path_factory.mktemp("at_7")
    stopped(folder, BASE, at=7)
    return folder / "work"


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        same = torch.equal(value, second[key]) if isinstance(value, torch.Tensor) else value == second[key]
        assert same, key


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_stopped_within_an_epoch_ends_as_one_left_alone(tmp_path, name):
    options = {**BASE, **SETTINGS[name]}
    whole = build(tmp_path, options, work_dir="whole")
    whole.train()
    first, stop = stopped(tmp_path, options, at=7)
    assert (first.epoch, stop.status) == (1, 143)
    assert [path.name for _, path in saved_files(tmp_path / "work", "iter")] == ["iter_7.pth"]
    rest = build(tmp_path, options, resume=True)
    rest.train()
    assert_same(state(rest), state(whole))
    assert rest.message_hub.log_scalars["train/loss"].data[0].size == (12 if name == "skipping" else 15)
    assert {p.name for p in (tmp_path / "work").glob("*.pth")} == {
        p.name for p in (tmp_path / "whole").glob("*.pth")
    }


def test_a_stopped_run_says_where_it_is(tmp_path, capsys):
    _, stop = stopped(tmp_path, BASE, at=7)
    assert str(stop) == "stopped by SIGTERM after iteration 7, which is saved"
    assert f"the last checkpoint is {tmp_path / 'work' / 'iter_7.pth'}" in capsys.readouterr().out
    meta = read_checkpoint(tmp_path / "work" / "iter_7.pth")["meta"]
    assert [meta[key] for key in ("epoch", "iter", "batches", "samples")] == [1, 7, 2, 16]
    rest = build(tmp_path, BASE, resume=True)
    rest.train()
    assert "epoch 1, iteration 7, batch 2 of 5" in capsys.readouterr().out
    keys = rest.train_dataloader.dataset.keys
    assert len(keys) == 3 * 8 + 40  # what was used is not even loaded
    assert [key.epoch for key in keys] == [1] * 24 + [2] * 40


def test_the_first_epoch_can_be_left_too(tmp_path, whole):
    stopped(tmp_path, BASE, at=1)
    rest = build(tmp_path, BASE, resume=True)
    rest.train()
    assert_same(state(rest), state(whole))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 75)])
def test_a_signal_in_the_last_step_of_an_epoch(tmp_path, whole, number, status):
    options = {**BASE, "default_hooks.checkpoint.interval": 5}  # not due, but saved
    _, stop = stopped(tmp_path, options, at=5, number=number)
    assert stop.status == status
    assert [p.name for p in (tmp_path / "work").glob("*.pth")] == ["epoch_1.pth"]
    rest = build(tmp_path, BASE, resume=True)
    rest.train()
    assert_same(state(rest), state(whole))
    best = [
        read_checkpoint(Path(r.work_dir) / "best_toy_accuracy.pth")["meta"]["best"] for r in (rest, whole)
    ]
    assert best[0] == best[1]


class SignalInValidation(Hook):
    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.epoch == 2 and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.parametrize("interval", [1, 5])
def test_a_signal_during_a_validation(tmp_path, interval):
    options = {**BASE, "default_hooks.ema": {"momentum": 0.1}, "default_hooks.checkpoint.interval": interval}
    whole = build(tmp_path, options, work_dir="whole")
    whole.train()
    runner = build(tmp_path, options)
    runner.register_hook(SignalInValidation())
    with pytest.raises(Stopped, match="SIGUSR1 after iteration 10"):
        runner.train()
    assert (tmp_path / "work" / "last_checkpoint").read_text() == "epoch_2.pth"
    rest = build(tmp_path, options, resume=True)
    rest.train()
    assert_same(state(rest), state(whole))
    scores = [r.message_hub.log_scalars["val/toy/accuracy"].data[0].tolist() for r in (rest, whole)]
    assert scores[0] == scores[1]


def test_checkpoints_by_iteration_are_rolled(tmp_path):
    seen = []

    class Look(Hook):
        priority = "LOWEST"

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen.append([n for n, _ in saved_files(runner.work_dir, "iter")])

    runner = build(
        tmp_path, {**BASE, "default_hooks.checkpoint.interval_iters": 1, "train_cfg.max_epochs": 2}
    )
    runner.register_hook(Look())
    runner.train()
    # The last step of an epoch is the epoch's own; its file takes the place of the two.
    assert seen == [[1], [1, 2], [2, 3], [3, 4], [3, 4], [6], [6, 7], [7, 8], [8, 9], [8, 9]]
    assert saved_files(tmp_path / "work", "iter") == []


def test_checkpoints_by_the_clock(tmp_path):
    build(tmp_path, {**BASE, "default_hooks.checkpoint.every_minutes": 1e-9}).train()
    runner = build(tmp_path, {**BASE, "default_hooks.checkpoint.every_minutes": 1e-9}, work_dir="w")
    saved = []
    runner.save_checkpoint = lambda folder, name, **_: saved.append(name)
    runner.train()
    assert [name for name in saved if name.startswith("iter")][:3] == [
        "iter_1.pth",
        "iter_2.pth",
        "iter_3.pth",
    ]


def test_a_damaged_newest_one_within_an_epoch_is_passed_over(tmp_path, capsys):
    options = {**BASE, "default_hooks.checkpoint.interval_iters": 1}
    whole = build(tmp_path, options, work_dir="whole")
    whole.train()
    stopped(tmp_path, options, at=8)
    newest = tmp_path / "work" / "iter_8.pth"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    rest = build(tmp_path, options, resume=True)
    rest.train()
    log = capsys.readouterr().out
    assert "iter_8.pth: damaged: expected SHA-256" in log
    assert "iter_7.pth: epoch 1, iteration 7" in log
    assert_same(state(rest), state(whole))


def test_a_resume_with_other_batches_goes_by_samples(tmp_path, at_7, capsys):
    shutil.copytree(at_7, tmp_path / "work")  # 16 samples into the second epoch
    rest = build(
        tmp_path, {**BASE, "train_dataloader.batch_size": 10, "train_cfg.max_epochs": 2}, resume=True
    )
    rest.train()
    assert "6 samples of the current epoch will be used a second time" in capsys.readouterr().out
    assert len(rest.train_dataloader.dataset.keys) == 30
    assert rest.iter == rest.max_iters == 7 + 3


@pytest.mark.parametrize("field", ["epoch", "iter", "batches", "samples"])
@pytest.mark.parametrize("value", [-1, "2", 1.5, True, None, 10**30])
def test_an_impossible_place_is_named(tmp_path, at_7, field, value):
    shutil.copytree(at_7, tmp_path / "work")
    path = tmp_path / "work" / "iter_7.pth"
    content = read_checkpoint(path)
    content["meta"][field] = value
    torch.save(content, path)
    with pytest.raises(
        CheckpointError, match=rf"iter_7\.pth: meta\.{field}: expected a whole number >= 0, found"
    ):
        build(tmp_path, BASE, resume=True).train()


def test_curves_of_a_resumed_first_epoch_hold_its_beginning(tmp_path):
    stopped(tmp_path, BASE, at=3)
    rest = build(tmp_path, BASE, resume=True)
    rest.train()
    steps = [r["step"] for r in scalars(rest) if "loss" in r]
    assert steps == [2, 4, 5, 7, 9, 10, 12, 14, 15]


def test_settings_that_resuming_keeps_are_told(tmp_path, capsys):
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()
    capsys.readouterr()
    options = {"optim_wrapper.optimizer.lr": 0.5, "param_scheduler.0.gamma": 0.5}
    rest = build(tmp_path, options, resume=True)
    rest.train()
    said = capsys.readouterr().out
    assert "keeps the optimizer's settings, as the run began: lr 0.01 (this config: 0.5)" in said
    assert "keeps the ExponentialLR's settings, as the run began: gamma 0.9 (this config: 0.5)" in said
    assert rest.optim_wrapper.optimizer.param_groups[0]["initial_lr"] == 0.01
    third = build(tmp_path, {"train_cfg.max_epochs": 4}, resume=True)
    third.train()
    assert "resuming keeps" not in capsys.readouterr().out


def test_skipping_leaves_the_rest_alone():
    batches = SkippingBatches([[0], [1], [2]])
    batches.skip = 2
    assert list(batches) == [[2]]
    batches.skip = 0
    assert list(batches) == [[0], [1], [2]]
    assert len(batches) == 3
    batches.skip = 9
    assert list(batches) == []


def test_impossible_intervals(tmp_path):
    for option in ("interval_iters=0", "every_minutes=-1"):
        words = ["--work-dir", tmp_path / "w", "--cfg-options", f"default_hooks.checkpoint.{option}"]
        assert run("train", write_config(tmp_path), *words) == 2
    with pytest.raises(ConfigError, match="interval_iters >= 1 and every_minutes > 0"):
        build(tmp_path, {"default_hooks.checkpoint.interval_iters": 0})
    assert resume_words(tmp_path / "w") == "there is no checkpoint yet"


def test_the_random_numbers_do_not_depend_on_the_workers(tmp_path, whole):
    """A loader draws a seed at its first pass, which a resumed run makes in another epoch."""
    with_a_worker = build(tmp_path, {**BASE, "train_dataloader.num_workers": 1})
    with_a_worker.train()
    assert_same(state(whole), state(with_a_worker))


def test_a_resume_between_epochs_with_workers_that_persist(tmp_path):
    options = {**BASE, "train_dataloader.num_workers": 1}
    whole = build(tmp_path, options, work_dir="whole")
    whole.train()
    build(tmp_path, {**options, "train_cfg.max_epochs": 2}).train()
    rest = build(tmp_path, options, resume=True)
    rest.train()
    assert_same(state(rest), state(whole))


def test_slow_steps_are_talked_about_more_often(monkeypatch):
    """After SIGTERM a launcher waits half a minute: ten steps of five seconds are too many."""
    clock = iter([0.0, 0.0, 5.0, 10.0, 10.1, 10.2])
    monkeypatch.setattr("posekit.engine.checkpoints.within_epoch.time.monotonic", lambda: next(clock))
    appointments = Appointments(None, None)
    for done, at in ((1, 2), (2, 3), (3, 13), (4, 14)):  # 5 s, 5 s, 0.1 s, 0.1 s a step
        appointments._meet_again(done)
        assert appointments.talk_at == at
