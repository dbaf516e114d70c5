"""posekit.datasets.draws: every epoch draws anew, whatever the sampler, and can be drawn again."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from datasets.augmented_people import crops_by_epoch, make, warp_of
from detection.detector_cases import write_set
from mmengine.dataset import DefaultSampler
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
)

from posekit.datasets import EpochSampler, KeyedDataset, SampleKey
from posekit.detection.dataset import PeopleImages

EPOCHS = 10
SAMPLERS = {
    "EpochSampler": lambda data: EpochSampler(data),
    "DefaultSampler": lambda data: DefaultSampler(data, shuffle=True, seed=0),
    "DistributedSampler": lambda data: DistributedSampler(data, num_replicas=1, rank=0),
    "RandomSampler": RandomSampler,
    "SequentialSampler": SequentialSampler,
}
WORKERS = {
    "0": {"num_workers": 0},
    "2": {"num_workers": 2},
    "2 persistent": {"num_workers": 2, "persistent_workers": True},
}


def epochs_of(data, sampler, epochs, **settings):
    set_epoch = getattr(sampler, "set_epoch", lambda epoch: None)
    return crops_by_epoch(data, epochs, set_epoch, sampler=sampler, **settings)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_epoch_draws_anew(tmp_path, name, workers):
    """In a loader of one's own; as an ``EpochSampler`` of seed 0 draws, whose numbers are those of old."""
    data = make(tmp_path)
    epochs = 4 if workers == "2" else EPOCHS  # they begin anew each time, which takes time
    found = epochs_of(data, SAMPLERS[name](data), epochs, **WORKERS[workers])
    for epoch, crops in enumerate(found):
        assert sorted(crops) == [(201 + row, warp_of(data, row, 0, epoch, row)) for row in range(3)]
    assert len({crop for crops in found for crop in crops}) == 3 * epochs


@pytest.mark.slow
def test_processes_that_import_anew_draw_the_same(tmp_path):
    data = make(tmp_path)
    settings = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "spawn"}
    found = epochs_of(data, RandomSampler(data), epochs=3, **settings)
    for epoch, crops in enumerate(found):
        assert sorted(crops) == [(201 + row, warp_of(data, row, 0, epoch, row)) for row in range(3)]


def test_rows_that_an_epoch_repeats_are_drawn_anew(tmp_path):
    data = make(tmp_path)
    sampler = WeightedRandomSampler([1, 2, 9], 40)
    crops = [crop for epoch in epochs_of(data, sampler, epochs=2) for crop in epoch]
    assert len(set(crops)) == len(crops) == 80


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("wrap", ["Subset", "ConcatDataset"])
@pytest.mark.parametrize("name", ["EpochSampler", "RandomSampler"])
def test_wrappers_draw_anew(tmp_path, name, wrap, workers):
    data = make(tmp_path / "a")
    more = make(tmp_path / "b", first_id=301)
    wrapped = Subset(data, [2, 0]) if wrap == "Subset" else ConcatDataset([data, more])
    found = epochs_of(wrapped, SAMPLERS[name](wrapped), epochs=4, **WORKERS[workers])
    people = [201, 203] if wrap == "Subset" else [201, 202, 203, 301, 302, 303]
    assert [sorted(person for person, _ in crops) for crops in found] == [people] * 4
    assert len({crop for crops in found for crop in crops}) == 4 * len(people)


def test_a_keyed_data_set_brings_keys_through_wrappers(tmp_path):
    data = make(tmp_path)
    keyed = KeyedDataset(Subset(data, [0, 2]))
    for settings in WORKERS.values():
        found = epochs_of(keyed, EpochSampler(keyed, seed=5), epochs=2, **settings)
        for epoch, crops in enumerate(found):
            assert sorted(crops) == [
                (201, warp_of(data, 0, 5, epoch, 0)),
                (203, warp_of(data, 2, 5, epoch, 2, 2, 0, 1)),  # index 1 of the subset
            ]


def test_a_key_asked_for_is_the_draw(tmp_path):
    data = make(tmp_path)
    for epoch in (4, 4, 0):
        assert data[SampleKey(7, epoch, 1)].warp.tobytes() == warp_of(data, 1, 7, epoch, 1)
        assert data[SampleKey(7, epoch, -1)].warp.tobytes() == warp_of(data, 2, 7, epoch, 2)
    assert data[SampleKey(7, 4, 1, repeat=2)].warp.tobytes() != warp_of(data, 1, 7, 4, 1)
    # They were no visits.
    assert data[1].warp.tobytes() == warp_of(data, 1, 0, 0, 1)
    assert data[-2].warp.tobytes() == warp_of(data, 1, 0, 1, 1)
    assert make(tmp_path, seed=3)[1].warp.tobytes() == warp_of(data, 1, 3, 0, 1)
    for row in (3, -4):
        with pytest.raises(IndexError, match=f"sample {row} of 3"):
            data[row]


class Views(Dataset):
    """Two views of each person."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index], self.data[index]


def test_views_of_one_sample_differ(tmp_path):
    views = KeyedDataset(Views(make(tmp_path)))
    one, two = (sample.warp.tobytes() for sample in views[SampleKey(0, 3, 1)])
    assert one == warp_of(views.data, 1, 0, 3, 1)
    assert two == warp_of(views.data, 1, 0, 3, 1, 2, 0, 2)
    assert [sample.warp.tobytes() for sample in views[SampleKey(0, 3, 1)]] == [one, two]


def test_indices_that_share_a_row_share_no_draw(tmp_path):
    """Also index 0, although numpy makes the same numbers of (a, b, c) and (a, b, c, 0)."""
    data = make(tmp_path)
    keyed = KeyedDataset(Subset(data, [1, 1, 1]))
    assert len({keyed[SampleKey(0, 0, index)].warp.tobytes() for index in range(3)}) == 3


def test_processes_on_their_own_share_no_draw(tmp_path, monkeypatch):
    """They know no epoch, and each counts its own visits."""
    warps = []
    for rank in range(2):
        monkeypatch.setattr("posekit.datasets.draws.get_dist_info", lambda rank=rank: (rank, 2))
        data = make(tmp_path)
        warps += [data[0].warp.tobytes() for _ in range(5)]
    assert set(warps) == {warp_of(data, 0, 0, epoch, 0) for epoch in range(10)}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
def test_copies_count_what_their_workers_visit(tmp_path, copied):
    data = copied(make(tmp_path))
    found = epochs_of(data, RandomSampler(data), epochs=3, num_workers=2)
    assert len({crop for crops in found for crop in crops}) == 9


def test_keys_are_indices():
    key = SampleKey(3, 1, 2)
    assert [10, 11, 12][key] == 12
    assert np.arange(3)[key] == 2
    assert (key.index, key.repeat) == (2, 0)
    for again in (pickle.loads(pickle.dumps(key)), copy.deepcopy(key)):
        assert (again.seed, again.epoch, again.index, again.repeat) == (3, 1, 2, 0)
    assert repr(key) == "SampleKey(seed=3, epoch=1, index=2, repeat=0)"


# --- the detector's images -------------------------------------------------------------------------------


def test_pictures_are_mirrored_anew(tmp_path):
    write_set(tmp_path)
    settings = {"ann_file": "people.json", "image_dir": "images", "data_root": str(tmp_path)}
    people = PeopleImages(**settings, flip_prob=0.5)

    def flips(keys):
        return [float(people[key].boxes_xyxy[0, 0]) for key in keys]

    expected = flips(SampleKey(0, epoch, 0) for epoch in range(8))
    plain, mirrored = 10, 66
    assert set(expected) == {plain, mirrored}
    draws = [np.random.default_rng((0, epoch, 0)).random() for epoch in range(8)]
    assert expected == [mirrored if draw < 0.5 else plain for draw in draws]
    assert flips([0] * 8) == expected
    loaded = PeopleImages(**settings, flip_prob=0.5)
    loader = DataLoader(Subset(loaded, [0]), num_workers=1, collate_fn=lambda batch: batch[0])
    assert [float(sample.boxes_xyxy[0, 0]) for _ in range(8) for sample in loader] == expected
    assert torch.equal(loaded._draws.visits, torch.tensor([8, 0, 0], dtype=torch.int32))
    with pytest.raises(IndexError, match="sample 3 of 3"):
        people[3]
