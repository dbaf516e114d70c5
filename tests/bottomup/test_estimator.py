"""Heads of whole pictures in the one estimator: a few scenes by heart, everybody found, OKS of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bottomup.toy_scenes import HEADS, SIDE, STICKS, TinyBackbone, people_of, picture, write_scenes
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import default_collate
from toy_crowds import matched

from posekit import Predictor
from posekit.bottomup import PartAffinityHead, TagGrouper, TagHead
from posekit.codecs import MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.datasets import BottomUpDataset, load_coco
from posekit.errors import ConfigError
from posekit.inference.export import export
from posekit.inference.network import load_network, two_stages
from posekit.metrics.evaluators import OKSMetric
from posekit.models import PoseEstimator
from posekit.structures import Sample
from posekit.transforms import Crop, Line, Upright

CROP = Crop((SIDE, SIDE), padding=1.0, convention="udp")
FIELDS = {
    "type": PartAffinityHead, "width": 24, "stages": 2, "targets": {"sigma": 3.0, "width": 3.0},
    "assembler": {"least_parts": 2},
}  # fmt: skip
TAGS = {
    "type": TagHead, "codec": {"type": UDPCodec, "sigma": 1.5}, "width": 16, "blocks": 1,
    "tag_loss": {"pull": 0.01, "push": 0.01},  # it has little time
}  # fmt: skip
STEPS = {"fields": 200, "tags": 250}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    path = write_scenes(tmp_path_factory.mktemp("scenes"))
    return BottomUpDataset(load_coco(str(path), str(path.parent / "images"), STICKS), crop=CROP)


@pytest.fixture(scope="module", params=[FIELDS, TAGS], ids=["fields", "tags"])
def knowing(request, scenes):
    """An estimator that knows the scenes by heart, and their batch."""
    return taught(request.param, scenes, STEPS["tags" if request.param is TAGS else "fields"])


def taught(head, scenes, steps, rate=1e-2):
    """An estimator that knows the scenes, and their mirror images, by heart."""
    torch.manual_seed(0)
    model = PoseEstimator(TinyBackbone(), head, skeleton=STICKS)
    batch = Sample(*default_collate([scenes[row] for row in range(len(scenes))]))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for step in range(steps):
        losses = model(*moved(batch, model.skeleton.flip_index, step % 2 > 0), mode="loss")
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        schedule.step()
    return model.eval(), batch


def moved(batch, flip_index, mirrored):
    """The batch some pixels to somewhere, or its mirror image: a tag must be right in any part of a cell."""
    dx, dy = torch.randint(-2, 3, (2,)).tolist()
    image = batch.image.roll((dy, dx), (2, 3))
    points, weight = batch.keypoints + torch.tensor([dx, dy]), batch.weight
    if mirrored:
        points = torch.stack([SIDE - 1 - points[..., 0], points[..., 1]], dim=-1)
        image, points, weight = image.flip(3), points[:, :, flip_index], weight[:, :, flip_index]
    return batch._replace(image=image, keypoints=points, weight=weight)


@pytest.mark.parametrize("flip_test", [True, False])
def test_it_learns_scenes_and_finds_everybody(knowing, scenes, flip_test):
    """In their own pixels; the ordinary metric gives an AP of 1."""
    model, batch = knowing
    model.flip_test = flip_test
    found = model(*batch, mode="predict")
    for number, poses in enumerate(found):
        assert len(poses) == len(HEADS[number])
        points = np.stack([pose.keypoints for pose in poses])
        true = people_of(number)
        assert np.abs(matched(points, true) - true).max() < 2
        assert {pose.image_id for pose in poses} == {10 + number}
        assert [pose.person_id for pose in poses] == list(range(len(poses)))
        assert [pose.box_score for pose in poses] == sorted((p.box_score for p in poses), reverse=True)
    metric = OKSMetric(rescore_threshold=None, nms_threshold=None)
    metric.dataset_meta = scenes.metainfo
    metric.process(None, found[:3])
    metric.process(None, found[2:])  # a sampler's padding shows a picture again
    assert metric.evaluate(4)["AP"] > 0.9


def test_a_photo_needs_nothing_else(knowing):
    """The predictor finds whom the estimator finds, on photos of any size, several at once, folded or not."""
    model, batch = knowing
    model.flip_test = True
    expected = model(*batch, mode="predict")
    predictor = Predictor(model, crop=CROP, device="cpu")
    assert predictor.describe()["boxes"] == "none: the network finds the people"
    found = predictor([picture(number) for number in range(len(HEADS))])
    for people, poses in zip(found, expected, strict=True):
        assert_allclose([p.keypoints for p in people], [p.keypoints for p in poses], atol=0.05)
        assert (people.box_source, people.unusable, people.error) == ("network", (), None)
    # Twice as large, beside another: the same places in the photo's own pixels.
    doubled = picture(1).repeat(2, axis=0).repeat(2, axis=1)
    _, people = predictor([picture(0), doubled])
    true = people_of(1) * 2 + 0.5
    assert np.abs(matched(np.stack([pose.keypoints for pose in people]), true) - true).max() < 4


def test_boxes_have_no_place(knowing):
    model, _ = knowing
    with pytest.raises(ConfigError, match=r"finds the people of whole pictures itself, .*found detector='fa"):
        Predictor(model, crop=CROP, detector="fasterrcnn_resnet50_fpn", device="cpu")
    with pytest.raises(ConfigError, match="scores of such are not calibrated"):
        Predictor(model, crop=CROP, calibration="calibration.json", device="cpu")
    predictor = Predictor(model, crop=CROP, device="cpu")
    with pytest.raises(ConfigError, match=r"found boxes\. Leave that out, or take a top-down network"):
        predictor(picture(0), boxes=[[0, 0, 40, 40]])
    network = load_network(model, None, CROP)
    with pytest.raises(ConfigError, match="finds the people of whole pictures itself, and places no crops"):
        two_stages(network, Upright(Line(["left_hand"], ["right_hand"])), network)


def test_what_whole_pictures_cannot_do(knowing, tmp_path):
    model, _ = knowing
    with pytest.raises(ConfigError, match="put together outside of the network; one with a"):
        export(load_network(model, None, CROP), tmp_path / "scenes.onnx")
    several = {"type": "MultiHead", "heads": {"a": FIELDS}}
    with pytest.raises(ConfigError, match=r"heads.a: a PartAffinityHead finds many people .* stands alone"):
        PoseEstimator(TinyBackbone(), several, skeleton=STICKS)
    with pytest.raises(ConfigError, match="test_scales: TagHead cannot average over scales"):
        PoseEstimator(TinyBackbone(), TAGS, skeleton=STICKS, test_scales=(1.0, 1.5))
    with pytest.raises(ConfigError, match="PartAffinityHead and its fields need 'limbs'"):
        PoseEstimator(TinyBackbone(), FIELDS, skeleton={**STICKS, "limbs": []})


# --- tags ------------------------------------------------------------------------------------------------


def test_what_cannot_be_a_head_of_tags():
    with pytest.raises(ConfigError, match="'blocks' must be a whole number from 0 on, found -1"):
        TagHead(4, 3, UDPCodec(), blocks=-1)
    with pytest.raises(ConfigError, match="'codec' must draw one map for each keypoint"):
        TagHead(4, 3, UDPOffsetCodec())
    with pytest.raises(ConfigError, match="'grouper' must have the codec's alignment 'strided', found 'ali"):
        TagHead(4, 3, MSRACodec(), grouper=TagGrouper())


@pytest.mark.parametrize("codec", [UDPCodec(), MSRACodec()], ids=["aligned", "strided"])
def test_both_resolutions_are_one_and_tags_are_as_taught(codec):
    """A ramp of pixels is the same ramp in either resolution; tags are the nearest cell's."""
    head = TagHead(4, 1, codec, width=4, blocks=0)
    cells, pixels = 8, 32

    def ramp(count):
        places = torch.arange(count)
        return (
            places * (pixels - 1) / (count - 1) if codec.alignment == "aligned" else places * pixels / count
        )

    coarse, fine = (ramp(count).float().expand(1, 1, count, count) for count in (cells, 2 * cells))
    tags = torch.arange(cells).float().expand(1, 1, 1, cells, cells)
    read = head.activate({"heat": coarse, "fine": fine, "tags": tags})
    if codec.alignment == "aligned":
        assert_allclose(read["heat"], fine, atol=1e-4)
    else:  # resized by their edges: a quarter of a coarse cell is half a fine one
        assert_allclose(read["heat"][..., 1:-1], (fine + fine - 1)[..., 1:-1] / 2, atol=1e-4)
    wanted = torch.arange(16).double() * 7 / 15 if codec.alignment == "aligned" else torch.arange(16) // 2
    assert_array_equal(read["tags"][0, 0, 0, 0], (wanted + 0.5).floor())


def test_tags_of_the_mirror_image_stand_beside():
    head = TagHead(4, 3, UDPCodec(), width=4, blocks=0)
    tags = torch.arange(3.0)[:, None, None].expand(3, 4, 4)[None, None]
    heat = torch.rand(1, 3, 4, 4)
    back = head.flip({"heat": heat, "tags": tags}, [0, 2, 1], (16, 16))
    both = head.average({"heat": heat, "tags": tags}, back)
    assert both["tags"].shape == (1, 2, 3, 4, 4)
    assert_array_equal(both["tags"][0, :, :, 0, 0], [[0, 1, 2], [0, 2, 1]])
    assert_allclose(both["heat"], (heat + heat.flip(-1)[:, [0, 2, 1]]) / 2)


def test_tags_losses_leave_crowds_out():
    head = TagHead(4, 3, UDPCodec(), width=4, blocks=0)
    points = torch.tensor([[[[8.0, 8], [10, 20], [4, 20]], [[0, 0], [0, 0], [0, 0]]]])
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    weight = torch.tensor([[[1.0, 1, 1], [0, 0, 0]]])
    fields = {name: torch.zeros(1) for name in ("warp", "box_xyxy", "box_score", "image_id", "person_id")}
    sample = Sample(image=image, keypoints=points, weight=weight, **fields)
    outputs = [{"heat": torch.zeros(1, 3, 8, 8), "fine": torch.zeros(1, 3, 16, 16),
                "tags": torch.zeros(1, 1, 3, 8, 8)}]  # fmt: skip
    losses = head.loss(outputs, sample)
    assert losses["loss_heat"] > 0
    assert (losses["loss_pull"], losses["loss_push"]) == (0, 0)  # of one person
    everywhere = torch.ones(1, 32, 32, dtype=torch.uint8)
    losses = head.loss(outputs, sample._replace(extra={"ignored": everywhere}))
    assert [losses[name].item() for name in ("loss_heat", "loss_fine")] == [0, 0]
