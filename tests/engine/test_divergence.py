"""Losses gone wrong: which are, and what a training does about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from toy_training import ToyDataset, build, run, weights, write_config

from posekit.engine.hooks.divergence import fault_of, note_start
from posekit.engine.hooks.ema import EMAHook
from posekit.engine.hooks.loss import DivergenceError

SKIP = {"default_hooks.runtime_info": {"on_divergence": "skip"}}


def hub_of(losses, name):
    hub = MessageHub(name)
    for loss in losses:
        hub.update_scalar("train/loss", loss)
        note_start(hub)
    return hub


def test_what_counts_as_an_explosion():
    hub = hub_of([2.0] * 20 + [0.01] * 300, "explosion")
    assert hub.runtime_info["loss_at_start"] == 2.0
    assert fault_of(hub, 1.9, 100.0) is None  # 190 times the recent median, but no more than at first
    assert fault_of(hub, 2.1, 100.0) == (
        "has exploded: it is 2.1, its median was 0.01 of late and 2 at first"
    )
    assert fault_of(hub, 2.1, None) is None
    assert fault_of(hub, 2.1, 1000.0) is None
    assert fault_of(hub, float("nan"), None) == "is nan"
    assert fault_of(hub, float("-inf"), 100.0) == "is -inf"
    young = hub_of([1e-6] * 19, "young")
    assert fault_of(young, 1e6, 100.0) is None  # nobody knows yet what is usual


def explode(at):
    """Makes the targets of one batch huge."""

    class Explode(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == at:
                data_batch.keypoints.mul_(1e4)

    return Explode()


@pytest.fixture
def long(tmp_path):
    return lambda extra=None, **entries: build(
        tmp_path,
        {"train_cfg.max_epochs": 10, "default_hooks.checkpoint.interval": 1, **(extra or {})},
        **entries,
    )


def test_an_exploding_loss_stops_with_its_batch_and_the_last_checkpoint(long, tmp_path):
    runner = long()
    runner.register_hook(explode(25))
    with pytest.raises(DivergenceError) as caught:
        runner.train()
    message = str(caught.value)
    assert "loss has exploded: it is" in message
    assert "at iteration 26 (epoch 9); image ids of its batch: [10" in message
    assert f"the last checkpoint is {tmp_path / 'work' / 'epoch_8.pth'}" in message


def test_skipped_batches_are_counted_and_change_nothing(tmp_path, capsys):
    options = {**SKIP, "train_dataloader.dataset.poison": [5, 6]}
    runner = build(tmp_path, options)
    runner.train()
    said = capsys.readouterr().out
    count = runner.message_hub.runtime_info["skipped_batches"]
    assert count in range(3, 7)  # one or two in each of three epochs
    assert f"left out ({count} of at most 20 so far): loss is nan; image ids of its batch: [" in said
    assert torch.isfinite(weights(runner)).all()
    losses = runner.message_hub.log_scalars["train/loss"].data[0]
    assert np.isfinite(losses).all()
    assert len(losses) == 9 - count


def test_a_skipped_batch_leaves_no_trace(tmp_path):
    """Neither in the weights nor in batch norm's statistics: as if the batch had not come."""
    runner = build(
        tmp_path, {**SKIP, "train_dataloader.dataset.poison": list(range(24)), "train_cfg.max_epochs": 1}
    )
    runner.model.layers[3] = torch.nn.BatchNorm1d(8)
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    assert all(torch.equal(value, before[name]) for name, value in runner.model.state_dict().items())
    assert runner.message_hub.runtime_info["skipped_batches"] == 3


def test_a_skipped_batch_does_not_move_the_average(tmp_path):
    options = {**SKIP, "default_hooks.ema": {"momentum": 0.5, "warmup": 0}, "train_cfg.max_epochs": 1}
    runner = build(tmp_path, {**options, "train_dataloader.dataset.poison": list(range(24))})
    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    hook.average = {name: torch.zeros_like(value) for name, value in runner.model.state_dict().items()}
    runner.train()
    assert hook.steps == 0
    assert all(value.count_nonzero() == 0 for value in hook.average.values())


def test_too_many_skipped_batches_stop(tmp_path):
    options = {
        "default_hooks.runtime_info": {"on_divergence": "skip", "max_skipped": 1},
        "train_dataloader.dataset.poison": list(range(24)),
    }
    with pytest.raises(
        DivergenceError, match=r"more than 1 batches.*last: loss is nan at iteration 2 .*\[10"
    ):
        build(tmp_path, options).train()


def test_an_exploding_batch_can_be_skipped(long):
    runner = long(SKIP)
    runner.register_hook(explode(25))
    runner.train()
    assert runner.message_hub.runtime_info["skipped_batches"] == 1
    assert len(runner.message_hub.log_scalars["train/loss"].data[0]) == 29


@pytest.mark.parametrize("option", ["on_divergence=go", "max_skipped=-1", "explosion=0.5"])
def test_impossible_settings(tmp_path, capsys, option):
    words = ["--work-dir", tmp_path / "w", "--cfg-options", f"default_hooks.runtime_info.{option}"]
    assert run("train", write_config(tmp_path), *words) == 2
    assert "expected on_divergence 'stop' or 'skip'" in capsys.readouterr().err


def test_the_poison_works():
    assert np.isnan(ToyDataset(poison=[5])[5].keypoints).all()
