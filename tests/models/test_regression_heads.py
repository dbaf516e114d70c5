"""Heads of coordinates: residual log-likelihood, means of heatmaps, classified columns and rows."""

from __future__ import annotations

import json
import math
import zlib

import numpy as np
import pytest
import reference
import torch

from posekit.errors import ConfigError
from posekit.models import CascadeHead, CoordinateHead, IntegralHead, PoseEstimator, RTMCCHead, SimCCHead
from posekit.models.rle import RLELoss
from posekit.models.soft_argmax import REGULARISERS, debiased, gaussians, mean_cells, spatial_softmax
from posekit.structures import Sample

SKELETON = {
    "name": "toy",
    "keypoints": ["nose", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
}
SIZE = (64, 48)
SIMCC = {
    "input_size_hw": SIZE,
    "map_size_hw": (2, 2),
    "codec": {"type": "simcc", "sigma": 3.0},
    "loss": {"type": "AxisKLLoss"},
}
HEADS = {
    "cascade": {"type": CascadeHead, "loss": {"type": "L1Loss"}, "pool": 2, "cells": 2},
    "rle": {"type": CoordinateHead, "loss": {"type": "RLELoss"}},
    "integral": {"type": IntegralHead, "loss": {"type": "L1Loss"}},
    "integral-variance": {"type": IntegralHead, "loss": {"type": "EuclideanLoss"}, "regulariser": "variance"},
    "integral-debiased": {
        "type": IntegralHead,
        "loss": {"type": "SmoothL1Loss"},
        "regulariser": None,
        "debias": True,
    },
    "simcc": {"type": SimCCHead, **SIMCC},
    "rtmcc": {"type": RTMCCHead, "hidden": 16, "queries": 8, "kernel_size": 3, **SIMCC},
}
RLE = {
    "rle_laplace": ({}, False),
    "rle_laplace_w": ({}, True),
    "rle_gaussian_w": ({"base": "gaussian"}, True),
    "rle_noresidual_w": ({"residual": False}, True),
    "rle_official_w": ({"base": "release"}, True),
}


class Blocks(torch.nn.Module):
    """Means of the image's halves: a backbone with nothing to learn."""

    out_channels = 3

    def forward(self, image):
        return [torch.nn.functional.adaptive_avg_pool2d(image, (2, 2))]


def _batch(count=4):
    random = np.random.default_rng(0)
    points = random.uniform(4, 44, (count, 3, 2)).astype(np.float32)
    image = random.integers(0, 255, (count, 3, *SIZE)).astype(np.uint8)
    warp = np.tile(np.eye(2, 3), (count, 1, 1))
    ones = torch.ones(count)
    return Sample(
        image=torch.tensor(image),
        keypoints=torch.tensor(points),
        weight=torch.ones(count, 3),
        warp=torch.tensor(warp),
        box_xyxy=torch.zeros(count, 4),
        box_score=ones,
        image_id=ones.long(),
        person_id=ones.long(),
    )


def _fill_flow(loss, salt, gain):
    """The vectors' recipe: every number from its name and shape."""
    state = loss.flow_model.state_dict()
    for name, own in state.items():
        if name in ("loc", "cov", "mask"):
            continue
        random = np.random.RandomState((zlib.crc32(name.encode()) + salt) % 2**32)
        scale = gain * np.sqrt(2 / own.shape[1]) if own.ndim == 2 else 0.05
        state[name] = torch.tensor((random.standard_normal(own.shape) * scale).astype(np.float32))
    loss.flow_model.load_state_dict(state)


@pytest.mark.parametrize("name", RLE)
def test_reference_rle(name):
    arrays, values = reference.load("regression.npz"), reference.load_json("regression.json")
    settings, weighted = RLE[name]
    loss = RLELoss(**settings)
    _fill_flow(loss, values["rle_flow"]["salt"], values["rle_flow"]["gain"])
    assert sum(p.numel() for p in loss.parameters()) == values["rle_flow"]["n_parameters"]
    loss.double()
    points, sigma, target, weight = (
        torch.tensor(arrays[f"rle_{part}"]) for part in ("pred", "sigma_raw", "target", "weight")
    )
    points.requires_grad_(), sigma.requires_grad_()
    value = loss(torch.cat([points, sigma], -1), target, weight if weighted else None)
    assert value.item() == pytest.approx(values[name]["value"], rel=1e-12)
    for gradient, part in zip(
        torch.autograd.grad(value, [points, sigma]), ("pred", "sigma_raw"), strict=True
    ):
        np.testing.assert_allclose(gradient, arrays[f"{name}__grad_{part}"], rtol=1e-9, atol=1e-14)
    z, log_det = loss.flow_model.to_base(torch.tensor(arrays["rle_flow_x"]))
    np.testing.assert_allclose(z.detach(), arrays["rle_flow_z"], atol=1e-12)
    np.testing.assert_allclose(log_det.detach(), arrays["rle_flow_logdet"], atol=1e-12)


def test_a_flow_that_is_the_identity_leaves_a_normal_density_and_counts_once_or_twice():
    each, once = RLELoss(), RLELoss(density="once")
    for loss in (each, once):
        for parameter in loss.flow_model.parameters():
            torch.nn.init.zeros_(parameter)
    prediction = torch.tensor([[[0.3, 0.5, 0.0, 0.0]]])  # sigma 1 / 2
    target = torch.tensor([[[0.2, 0.5]]])
    log_phi = -0.5 * 0.2**2 - math.log(2 * math.pi)
    rest = 2 * math.log(0.5) + 0.2 + 2 * math.log(1)
    assert once(prediction, target).item() == pytest.approx(rest - log_phi, rel=1e-5)
    assert each(prediction, target).item() == pytest.approx(rest - 2 * log_phi, rel=1e-5)


def test_rle_learns_how_sure_it_is():
    """Where errors are twice as large, the spread becomes twice as large."""
    torch.manual_seed(0)
    loss = RLELoss()
    raw = torch.zeros(1, 2, 2, requires_grad=True)
    optimiser = torch.optim.Adam([raw, *loss.parameters()], lr=0.02)
    spread = torch.tensor([0.05, 0.1])[None, :, None]
    for _ in range(400):
        noise = torch.distributions.Laplace(0.0, 1.0).sample((64, 2, 2)) * spread
        prediction = torch.cat([0.5 + noise, raw.expand(64, 2, 2)], -1)
        optimiser.zero_grad()
        loss(prediction, torch.full((64, 2, 2), 0.5)).backward()
        optimiser.step()
    narrow, wide = raw.detach().sigmoid().mean(-1)[0].tolist()
    assert wide / narrow == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(("beta", "debias"), [(1, 0), (1, 1), (10, 0), (10, 1)])
def test_reference_soft_argmax(beta, debias):
    arrays, name = reference.load("regression.npz"), f"sa_mm_beta{beta}_debias{debias}"
    logits = torch.tensor(arrays["sa_logits"]).requires_grad_()
    cells = mean_cells(spatial_softmax(logits, beta))
    if debias:
        cells = debiased(cells, logits)
    found = cells / torch.tensor([12.0, 16.0])
    np.testing.assert_allclose(found.detach(), arrays[f"{name}__coords"], atol=1e-6)
    (gradient,) = torch.autograd.grad((found * torch.tensor(arrays["sa_cotangent"])).sum(), logits)
    np.testing.assert_allclose(gradient, arrays[f"{name}__grad_logits"], atol=1e-6)


def test_reference_dsnt():
    arrays = reference.load("regression.npz")
    logits = torch.tensor(arrays["sa_logits"]).requires_grad_()
    maps, size = spatial_softmax(logits), torch.tensor([12.0, 16.0], dtype=torch.float64)
    cells = mean_cells(maps)
    np.testing.assert_allclose(cells.detach(), arrays["dsnt__coords_pixel"], atol=1e-12)
    wanted = ((torch.tensor(arrays["dsnt_mu"]) + 1) * size - 1) / 2
    np.testing.assert_allclose(
        gaussians(wanted, (16, 12), 1.0), arrays["dsnt__make_gauss_sigma1"], atol=1e-14
    )
    mask = torch.tensor(arrays["dsnt_mask"])
    for name, function in REGULARISERS.items():
        each = function(maps, wanted, 1.0)
        np.testing.assert_allclose(each.detach(), arrays[f"dsnt__{name}_per_joint"], rtol=1e-10)
        mean = (each * mask).sum() / mask.sum()
        (gradient,) = torch.autograd.grad(mean, logits, retain_graph=True)
        np.testing.assert_allclose(
            gradient, arrays[f"dsnt__{name}_masked__grad_logits"], rtol=1e-8, atol=1e-13
        )


def test_regularisers_are_least_at_the_gaussian():
    centres = torch.tensor([[[5.2, 6.1]]], dtype=torch.float64)
    perfect = gaussians(centres, (16, 12), 1.0)
    off = gaussians(centres + 2, (16, 12), 2.0)
    for function in REGULARISERS.values():
        assert function(perfect, centres, 1.0).item() < 1e-4 < function(off, centres, 1.0).item()


@pytest.mark.parametrize("name", HEADS)
def test_every_head_learns_predicts_and_survives_a_mirror(name):
    torch.manual_seed(0)
    model = PoseEstimator(Blocks(), HEADS[name], skeleton=SKELETON, flip_test=False)
    batch = _batch()
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = last = None
    for _ in range(30):
        total = sum(value for key, value in model(*batch, mode="loss").items() if "loss" in key)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        first, last = first or total.item(), total.item()
    assert last < first
    model.eval()
    poses = model(*batch, mode="predict")
    assert all(pose.keypoints.shape == (3, 2) and np.isfinite(pose.keypoints).all() for pose in poses)
    scores = np.stack([pose.scores for pose in poses])
    assert ((scores >= 0) & (scores <= 1)).all()
    # The outputs of what was mirrored and turned back lead to mirrored points, joints exchanged.
    with torch.no_grad():
        outputs = model.last(model.normalise(batch.image))
        turned = model.head.flip(outputs, [0, 2, 1], SIZE)
        straight = model.head.predict(outputs, batch).points
        mirrored = model.head.predict(turned, batch).points
    np.testing.assert_allclose(mirrored[..., 0], 47 - straight[:, [0, 2, 1], 0], atol=1e-3)
    np.testing.assert_allclose(mirrored[..., 1], straight[:, [0, 2, 1], 1], atol=1e-3)
    model.flip_test = True
    assert len(model(*batch, mode="predict")) == 4
    assert model.describe()["codec"]


def test_a_mean_of_a_gaussian_is_its_centre():
    head = IntegralHead(3, 3, {"type": "L1Loss"})
    points = torch.tensor([[[10.3, 20.7], [30.0, 40.0], [24.5, 8.25]]])
    scale = (47 / 11, 63 / 15)
    maps = gaussians(points / torch.tensor(scale), (16, 12), 1.0)
    batch = _batch(1)._replace(keypoints=points)
    outputs = {"maps": maps, "cells": mean_cells(maps)}
    found = head.predict(outputs, batch)
    np.testing.assert_allclose(found.points, points, atol=0.1)
    assert found.scores.min() > 0.7
    assert head.loss([outputs], batch)["map_loss"].item() < 1e-5


def test_rle_is_taken_in_fractions():
    """Perfect points cost the same whatever the input's size, and pixels are not among them."""
    head = CoordinateHead(3, 3, {"type": "RLELoss"})
    batch = _batch(1)._replace(keypoints=torch.tensor([[[47.0, 0.0], [0.0, 63.0], [23.5, 31.5]]]))
    outputs = torch.zeros(1, 3, 4)
    outputs[..., :2] = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    wanted = head.loss_function(outputs, outputs[..., :2])
    assert head.loss([outputs], batch)["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_rle_scores_are_one_less_the_spread():
    head = CoordinateHead(3, 3, {"type": "RLELoss"})
    outputs = torch.zeros(1, 3, 4)
    outputs[0, :, 2:] = torch.tensor([[-2.0, 2.0], [0.0, 0.0], [-9.0, -9.0]])
    scores = head.predict(outputs, _batch(1)).scores
    np.testing.assert_allclose(scores, [[0.5, 0.5, 1 - torch.tensor(-9.0).sigmoid()]], rtol=1e-5)


def test_reference_rtmcc_head_and_rtmpose():
    from models import recipe

    from posekit.models import CSPNeXt

    numbers, arrays = reference.load_json("networks2.json"), reference.load("networks2.npz")
    keys = reference.load_json("networks2_keys.json.gz")
    for name, backbone in (
        ("rtmcc_head_384", None),
        ("rtmpose_t", CSPNeXt("t")),
        ("rtmpose_s", CSPNeXt("s")),
    ):
        facts = numbers[name]
        head = RTMCCHead(
            384 if backbone is None else backbone.out_channels, 17,
            **{**SIMCC, "input_size_hw": (256, 192), "map_size_hw": (8, 6)},
        )  # fmt: skip
        parts = {"head": head} if backbone is None else {"backbone": backbone, "head": head}
        network = torch.nn.ModuleDict(parts)
        own = network.state_dict()
        assert [(key, list(value.shape)) for key, value in sorted(own.items())] == sorted(
            (key, shape) for key, shape, _ in keys[name]
        )
        assert sum(p.numel() for p in network.parameters()) == facts["n_parameters"]
        settings = (facts["salt"], facts["gain"], facts["head_gain"])
        network.load_state_dict(
            {
                k: torch.from_numpy(np.asarray(recipe.weight(k, tuple(v.shape), *settings)))
                for k, v in own.items()
            }
        )
        network.eval()
        image = recipe.image(name, tuple(facts["input_shape"]), facts["salt"])
        with torch.no_grad():
            found = head([image] if backbone is None else backbone(image))[0]
        for axis in "xy":
            wanted = arrays[f"{name}__{axis}"]
            np.testing.assert_allclose(
                found[axis][: len(wanted)], wanted, atol=10 * facts["float32_vs_float64_max_abs_diff"]
            )


def test_reference_cpm():
    from models import recipe

    from posekit.models import CPM

    numbers, arrays = reference.load_json("networks2.json"), reference.load("networks2.npz")
    keys, name = reference.load_json("networks2_keys.json.gz"), "cpm_coco_256x192"
    facts, network = numbers[name], CPM(17)
    assert sorted((k, list(v.shape)) for k, v in network.state_dict().items()) == sorted(
        (key, shape) for key, shape, _ in keys[name]
    )
    recipe.fill(network, facts["salt"], facts["gain"])
    with torch.no_grad():
        stages = network(recipe.image(name, tuple(facts["input_shape"]), facts["salt"]))
    tolerance = 10 * facts["float32_vs_float64_max_abs_diff"]
    np.testing.assert_allclose(stages[-1][0], arrays[f"{name}__output_item0"], atol=tolerance)
    every = torch.stack([stage[0, :, ::4, ::4] for stage in stages])
    np.testing.assert_allclose(every, arrays[f"{name}__output_stages_item0_every4"], atol=tolerance)
    bare = CPM(16, batch_norm=False)
    assert sum(p.numel() for p in bare.parameters()) == numbers["cpm_mpii_no_batchnorm"]["n_parameters"]


def test_reference_centre_map():
    from posekit.models.cpm import centre_map

    arrays = reference.load("networks2.npz")
    centres = torch.tensor(arrays["center_map__centers_xy"])
    for pooling, name in (("ceil", "pooled_ceil"), ("padded", "pooled_pad1")):
        found = centre_map(centres, (368, 368), pooling=pooling)[:, 0]
        np.testing.assert_allclose(found, arrays[f"center_map__{name}"], atol=1e-6)


def test_a_centre_map_reaches_the_later_stages():
    from posekit.models import CPM

    network = CPM(3, stages=2, features=8, centre=True)
    maps = network(torch.zeros(1, 3, 64, 48))
    assert [tuple(stage.shape) for stage in maps] == [(1, 3, 8, 6)] * 2
    assert network.cpm_stages[0].model[0].conv.in_channels == 32 + 3 + 1
    with pytest.raises(ConfigError, match="multiples of 8, found 60 x 48"):
        network(torch.zeros(1, 3, 60, 48))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SimCCHead(3, 3, **{**SIMCC, "loss": {"type": "MSELoss"}}), "AxisKLLoss, found MSELoss"),
        (
            lambda: SimCCHead(3, 3, **{**SIMCC, "codec": {"type": "udp"}}),
            "takes a SimCCCodec, found UDPCodec",
        ),
        (lambda: SimCCHead(3, 3, **{**SIMCC, "map_size_hw": (2, 0)}), "'map_size_hw' must be two whole"),
        (lambda: SimCCHead(3, 0, **SIMCC), "needs keypoints"),
        (lambda: SimCCHead(3, 3, **SIMCC)([torch.zeros(1, 3, 4, 4)]), r"maps of \(2, 2\)"),
        (lambda: IntegralHead(3, 3, {"type": "RLELoss"}), "a loss of coordinates alone"),
        (lambda: IntegralHead(3, 3, {"type": "L1Loss"}, regulariser="l2"), "'regulariser' must be one of"),
        (lambda: IntegralHead(3, 3, {"type": "L1Loss"}, beta=0), "'beta' must be a number above 0"),
        (lambda: IntegralHead(3, 3, {"type": "L1Loss"}, kernel_size=2), "'kernel_size' must be odd"),
        (lambda: RLELoss(base="cauchy"), "'base' must be one of"),
        (lambda: RLELoss(density="thrice"), "'density' must be"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_crops_of_another_size_are_refused_by_simcc():
    head = SimCCHead(3, 3, **SIMCC)
    batch = _batch()._replace(image=torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ConfigError, match=r"expected that of the crops, \(32, 32\), found \(64, 48\)"):
        head.loss(head([torch.zeros(4, 3, 2, 2)]), batch)


def test_a_codec_describes_itself_in_one_line():
    assert json.dumps(SimCCHead(3, 3, **SIMCC).describe())


@pytest.mark.parametrize("peak", [-1.0, 89.0, 300.0])
def test_debiasing_is_finite_whatever_the_logits(peak):
    logits = torch.full((1, 1, 8, 6), -12.0)
    logits[0, 0, 5, 4] = peak
    plain = mean_cells(spatial_softmax(logits))
    found = debiased(plain, logits)
    assert found.isfinite().all()
    if peak < 0:  # hardly any mass at all: nothing is taken away
        torch.testing.assert_close(found, plain)
    else:
        torch.testing.assert_close(found, torch.tensor([[[4.0, 5.0]]]))


def test_bent_logits_have_no_relative_scores():
    loss = {"type": "AxisKLLoss", "beta": 10, "label_softmax": True}
    with pytest.raises(ConfigError, match="state scores='raw'"):
        SimCCHead(3, 3, **{**SIMCC, "loss": loss})
    SimCCHead(3, 3, **{**SIMCC, "loss": loss, "codec": {"type": "simcc", "scores": "raw"}})
