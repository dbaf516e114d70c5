"""Dense detection's losses on heatmaps: the reference's values and gradients, and what a head does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch

from posekit.codecs import UDPCodec
from posekit.errors import ConfigError
from posekit.models import HeatmapHead
from posekit.models.dense_losses import (
    PenaltyReducedFocalLoss,
    SigmoidFocalLoss,
    cross_entropy_loss,
    penalty_reduced_focal_loss,
    sigmoid_focal_loss,
)

FOCAL = [(0.25, 0), (0.25, 0.5), (0.25, 1), (0.25, 2), (0.25, 5), (0.5, 0), (0.5, 2), (-1, 0), (-1, 2)]
MODULES = [
    SigmoidFocalLoss(),
    SigmoidFocalLoss(gamma=0, alpha=None, reduction="mean"),
    SigmoidFocalLoss(gamma=0.5, reduction="sum_over_batch"),
    PenaltyReducedFocalLoss(),
    PenaltyReducedFocalLoss(positives="exact", reduction="mean"),
]


def _maps(name, arrays):
    return torch.tensor(arrays[name])[None, None]


@pytest.mark.parametrize(("alpha", "gamma"), FOCAL)
def test_reference_focal(alpha, gamma):
    arrays, values = reference.load("focal.npz"), reference.load_json("focal.json")
    name = f"sfl_a{alpha}_g{gamma}"
    logits, target = _maps("x", arrays).requires_grad_(), _maps("t", arrays)
    chosen = None if alpha < 0 else alpha
    total = sigmoid_focal_loss(logits, target, None, gamma, chosen, "sum_over_batch")
    assert total.item() == pytest.approx(values[name]["sum"], rel=1e-12)
    mean = sigmoid_focal_loss(logits, target, None, gamma, chosen)
    assert mean.item() == pytest.approx(values[name]["mean"], rel=1e-12)
    gradient = torch.autograd.grad(total, logits)[0][0, 0]
    wanted = arrays[f"{name}__grad_of_sum"]
    known = np.isfinite(wanted)  # NaN at saturated logits of gamma 0.5
    assert gradient.isfinite().all()
    np.testing.assert_allclose(gradient[known], wanted[known], rtol=1e-9, atol=1e-15)


def test_reference_cross_entropy_and_soft_targets():
    arrays, values = reference.load("focal.npz"), reference.load_json("focal.json")
    logits, target = _maps("x", arrays).requires_grad_(), _maps("t", arrays)
    for name, alpha in (("bce", None), ("alpha_bce_0.25", 0.25), ("alpha_bce_0.75", 0.75)):
        found = cross_entropy_loss(logits, target, alpha=alpha).item()
        assert found == pytest.approx(values[name]["mean"], rel=1e-12)
    soft = sigmoid_focal_loss(logits, _maps("t_soft", arrays), reduction="sum_over_batch")
    assert soft.item() == pytest.approx(values["sfl_soft"]["sum"], rel=1e-12)
    gradient = torch.autograd.grad(soft, logits)[0][0, 0]
    np.testing.assert_allclose(gradient, arrays["sfl_soft_a0.25_g2__grad_of_sum"], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("positives", ["exact", "peak"])
def test_reference_penalty_reduced(positives):
    arrays, values = reference.load("focal.npz"), reference.load_json("focal.json")
    logits, target = torch.tensor(arrays["hm_raw"]).requires_grad_(), torch.tensor(arrays["hm_gt"])
    value = penalty_reduced_focal_loss(logits, target, positives=positives)
    assert value.item() == pytest.approx(values["centernet_neg_loss"]["value"], rel=1e-12)
    gradient = torch.autograd.grad(value, logits)[0]
    np.testing.assert_allclose(gradient, arrays["centernet_neg_loss__grad_raw"], rtol=1e-9, atol=1e-15)
    weight = torch.tensor(arrays["hm_weight"])
    others = {
        "mm_focal_heatmap_w": penalty_reduced_focal_loss(logits, target, weight, positives=positives),
        "mm_focal_heatmap_a1_b2": penalty_reduced_focal_loss(logits, target, None, 1.0, 2.0, positives),
    }
    for name, found in others.items():
        assert found.item() == pytest.approx(values[name]["value"], rel=1e-12)
    nobody = penalty_reduced_focal_loss(logits[1:2, 3:4], target[1:2, 3:4], positives="exact")
    assert nobody.item() == pytest.approx(values["centernet_no_positive"]["value"], rel=1e-12)


def test_a_keypoint_between_cells_is_a_positive_all_the_same():
    target = UDPCodec(sigma=1.5).encode(torch.tensor([[[10.4, 12.3]]]), torch.ones(1, 1), (32, 32), (8, 8))[0]
    assert target.max() < 1
    logits = torch.zeros_like(target)
    at_peak, nowhere = (penalty_reduced_focal_loss(logits, target, positives=p) for p in ("peak", "exact"))
    rest = (1 - target).pow(4) * 0.25 * math.log(2)
    assert nowhere.item() == pytest.approx(rest.sum().item(), rel=1e-5)
    wanted = rest.sum() - rest.flatten()[target.argmax()] + 0.25 * math.log(2)
    assert at_peak.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_positives_are_weighed():
    logits, target = torch.randn(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    target[0, 0] = 0
    each = sigmoid_focal_loss(logits[1:, :1], target[1:, :1], reduction="positives")
    weight = torch.zeros(2, 3)
    weight[1, 0] = 0.5
    # One keypoint counts, whatever its weight; the empty map is no positive.
    found = sigmoid_focal_loss(logits, target, weight, reduction="positives")
    assert found.item() == pytest.approx(each.item(), rel=1e-6)
    assert sigmoid_focal_loss(logits, target, torch.zeros(2, 3), reduction="positives").item() == 0


@pytest.mark.parametrize("loss", MODULES, ids=lambda loss: type(loss).__name__)
def test_the_pixels_parts_add_up(loss):
    logits, target, weight = torch.randn(2, 3, 5, 4), torch.rand(2, 3, 5, 4), torch.rand(2, 3)
    parts = loss.pixel_losses(logits, target, weight, torch.zeros_like(logits))
    assert parts.sum().item() == pytest.approx(loss(logits, target, weight).item(), rel=1e-5)


def test_the_head_begins_rare_and_shows_probabilities():
    head = HeatmapHead(8, 3, {"type": UDPCodec, "sigma": 1.5}, {"type": SigmoidFocalLoss})
    (logits,) = head([torch.zeros(1, 8, 4, 4)])
    np.testing.assert_allclose(head.activate(logits).detach(), 0.01, rtol=1e-5)
    plain = HeatmapHead(8, 3, {"type": UDPCodec, "sigma": 1.5}, {"type": "MSELoss"})
    (maps,) = plain([torch.zeros(1, 8, 4, 4)])
    assert plain.activate(maps) is maps


@pytest.mark.parametrize(
    "make",
    [
        lambda: SigmoidFocalLoss(gamma=-1),
        lambda: SigmoidFocalLoss(alpha=2),
        lambda: SigmoidFocalLoss(reduction="max"),
        lambda: PenaltyReducedFocalLoss(beta=-1),
        lambda: PenaltyReducedFocalLoss(positives="all"),
        lambda: HeatmapHead(8, 3, {"type": "megvii"}, {"type": SigmoidFocalLoss}),
    ],
)
def test_impossible_settings(make):
    with pytest.raises(ConfigError):
        make()
