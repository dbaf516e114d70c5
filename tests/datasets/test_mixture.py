"""posekit.datasets.mixture: data sets made of data sets."""

from __future__ import annotations

import pickle

import mmengine.dataset
import pytest
from datasets.augmented_people import crops, crops_by_epoch, make, warp_of, write
from torch.utils.data import ConcatDataset, DataLoader, Subset, default_collate

from posekit.datasets import EpochSampler, KeyedDataset, SampleKey, TopDownDataset
from posekit.datasets.mixture import build_dataset, parts_of
from posekit.errors import ConfigError
from posekit.metrics.evaluators import OKSMetric, PCKMetric

MMENGINE = mmengine.dataset


def two(folder):
    """The settings of two data sets of three and two people."""
    return [write(folder / "a"), write(folder / "b", people=2, first_id=301)]


@pytest.mark.parametrize("kind", [ConcatDataset, MMENGINE.ConcatDataset])
def test_two_data_sets(tmp_path, kind):
    data = KeyedDataset({"type": kind, "datasets": two(tmp_path)})
    first, second = parts_of(data.dataset)
    for workers in (0, 2):
        sampler = EpochSampler(data, seed=1)
        for epoch, found in enumerate(
            crops_by_epoch(data, 2, sampler.set_epoch, sampler=sampler, num_workers=workers)
        ):
            assert sorted(found) == [
                *((201 + row, warp_of(first, row, 1, epoch, row)) for row in range(3)),
                *((301 + row, warp_of(second, row, 1, epoch, row, row + 4, 0, 1)) for row in range(2)),
            ]


def test_repetitions_differ(tmp_path):
    data = KeyedDataset({"type": MMENGINE.RepeatDataset, "dataset": write(tmp_path), "times": 3})
    found = [data[SampleKey(0, epoch, index)].warp.tobytes() for epoch in range(2) for index in range(9)]
    assert len(set(found)) == 18
    assert found[:3] == [warp_of(data.dataset.dataset, row, 0, 0, row) for row in range(3)]


class Species(TopDownDataset):
    """The last one is rare."""

    def get_cat_ids(self, row):
        return [int(row == len(self) - 1)]


def test_rare_ones_are_repeated_in_other_crops(tmp_path):
    rare = {**write(tmp_path, people=8), "type": Species}
    data = KeyedDataset({"type": MMENGINE.ClassBalancedDataset, "dataset": rare, "oversample_thr": 0.5})
    assert len(data) == 9
    loader = DataLoader(data, 9, sampler=EpochSampler(data), num_workers=1, collate_fn=default_collate)
    found = crops(loader)
    assert sorted(person for person, _ in found) == [*range(201, 209), 208]
    assert len(set(found)) == 9


def nested(folder):
    """Wrappers within wrappers; mmengine's take none of torch's."""
    first, second = two(folder)
    repeated = {"type": MMENGINE.RepeatDataset, "dataset": second, "times": 2}
    some = {
        "type": Subset,
        "dataset": {"type": MMENGINE.ConcatDataset, "datasets": [first, repeated]},
        "indices": [6, 1, 4],
    }
    return {"type": ConcatDataset, "datasets": [some, first]}


@pytest.mark.parametrize("load", [lambda data: data, lambda data: pickle.loads(pickle.dumps(data))])
def test_wrappers_hold_wrappers(tmp_path, load):
    data = load(KeyedDataset(nested(tmp_path)))
    assert len(data) == 6
    people = [int(data[SampleKey(0, 0, index)].person_id) for index in range(6)]
    assert people == [302, 202, 302, 201, 202, 203]
    assert len({data[SampleKey(0, 0, index)].warp.tobytes() for index in range(6)}) == 6
    assert data.metainfo["people"] == 6


def test_a_data_set_alone_is_itself(tmp_path):
    data = KeyedDataset(write(tmp_path))
    assert type(data.dataset) is TopDownDataset
    assert data.metainfo["table"] is data.table
    assert build_dataset(data) is data
    assert data[0].warp.tobytes() == warp_of(data, 0, 0, 0, 0)
    assert data[0].warp.tobytes() == warp_of(data, 0, 0, 1, 0)  # a plain number is a visit
    with pytest.raises(AttributeError, match="nothing_such"):
        data.nothing_such  # noqa: B018


def test_what_a_mixture_says_of_itself(tmp_path):
    first, second = two(tmp_path)
    data = KeyedDataset({"type": ConcatDataset, "datasets": [first, second]})
    a, b = (part.metainfo for part in data.datasets)
    assert a["counts"]["keypoints_outside_image"] == 3
    assert data.metainfo == {
        "ann_file": f"{tmp_path}/a/people.json + {tmp_path}/b/people.json",
        "box_source": "ground truth",
        "people": 5,
        "counts": {"keypoints_outside_image": 5},
    }
    data.datasets[0]._faulty[0] = data.datasets[1]._faulty[1] = 1
    assert data.faulty_images() == ["a.png", "b.png"]
    assert KeyedDataset(Subset(data.datasets[0], [1])).metainfo["people"] == 1
    assert b["people"] == 2


@pytest.mark.parametrize("metric", [OKSMetric(), PCKMetric(norm="bbox")])
def test_a_mixture_is_not_scored(tmp_path, metric):
    first, second = two(tmp_path)
    metric.dataset_meta = KeyedDataset(first).metainfo
    for parts in ([first, second], [first]):
        with pytest.raises(
            ConfigError, match=r"found a wrapper of .*a/people\.json.*; score each data set by"
        ):
            metric.dataset_meta = KeyedDataset({"type": ConcatDataset, "datasets": parts}).metainfo


@pytest.mark.parametrize("kind", [ConcatDataset, MMENGINE.ConcatDataset])
def test_parts_have_one_skeleton(tmp_path, kind):
    first, second = two(tmp_path)
    skeleton = second["source"]["skeleton"]
    second["source"]["skeleton"] = {**skeleton, "sigmas": [0.2] * 3, "limbs": [["head", "left_hand"]]}
    KeyedDataset({"type": kind, "datasets": [first, second]})
    second["source"]["skeleton"] = {**skeleton, "flip_pairs": []}
    with pytest.raises(ConfigError, match="same flip pairs, found skeletons 'arm3'"):
        KeyedDataset({"type": kind, "datasets": [first, second]})


class Bare:
    """A data set that says nothing of itself."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return index


def test_other_data_sets_stay_as_they_are():
    for data in (KeyedDataset(Bare()), KeyedDataset(ConcatDataset([Bare()]))):
        assert not hasattr(data, "metainfo")
        assert data.faulty_images() == []
        assert data[SampleKey(0, 4, 1)].epoch == 4


@pytest.mark.parametrize(
    ("indices", "found"), [([0, 2, 3, 7], "3 and 1 more"), ([-4], "-4"), ([True, False, True], r"\[True, ")]
)
def test_a_subset_of_samples_that_are_not_there(tmp_path, indices, found):
    some = {"type": Subset, "dataset": write(tmp_path), "indices": indices}
    for stated in (some, {"type": ConcatDataset, "datasets": [some]}):
        with pytest.raises(ConfigError, match=f"numbers from 0 to 2, for there are 3 .*; found {found}"):
            KeyedDataset(stated)


def test_what_a_wrapper_asks_for_and_a_data_set_lacks(tmp_path):
    balanced = {"type": MMENGINE.ClassBalancedDataset, "dataset": write(tmp_path), "oversample_thr": 0.5}
    with pytest.raises(ConfigError, match=r"TopDownDataset has no get_cat_ids, .*MixedDataset\(ratios="):
        KeyedDataset(balanced)
    with pytest.raises(ConfigError, match="Bare has no metainfo, "):
        KeyedDataset({"type": MMENGINE.RepeatDataset, "dataset": {"type": Bare}, "times": 2})


def test_torch_may_ask_a_subset_for_many_at_once(tmp_path):
    data = KeyedDataset(Subset(make(tmp_path), [2]))
    assert len(list(DataLoader(data, 1, collate_fn=default_collate))) == 1
