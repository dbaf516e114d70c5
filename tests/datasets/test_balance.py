"""Balancing by pose: the reference's alignment, components and bins; copies and their draws in training."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from metrics.test_evaluators import make_table
from torch.utils.data import ConcatDataset, Dataset

from posekit.datasets import BalancedSampler, EpochSampler, TopDownDataset, pose_copies
from posekit.datasets.balance import align_shapes, first_component, level_copies, pose_bins
from posekit.datasets.draws import Draws
from posekit.datasets.mixture import KeyedDataset
from posekit.engine.loops import complete_loader
from posekit.errors import ConfigError
from posekit.registry import SAMPLERS
from posekit.skeletons import MTFL5

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def helen():
    with reference.path("data/face300w/helen_train.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    assert [row[0] for row in rows] == reference.load_json("faceshape.json")["names"]
    return np.array([row[1:] for row in rows], float).reshape(-1, 68, 2)


@pytest.mark.parametrize(("kind", "rescale"), [("unitnorm", False), ("fitscale", True)])
def test_reference_shapes(helen, kind, rescale):
    """The csv's points were rescaled to whole picture sizes and rounded, hence the tolerances."""
    own = {
        name.partition("__")[2]: array
        for name, array in reference.load("faceshape.npz").items()
        if name.startswith(kind)
    }
    aligned, mean = align_shapes(helen, rescale)
    poses = first_component(aligned)
    np.testing.assert_allclose(mean, own["mean_shape"], atol=1e-5)
    np.testing.assert_allclose(poses.mean, own["pca_mean"], atol=1e-5)
    np.testing.assert_allclose(poses.component, own["pc1"], atol=1e-4)
    np.testing.assert_allclose(poses.projections, own["projection_all"], atol=5e-4)
    np.testing.assert_allclose(poses.ratios[:8], own["explained_ratio8"], atol=2e-4)
    # From the reference's own projections exactly; from the rounded points a face may fall beside an edge.
    bin_of, edges = pose_bins(own["projection_all"], 9)
    np.testing.assert_array_equal(bin_of, own["bin_of_face"])
    np.testing.assert_allclose(edges, own["hist9_edges"], atol=1e-15)
    np.testing.assert_array_equal(np.bincount(bin_of), own["hist9"])
    copies = level_copies(bin_of)
    expected = reference.load_json("faceshape.json")[kind]["copies_to_match_largest_bin"]
    np.testing.assert_array_equal(copies, np.array(expected)[bin_of])
    assert np.count_nonzero(pose_bins(poses.projections, 9)[0] != bin_of) <= 3


# --- without the reference -------------------------------------------------------------------------------


def similar(shapes):
    """The same shapes elsewhere, turned and scaled."""
    angles, sizes = RNG.uniform(-3, 3, len(shapes)), RNG.uniform(0.1, 9, len(shapes))
    turns = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    return np.einsum("nij,nkj->nki", turns, shapes) * sizes[:, None, None] + RNG.uniform(
        -99, 99, (len(shapes), 1, 2)
    )


@pytest.mark.parametrize("rescale", [False, True])
def test_aligned_shapes_forget_where_they_were(rescale):
    shapes = RNG.normal(size=(1, 6, 2)) + 0.1 * RNG.normal(size=(30, 6, 2))
    moved = similar(shapes)
    moved[0] = shapes[0]  # whose frame is kept
    aligned, mean = align_shapes(shapes, rescale)
    again, mean_again = align_shapes(moved, rescale)
    np.testing.assert_allclose(again, aligned, atol=1e-10)
    np.testing.assert_allclose(mean_again, mean, atol=1e-10)
    norms = np.linalg.norm(aligned, axis=(1, 2))
    assert np.allclose(norms, 1) != rescale
    assert np.linalg.norm(mean) == pytest.approx(1)
    # Nearest to the mean: no small turn, and with rescaling no other size, brings a shape nearer.
    for turn in (0.01, -0.01):
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        nearer = np.linalg.norm(aligned @ matrix - mean, axis=(1, 2)) < np.linalg.norm(
            aligned - mean, axis=(1, 2)
        )
        assert not nearer.any()
        if rescale:
            other = np.linalg.norm(aligned * (1 + turn) - mean, axis=(1, 2))
            assert (other > np.linalg.norm(aligned - mean, axis=(1, 2))).all()


def test_a_mirrored_shape_is_another():
    shape = np.array([[0.0, 0], [1, 0], [0, 3]])
    aligned, _ = align_shapes(np.stack([shape, shape * [-1, 1]]))
    assert np.abs(aligned[0] - aligned[1]).max() > 0.1


def heads(yaws):
    """Eyes, nose and mouth of heads that turn: far points move by the cosine, the nose by the sine."""
    flat = np.array([[-30.0, 0], [30, 0], [0, 40], [-20, 70], [20, 70]])
    depth = np.array([0, 0, 25, 3, 3])
    x = np.cos(yaws)[:, None] * flat[:, 0] + np.sin(yaws)[:, None] * depth
    return np.stack([x, np.broadcast_to(flat[:, 1], x.shape)], axis=2)


def test_the_first_component_follows_the_yaw():
    yaws = RNG.uniform(-1, 1, 200)
    poses = first_component(align_shapes(similar(heads(yaws)))[0])
    assert abs(np.corrcoef(poses.projections, yaws)[0, 1]) > 0.98
    assert poses.ratios[0] > 0.7
    assert poses.ratios.sum() == pytest.approx(1)
    assert poses.component.ravel()[np.argmax(np.abs(poses.component))] > 0
    assert np.linalg.norm(poses.component) == pytest.approx(1)
    assert poses.projections.mean() == pytest.approx(0, abs=1e-12)


def test_bins_and_copies_by_hand():
    bin_of, edges = pose_bins(np.array([0.0, 0.9, 1, 2, 2.9, 3]), 3)
    assert (bin_of.tolist(), edges.tolist()) == ([0, 0, 1, 2, 2, 2], [0, 1, 2, 3])
    assert level_copies(bin_of).tolist() == [2, 2, 3, 1, 1, 1]
    assert level_copies(np.array([0, -1, 2, 2, 2, 2]), most=3).tolist() == [3, 1, 1, 1, 1, 1]
    assert pose_bins(np.zeros(3), 4)[0].tolist() == [3, 3, 3]  # all alike


def test_shapes_that_are_none():
    with pytest.raises(ValueError, match="shape 1: all points lie in one place"):
        align_shapes(np.stack([heads(np.zeros(1))[0], np.ones((5, 2))]))
    with pytest.raises(ValueError, match=r"expected shapes \(N, K, 2\), found \(0, 5, 2\)"):
        align_shapes(np.zeros((0, 5, 2)))


# --- the sampler -----------------------------------------------------------------------------------------


@pytest.fixture
def table():
    """100 frontal faces, 10 that look to a side, one that lacks its nose."""
    yaws = np.concatenate([RNG.uniform(-0.1, 0.1, 100), RNG.uniform(0.8, 0.9, 10), [0.5]])
    faces = make_table(MTFL5, count=111)
    visible = faces.visible.copy()
    visible[110, 2] = 0
    return replace(faces, keypoints=similar(heads(yaws)).astype(np.float32), visible=visible)


def test_rare_poses_are_seen_as_often(table):
    copies = pose_copies(table, bins=2)
    assert copies.tolist() == [1] * 100 + [10] * 10 + [1]
    assert pose_copies(table, bins=2, most=4).tolist() == [1] * 100 + [4] * 10 + [1]
    eyes = pose_copies(table, keypoints=["right_eye", "left_eye", "nose"])
    assert eyes[110] == 1
    assert eyes[100:110].min() > 3
    dataset = TopDownDataset(table, check_images=False)
    settings = {"copies": {"type": "pose_copies", "bins": 2}, "seed": 3}
    sampler = SAMPLERS.build({"type": "BalancedSampler", "dataset": KeyedDataset(dataset), **settings})
    keys = list(sampler)
    assert len(keys) == len(sampler) == 201
    assert Counter(map(int, keys)) == Counter(np.repeat(np.arange(111), copies).tolist())
    assert sorted(key.repeat for key in keys if key == 105) == list(range(10))
    assert keys != sorted(keys)
    sampler.set_epoch(1)
    assert [int(key) for key in sampler] != [int(key) for key in keys]
    # Each copy is drawn in its own way.
    drawn = {Draws(111).of(key)[1].rng(105).random() for key in keys if key == 105}
    assert len(drawn) == 10


class Numbers(Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, row):
        return row


def test_any_data_set_with_numbers_of_ones_own():
    sampler = BalancedSampler(ConcatDataset([Numbers(2), Numbers(1)]), [1, 3, 1], shuffle=False)
    assert [(int(key), key.repeat) for key in sampler] == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0)]
    plain = BalancedSampler(Numbers(7), [1] * 7, seed=5)
    assert list(plain) == list(EpochSampler(Numbers(7), seed=5))


@pytest.mark.parametrize("drop_last", [False, True])
def test_processes_share_the_copies(monkeypatch, drop_last):
    shares = []
    for rank in range(2):
        monkeypatch.setattr("posekit.datasets.sampler.get_dist_info", lambda rank=rank: (rank, 2))
        sampler = BalancedSampler(Numbers(4), np.array([1, 2, 1, 5]), batch_size=2, drop_last=drop_last)
        shares.append([(int(key), key.repeat) for key in sampler])
        assert len(shares[-1]) == len(sampler)
    assert len(shares[0]) == len(shares[1]) == (4 if drop_last else 5)
    assert len(set(shares[0]) | set(shares[1])) == (8 if drop_last else 9)


def test_a_training_builds_it(table):
    stated = {
        "batch_size": 16, "drop_last": True, "dataset": TopDownDataset(table, check_images=False),
        "sampler": {"type": BalancedSampler, "copies": {"type": pose_copies, "bins": 2}},
    }  # fmt: skip
    loader = complete_loader(stated, True, 0, 1)
    sampler = SAMPLERS.build({**loader["sampler"], "dataset": stated["dataset"]})
    assert isinstance(sampler, BalancedSampler)
    assert len(sampler) == 192  # whole batches


def test_what_cannot_be_balanced_is_told(table):
    for settings, message in (
        ({"bins": 0}, "'bins' must be a whole number above 0, found 0"),
        ({"most": 1.5}, "'most' must be a whole number above 0"),
        ({"keypoints": ["nose", "ear"]}, "'keypoints': expected two or more of"),
        ({"keypoints": ["nose"]}, "'keypoints': expected two or more of"),
    ):
        with pytest.raises(ConfigError, match=message):
            pose_copies(table, **settings)
    with pytest.raises(ConfigError, match=r"nobody in .* has all of the keypoints"):
        pose_copies(replace(table, visible=0 * table.visible))
    for copies in ([1, 2], [1, 0, 1], torch.ones(3)):
        with pytest.raises(ConfigError, match="expected 3 whole numbers above 0, one for each sample"):
            BalancedSampler(Numbers(3), copies)
    with pytest.raises(ConfigError, match="function of one data set's table, of which a Numbers has none"):
        BalancedSampler(Numbers(3), {"type": pose_copies})


def test_one_number_is_the_views_of_every_sample():
    sampler = BalancedSampler(range(3), copies=2, shuffle=False)
    keys = list(sampler)
    assert [(int(key), key.repeat) for key in keys] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    for wrong in (0, True, 1.5):
        with pytest.raises(ConfigError, match="'copies': expected 3 whole numbers above 0"):
            BalancedSampler(range(3), copies=wrong)
