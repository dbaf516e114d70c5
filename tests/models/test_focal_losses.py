"""Focal losses beyond the paper's: normalised, and with a factor that sees false peaks too."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError
from posekit.models.losses import (
    AdaptiveWingLoss,
    FocalMSELoss,
    JointsMSELoss,
    MSELoss,
    OHKMMSELoss,
    SymmetricFocalMSELoss,
    focal_mse_loss,
    mse_loss,
    symmetric_focal_mse_loss,
)
from posekit.models.offset_losses import UDPOffsetLoss
from posekit.registry import MODELS

# One map: half a false peak at the upper left, half of the peak in the middle, nothing of its right flank.
TARGET = torch.tensor([[[[0, 0, 0], [0, 1, 0.5], [0, 0, 0]]]])
PREDICTION = torch.tensor([[[[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0]]]])
FORMS = (focal_mse_loss, symmetric_focal_mse_loss)


def _random(seed, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(2, 3, 5, 4, generator=generator, dtype=dtype).requires_grad_()
    target = torch.rand(2, 3, 5, 4, generator=generator, dtype=dtype)
    return prediction, target, torch.rand(2, 3, generator=generator, dtype=dtype)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # Squared errors 1/4 each at y = 0, 1 and 0.5; delta 0.5 makes the factors 0.5, 1.5 and 1.
        (focal_mse_loss(PREDICTION, TARGET, delta=0.5), 0.25 * (0.5 + 1.5 + 1) / 9),
        # The mean factor is (7 * 0.5 + 1.5 + 1) / 9.
        (focal_mse_loss(PREDICTION, TARGET, delta=0.5, normalise=True), 0.25 * 3 / 6),
        # gamma 2: factors 0.25, 2.25, 1 of a sum of 7 * 0.25 + 2.25 + 1.
        (focal_mse_loss(PREDICTION, TARGET, gamma=2, delta=0.5, normalise=True), 0.25 * 3.5 / 5),
        # The false peak's factor is 0.5 + 0.5.
        (symmetric_focal_mse_loss(PREDICTION, TARGET, delta=0.5), 0.25 * (1 + 1.5 + 1) / 9),
        (symmetric_focal_mse_loss(PREDICTION, TARGET, delta=0.5, normalise=True), 0.25 * 3.5 / 6.5),
        (symmetric_focal_mse_loss(PREDICTION, TARGET, delta=0), 0.25 * (0.5 + 1 + 0.5) / 9),
        (symmetric_focal_mse_loss(PREDICTION, TARGET, delta=0.5, reduction="sum_over_batch"), 0.25 * 3.5),
    ],
)
def test_by_hand(loss, expected):
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_symmetric_gradient_by_hand():
    prediction = PREDICTION.clone().requires_grad_()
    symmetric_focal_mse_loss(prediction, TARGET, delta=0.5, reduction="sum_over_batch").backward()
    # 2 (p - y) times the factors 1, 1.5 and 1, in which the prediction has no gradient.
    assert prediction.grad.flatten().tolist() == [1, 0, 0, 0, -1.5, -1, 0, 0, 0]


def test_symmetric_means_that_a_false_peak_costs_as_much_as_a_missing_one():
    nothing, peak = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    beside = torch.tensor([[[[0.0, 1.0]]]])
    missing = symmetric_focal_mse_loss(nothing, peak).item()
    both = symmetric_focal_mse_loss(beside, peak).item()
    assert both == pytest.approx(2 * missing)
    assert focal_mse_loss(beside, peak).item() == pytest.approx(missing * 1.2 / 1.1)


@pytest.mark.parametrize("loss", FORMS)
def test_a_negative_target_is_background_in_the_factor_and_itself_in_the_error(loss):
    """Below -delta the factor would be negative, and a power of it not a number."""
    prediction, target = torch.tensor([[[[0.5, -2.0]]]]), torch.full((1, 1, 1, 2), -0.5)
    found = loss(prediction, target, gamma=0.5, delta=0.25, reduction="sum_over_batch")
    assert found.item() == pytest.approx(0.5 * (1 + 2.25))
    linear = loss(prediction, target, gamma=1, delta=0.25, reduction="sum_over_batch")
    assert linear.item() == pytest.approx(0.25 * (1 + 2.25))


def test_symmetric_factor_ends_at_the_highest_target_and_at_0():
    # p = 3 counts as 1, p = -2 as 0: factors 1.5 and 0.5; with a peak of 255, p = 200 counts as it is.
    prediction, target = torch.tensor([[[[3.0, -2.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    found = symmetric_focal_mse_loss(prediction, target, delta=0.5, reduction="sum_over_batch")
    assert found.item() == 1.5 * 4 + 0.5 * 4
    prediction, target = torch.tensor([[[[255.0, 200.0]]]]), torch.tensor([[[[255.0, 0.0]]]])
    found = symmetric_focal_mse_loss(prediction, target, delta=0, reduction="sum_over_batch")
    assert found.item() == 200.0**3


@given(seed=st.integers(0, 2**31), delta=st.floats(0, 1), normalise=st.booleans())
@settings(max_examples=30, deadline=None)
def test_gamma_0_is_mse_bit_for_bit(seed, delta, normalise):
    prediction, target, weight = _random(seed, torch.float32)
    plain = mse_loss(prediction, target, weight)
    for form in FORMS:
        focal = form(prediction, target, weight, 0, delta, normalise=normalise)
        assert torch.equal(plain, focal)
        gradients = [torch.autograd.grad(value, prediction, retain_graph=True)[0] for value in (plain, focal)]
        assert torch.equal(*gradients)


@given(seed=st.integers(0, 2**31), gamma=st.floats(0.1, 4), delta=st.floats(1e-4, 1))
@settings(max_examples=30, deadline=None)
def test_normalised_an_even_error_costs_what_it_costs_in_mse(seed, gamma, delta):
    _, target, weight = _random(seed)
    prediction = target + 0.3  # the symmetric factor differs, its mean is taken out all the same
    expected = mse_loss(prediction, target, weight).item()
    for form in FORMS:
        found = form(prediction, target, weight, gamma, delta, normalise=True)
        assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_normalising_leaves_keypoints_without_weight_out(form):
    prediction, target, weight = _random(1)
    weight[0, 0], weight[0, 1] = 1, 0
    found = form(prediction, target, weight, normalise=True)
    target = target.clone()
    target[0, 1] = 0.7
    assert form(prediction, target, weight, normalise=True).item() == pytest.approx(found.item(), rel=1e-12)
    target[0, 0] = 0.7
    assert form(prediction, target, weight, normalise=True).item() != pytest.approx(found.item(), rel=1e-3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gamma", [0.5, 1, 3])
def test_nothing_to_normalise_by_is_no_division_by_0(form, gamma):
    prediction = torch.randn(1, 2, 3, 3, requires_grad=True)
    for target, weight in ((torch.zeros(1, 2, 3, 3), None), (torch.rand(1, 2, 3, 3), torch.zeros(1, 2))):
        loss = form(prediction, target, weight, gamma, 0.0, normalise=True)
        (gradient,) = torch.autograd.grad(loss, prediction)
        assert loss.item() == 0
        assert gradient.abs().max() == 0


@pytest.mark.parametrize(
    "loss",
    [
        MSELoss(),
        MSELoss("sum_over_batch"),
        FocalMSELoss(gamma=2),
        FocalMSELoss(normalise=True),
        SymmetricFocalMSELoss(gamma=0.5, normalise=True),
        JointsMSELoss(),
        OHKMMSELoss(topk=2),
        AdaptiveWingLoss(),
        AdaptiveWingLoss(use_weight=False),
        UDPOffsetLoss(),
        UDPOffsetLoss(weighted_mask=True),
    ],
    ids=repr,
)
def test_pixels_losses_add_up_to_the_loss(loss):
    prediction, target, weight = _random(4)
    if loss.maps_per_keypoint == 3:
        weight = weight[:, :1]
    value = loss(prediction, target, weight)
    (gradient,) = torch.autograd.grad(value, prediction)
    parts = loss.pixel_losses(prediction.detach(), target, weight, gradient)
    assert parts.shape == prediction.shape
    assert (parts >= 0).all()
    assert parts.sum().item() == pytest.approx(value.item(), rel=1e-9)


@pytest.mark.parametrize("kind", ["FocalMSELoss", "SymmetricFocalMSELoss"])
@pytest.mark.parametrize("setting", [{"gamma": -1}, {"gamma": math.nan}, {"delta": -1e-3}, {"delta": "1"}])
def test_impossible_settings(kind, setting):
    (name,) = setting
    with pytest.raises(ConfigError, match=f"'{name}' must be a finite number >= 0"):
        MODELS.build({"type": kind, **setting})


def test_modules_pass_their_settings_on():
    prediction, target, weight = _random(2)
    settings = {"gamma": 2.0, "delta": 0.1, "reduction": "sum_over_batch", "normalise": True}
    for module, form in zip((FocalMSELoss, SymmetricFocalMSELoss), FORMS, strict=True):
        loss = module(**settings)
        assert torch.equal(loss(prediction, target, weight), form(prediction, target, weight, **settings))
        assert "gamma=2.0, delta=0.1, reduction='sum_over_batch', normalise=True" in repr(loss)
