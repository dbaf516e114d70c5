"""Losses: worked by hand, against the releases' values and gradients, and by property."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError
from posekit.models import losses
from posekit.models.losses import (
    AdaptiveWingLoss,
    FocalMSELoss,
    JointsMSELoss,
    MSELoss,
    OHKMMSELoss,
    adaptive_wing_loss,
    focal_mse_loss,
    joints_mse_loss,
    mse_loss,
    ohkm_mse_loss,
)
from posekit.models.offset_losses import LabelAndOffsetLoss, UDPOffsetLoss, udp_offset_loss
from posekit.registry import MODELS

# Name in losses.json -> (kind of input, does it take the weight, the module).
MODULES = {
    "plain_mse": ("hm", False, MSELoss()),
    "mm_keypoint_mse_w": ("hm", True, MSELoss()),
    "joints_mse_w": ("hm", True, JointsMSELoss()),
    "joints_mse": ("hm", True, JointsMSELoss(use_weight=False)),
    "joints_ohkm_w": ("hm", True, OHKMMSELoss(topk=8)),
    "joints_ohkm": ("hm", True, OHKMMSELoss(topk=8, use_weight=False)),
    "mm_ohkm_w": ("hm", True, OHKMMSELoss(topk=8, factor=1.0)),
    "mm_adaptive_wing": ("hm", True, AdaptiveWingLoss(use_weight=False)),
    "mm_adaptive_wing_w": ("hm", True, AdaptiveWingLoss()),
    "udp_offset_total": ("off", True, UDPOffsetLoss()),
    "mm_combined_mse_w": ("off", True, UDPOffsetLoss(weighted_mask=True)),
}


def _value_and_gradient(loss, prediction, target, weight):
    prediction = torch.tensor(prediction, requires_grad=True)
    value = loss(prediction, torch.tensor(target), None if weight is None else torch.tensor(weight))
    (gradient,) = torch.autograd.grad(value, prediction)
    return value.item(), gradient.numpy()


@pytest.mark.parametrize("name", MODULES)
def test_reference_values_and_gradients(name):
    arrays, values = reference.load("losses.npz"), reference.load_json("losses.json")
    kind, weighted, loss = MODULES[name]
    weight = arrays[f"{kind}_weight"] if weighted else None
    value, gradient = _value_and_gradient(loss, arrays[f"{kind}_output"], arrays[f"{kind}_target"], weight)
    assert value == pytest.approx(values[name]["value"], rel=1e-12)
    np.testing.assert_allclose(gradient, arrays[f"{name}__grad"], rtol=1e-9, atol=1e-15)


def test_reference_focal_values_and_gradients():
    arrays, values = reference.load("losses.npz"), reference.load_json("losses.json")
    names = [name for name in values if name.startswith("focal_mse_gamma")]
    assert names
    for name in names:
        gamma, reduction = name.removeprefix("focal_mse_gamma").split("_", 1)
        loss = FocalMSELoss(gamma=float(gamma), delta=1e-3, reduction=reduction)
        value, gradient = _value_and_gradient(loss, arrays["hm_output"], arrays["hm_target"], None)
        assert value == pytest.approx(values[name]["value"], rel=1e-12)
        expected = arrays[f"focal_mse_gamma{gamma}_mean__grad"]
        if reduction == "sum_over_batch":
            expected = expected * math.prod(arrays["hm_output"].shape[1:])
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_reference_offset_parts():
    arrays, values = reference.load("losses.npz"), reference.load_json("losses.json")["udp_offset_total"]
    output, target = torch.tensor(arrays["off_output"]), torch.tensor(arrays["off_target"])
    label = joints_mse_loss(output[:, ::3], target[:, ::3], torch.tensor(arrays["off_weight"]))
    assert label.item() == pytest.approx(values["loss_hm"], rel=1e-12)
    whole = udp_offset_loss(output, target, torch.tensor(arrays["off_weight"]))
    assert (whole - label).item() == pytest.approx(values["loss_offset"], rel=1e-12)


def test_own_golden_values():
    with np.load(reference.GOLDEN / "losses.npz") as golden:
        for name, (kind, _, loss) in MODULES.items():
            value, gradient = _value_and_gradient(
                loss, golden[f"{kind}_output"], golden[f"{kind}_target"], golden[f"{kind}_weight"]
            )
            assert value == pytest.approx(float(golden[f"{name}__value"]), rel=1e-12), name
            np.testing.assert_allclose(gradient, golden[f"{name}__grad"], rtol=1e-7, atol=1e-11, err_msg=name)


# Two keypoints of one pixel row (1, 2, 1, 2): differences 1, 2 and 3, 0.
PREDICTION = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
TARGET = torch.tensor([[[[0.0, 0.0]], [[0.0, 1.0]]]])
WEIGHT = torch.tensor([[2.0, 0.5]])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # (2 (1 + 4) + 0.5 (9 + 0)) / 4
        (mse_loss(PREDICTION, TARGET, WEIGHT), 14.5 / 4),
        (mse_loss(PREDICTION, TARGET, WEIGHT, "sum_over_batch"), 14.5),
        (mse_loss(PREDICTION, TARGET), 14 / 4),
        # (4 (1 + 4) + 0.25 * 9) / 4 / 2
        (joints_mse_loss(PREDICTION, TARGET, WEIGHT), 22.25 / 8),
        # The background weighs (0 + 0.5)^2 = 0.25, and the pixel at 1 has no error.
        (focal_mse_loss(PREDICTION, TARGET, WEIGHT, gamma=2, delta=0.5), 14.5 / 16),
        # Keypoint 0: 0.5 * 4 * 5 / 2 = 5, keypoint 1: 0.5 * 0.25 * 9 / 2 = 0.5625; the harder one alone.
        (ohkm_mse_loss(PREDICTION, TARGET, WEIGHT, topk=1), 5.0),
        (ohkm_mse_loss(PREDICTION, TARGET, WEIGHT, topk=2), 5.5625 / 2),
    ],
)
def test_by_hand(loss, expected):
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_focal_gradient_by_hand():
    # d/dp of (y + 0.25)^1 w (p - y)^2 / 2 elements, y = 0.75, p = 1.75, w = 3: (1 * 3 * 2 * 1) / 2.
    prediction = torch.tensor([[[[1.75, 0.0]]]], requires_grad=True)
    target = torch.tensor([[[[0.75, 0.0]]]], requires_grad=True)
    focal_mse_loss(prediction, target, torch.tensor([[3.0]]), gamma=1, delta=0.25).backward()
    assert prediction.grad.flatten().tolist() == [3.0, 0.0]
    assert target.grad is None, "the target carries no gradient"


def test_the_default_is_the_papers_gamma_and_delta():
    # An error of 1 in the background, where delta alone is left.
    background = torch.zeros(1, 1, 1, 2)
    assert FocalMSELoss()(background + 1, background).item() == pytest.approx(0.1)
    assert focal_mse_loss(background + 1, background).item() == pytest.approx(0.1)
    assert FocalMSELoss.paper()(background + 1, background).item() == pytest.approx(1e-3)
    peak = torch.ones(1, 1, 1, 2)
    assert FocalMSELoss()(peak + 1, peak).item() == pytest.approx(1.1)
    assert FocalMSELoss.paper()(peak + 1, peak).item() == pytest.approx(1.001)


def test_adaptive_wing_by_hand():
    # y = 0: a = 2.1. Below theta: 14 ln(1 + 0.25^2.1). Above: A (d - theta) + 14 ln(1 + 0.5^2.1).
    corner = 0.5**2.1
    slope = 14 * (1 / (1 + corner)) * 2.1 * 0.5**1.1
    expected = (14 * math.log(1 + 0.25**2.1) + slope * 1.5 + 14 * math.log(1 + corner)) / 2
    found = adaptive_wing_loss(torch.tensor([[[[0.25, 2.0]]]]), torch.zeros(1, 1, 1, 2))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_adaptive_wing_pulls_the_farthest_prediction_along_its_line():
    # d = 1e36: the slope of the curve that it lies beyond would be infinite in float32.
    prediction = torch.tensor([[[[1e36, -1e36]]]], requires_grad=True)
    adaptive_wing_loss(prediction, torch.zeros(1, 1, 1, 2)).backward()
    slope = 14 * 2.1 * 0.5**1.1 / (1 + 0.5**2.1)
    assert prediction.grad.flatten().tolist() == pytest.approx([slope / 2, -slope / 2], rel=1e-6)


def test_adaptive_wing_with_weights_above_1_keeps_finite_gradients():
    # Weight 1.5 and y = 1: a = 2.1 - 1.5 = 0.6, whose slope at d = 0 is infinite; d = 0.2 beside it.
    prediction = torch.tensor([[[[1.0, 1.0 - 0.2 / 1.5]]]], requires_grad=True)
    loss = adaptive_wing_loss(prediction, torch.ones(1, 1, 1, 2), torch.tensor([[1.5]]))
    assert loss.item() == pytest.approx(14 * math.log(1 + 0.2**0.6) / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, prediction)
    slope = 14 * 0.6 * 0.2**-0.4 / (1 + 0.2**0.6)
    assert gradient.flatten().tolist() == pytest.approx([0, -slope * 1.5 / 2], rel=1e-4)


@given(
    seed=st.integers(0, 2**31),
    delta=st.floats(0, 1),
    weighted=st.booleans(),
    reduction=st.sampled_from(losses.REDUCTIONS),
)
@settings(max_examples=50, deadline=None)
def test_gamma_0_is_mse_bit_for_bit(seed, delta, weighted, reduction):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(2, 3, 5, 4, generator=generator, requires_grad=True)
    target = torch.rand(2, 3, 5, 4, generator=generator)
    target[0, 0] = 0
    weight = torch.rand(2, 3, generator=generator) * 1.5 if weighted else None
    plain = mse_loss(prediction, target, weight, reduction)
    focal = focal_mse_loss(prediction, target, weight, 0, delta, reduction)
    assert torch.equal(plain, focal)
    gradients = [torch.autograd.grad(value, prediction)[0] for value in (plain, focal)]
    assert torch.equal(*gradients)


@given(seed=st.integers(0, 2**31), gamma=st.floats(0, 4), delta=st.floats(1e-4, 1))
@settings(max_examples=30, deadline=None)
def test_focal_gradient_is_the_formula(seed, gamma, delta):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(2, 2, 3, 3, generator=generator, dtype=torch.double, requires_grad=True)
    target = torch.rand(2, 2, 3, 3, generator=generator, dtype=torch.double)
    weight = torch.rand(2, 2, generator=generator, dtype=torch.double)
    value = focal_mse_loss(prediction, target, weight, gamma, delta)
    (gradient,) = torch.autograd.grad(value, prediction)
    factor = 2 * weight[..., None, None] * (target + delta) ** gamma / prediction.numel()
    torch.testing.assert_close(gradient, factor * (prediction - target).detach(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", MODULES)
def test_gradcheck_and_zero_weight(name):
    kind, _, loss = MODULES[name]
    generator = torch.Generator().manual_seed(5)
    maps = 9 if kind == "hm" else 27
    target = torch.rand(2, maps, 2, 3, generator=generator, dtype=torch.double).round()
    prediction = torch.randn(2, maps, 2, 3, generator=generator, dtype=torch.double, requires_grad=True)
    weight = torch.rand(2, 9, generator=generator, dtype=torch.double) + 0.1
    assert torch.autograd.gradcheck(lambda p: loss(p, target, weight), (prediction,))
    assert torch.autograd.gradcheck(lambda p: loss(p, target), (prediction,))


def test_exact_prediction_has_no_loss_and_finite_gradient():
    target = torch.rand(1, 9, 2, 2)
    for kind, _, loss in MODULES.values():
        fit = target if kind == "hm" else target.repeat(1, 3, 1, 1)
        prediction = fit.clone().requires_grad_()
        value = loss(prediction, fit, torch.ones(1, 9))
        value.backward()
        assert value.item() == 0
        assert prediction.grad.isfinite().all()


def test_label_and_offset_loss_pairs_any_loss_with_the_offset_term():
    generator = torch.Generator().manual_seed(0)
    prediction, target = (
        torch.rand(2, 6, 4, 3, generator=generator),
        torch.rand(2, 6, 4, 3, generator=generator),
    )
    weight = torch.rand(2, 2, generator=generator)
    paired = LabelAndOffsetLoss({"type": "JointsMSELoss"})
    torch.testing.assert_close(
        paired(prediction, target, weight), udp_offset_loss(prediction, target, weight)
    )
    with pytest.raises(ConfigError, match="reads offset maps"):
        LabelAndOffsetLoss(UDPOffsetLoss())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "FocalMSELoss", "gamma": -1}, "'gamma' must be a finite number >= 0, found -1"),
        ({"type": "FocalMSELoss", "gamma": math.nan}, "'gamma'"),
        ({"type": "FocalMSELoss", "delta": math.inf}, "'delta'"),
        ({"type": "FocalMSELoss", "gamma": "1"}, "'gamma'"),
        ({"type": "FocalMSELoss", "reduction": "sum"}, "'reduction' must be one of"),
        ({"type": "MSELoss", "reduction": "none"}, "'reduction'"),
        ({"type": "OHKMMSELoss", "topk": 0}, "'topk'"),
        ({"type": "AdaptiveWingLoss", "epsilon": 0}, "'epsilon' must be positive"),
    ],
)
def test_impossible_settings(config, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config)


def test_delta_0_is_allowed():
    assert focal_mse_loss(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), delta=0).item() == 0


def test_shapes_are_checked():
    maps = torch.zeros(1, 2, 3, 3)
    with pytest.raises(ValueError, match=r"found \(1, 2, 3, 3\) and \(1, 2, 3, 4\)"):
        mse_loss(maps, torch.zeros(1, 2, 3, 4))
    with pytest.raises(ValueError, match=r"expected a weight of shape \(1, 2\), found \(1, 2, 1\)"):
        mse_loss(maps, maps, torch.ones(1, 2, 1))
    with pytest.raises(ValueError, match="topk 3"):
        ohkm_mse_loss(maps, maps, topk=3)
    with pytest.raises(ValueError, match="3 K"):
        udp_offset_loss(maps, maps)


def test_coco_keypoint_weights_are_the_releases():
    targets = reference.load("heatmap_targets.npz")
    names = [name for name in targets if name.endswith("coco_joint_weights_different")]
    assert names
    for name in names:
        np.testing.assert_allclose(losses.COCO17_KEYPOINT_WEIGHTS, targets[name])


def make_golden() -> dict[str, np.ndarray]:
    """Inputs from a seed, and every loss by its formula in numpy, with gradients by central differences."""
    rng = np.random.default_rng(20)
    arrays = {
        "hm_output": rng.normal(0.2, 0.5, (2, 9, 2, 3)),
        "hm_target": rng.random((2, 9, 2, 3)),
        "hm_weight": rng.choice([0, 1, 1.2], (2, 9)),
        "off_output": rng.normal(0, 1, (2, 6, 2, 3)),
        "off_target": rng.uniform(-1, 1, (2, 6, 2, 3)),
        "off_weight": rng.choice([0.5, 1, 1.2], (2, 2)),
    }
    arrays["off_target"][:, ::3] = rng.integers(0, 2, (2, 2, 2, 3))
    for name, (kind, _, _) in MODULES.items():
        output, target, weight = (arrays[f"{kind}_{part}"] for part in ("output", "target", "weight"))
        arrays[f"{name}__value"] = np.array(FORMULAE[name](output, target, weight))
        gradient, step = np.zeros_like(output), 1e-6
        for index in np.ndindex(output.shape):
            # Complex steps cannot pass |d| and sorting; differences in long double are exact to 1e-11.
            around = []
            for by in (-2, -1, 1, 2):
                moved = output.astype(np.longdouble)
                moved[index] += by * np.longdouble(step)
                around.append(FORMULAE[name](moved, target, weight))
            gradient[index] = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * step)
        arrays[f"{name}__grad"] = gradient
    return arrays


def _np_mse(p, y, w, power=1, factor=1.0):
    return factor * (w[..., None, None] ** power * (p - y) ** 2).mean()


def _np_ohkm(p, y, w, factor):
    each = factor * ((w[..., None, None] * (p - y)) ** 2).mean((2, 3))
    return np.sort(each, axis=1)[:, -8:].mean()


def _np_wing(p, y, w):
    p, y = p * w[..., None, None], y * w[..., None, None]
    d, a = abs(y - p), 2.1 - y
    slope = 14 / (1 + 0.5**a) * a * 0.5 ** (a - 1)
    constant = 0.5 * slope - 14 * np.log(1 + 0.5**a)
    return np.where(d < 0.5, 14 * np.log(1 + d**a), slope * d - constant).mean()


def _np_offset(p, y, w, weighted):
    label, w4 = y[:, ::3], w[..., None, None]
    mask = label * w4 if weighted else label
    total = 0.5 * ((w4 * (p[:, ::3] - label)) ** 2).mean()
    for channel in (1, 2):
        total = total + 0.5 * ((mask * (p[:, channel::3] - y[:, channel::3])) ** 2).mean()
    return total


FORMULAE = {
    "plain_mse": lambda p, y, w: _np_mse(p, y, w),
    "mm_keypoint_mse_w": lambda p, y, w: _np_mse(p, y, w),
    "joints_mse_w": lambda p, y, w: _np_mse(p, y, w, 2, 0.5),
    "joints_mse": lambda p, y, w: _np_mse(p, y, np.ones_like(w), 2, 0.5),
    "joints_ohkm_w": lambda p, y, w: _np_ohkm(p, y, w, 0.5),
    "joints_ohkm": lambda p, y, w: _np_ohkm(p, y, np.ones_like(w), 0.5),
    "mm_ohkm_w": lambda p, y, w: _np_ohkm(p, y, w, 1.0),
    "mm_adaptive_wing": lambda p, y, w: _np_wing(p, y, np.ones_like(w)),
    "mm_adaptive_wing_w": _np_wing,
    "udp_offset_total": lambda p, y, w: _np_offset(p, y, w, False),
    "mm_combined_mse_w": lambda p, y, w: _np_offset(p, y, w, True),
}


if __name__ == "__main__":
    np.savez_compressed(reference.GOLDEN / "losses.npz", **make_golden())
