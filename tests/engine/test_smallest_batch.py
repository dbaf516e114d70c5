"""A batch of one sample that batch norm cannot take is refused at the start, not at the end of an epoch."""

from __future__ import annotations

import logging

import pytest
import small_training
import torch
from torch import nn

from posekit.engine.start_checks import check_smallest_batch
from posekit.errors import ConfigError
from posekit.models.hourglass import Hourglass


class Pooling(nn.Module):
    """Batch norm over 1x1 maps; counts what it has really seen."""

    def __init__(self, reads_content=False):
        super().__init__()
        self.pool, self.norm, self.reads_content = nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), reads_content

    def forward(self, image, mode):
        assert mode == "tensor"
        if self.reads_content and image.float().mean() > 3:
            return image
        return self.norm(self.pool(image.float()))


class Loader:
    """What the check looks at."""

    def __init__(self, people, batch_size, drop_last=False, size_hw=(32, 32)):
        self.sampler = range(people)
        self.dataset = type("People", (), {"__len__": lambda _: people})()
        self.dataset.crop = type("Crop", (), {"input_size_hw": size_hw})
        self.batch_size, self.drop_last = batch_size, drop_last


def check(network, *loader, **settings):
    check_smallest_batch(network, Loader(*loader, **settings), "config.py", logging.getLogger("posekit.test"))


def test_a_lone_last_sample_is_refused_with_the_remedy():
    network = Pooling().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(
        ConfigError, match=r"config\.py: train_dataloader: 9 samples in batches of 4 leave .*drop_last"
    ):
        check(network, 9, 4)
    with pytest.raises(ConfigError, match="batches of 1 "):
        check(network, 8, 1)
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_others_are_not():
    check(Pooling(), 8, 4)
    check(Pooling(), 10, 4)
    check(Pooling(), 9, 4, drop_last=True)
    norm = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    norm.forward = lambda image, mode: nn.Sequential.forward(norm, image.float())
    check(norm, 9, 4)


def test_what_cannot_be_seen_is_said(caplog):
    with caplog.at_level(logging.INFO, logger="posekit.test"):
        check(Pooling(reads_content=True), 9, 4)
    assert "whether batch norm can take a batch of one sample could not be seen" in caplog.text


def test_a_training_is_refused_before_it_begins(tmp_path):
    people = small_training.write_people(tmp_path, images=4)
    backbone = {"type": Hourglass, "stacks": 1, "features": 8, "depth": 4}
    runner = small_training.build(
        tmp_path,
        people,
        {
            "model.backbone": backbone,
            "train_dataloader.batch_size": 1,
            **{f"{stage}_dataloader.dataset.crop.input_size_hw": (64, 64) for stage in ("train", "val")},
            "train_cfg.max_epochs": 1,
        },
    )
    with pytest.raises(ConfigError, match="batches of 1 leave a batch of one"):
        runner.train()
    assert not (tmp_path / "work" / "run.json").exists()
