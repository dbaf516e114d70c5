"""posekit.datasets.sampler: one order for any number of processes."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import WeightedRandomSampler

from posekit.datasets import EpochSampler, SampleKey
from posekit.datasets.sampler import KeyedSampler
from posekit.errors import ConfigError
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
    (keys,) = shares(monkeypatch, 1, 3, shuffle=False, seed=9)
    assert told(keys) == [(9, 4, i, 0) for i in range(3)]


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


# --- keys for the indices of others ----------------------------------------------------------------------


def told(keys):
    return [(key.seed, key.epoch, int(key), key.repeat) for key in keys]


def test_other_samplers_are_keyed_in_their_order():
    sampler = KeyedSampler({"type": DefaultSampler, "shuffle": True}, range(5), seed=3)
    for epoch in (0, 4):
        sampler.set_epoch(epoch)
        plain = DefaultSampler(range(5), shuffle=True, seed=3)
        plain.set_epoch(epoch)
        assert told(sampler) == [(3, epoch, index, 0) for index in plain]
    assert (len(sampler), sampler.round_up, sampler.dataset) == (5, True, range(5))


def test_the_samplers_own_seed_comes_first():
    assert KeyedSampler({"type": DefaultSampler, "seed": 8}, range(5), seed=3).seed == 8
    assert KeyedSampler([1, 0], range(2), seed=3).seed == 3
    assert isinstance(KeyedSampler([1, 0], range(2)).seed, int)


def test_what_is_repeated_is_counted_within_the_epoch():
    sampler = KeyedSampler([2, 0, 2, 2], range(3), seed=0)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        assert told(sampler) == [(0, epoch, 2, 0), (0, epoch, 0, 0), (0, epoch, 2, 1), (0, epoch, 2, 2)]


def test_keys_and_what_is_no_index_pass():
    mine = [SampleKey(1, 2, 0), (0, "large"), np.int64(1)]
    first, second, third = KeyedSampler(mine, range(2), seed=0)
    assert first is mine[0]
    assert second is mine[1]
    assert told([third]) == [(0, 0, 1, 0)]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_epoch_of_an_endless_stream_is_the_pass(monkeypatch, world):
    alone, parts = list(islice(InfiniteSampler(range(5), seed=3), 30)), []
    for rank in range(world):
        for module in ("posekit.datasets.sampler", "mmengine.dataset.sampler"):
            monkeypatch.setattr(f"{module}.get_dist_info", lambda rank=rank: (rank, world))
        sampler = KeyedSampler({"type": InfiniteSampler, "shuffle": True}, range(5), seed=3)
        sampler.set_epoch(0)
        assert sampler.endless
        iter(sampler)  # as a loader with workers does, and drops it
        parts.append(list(islice(sampler, 30 // world)))
    stream = told(key for step in zip(*parts, strict=True) for key in step)
    assert [epoch for _, epoch, _, _ in stream] == [place // 5 for place in range(30)]
    assert [index for _, _, index, _ in stream] == alone
    for start in range(0, 30, 5):
        assert sorted(index for _, _, index, _ in stream[start : start + 5]) == list(range(5))
    assert {(seed, repeat) for seed, _, _, repeat in stream} == {(3, 0)}


def test_torchs_samplers_are_built_from_their_settings():
    rows = list(range(5))
    weighted = {"type": WeightedRandomSampler, "weights": [0, 0, 1, 0, 0], "num_samples": 4}
    assert [int(key) for key in KeyedSampler(weighted, rows, seed=1)] == [2] * 4
    assert sorted(int(key) for key in KeyedSampler({"type": "RandomSampler"}, rows, seed=1)) == rows
    with pytest.raises(ConfigError, match=r"WeightedRandomSampler: expected 5 'weights', .* found 2"):
        KeyedSampler({**weighted, "weights": [1, 1]}, rows, seed=1)
