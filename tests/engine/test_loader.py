"""What a data loader is given that a config does not state."""

from __future__ import annotations

import pytest
import torch
from toy_training import ToyDataset, build

from posekit.datasets.sampler import EpochSampler
from posekit.engine.loops import complete_loader

STATED = {"batch_size": 4, "dataset": {"type": ToyDataset}}


def completed(training=True, **stated):
    return complete_loader({**STATED, **stated}, training, rank=0, seed=3)


@pytest.mark.parametrize("gpu", [False, True])
def test_memory_is_pinned_where_there_is_a_gpu(monkeypatch, gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert completed()["pin_memory"] is gpu
    assert completed(pin_memory=not gpu)["pin_memory"] is (not gpu)


def test_workers_persist_where_there_are_any():
    assert completed(num_workers=2)["persistent_workers"] is True
    assert completed(num_workers=2, persistent_workers=False)["persistent_workers"] is False
    assert "persistent_workers" not in completed(num_workers=0, persistent_workers=True)


@pytest.mark.parametrize("stage", ["train", "val", "test"])
def test_every_stage_of_a_run_has_both(tmp_path, monkeypatch, stage):
    runner = build(tmp_path, {f"{stage}_dataloader.num_workers": 1})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    loader = runner.build_dataloader(getattr(runner, f"_{stage}_dataloader"), seed=0)
    assert (loader.pin_memory, loader.persistent_workers) == (True, True)
    runner.close()


def test_nobody_is_dropped_from_a_score():
    with pytest.raises(ValueError, match="drop_last=True would leave people out of the score"):
        completed(training=False, drop_last=True)


@pytest.mark.parametrize("training", [True, False])
def test_the_sampler_of_a_stage(training):
    stated = {**STATED, "drop_last": training}
    loader = complete_loader(stated, training, rank=0, seed=3)
    expected = {"shuffle": training, "round_up": training, "batch_size": 4, "drop_last": training}
    assert loader["sampler"] == {"type": EpochSampler, **expected}
    assert "sampler" not in stated  # the config's section is left alone
    own = {"type": EpochSampler, "shuffle": False}
    assert complete_loader({**STATED, "sampler": own}, True, 0, 3)["sampler"]["shuffle"] is False
