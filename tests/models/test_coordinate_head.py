"""Coordinates by config alone: the head, its flip test, CNN-6 and CNN-7, any network of timm below it."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from torch import nn

from posekit.errors import ConfigError
from posekit.models import CoordinateHead, FaceCNN, L1Loss, MSELoss, PoseEstimator, WingLoss
from posekit.registry import MODELS
from posekit.structures import blank_sample

SKELETON = {"name": "three", "keypoints": ["left", "right", "nose"], "flip_pairs": [["left", "right"]]}
HEAD = {"type": "CoordinateHead", "loss": {"type": "WingLoss"}}


class Marks(nn.Module):
    """A map whose global average is the image's brightest pixel: fractions of the way across and down."""

    out_channels = 2

    def forward(self, image):
        height, width = image.shape[-2:]
        place = image[:, 0].flatten(1).argmax(dim=1)
        x, y = place % width / (width - 1), place // width / (height - 1)
        return torch.stack([x, y], dim=1)[..., None, None].expand(-1, -1, 2, 2)


def batch(points=((20.0, 30.0),) * 3, size=(64, 48)):
    image = torch.zeros(2, 3, *size, dtype=torch.uint8)
    image[:, :, 12, 9] = 255
    return blank_sample(image, 3)._replace(
        keypoints=torch.tensor(points).expand(2, 3, 2).clone(),
        weight=torch.ones(2, 3),
        warp=torch.eye(2, 3, dtype=torch.float64).repeat(2, 1, 1),
    )


def reads_marks(**settings):
    """Points all at the mark, right and nose 5 and 10 pixels of 47 to the right of it."""
    model = PoseEstimator(Marks(), {**HEAD, **settings}, SKELETON, flip_test=False).eval()
    last = model.head.layers[-1]
    last.weight.data.copy_(torch.eye(2).repeat(3, 1))
    last.bias.data.copy_(torch.tensor([0, 0, 5 / 47, 0, 10 / 47, 0]))
    return model


def test_points_are_input_pixels_with_scores_of_one():
    poses = reads_marks()(*batch(), mode="predict")
    np.testing.assert_allclose(poses[1].keypoints, [[9, 12], [14, 12], [19, 12]], atol=1e-4)
    assert poses[1].scores.tolist() == [1, 1, 1]


def test_the_mirror_image_is_averaged_with_sides_exchanged():
    model = reads_marks()
    model.flip_test = True
    # In the mirror image the mark is at 38; left, right, nose at 38, 43, 48, which are 9, 4, -1 in the image.
    pose = model(*batch(), mode="predict")[0]
    np.testing.assert_allclose(pose.keypoints, [[(9 + 4) / 2, 12], [(14 + 9) / 2, 12], [9, 12]], atol=1e-4)


def test_flip_is_the_reference():
    arrays = reference.load("regression.npz")
    head = CoordinateHead(1, 17, L1Loss())
    turned = head.flip(torch.from_numpy(arrays["flip_in"]), arrays["flip_indices"], (256, 192))
    np.testing.assert_allclose(turned, arrays["flip_coordinates_shift0"], atol=1e-15)


def test_the_loss_is_of_input_pixels_and_leaves_unlabelled_points_out():
    model, sample = reads_marks(), batch(((10.0, 12.0), (14.0, 15.0), (0.0, 0.0)))
    sample.weight[:, 2] = 0
    expected = WingLoss().curve(torch.tensor([1.0, 3.0])).sum()
    assert model.loss(sample)["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("amp", "steps"), [(False, 12), (True, 2)])
def test_it_begins_in_the_middle_and_learns(amp, steps):
    torch.manual_seed(0)
    model = PoseEstimator(
        {"type": "FaceCNN", "batch_norm": True}, {**HEAD, "pool": 2, "hidden": [32]}, SKELETON
    )
    sample = batch()._replace(image=torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    points = model.predict(sample)[0].keypoints
    np.testing.assert_allclose(points, 31.5, atol=3)
    optimizer = torch.optim.Adam(model.parameters(), 3e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
        losses = [_step(model, optimizer, sample) for _ in range(steps)]
    assert losses[-1] < (losses[0] / 2 if steps > 2 else losses[0])


def _step(model, optimizer, sample):
    optimizer.zero_grad()
    loss = model.loss(sample)["loss"]
    loss.backward()
    optimizer.step()
    assert loss.dtype == torch.float32
    return loss.item()


@pytest.mark.parametrize(
    ("name", "stride", "size"),
    [("resnet10t", 32, 64), ("mobilenetv2_050", 32, 96), ("vit_tiny_patch16_224", 16, 48)],
)
def test_any_timm_network_by_config_alone(name, stride, size):
    backbone = {"type": "TimmBackbone", "name": name, "decoder": "none", "stride": stride}
    model = PoseEstimator(backbone, HEAD, SKELETON).eval()
    sample = batch()._replace(image=torch.zeros(2, 3, size, size, dtype=torch.uint8))
    assert model.predict(sample)[0].keypoints.shape == (3, 2)
    model.loss(sample)["loss"].backward()
    assert model.head.layers[-1].weight.grad.abs().sum() > 0


TABLES = {"cnn6": "cnn6_wing", "cnn7": "cnn7_wing", "cnn7_1024": "cnn7_wing"}


@pytest.mark.parametrize("variant", TABLES)
@pytest.mark.parametrize("points", [19, 68])
def test_layers_and_parameters_are_the_tables(variant, points):
    last = {"cnn6": "", "cnn7": "_last512", "cnn7_1024": "_last1024"}[variant]
    table = reference.load_json("facenets.json")[f"{TABLES[variant]}_L{points}{last}"]
    backbone, head = (
        FaceCNN(variant),
        CoordinateHead(FaceCNN(variant).out_channels, points, L1Loss(), 2, [1024]),
    )
    count = sum(p.numel() for part in (backbone, head) for p in part.parameters())
    assert count == table["n_parameters"]
    image, shapes = torch.zeros(1, *table["input"]), []
    for layer in backbone.layers:
        image = layer(image)
        shapes.append(list(image.shape[1:]))
    assert shapes == [layer["after_pool"] for layer in table["layers"] if "after_pool" in layer]


@pytest.mark.parametrize(("variant", "count", "size"), [("cnn6", 3705702, 64), ("cnn7", 6065510, 128)])
def test_parameters_counted_by_hand(variant, count, size):
    """Convolutions 9 in out + out, of 3, 32, 64, ... channels; 2048 x 1024 + 1024; 1024 x 38 + 38."""
    backbone = MODELS.build({"type": "FaceCNN", "variant": variant})
    head = CoordinateHead(512, 19, L1Loss(), pool=2, hidden=[1024])
    assert sum(p.numel() for part in (backbone, head) for p in part.parameters()) == count
    assert backbone(torch.zeros(1, 3, size, size))[0].shape == (1, 512, 2, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": MSELoss()}, "takes a loss of coordinates, such as WingLoss .*, found MSELoss"),
        ({"pool": 0}, "'pool' must be a whole number above 0, found 0"),
        ({"hidden": 1024}, "'hidden' must be a list of whole numbers above 0, found 1024"),
        ({"hidden": [True]}, "'hidden' must be a whole number above 0, found True"),
        ({"dropout": 1.0}, "'dropout' must be a number from 0 to below 1"),
        ({"dropout": "a"}, "'dropout' must be a number from 0 to below 1, found 'a'"),
        ({"dropout": True}, "'dropout' must be a number from 0 to below 1, found True"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        PoseEstimator(Marks(), {**HEAD, **settings}, SKELETON)


def test_what_does_not_fit_is_told():
    with pytest.raises(ConfigError, match=r"unknown variant 'cnn8'; expected one of \['cnn6'"):
        FaceCNN("cnn8")
    with pytest.raises(ConfigError, match="multiples of 32, found 64 x 48"):
        FaceCNN()(torch.zeros(1, 3, 64, 48))
    with pytest.raises(ConfigError, match="needs keypoints; the skeleton has none"):
        PoseEstimator(Marks(), HEAD, "none")
    with pytest.raises(ConfigError, match="Hourglass emits heatmaps, which CoordinateHead does not take"):
        PoseEstimator({"type": "Hourglass", "num_stacks": 1}, HEAD, SKELETON)
