"""The head of heat maps and fields: stages, losses without crowds, the flip test; poses in the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from toy_crowds import crowd

from posekit.bottomup import Assembled, PartAffinityHead, PartAffinityTargets, poses_of
from posekit.bottomup.head import learnt_cells
from posekit.errors import ConfigError
from posekit.skeletons import BODIES, COCO17
from posekit.structures import Sample, Skeleton, blank_sample

_ARM = Skeleton("arm", ("shoulder", "elbow", "wrist"), limbs=(("shoulder", "elbow"), ("elbow", "wrist")))


def pictures(points: torch.Tensor, size_hw: tuple[int, int], ignored: list[slice] | None = None) -> Sample:
    """A batch of one picture per table of people, of whose pixels some columns are ignored."""
    blank = blank_sample(torch.zeros(len(points), 3, *size_hw, dtype=torch.uint8), points.shape[-2])
    sample = blank._replace(keypoints=points, weight=torch.ones(points.shape[:-1]))
    if ignored is None:
        return sample
    mask = torch.zeros(len(points), *size_hw, dtype=torch.uint8)
    for one, columns in zip(mask, ignored, strict=True):
        one[:, columns] = 1
    return sample._replace(extra={"ignored": mask})


def test_cells_of_a_crowd_teach_nothing():
    """A cell of which one pixel is ignored does not teach."""
    sample = pictures(torch.zeros(1, 1, 3, 2), (24, 32))
    assert_array_equal(learnt_cells(sample, (3, 4)), np.ones((1, 3, 4)))
    mask = torch.zeros(1, 24, 32, dtype=torch.uint8)
    mask[0, :9, 15:24] = 1
    cells = learnt_cells(sample._replace(extra={"ignored": mask}), (3, 4))
    assert_array_equal(cells[0], [[1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]])


def test_stages_see_features_and_maps():
    torch.manual_seed(0)
    head = PartAffinityHead(5, _ARM, stages=3, width=8)
    outputs = head([torch.randn(2, 5, 6, 7)])
    assert len(outputs) == 3
    assert outputs[0]["heat"].shape == (2, 4, 6, 7)
    assert outputs[0]["fields"].shape == (2, 2, 2, 6, 7)
    assert [stage[0].in_channels for stage in head.stages] == [5, 5 + 8, 5 + 8]


def test_losses_by_hand():
    """Maps of zeros against one arm: the sum of the squared targets for each cell outside the crowd."""
    head = PartAffinityHead(4, _ARM, stride=4, width=4, field_weight=0.5)
    points = torch.tensor([[[6.0, 6], [20, 10], [40, 30]]])
    maps = PartAffinityTargets(_ARM, 4)(points, torch.ones(1, 3), (12, 12))
    zeros = {"heat": torch.zeros(1, 4, 12, 12), "fields": torch.zeros(1, 2, 2, 12, 12)}
    losses = head.loss([zeros, zeros], pictures(points[None], (48, 48), [slice(0, 16)]))
    assert_allclose(losses["loss_heat"], 2 * (maps.heat[..., 4:] ** 2).sum() / 96, rtol=1e-5)
    assert_allclose(losses["loss_fields"], 2 * 0.5 * (maps.fields[..., 4:] ** 2).sum() / 96, rtol=1e-5)
    right = {"heat": maps.heat[None], "fields": maps.fields[None]}
    nobody = torch.zeros(1, 2, 3, 2)  # a place for somebody, with weights of 0
    padded = pictures(torch.cat([points[None], nobody], dim=1), (48, 48))
    padded.weight[:, 1:] = 0
    assert [loss.item() for loss in head.loss([right], padded).values()] == [0, 0]
    everything = head.loss([zeros], pictures(points[None], (48, 48), [slice(0, 48)]))
    assert [loss.item() for loss in everything.values()] == [0, 0]


@pytest.mark.parametrize("skeleton", BODIES, ids=lambda one: one.name)
def test_the_mirror_image_is_turned_back_exactly(skeleton):
    """What is drawn of mirrored people, sides exchanged, is what was drawn of the people."""
    if skeleton == COCO17:
        people = torch.tensor(crowd(2, (160, 128), seed=3, columns=2))
    else:
        rng = np.random.default_rng(0)
        people = torch.tensor(rng.uniform(10, 118, (2, skeleton.num_keypoints, 2)))
    mirrored = people.clone()
    mirrored[..., 0] = 159 - mirrored[..., 0]
    mirrored = mirrored[:, skeleton.flip_index]
    known = torch.ones(people.shape[:2])
    draw = PartAffinityTargets(skeleton)
    straight, turned = (draw(points, known, (16, 20)) for points in (people, mirrored))
    head = PartAffinityHead(4, skeleton, width=4)
    back = head.flip(
        {"heat": turned.heat[None], "fields": turned.fields[None]}, skeleton.flip_index, (128, 160)
    )
    assert_allclose(back["heat"][0], straight.heat, atol=1e-5)
    assert_allclose(back["fields"][0], straight.fields, atol=1e-5)


def test_what_cannot_be_a_head():
    with pytest.raises(ConfigError, match="skeleton 'dots': PartAffinityHead and its fields need 'limbs'"):
        PartAffinityHead(4, Skeleton("dots", ("a", "b")))
    with pytest.raises(ConfigError, match="'stages' must be a whole number from 1 on, found 0"):
        PartAffinityHead(4, _ARM, stages=0)
    with pytest.raises(ConfigError, match="'targets' must be of the skeleton 'arm' and the stride 8, found"):
        PartAffinityHead(4, _ARM, targets=PartAffinityTargets(_ARM, 4))


def test_maps_of_another_stride_are_refused():
    head = PartAffinityHead(4, _ARM, stride=8, width=4)
    outputs = head([torch.zeros(1, 4, 12, 12)])
    with pytest.raises(ConfigError, match=r"a stride of 8 expected maps of \(6, 6\), found \(12, 12\)"):
        head.loss(outputs, pictures(torch.zeros(1, 1, 3, 2), (48, 48)))


def test_a_limb_without_a_mirror_image_is_refused_in_the_flip_test():
    lame = Skeleton(
        "lame", ("head", "left", "right"), flip_pairs=(("left", "right"),), limbs=(("head", "left"),)
    )
    head = PartAffinityHead(4, lame, width=4)
    outputs = head([torch.zeros(1, 4, 6, 6)])[-1]
    with pytest.raises(ConfigError, match=r"of the limb \('head', 'left'\) is none .*flip_test=False"):
        head.flip(outputs, lame.flip_index, (48, 48))


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
