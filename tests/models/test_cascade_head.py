"""DeepPose's cascade: squares around points, displacements in their sides, simulated errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.test_tompson import SIZE, SKELETON, bumps, sample
from torch import nn

from posekit.errors import ConfigError
from posekit.models import CascadeHead, PoseEstimator, RefiningHead, TompsonTrunk, cascade_head
from posekit.models.onnx_stages import OnnxStages
from posekit.skeletons import get_skeleton

L1 = {"type": "L1Loss"}
HANDS = ["left_hand", "right_hand"]
MAP = (16, 12)  # of SIZE: the last cell is (11, 15), the last pixel (47, 63)


def head(**settings):
    skeleton = get_skeleton(SKELETON)
    return CascadeHead(4, 3, **{"loss": L1, "skeleton": skeleton, "cells": 3, "width": 8, **settings})


def points_of(head, points):
    """Has the first stage find these points (K, 2), fractions, whatever it sees."""
    with torch.no_grad():
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.copy_(torch.tensor(points).flatten())


def displace(head, number, by):
    with torch.no_grad():
        head.later[number].own_bias.copy_(torch.tensor(by))


START = [[0.5, 0.5], [0.2, 0.4], [0.8, 0.6]]


def test_a_stage_moves_points_by_sides_of_its_square():
    cascade = head(stages=3, window=0.4).eval()
    points_of(cascade, START)
    displace(cascade, 0, [[0.25, -0.5], [0.0, 0.0], [0.0, 1.0]])
    displace(cascade, 1, [[0.0, 0.0], [-0.5, 0.0], [0.0, 0.0]])
    first, second, third = cascade([torch.rand(2, 4, *MAP)])
    torch.testing.assert_close(first, torch.tensor(START).expand(2, 3, 2))
    side = 0.4 * 15  # cells: of the map's longer side
    wanted = first + torch.tensor([[0.25, -0.5], [0.0, 0.0], [0.0, 1.0]]) * side / torch.tensor([11.0, 15.0])
    torch.testing.assert_close(second, wanted)
    torch.testing.assert_close(third[:, 1, 0], second[:, 1, 0] - 0.5 * side / 11)
    torch.testing.assert_close(third[:, [0, 2]], second[:, [0, 2]])


def test_the_diameter_is_that_of_the_stage_before():
    cascade = head(stages=2, window=0.5, diameter=HANDS).eval()
    points_of(cascade, START)
    displace(cascade, 0, [[1.0, 0.0]] * 3)
    _, moved = cascade([torch.rand(1, 4, *MAP)])
    side = 0.5 * np.hypot(0.6 * 11, 0.2 * 15)
    np.testing.assert_allclose(
        (moved[0, :, 0] - torch.tensor(START)[:, 0]).detach(), [side / 11] * 3, rtol=1e-5
    )
    points_of(cascade, [[0.5, 0.5]] * 3)  # hands in one place: an eighth of the longer side
    _, moved = cascade([torch.rand(1, 4, *MAP)])
    np.testing.assert_allclose(moved[0, 0, 0].item(), 0.5 + 0.5 * 15 / 8 / 11, rtol=1e-5)


def test_each_keypoint_looks_at_its_own_surroundings():
    """A stage that adds what its square's middle shows: of a map of bumps, that of its own keypoint."""
    cascade = head(stages=2, cells=1, width=4, window=1.0).eval()
    points_of(cascade, START)
    maps = torch.zeros(1, 4, *MAP)
    maps[0, :3] = bumps([[[0.5 * 47, 0.5 * 63], [0.2 * 47, 0.4 * 63], [0.8 * 47, 0.6 * 63]]], SIZE, MAP)[0]
    with torch.no_grad():
        stage = cascade.later[0]
        stage.shared[1].weight.copy_(torch.eye(4))
        stage.own_weight.zero_()
        for keypoint in range(3):
            stage.own_weight[keypoint, 0, keypoint] = 0.1
    first, second = cascade([maps])
    moved = (second - first)[0, :, 0] * 11 / 15
    # On a cell's centre exactly 0.1; between cells bilinear, a little less; at another's place next to 0.
    assert (moved > 0.08).all()
    assert (moved <= 0.1 + 1e-6).all()
    stage.own_weight.data = stage.own_weight.data.roll(1, 0)
    assert ((cascade([maps])[1] - first)[0, :, 0].abs() < 0.03).all()


def test_losses_are_the_stages_sum_in_input_pixels():
    cascade = head(stages=3, window=0.4)
    points_of(cascade, START)
    displace(cascade, 0, [[0.25, 0.0]] * 3)
    batch = sample([[[0.5 * 47, 0.5 * 63], [0.2 * 47, 0.4 * 63], [0.8 * 47, 0.6 * 63]]])
    losses = cascade.loss(cascade([torch.rand(1, 4, *MAP)]), batch)
    off = 0.25 * 0.4 * 15 / 11 * 47 / 2  # mean over x and y
    assert losses["stage_0"].item() == pytest.approx(0, abs=1e-5)
    assert losses["stage_1"].item() == losses["stage_2"].item() == pytest.approx(off, rel=1e-5)
    assert losses["loss"].item() == pytest.approx(2 * off, rel=1e-5)
    assert not any("loss" in name for name in losses if name != "loss")


def test_no_stage_teaches_the_one_before():
    cascade = head(stages=2)
    maps = torch.rand(2, 4, *MAP)
    _, second = cascade([maps])
    second.sum().backward()
    assert cascade.layers[-1].weight.grad is None
    assert cascade.later[0].own_weight.grad.abs().sum() > 0


def test_errors_are_counted_keypoint_by_keypoint_and_drawn_again():
    torch.manual_seed(0)
    cascade = head(stages=2, window=0.4, errors="simulated", momentum=1.0)
    points_of(cascade, START)
    displace(cascade, 0, [[5.0, 5.0]] * 3)  # what its own predictions are does not matter
    truth = torch.tensor(START) * torch.tensor([47.0, 63.0])
    side = 0.4 * 15
    # Errors of the first stage, in sides: the nose 0.1 to the right or 0.3, the left hand none.
    per_side = torch.tensor([side / 11 * 47, side / 15 * 63])
    errors = torch.zeros(2, 3, 2)
    errors[0, 0, 0], errors[1, 0, 0] = 0.1, 0.3
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    batch = sample(truth - errors * per_side, weight=weight)
    batch.keypoints[:, 2] = 1e6  # unlabelled: anything
    stages = cascade.train()([torch.rand(2, 4, *MAP)])
    assert not stages[1]["points"].requires_grad
    assert cascade.loss(stages, batch)["loss"].item() < 1000
    torch.testing.assert_close(cascade.error_mean[0, :2], torch.tensor([[0.2, 0.0], [0.0, 0.0]]))
    # About the mean that was there before, 0: (0.01 + 0.09) / 2.
    torch.testing.assert_close(cascade.error_variance[0, :2], torch.tensor([[0.05, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(cascade.error_variance[0, 2], torch.tensor([0.01, 0.01]))  # not labelled
    # A second batch, by a momentum that leaves them; windows start at truth + error.
    cascade.momentum = 1e-9
    displace(cascade, 0, [[0.0, 0.0]] * 3)
    many = sample(truth.expand(4000, 3, 2))
    maps = torch.zeros(4000, 4, *MAP)
    started = cascade._from_simulated(0, torch.tensor(START).expand(4000, 3, 2), maps, many)
    drawn = (started - torch.tensor(START)) / torch.tensor([side / 11, side / 15])
    np.testing.assert_allclose(drawn.mean(0)[:2].detach(), [[0.2, 0], [0, 0]], atol=0.02)
    np.testing.assert_allclose(drawn.std(0)[:2].detach(), [[0.05**0.5, 0], [0, 0]], atol=0.01)


KNOWN = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])[..., None] > 0


def test_what_is_not_finite_is_no_error():
    errors = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
    broken, sound = head(errors="simulated"), head(errors="simulated")
    sound._note_errors(0, errors[:3], KNOWN[:3])
    errors[3, :2] = torch.tensor([[torch.nan, torch.inf], [-torch.inf, torch.nan]])
    broken._note_errors(0, errors, KNOWN)
    torch.testing.assert_close(broken.error_mean, sound.error_mean)
    torch.testing.assert_close(broken.error_variance, sound.error_variance)
    before = broken.error_mean.clone()
    broken._note_errors(0, torch.full((4, 3, 2), torch.nan), KNOWN)
    assert torch.equal(broken.error_mean, before)
    assert broken.error_variance.isfinite().all()


def test_all_processes_errors_are_noted_together(monkeypatch):
    errors = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
    whole, parts = head(errors="simulated"), [head(errors="simulated") for _ in range(2)]
    whole._note_errors(0, errors, KNOWN)
    told = []
    monkeypatch.setattr(cascade_head, "all_reduce", lambda sums: told.append(sums.clone()))
    for rank, rows in enumerate((slice(0, 1), slice(1, 4))):
        head(errors="simulated")._note_errors(0, errors[rows], KNOWN[rows])
        assert len(told) == rank + 1
    total = torch.stack(told).sum(0)
    monkeypatch.setattr(cascade_head, "all_reduce", lambda sums: sums.copy_(total))
    for part, rows in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        part._note_errors(0, errors[rows], KNOWN[rows])
        torch.testing.assert_close(part.error_mean, whole.error_mean)
        torch.testing.assert_close(part.error_variance, whole.error_variance)


@pytest.mark.parametrize("errors", ["own", "simulated"])
def test_later_stages_find_what_the_first_cannot(errors):
    """Dots whose place the first stage sees in coarse cells, the later ones around it."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)

    class Dots(nn.Module):
        out_channels = 3

        def forward(self, image):
            return [image / 2]

    size = (32, 32)
    points = torch.tensor(random.uniform(6, 25, (64, 1, 2)), dtype=torch.float32)
    dots = bumps(points, size, size, 3.0).expand(-1, 3, -1, -1)
    batch = sample(points, size)._replace(image=(dots * 255).to(torch.uint8))
    one = {"name": "dot", "keypoints": ["dot"], "flip_pairs": []}
    settings = {"type": CascadeHead, "loss": L1, "stages": 2, "window": 0.5, "pool": 3, "errors": errors}
    model = PoseEstimator(Dots(), settings, one, flip_test=False).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        optimiser.zero_grad()
        model.loss(batch)["loss"].backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        stages = model.stages(model.normalise(batch.image))
    assert all(isinstance(stage, torch.Tensor) for stage in stages)
    first, second = ((stage * 31 - points).abs().mean().item() for stage in stages)
    assert second < 0.6 * first
    assert second < 1
    poses = model.predict(batch)
    np.testing.assert_allclose(np.stack([pose.keypoints for pose in poses]), stages[1] * 31, atol=1e-3)
    assert all((pose.scores == 1).all() for pose in poses)
    assert model.describe()["codec"].startswith("none: coordinates in 2 stages")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stages": 1}, "'stages' must be a whole number of at least 2, found 1"),
        ({"cells": 0}, "'cells' must be a whole number of at least 1"),
        ({"window": 0}, "'window' must be a number above 0"),
        ({"momentum": 2}, "'momentum' must be a number above 0 and up to 1"),
        ({"dropout": "a"}, "'dropout' must be a number from 0 to below 1, found 'a'"),
        ({"errors": "none"}, r"'errors' must be one of \['own', 'simulated'\]"),
        ({"diameter": ["left_hand", "tail"]}, r"'diameter' must name two of the skeleton's keypoints"),
        ({"diameter": ["nose", "nose"]}, "must name two"),
        ({"diameter": "nose"}, "must name two"),
        ({"loss": {"type": "RLELoss"}}, "a loss of coordinates alone, such as L1Loss, found RLELoss"),
        ({"loss": {"type": "MSELoss"}}, "a CascadeHead takes a loss of coordinates"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(ConfigError, match=words):
        head(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"type": CascadeHead, "loss": L1, "pool": 2},
        {"type": CascadeHead, "loss": L1, "pool": 2, "diameter": HANDS},
        {"type": RefiningHead, "codec": {"type": "udp"}, "loss": {"type": "MSELoss"}, "window": 5},
    ],
)
def test_onnx_computes_windows_of_any_number_of_crops(settings):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    trunk = {"type": TompsonTrunk, "features": 4, "hidden": [8], "kernel": 3}
    model = PoseEstimator(trunk, settings, SKELETON).eval()
    for weight in model.head.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    image = torch.randn(3, 3, *SIZE)
    with torch.no_grad():
        wanted = model.last(image)
    model.run = OnnxStages(model, SIZE)
    found = model.last(image)
    for one, other in zip(
        *((o.values() if isinstance(o, dict) else [o]) for o in (found, wanted)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
