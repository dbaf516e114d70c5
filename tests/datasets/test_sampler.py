"""posekit.datasets.sampler: one order for any number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.datasets import EpochSampler, SampleKey
from posekit.registry import SAMPLERS


def shares(monkeypatch, world, size, **settings):
    found = []
    for rank in range(world):
        monkeypatch.setattr("posekit.datasets.sampler.get_dist_info", lambda rank=rank: (rank, world))
        sampler = EpochSampler(range(size), **settings)
        sampler.set_epoch(4)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        found.append(keys)
    return found


def interleaved(parts):
    longest = max(len(part) for part in parts)
    return [part[i].index for i in range(longest) for part in parts if i < len(part)]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_every_world_sees_the_same_order(monkeypatch, world):
    alone = interleaved(shares(monkeypatch, 1, 13, seed=7))
    assert sorted(alone) == list(range(13))
    together = interleaved(shares(monkeypatch, world, 13, seed=7))
    assert together[:13] == alone
    assert together[13:] == alone[: len(together) - 13]  # rounded up with the first
    exact = interleaved(shares(monkeypatch, world, 13, seed=7, round_up=False))
    assert exact == alone


def test_keys_carry_seed_and_epoch(monkeypatch):
    assert shares(monkeypatch, 1, 3, shuffle=False, seed=9) == [[SampleKey(9, 4, i) for i in range(3)]]


def test_epochs_and_seeds_differ():
    sampler = EpochSampler(range(50), seed=1)
    first = [key.index for key in sampler]
    assert [key.index for key in sampler] == first
    sampler.set_epoch(1)
    assert [key.index for key in sampler] != first
    assert [key.index for key in EpochSampler(range(50), seed=2)] != first


def test_more_processes_than_samples(monkeypatch):
    parts = shares(monkeypatch, 4, 2, shuffle=False)
    assert [[key.index for key in part] for part in parts] == [[0], [1], [0], [1]]
    parts = shares(monkeypatch, 4, 2, shuffle=False, round_up=False)
    assert [len(part) for part in parts] == [1, 1, 0, 0]


def test_a_seed_is_drawn_if_none_is_given():
    assert isinstance(EpochSampler(range(3), seed=None).seed, int)
    assert SAMPLERS.get("EpochSampler") is EpochSampler
    assert np.all(np.sort([key.index for key in EpochSampler(range(3), seed=None)]) == [0, 1, 2])
