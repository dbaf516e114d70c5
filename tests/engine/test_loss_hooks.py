"""Losses as they are logged, and those that stop a training."""

from __future__ import annotations

import pytest
import torch
import toy_training
from mmengine.logging import MessageHub
from toy_training import build, scalars

from posekit.engine.hooks.loss import DivergenceError, ValidationLossHook
from posekit.io.checkpoint import read_checkpoint


def test_the_logged_losses_are_the_true_ones(trained, tmp_path):
    _, runner = trained
    train = [r for r in scalars(runner) if "loss" in r]
    # Batches of 8 from 24: logged after iterations 2 and 3 of each epoch, the mean over the last 2.
    assert [r["step"] for r in train] == [2, 3, 5, 6, 8, 9]
    history = runner.message_hub.log_scalars["train/loss"].data[0]
    assert len(history) == 9
    assert train[0]["loss"] == pytest.approx(history[:2].mean(), abs=1e-6)
    assert history[-3:].mean() < history[:3].mean()


def test_gradient_norms_go_to_their_own_log(tmp_path):
    options = {"optim_wrapper.clip_grad": {"max_norm": 1.0}}
    first, second = (build(tmp_path, options, work_dir=f"w{i}") for i in range(2))
    first.train()
    assert len(first.message_hub.log_scalars["train/grad_norm"].data[0]) == 9
    assert "train/grad_norm" not in second.message_hub.log_scalars


def test_a_loss_that_is_not_a_number_stops_with_the_batch(tmp_path):
    runner = build(tmp_path, {"train_dataloader.dataset.poison": [5]})
    with pytest.raises(DivergenceError) as caught:
        runner.train()
    message = str(caught.value)
    assert "loss is nan at iteration" in message
    assert "1005" in message
    assert "there is no checkpoint yet" in message


def test_losses_waiting_on_a_device_are_found_late_but_named_right():
    from types import SimpleNamespace

    from posekit.engine.hooks.defaults import LossLogHook

    hub = MessageHub("late")
    hook = LossLogHook()
    runner = SimpleNamespace(message_hub=hub, work_dir="/nonexistent", epoch=0)
    hook.waiting = [
        (0, {"loss": torch.tensor(1.0), "acc": torch.tensor(0.25)}, [1, 2]),
        (1, {"loss": torch.tensor(float("inf")), "acc": torch.tensor(0.5)}, [3, 4]),
        (2, {"loss": torch.tensor(3.0), "acc": torch.tensor(1.0)}, [5, 6]),
    ]
    with pytest.raises(DivergenceError, match=r"loss is inf at iteration 2 .*\[3, 4\]"):
        hook.flush(runner)
    assert hub.log_scalars["train/loss"].data[0].tolist() == [1.0]
    assert hook.waiting == []


def test_the_validation_loss_is_the_mean_over_people(tmp_path):
    options = {"default_hooks.val_loss": {}, "val_dataloader.batch_size": 7}  # 24 = 7 + 7 + 7 + 3
    runner = build(tmp_path, {**options, "default_hooks.checkpoint.save_best": "loss"})
    runner.train()
    losses = [r["loss"] for r in scalars(runner) if "toy/accuracy" in r]
    assert len(losses) == 3
    runner.model.eval()
    dataset = toy_training.ToyDataset(24)
    everybody = torch.utils.data.default_collate([dataset[i] for i in range(24)])
    with torch.no_grad():
        expected = runner.model(*everybody, mode="loss")["loss"]
    assert losses[-1] == pytest.approx(float(expected), rel=1e-6)
    best = read_checkpoint(tmp_path / "work" / "best_loss.pth")["meta"]["best"]
    assert best["score"] == min(losses)


def test_a_small_validation_loss_is_shown_to_four_digits(tmp_path, capsys, monkeypatch):
    loss = ValidationLossHook.after_val_epoch

    def smaller(self, runner, metrics=None):
        loss(self, runner, metrics)
        metrics["loss"] *= 1e-4

    monkeypatch.setattr(ValidationLossHook, "after_val_epoch", smaller)
    runner = build(
        tmp_path,
        {"default_hooks.val_loss": {}, "default_hooks.checkpoint.save_best": ["loss", "toy/accuracy"]},
    )
    runner.train()
    shown = capsys.readouterr().out
    best = read_checkpoint(tmp_path / "work" / "best_loss.pth")["meta"]["best"]
    assert best["score"] < 1e-3
    assert f"best so far: loss {best['score']:.4g} at epoch {best['epoch']}" in shown
    assert f"\n{best['score']:.4g}\n" in shown.replace(" ", "")
    assert f"best loss {best['score']:.4g} in " in shown
    accuracy = read_checkpoint(tmp_path / "work" / "best_toy_accuracy.pth")["meta"]["best"]["score"]
    assert f"best toy/accuracy {accuracy:.4f} in " in shown
