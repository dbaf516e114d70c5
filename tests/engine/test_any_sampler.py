"""Trainings draw their samples by (seed, epoch, sample), whatever the config's sampler and data sets."""

from __future__ import annotations

import json
import os
import signal
from itertools import islice

import pytest
import torch
import toy_pose_config
from datasets.augmented_people import crops, warp_of, write
from mmengine.dataset import ConcatDataset, DefaultSampler, InfiniteSampler
from mmengine.hooks import Hook
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Sampler
from toy_processes import Processes
from toy_training import build, weights

from posekit.datasets import EpochSampler
from posekit.engine.configs.config import load_config
from posekit.engine.processes.group import finish, start_group
from posekit.engine.processes.signals import Stopped
from posekit.engine.runner import PoseRunner
from posekit.errors import ConfigError

SEED = 5


class Backwards(Sampler):
    """A sampler that knows neither seed nor epoch."""

    def __init__(self, dataset, seed):
        self.dataset = dataset

    def __iter__(self):
        return iter(range(len(self.dataset))[::-1])

    def __len__(self):
        return len(self.dataset)


def runner_of(folder, options=None, people=3, **entries):
    """A training of a few people."""
    write(folder, people)
    cfg = load_config(toy_pose_config.write_config(folder), {"data_root": str(folder), **(options or {})})
    cfg.work_dir = str(folder / entries.pop("work_dir", "work"))
    cfg.update(entries)
    return PoseRunner.from_cfg(cfg)


def loader_of(folder, sampler, people=3, **settings):
    options = {f"train_dataloader.{name}": value for name, value in settings.items()}
    runner = runner_of(folder, {"train_dataloader.sampler": {"type": sampler}, **options}, people)
    loader = runner.build_dataloader(runner._train_dataloader, seed=SEED)
    runner.close()
    return loader


WORKERS = {
    "0": {},
    "2": {"num_workers": 2, "persistent_workers": False},
    "2 persistent": {"num_workers": 2},
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("sampler", [EpochSampler, DefaultSampler, Backwards])
def test_every_epoch_draws_anew(tmp_path, sampler, workers):
    loader, epochs = loader_of(tmp_path, sampler, **WORKERS[workers]), 4 if workers == "2" else 10
    found = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        found += crops(loader)
        expected = [(201 + row, warp_of(loader.dataset, row, SEED, epoch, row)) for row in range(3)]
        assert sorted(found[-3:]) == expected
    assert len(set(found)) == 3 * epochs


@pytest.mark.parametrize("workers", ["0", "2 persistent"])
def test_every_pass_of_an_endless_sampler_draws_anew(tmp_path, workers):
    loader = loader_of(tmp_path, InfiniteSampler, **WORKERS[workers])
    found = crops(islice(iter(loader), 15))
    for epoch in range(10):
        expected = [(201 + row, warp_of(loader.dataset, row, SEED, epoch, row)) for row in range(3)]
        assert sorted(found[3 * epoch : 3 * epoch + 3]) == expected


def steps(folder, sampler, batch, people):
    """The crops of each of six steps of a process, over three epochs of two where they end."""
    loader, found = loader_of(folder, sampler, people, batch_size=batch), []
    for epoch in range(1 if sampler is InfiniteSampler else 3):
        loader.sampler.set_epoch(epoch)
        found += [crops([batch]) for batch in islice(iter(loader), 6)]
    return [sorted([person, warp.hex()] for person, warp in step) for step in found]


@pytest.mark.parametrize(
    ("sampler", "people"), [(DefaultSampler, 4), (EpochSampler, 4), (InfiniteSampler, 3)]
)
def test_two_processes_draw_as_one(tmp_path, sampler, people):
    def work(rank):
        start_group("pytorch")
        found = steps(tmp_path / str(rank), sampler, 1, people)
        (tmp_path / f"{rank}.json").write_text(json.dumps(found))
        finish(0)

    processes = Processes(2, work, tmp_path / "logs")
    assert processes.wait() == [0, 0], processes.printed()
    parts = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    together = [sorted(one + two) for one, two in zip(*parts, strict=True)]
    assert together == steps(tmp_path / "alone", sampler, 2, people)
    assert len({warp for step in together for _, warp in step}) == 12


class Stop(Hook):
    """Sends this process SIGTERM after the fifth iteration, the second of its epoch."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 5:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("kind", "workers"),
    [(TorchConcatDataset, "2 persistent"), (ConcatDataset, "0")],
    ids=["torch", "mmengine"],
)
def test_a_mixture_resumes_to_the_bit(tmp_path, kind, workers):
    parts = [write(tmp_path, 3, "some.json", 201, (64, 48)), write(tmp_path, 2, "more.json", 301, (64, 48))]
    options = {
        "train_dataloader.dataset": {"type": kind, "datasets": parts},
        "train_dataloader.sampler": {"type": DefaultSampler, "shuffle": True},
        "train_cfg.max_epochs": 3,
        "default_hooks.curves": None,
        **{f"train_dataloader.{name}": value for name, value in WORKERS[workers].items()},
    }
    whole = runner_of(tmp_path, options, work_dir="whole")
    whole.train()
    first = runner_of(tmp_path, options)
    first.register_hook(Stop())
    with pytest.raises(Stopped, match="after iteration 5"):
        first.train()
    rest = runner_of(tmp_path, options, resume=True)
    rest.train()
    assert torch.equal(weights(rest), weights(whole))
    losses = [r.message_hub.log_scalars["train/loss"].data[0].tolist() for r in (rest, whole)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 9
    log = next((tmp_path / "work").glob("*/*.log")).read_text()
    assert f"train: 5 people of {tmp_path}/some.json + {tmp_path}/more.json" in log


def test_an_endless_sampler_has_no_epochs(tmp_path):
    with pytest.raises(ConfigError, match="expected one whose epochs end, found an InfiniteSampler"):
        build(tmp_path, {"train_dataloader.sampler": {"type": InfiniteSampler}}).train()
