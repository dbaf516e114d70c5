"""Several processes that are asked to end: they agree on the step, and lose nothing."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from mmengine.hooks import Hook
from toy_processes import CONFIG, Processes, train_in
from toy_training import run, write_config

from posekit.engine.runner import PoseRunner
from posekit.io.checkpoint import read_checkpoint

OPTIONS = ["train_dataloader.dataset.size=96", "train_dataloader.batch_size=4", "model.dropout=0.5"]


class SignalOneOfThem(Hook):
    """Sends SIGTERM to process 1 alone, within the second epoch."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.rank == 1 and runner.iter + 1 == 13:
            os.kill(os.getpid(), signal.SIGTERM)


def stop_early(config, *words):
    """Trains in this process until the signal comes."""
    load = PoseRunner.load_or_resume

    def also(self):
        self.register_hook(SignalOneOfThem())
        load(self)

    PoseRunner.load_or_resume = also  # in this fork alone
    return run("train", config, *words)


@pytest.mark.slow
def test_a_signal_to_one_stops_all_at_the_same_step(tmp_path):
    config = write_config(tmp_path, CONFIG)
    options = ["--cfg-options", *OPTIONS]
    words = [config, "--work-dir", tmp_path / "w", "--launcher", "pytorch", *options]
    processes = Processes(2, lambda rank: stop_early(*words), tmp_path / "stopped")
    assert processes.wait(600) == [143, 143], processes.printed()
    # 12 steps an epoch; they ask each other at every tenth, or sooner where steps are slow.
    marked = (tmp_path / "w" / "last_checkpoint").read_text()
    checkpoint = read_checkpoint(tmp_path / "w" / marked)
    step = checkpoint["meta"]["iter"]
    assert 13 <= step <= 23
    assert marked == f"iter_{step}.pth"
    assert [checkpoint["meta"][key] for key in ("epoch", "batches", "samples")] == [
        1,
        step - 12,
        8 * (step - 12),
    ]
    # Each process has its own dropout.
    first, second = (state["torch"] for state in checkpoint["rng_ranks"])
    assert not torch.equal(first, second)
    train_in(2, config, tmp_path / "w", "--resume", *options, logs=tmp_path / "resumed", seconds=600)
    train_in(2, config, tmp_path / "whole", *options, logs=tmp_path / "whole_logs", seconds=600)
    ended, alone = (read_checkpoint(tmp_path / name / "epoch_3.pth") for name in ("w", "whole"))
    for name, value in alone["state_dict"].items():
        assert torch.equal(value, ended["state_dict"][name]), name
    assert ended["message_hub"]["scalars"]["train/loss"] == alone["message_hub"]["scalars"]["train/loss"]
