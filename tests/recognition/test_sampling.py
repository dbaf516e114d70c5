"""Batches of groups: what is in them, and one order for any number of processes."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.datasets.sampler import KeyedSampler
from posekit.errors import ConfigError
from posekit.recognition.sampling import IdentitySampler, PairSampler, TripletSampler

# 20 identities with 2 to 11 images, one with 1, in no order.
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(21) * 7, [1, *np.arange(20) % 10 + 2]))
KINDS = [(IdentitySampler, {"images": 4}), (PairSampler, {}), (TripletSampler, {})]


def steps(monkeypatch, kind, world, batch_size, epoch=0, labels=LABELS, **options):
    """The rows of each step, all processes together: (steps, world, batch_size)."""
    parts = []
    for rank in range(world):
        monkeypatch.setattr("posekit.recognition.sampling.get_dist_info", lambda rank=rank: (rank, world))
        sampler = kind(labels, batch_size, seed=5, **options)
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        parts.append([(int(key), key.epoch, key.repeat) for key in keys])
    return np.array(parts).reshape(world, -1, batch_size, 3).swapaxes(0, 1)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_every_world_reads_the_same_groups_step_by_step(monkeypatch, kind, options, world):
    size = options.get("images", kind.__dict__.get("size", 1))
    each = 12 // world
    each -= each % size
    alone = steps(monkeypatch, kind, 1, each * world, **options)
    together = steps(monkeypatch, kind, world, each, **options)
    assert len(alone) == len(together)

    def groups(step):
        return sorted(map(tuple, step.reshape(-1, size * 3).tolist()))

    assert [groups(step) for step in alone] == [groups(step) for step in together]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_epochs_differ_and_come_again(monkeypatch, kind, options):
    first, again, second = (steps(monkeypatch, kind, 1, 12, epoch, **options) for epoch in (0, 0, 1))
    assert (first == again).all()
    assert (first[..., 0] != second[..., 0]).mean() > 0.5
    assert (second[..., 1] == 1).all()


def test_identities(monkeypatch):
    rows = steps(monkeypatch, IdentitySampler, 1, 24, images=4)[:, 0, :, 0]
    found = LABELS[rows].reshape(-1, 6, 4)
    assert (found == found[..., :1]).all()
    assert all(len(set(step[:, 0])) == 6 for step in found)
    times = Counter(found[..., 0].ravel().tolist())
    assert max(times.values()) - min(times.get(label, 0) for label in np.unique(LABELS)) <= 1
    many = {label for label in np.unique(LABELS) if (label == LABELS).sum() >= 4}
    for group in rows.reshape(-1, 4):
        assert len(set(group)) == 4 or LABELS[group[0]] not in many


def test_an_identitys_images_come_in_turn(monkeypatch):
    labels = np.repeat([0, 1], [12, 12])
    rows = steps(monkeypatch, IdentitySampler, 1, 8, labels=labels, images=4)[:, 0, :, 0]
    assert sorted(rows.ravel()) == list(range(24))
    few = np.repeat([0, 1], [3, 21])
    rows = steps(monkeypatch, IdentitySampler, 1, 8, labels=few, images=4)[:, 0, :, 0]
    assert all(Counter(group).most_common(1)[0][1] <= 2 for group in rows.reshape(-1, 4))
    assert {tuple(sorted(Counter(g).values())) for g in rows.reshape(-1, 4) if g.max() < 3} == {(1, 1, 2)}


@given(sizes=st.lists(st.integers(1, 6), min_size=4, max_size=12), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_step_never_has_an_identity_twice(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    if len(labels) < 8:
        return
    sampler = IdentitySampler(labels, 8, images=2, seed=seed)
    for step in labels[[int(key) for key in sampler]].reshape(-1, 4, 2):
        assert len(set(step[:, 0])) == 4
        assert (step[:, 0] == step[:, 1]).all()


@pytest.mark.parametrize("same", [0, 0.25, 0.5, 1])
def test_pairs(monkeypatch, same):
    rows = steps(monkeypatch, PairSampler, 1, 10, same=same)[:, 0, :, 0].reshape(-1, 2)
    agree = LABELS[rows[:, 0]] == LABELS[rows[:, 1]]
    assert abs(agree.mean() - same) <= 1 / len(rows)
    assert (rows[:, 0] != rows[:, 1]).all()


def test_triplets(monkeypatch):
    found = [steps(monkeypatch, TripletSampler, 1, 12, epoch)[..., 0].reshape(-1, 3) for epoch in range(60)]
    anchor, positive, negative = np.concatenate(found).T
    assert (LABELS[anchor] == LABELS[positive]).all()
    assert (anchor != positive).all()
    assert (LABELS[anchor] != LABELS[negative]).all()
    # In the long run every image is a negative, and every one that has a partner a positive.
    assert len(set(negative)) == len(LABELS)
    lonely = np.isin(LABELS, [label for label in np.unique(LABELS) if (label == LABELS).sum() == 1])
    assert set(positive) == set(np.flatnonzero(~lonely))


def test_every_partner_is_equally_likely():
    labels = np.array([0, 1, 0, 2, 0, 1])
    sampler = TripletSampler(labels, 3)
    places = np.repeat(np.flatnonzero(sampler.rows == 2), 30_000)
    rng = np.random.default_rng(0)
    positives = np.bincount(sampler.rows[sampler._of_same(rng, places)], minlength=6) / 30_000
    negatives = np.bincount(sampler.rows[sampler._of_others(rng, places)], minlength=6) / 30_000
    np.testing.assert_allclose(positives, [1 / 2, 0, 0, 0, 1 / 2, 0], atol=0.02)
    np.testing.assert_allclose(negatives, [0, 1 / 3, 0, 1 / 3, 0, 1 / 3], atol=0.02)


def test_in_a_config_the_loaders_batch_and_the_tables_column_are_taken():
    dataset = SimpleNamespace(table=SimpleNamespace(extra={"who": LABELS}))
    settings = {"type": "IdentitySampler", "images": 2, "column": "who"}
    keyed = KeyedSampler(settings, dataset, seed=3, batch_size=8)
    assert isinstance(keyed.sampler, IdentitySampler)
    assert keyed.sampler.groups_at_once == 4
    keyed.set_epoch(2)
    assert {(key.seed, key.epoch) for key in keyed} == {(3, 2)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IdentitySampler(LABELS, 10, images=4), "a multiple of 4, found 10"),
        (lambda: IdentitySampler(LABELS, 88, images=4), "takes 22 different identities .* there are 21"),
        (lambda: IdentitySampler([0, 1], 4, images=2), "2 rows are less than one batch of 4"),
        (lambda: IdentitySampler(LABELS, 8, images=0), "'images' must be"),
        (lambda: PairSampler([0, 0, 0, 0], 2), "at least two identities"),
        (lambda: PairSampler([0, 1, 2, 3], 2), "one of them with two images"),
        (lambda: PairSampler(LABELS, 2, same=2), "'same' must be"),
        (lambda: TripletSampler(SimpleNamespace(), 3), "column 'identity', found no table"),
        (
            lambda: TripletSampler(SimpleNamespace(table=SimpleNamespace(extra={"night": LABELS})), 3),
            r"column 'identity', found only \['night'\]",
        ),
    ],
)
def test_what_cannot_be_sampled_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
