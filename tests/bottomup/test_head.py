"""The head of heat maps and fields: stages, losses without crowds, that it learns; poses in the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from toy_crowds import crowd, matched

from posekit.bottomup import Assembled, PartAffinityHead, PartAffinityTargets, StageMaps, poses_of
from posekit.bottomup.head import learnt_cells
from posekit.errors import ConfigError
from posekit.skeletons import COCO17
from posekit.structures import Skeleton

_ARM = Skeleton("arm", ("shoulder", "elbow", "wrist"), limbs=(("shoulder", "elbow"), ("elbow", "wrist")))


def test_cells_of_a_crowd_teach_nothing():
    cells = learnt_cells(torch.tensor([[8.0, 0, 20, 12]]), (3, 4), 8)
    assert_array_equal(cells, [[1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])  # 12 and 20 are centres: outside
    assert_array_equal(learnt_cells(torch.zeros(0, 4), (3, 4), 8), np.ones((3, 4)))


def test_stages_see_features_and_maps():
    torch.manual_seed(0)
    head = PartAffinityHead(5, _ARM, stages=3, width=8)
    outputs = head(torch.randn(2, 5, 6, 7))
    assert len(outputs) == 3
    assert outputs[0].heat.shape == (2, 4, 6, 7)
    assert outputs[0].fields.shape == (2, 2, 2, 6, 7)
    assert [stage[0].in_channels for stage in head.stages] == [5, 5 + 8, 5 + 8]


def test_losses_by_hand():
    """Maps of zeros against one arm: the sum of the squared targets for each cell outside the crowd."""
    head = PartAffinityHead(4, _ARM, stride=4, width=4, field_weight=0.5)
    points = torch.tensor([[[6.0, 6], [20, 10], [40, 30]]])
    known = torch.ones(1, 3)
    crowds = torch.tensor([[0.0, 0, 16, 48]])
    maps = PartAffinityTargets(_ARM, 4)(points, known, (12, 12))
    zeros = StageMaps(torch.zeros(1, 4, 12, 12), torch.zeros(1, 2, 2, 12, 12))
    losses = head.loss([zeros, zeros], [points], [known], [crowds])
    assert_allclose(losses["loss_heat"], 2 * (maps.heat[..., 4:] ** 2).sum() / 96, rtol=1e-5)
    assert_allclose(losses["loss_fields"], 2 * 0.5 * (maps.fields[..., 4:] ** 2).sum() / 96, rtol=1e-5)
    right = StageMaps(maps.heat[None], maps.fields[None])
    assert [loss.item() for loss in head.loss([right], [points], [known]).values()] == [0, 0]
    everything = head.loss([zeros], [points], [known], [torch.tensor([[0.0, 0, 48, 48]])])
    assert [loss.item() for loss in everything.values()] == [0, 0]


def test_it_learns_two_crowds_and_finds_them():
    """From features that hold where the people are: two pictures of two people each, by heart."""
    torch.manual_seed(0)
    people = [crowd(2, (160, 128), seed=seed, height=110, columns=2) for seed in (0, 1)]
    points = [torch.tensor(one) for one in people]
    known = [torch.ones(2, 17)] * 2
    head = PartAffinityHead(16, COCO17, stages=2, width=32)
    features = torch.randn(2, 16, 16, 20)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        losses = head.loss(head(features), points, known)
        sum(losses.values()).backward()
        optimizer.step()
    found = head.predict(head(features))
    for one, true in zip(found, people, strict=True):
        assert len(one.points) == 2
        assert np.abs(matched(one.points, true) - true).mean() < 2


def test_what_cannot_be_a_head():
    with pytest.raises(ConfigError, match="skeleton 'dots': PartAffinityHead and its fields need 'limbs'"):
        PartAffinityHead(4, Skeleton("dots", ("a", "b")))
    with pytest.raises(ConfigError, match="'stages' must be a whole number from 1 on, found 0"):
        PartAffinityHead(4, _ARM, stages=0)
    with pytest.raises(ConfigError, match="'targets' must be of the skeleton 'arm' and the stride 8, found"):
        PartAffinityHead(4, _ARM, targets=PartAffinityTargets(_ARM, 4))


def test_people_become_poses_of_the_picture():
    """The input is half as wide and a quarter as high as the picture."""
    points = np.array([[[9.5, 4.5], [19.5, 9.5], [0, 0]], [[1, 1], [2, 2], [3, 3]]], np.float32)
    scores = np.array([[0.6, 0.9, 0], [0.9, 0.9, 0.9]], np.float32)
    people = Assembled(points, scores, np.array([0.5, 0.9], np.float32))
    sure, unsure = poses_of(people, (0.5, 0.25), image_id=7)
    assert_allclose(unsure.keypoints, [[19.5, 19.5], [39.5, 39.5], [0, 0]])
    assert_allclose(unsure.box_xyxy, [19.5, 19.5, 39.5, 39.5])
    assert (unsure.box_score, unsure.image_id, unsure.person_id) == (0.5, 7, 1)
    assert_allclose(sure.keypoints, [[2.5, 5.5], [4.5, 9.5], [6.5, 13.5]])
    assert_array_equal(unsure.scores, scores[0])
    assert poses_of(Assembled(points[:0], scores[:0], np.zeros(0, np.float32))) == []
