"""Heads of whole pictures in the one estimator: a few scenes by heart, everybody found, OKS of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bottomup.toy_scenes import HEADS, SIDE, STICKS, TinyBackbone, people_of, write_scenes
from numpy.testing import assert_allclose
from torch.utils.data import default_collate
from toy_crowds import matched

from posekit.bottomup import PartAffinityHead, TagHead
from posekit.codecs import UDPCodec
from posekit.datasets import BottomUpDataset, load_coco
from posekit.metrics.evaluators import OKSMetric
from posekit.models import HeatmapHead, MSELoss, MultiHead, PoseEstimator
from posekit.structures import Sample

FIELDS = {
    "type": PartAffinityHead, "width": 24, "stages": 2, "targets": {"sigma": 3.0, "width": 3.0},
    "assembler": {"least_parts": 2},
}  # fmt: skip
TAGS = {"type": TagHead, "codec": {"type": UDPCodec, "sigma": 1.5}, "width": 16, "blocks": 1}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    path = write_scenes(tmp_path_factory.mktemp("scenes"))
    source = load_coco(str(path), str(path.parent / "images"), STICKS)
    return BottomUpDataset(source, crop={"input_size_hw": (SIDE, SIDE), "padding": 1.0, "convention": "udp"})


def taught(head, scenes, steps, rate=1e-2):
    """An estimator that knows the scenes, and their mirror images, by heart."""
    torch.manual_seed(0)
    model = PoseEstimator(TinyBackbone(), head, skeleton=STICKS)
    batch = Sample(*default_collate([scenes[row] for row in range(len(scenes))]))
    flip = model.skeleton.flip_index
    points = batch.keypoints.clone()
    points[..., 0] = SIDE - 1 - points[..., 0]
    mirrored = batch._replace(
        image=batch.image.flip(3), keypoints=points[:, :, flip], weight=batch.weight[:, :, flip]
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for step in range(steps):
        losses = model(*(mirrored if step % 2 else batch), mode="loss")
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        schedule.step()
    return model.eval(), batch


@pytest.mark.parametrize(("head", "steps"), [(FIELDS, 150), (TAGS, 300)], ids=["fields", "tags"])
def test_it_learns_scenes_and_finds_everybody(head, steps, scenes):
    """In their own pixels, with and without the mirror image; the ordinary metric gives an AP of 1."""
    model, batch = taught(head, scenes, steps)
    for flip_test in (True, False):
        model.flip_test = flip_test
        found = model(*batch, mode="predict")
        for number, poses in enumerate(found):
            assert len(poses) == len(HEADS[number])
            points = np.stack([pose.keypoints for pose in poses])
            true = people_of(number)
            assert np.abs(matched(points, true) - true).max() < 2
            assert {pose.image_id for pose in poses} == {10 + number}
            assert [pose.person_id for pose in poses] == list(range(len(poses)))
        metric = OKSMetric(rescore_threshold=None, nms_threshold=None)
        metric.dataset_meta = scenes.metainfo
        metric.process(None, found[:3])
        metric.process(None, found[2:])  # a sampler's padding shows a picture again
        assert metric.evaluate(4)["AP"] > 0.9
