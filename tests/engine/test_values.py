"""Impossible numbers in a config are found before anything is built."""

from __future__ import annotations

import math

import pytest
from toy_training import build, runner_log, write_config

from posekit.engine.configs.config import load_config
from posekit.errors import ConfigError

IMPOSSIBLE = [
    ("train_dataloader.batch_size", 0, "at least 1, found 0"),
    ("train_dataloader.batch_size", -4, "at least 1, found -4"),
    ("train_dataloader.batch_size", None, "at least 1, found None"),
    ("val_dataloader.batch_size", 2.5, "found 2.5"),
    ("test_dataloader.num_workers", -1, "at least 0, found -1"),
    ("train_dataloader.num_workers", True, "found True"),
    ("train_dataloader.prefetch_factor", 0, "at least 1"),
    ("train_cfg.max_epochs", 0, "at least 1, found 0"),
    ("train_cfg.max_epochs", -3, "found -3"),
    ("train_cfg.max_epochs", 1.5, "whole number"),
    ("train_cfg.val_interval", 0, "at least 1, found 0"),
    ("train_cfg.val_begin", -1, "at least 0"),
    ("optim_wrapper.optimizer.lr", -0.1, "finite number >= 0, found -0.1"),
    ("optim_wrapper.optimizer.lr", math.nan, "found nan"),
    ("optim_wrapper.optimizer.lr", math.inf, "found inf"),
    ("optim_wrapper.optimizer.weight_decay", -1, "found -1"),
    ("optim_wrapper.clip_grad.max_norm", -1, "found -1"),
    ("optim_wrapper.accumulative_counts", 0, "at least 1"),
    ("randomness.seed", -1, "from 0 to 4294967295, found -1"),
    ("randomness.seed", 2**32, "from 0 to 4294967295, found 4294967296"),
    ("default_hooks.logger.interval", 0, "at least 1"),
    ("param_scheduler.0.gamma", math.nan, "finite number >= 0, found nan"),
    ("param_scheduler.0.gamma", -0.9, "found -0.9"),
    ("model", "ToyModel", "settings, dict(type=NAME, argument=...), found 'ToyModel'"),
    ("train_dataloader", "toy", "settings, dict(argument=...), found 'toy'"),
    ("train_dataloader.dataset", "toy", "settings, dict(type=NAME"),
    ("train_dataloader.sampler", "EpochSampler", "found 'EpochSampler'"),
    ("train_dataloader.sampler", {"shuffle": True}, "dict(type=NAME, argument=...), found {'shuffle': True}"),
    ("val_evaluator", "ToyMetric", "or a list of such, found 'ToyMetric'"),
    ("val_evaluator", ["ToyMetric"], "or a list of such, found ['ToyMetric']"),
    ("param_scheduler.0", "ExponentialLR", "found 'ExponentialLR'"),
    ("optim_wrapper.optimizer", "Adam", "found 'Adam'"),
    ("default_hooks.curves", "mine", "or None for none, found 'mine'"),
    ("custom_hooks", ["EMAHook"], "found ['EMAHook']"),
    ("env_cfg", 3, "found 3"),
]


@pytest.mark.parametrize(("key", "value", "words"), IMPOSSIBLE)
def test_impossible_numbers_are_named(tmp_path, key, value, words):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path), {key: value})
    message = str(caught.value)
    assert message.startswith(f"config {tmp_path / 'toy.py'}: {key}: expected")
    assert words in message


def test_numbers_set_after_loading_are_looked_at_too(tmp_path):
    with pytest.raises(ConfigError, match=r"randomness\.seed: .* found -1"):
        build(tmp_path, randomness={"seed": -1})
    assert not (tmp_path / "work").exists()


def test_the_edges_are_possible(tmp_path):
    options = {
        "train_dataloader.batch_size": 1,
        "train_dataloader.num_workers": 0,
        "train_dataloader.prefetch_factor": None,
        "train_cfg.max_epochs": 1,
        "optim_wrapper.optimizer.lr": 0.0,
        "randomness.seed": 2**32 - 1,
    }
    runner = build(tmp_path, options)
    runner.train()
    assert (runner.epoch, runner.iter, runner.seed) == (1, 24, 2**32 - 1)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("optim_wrapper.optimizer.betas", [2, 3], "optim_wrapper: .*[Ii]nvalid beta"),
        ("param_scheduler.0.end", -5, "param_scheduler: "),
        ("train_dataloader.timeout", -1, "train_dataloader: .*timeout"),
        ("train_dataloader.sampler.shuffle", None, None),
    ],
)
def test_what_torch_and_mmengine_refuse_is_the_configs_fault(tmp_path, key, value, words):
    runner = build(tmp_path, {key: value, "train_cfg.max_epochs": 1})
    if words is None:
        runner.train()  # odd, but possible
        return
    with pytest.raises(ConfigError, match=rf"toy\.py: {words}"):
        runner.train()


def test_a_learning_rate_of_0_is_warned_of(tmp_path):
    runner = build(tmp_path, {"optim_wrapper.optimizer.lr": 0, "train_cfg.max_epochs": 1})
    runner.train()
    assert "every learning rate is 0, so that nothing will be learned" in log_of(runner)
    some = {"optim_wrapper.paramwise_cfg": {"bias_lr_mult": 0.0}, "train_cfg.max_epochs": 1}
    runner = build(tmp_path, some, work_dir="frozen")
    runner.train()
    assert "every learning rate" not in log_of(runner)


def log_of(runner):
    return next(runner_log(runner).glob("*.log")).read_text("utf-8")


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf])
def test_a_rate_of_a_part_of_the_network_is_looked_at_too(tmp_path, factor):
    runner = build(tmp_path, {"optim_wrapper.paramwise_cfg": {"bias_lr_mult": factor}})
    with pytest.raises(ConfigError, match=r"optim_wrapper: expected learning rates of finite numbers >= 0"):
        runner.train()


def test_no_sampler_is_posekits_own(tmp_path):
    """torch's, for None, would show the rows in their order, in every epoch."""
    runner = build(tmp_path, {"train_dataloader.sampler": None})
    assert runner.build_dataloader(runner._train_dataloader).sampler.shuffle is True


def test_an_epoch_without_a_batch_is_refused(tmp_path):
    options = {"train_dataloader.batch_size": 25, "train_dataloader.drop_last": True}
    with pytest.raises(ConfigError, match=r"24 samples make no batch of 25 \(drop_last=True\)"):
        build(tmp_path, options).train()
