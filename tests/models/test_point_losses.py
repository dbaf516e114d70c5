"""Losses on coordinates: the reference's values and gradients, by hand, and smooth where two pieces meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch

from posekit.errors import ConfigError
from posekit.models.point_losses import (
    L1Loss,
    L2Loss,
    SmoothL1Loss,
    SoftWingLoss,
    WingLoss,
    l1_loss,
    l2_loss,
    smooth_l1_loss,
    soft_wing_loss,
    wing_loss,
)
from posekit.registry import MODELS

# Name in losses.json -> (the function, its settings, does it take the weight).
LOSSES = {
    "l1": (l1_loss, {}, False),
    "l2_halfsum": (l2_loss, {}, False),
    "mm_smooth_l1": (smooth_l1_loss, {}, False),
    "mm_smooth_l1_w": (smooth_l1_loss, {}, True),
    "mm_wing": (wing_loss, {}, False),
    "mm_wing_w": (wing_loss, {}, True),
    "wing_omega15_eps3": (wing_loss, {"omega": 15.0, "epsilon": 3.0}, False),
    "mm_soft_wing": (soft_wing_loss, {}, False),
}
# Name in regression.json -> (the function, does it take the weight, theirs / ours for 5 people of 17 points).
MORE_LOSSES = {
    "smooth_l1": (smooth_l1_loss, False, 1),
    "smooth_l1_w": (smooth_l1_loss, True, 1),
    "l1_mean": (l1_loss, False, 1),
    "l1_mean_w": (l1_loss, True, 1),
    "l1_sum_w": (l1_loss, True, 5 * 17 * 2),
    "mse": (l2_loss, False, 1 / 17),
    "mse_w": (l2_loss, True, 1 / 17),
}
# A module with its function and settings.
MODULES = [
    (L1Loss, l1_loss, {}),
    (SmoothL1Loss, smooth_l1_loss, {"beta": 0.5}),
    (L2Loss, l2_loss, {}),
    (WingLoss, wing_loss, {"omega": 5.0, "epsilon": 0.5}),
    (SoftWingLoss, soft_wing_loss, {"omega1": 1.0, "omega2": 9.0, "epsilon": 0.7}),
]
FUNCTIONS = (l1_loss, l2_loss, smooth_l1_loss, wing_loss, soft_wing_loss)


def _tensors(*arrays):
    return [torch.tensor(array, dtype=torch.float64) for array in arrays]


@pytest.mark.parametrize("name", LOSSES)
def test_reference_values_and_gradients(name):
    arrays, values = reference.load("losses.npz"), reference.load_json("losses.json")
    function, settings, weighted = LOSSES[name]
    prediction, target, weight = _tensors(*(arrays[f"pt_{part}"] for part in ("output", "target", "weight")))
    prediction.requires_grad_()
    value = function(prediction, target, weight if weighted else None, **settings)
    (gradient,) = torch.autograd.grad(value, prediction)
    assert value.item() == pytest.approx(values[name]["value"], rel=1e-12)
    np.testing.assert_allclose(gradient, arrays[f"{name}__grad"], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", MORE_LOSSES)
def test_more_reference_values_and_gradients(name):
    arrays, values = reference.load("regression.npz"), reference.load_json("regression.json")
    function, weighted, factor = MORE_LOSSES[name]
    prediction, target, weight = _tensors(*(arrays[f"c_{part}"] for part in ("output", "target", "weight")))
    prediction.requires_grad_()
    value = factor * function(prediction, target, weight if weighted else None)
    (gradient,) = torch.autograd.grad(value, prediction)
    assert value.item() == pytest.approx(values[name]["value"], rel=1e-12)
    np.testing.assert_allclose(gradient, arrays[f"{name}__grad"], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("kind", "function", "settings"), MODULES)
def test_a_module_is_its_function_and_its_curve_is_one_number_of_it(kind, function, settings):
    prediction, target, weight = _tensors(
        *np.random.default_rng(0).normal(0, 9, (2, 4, 3, 2)), np.ones((4, 3))
    )
    weight[0, 1] = 0
    module = MODELS.build({"type": kind.__name__, **settings})
    value = module(prediction, target, weight)
    assert value.item() == function(prediction, target, weight, **settings).item()
    curve = module.curve((prediction - target) * weight[..., None])
    share = curve.mean() if kind in (L1Loss, SmoothL1Loss) else curve.sum() / 4
    assert value.item() == pytest.approx(share.item(), rel=1e-12)


def test_every_loss_of_the_reference_is_tested():
    """All names of losses.json, here or in test_losses.py."""
    from models.test_losses import MODULES as OF_MAPS

    names = {name for name in reference.load_json("losses.json") if not name.startswith("focal_mse_gamma")}
    assert names == {*OF_MAPS, *LOSSES}


# Two people of one point each: distances 0.5 and 3 for the first, 0 and 12 for the second.
PREDICTION, TARGET = _tensors([[[0.5, 4.0]], [[7.0, -12.0]]], [[[0.0, 1.0]], [[7.0, 0.0]]])
WING = 10 - 10 * math.log(6)  # C of omega 10, epsilon 2
SOFT = 2 - 20 * math.log(5)  # B of omega1 2, omega2 20, epsilon 0.5


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (l1_loss, 15.5 / 4),
        (smooth_l1_loss, (0.125 + 2.5 + 0 + 11.5) / 4),
        (l2_loss, (0.25 + 9 + 0 + 144) / 2 / 2),
        (wing_loss, (10 * math.log(1.25) + 10 * math.log(2.5) + 0 + 12 - WING) / 2),
        (soft_wing_loss, (0.5 + 20 * math.log(7) + SOFT + 0 + 20 * math.log(25) + SOFT) / 2),
    ],
)
def test_by_hand(function, expected):
    assert function(PREDICTION, TARGET).item() == pytest.approx(expected, rel=1e-12)
    # One weight a point, or one a number.
    weight = torch.tensor([[2.0], [0.0]], dtype=torch.float64)
    weighted = function(PREDICTION, TARGET, weight).item()
    assert weighted == pytest.approx(function(PREDICTION, TARGET, weight[..., None].expand(2, 1, 2)).item())
    scaled = function(PREDICTION * weight[..., None], TARGET * weight[..., None]).item()
    assert weighted == pytest.approx(scaled, rel=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients(function):
    generator = torch.Generator().manual_seed(1)
    prediction = 20 * torch.randn(2, 5, 2, generator=generator, dtype=torch.float64)
    target = torch.zeros_like(prediction)
    weight = torch.rand(2, 5, generator=generator, dtype=torch.float64)
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: function(p, target, weight), prediction)
    target.requires_grad_()
    function(prediction, target, weight).backward()
    assert target.grad is None, "the target carries no gradient"


@pytest.mark.parametrize(("function", "corner"), [(smooth_l1_loss, 1), (wing_loss, 10), (soft_wing_loss, 2)])
def test_the_two_pieces_meet(function, corner):
    below, above = (
        function(torch.tensor([[[corner + by, 0.0]]], dtype=torch.float64), torch.zeros(1, 1, 2)).item()
        for by in (-1e-9, 1e-9)
    )
    assert below == pytest.approx(above, abs=1e-6)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"one shape \(B, K, 2\), found \(1, 3, 2\) and \(1, 2, 2\)"):
        l1_loss(torch.zeros(1, 3, 2), torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match=r"weight of shape \(1, 3\) or \(1, 3, 2\), found \(3, 2\)"):
        l2_loss(torch.zeros(1, 3, 2), torch.zeros(1, 3, 2), torch.zeros(3, 2))
    for function, settings in ((smooth_l1_loss, {"beta": 0.0}), (wing_loss, {"omega": -1.0})):
        with pytest.raises(ConfigError, match=f"'{next(iter(settings))}' must be a positive number"):
            function(PREDICTION, TARGET, None, **settings)
    for kind, settings in ((SmoothL1Loss, {"beta": 0.0}), (WingLoss, {"epsilon": -1.0})):
        with pytest.raises(ConfigError, match=f"'{next(iter(settings))}' must be a positive number"):
            kind(**settings)
