"""The recognition losses: formulae written anew, finite differences, and what holds of every margin."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from posekit.errors import ConfigError
from posekit.recognition import centers, losses, margins, pairs
from posekit.registry import MODELS


def random_case(seed=0, rows=8, dim=5, classes=3):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    weight = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    labels = torch.arange(rows) % classes
    weight[labels[0]] = -2 * embeddings[0] + 0.05  # a target almost opposite: the hard branches
    return embeddings, weight, labels


def theta(a, b):
    return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def psi(angle, m):
    k = np.floor(m * angle / np.pi)
    return (-1) ** k * np.cos(m * angle) - 2 * k


# By the papers, one logit after the other: (x, w_j, whether j is the label) -> logit.
FORMULAE = {
    "softmax": lambda x, w, own: x @ w,
    "normface": lambda x, w, own: 20 * np.cos(theta(x, w)),
    "cosface": lambda x, w, own: 64 * (np.cos(theta(x, w)) - 0.35 * own),
    "arcface": lambda x, w, own: (
        64
        * (
            np.cos(theta(x, w) + 0.5 * own)
            if theta(x, w) < np.pi - 0.5 or not own
            else np.cos(theta(x, w)) - 0.5 * np.sin(0.5)
        )
    ),
    "arcface_easy": lambda x, w, own: 64 * np.cos(theta(x, w) + 0.5 * (own and theta(x, w) < np.pi / 2)),
    "l_softmax": lambda x, w, own: (
        np.linalg.norm(w)
        * np.linalg.norm(x)
        * ((psi(theta(x, w), 3) + 2 * np.cos(theta(x, w))) / 3 if own else np.cos(theta(x, w)))
    ),
    "a_softmax": lambda x, w, own: np.linalg.norm(x) * psi(theta(x, w), 4 if own else 1),
}
LOGITS = {
    "softmax": lambda e, w, y: margins.softmax_logits(e, w),
    "normface": lambda e, w, y: margins.normface_logits(e, w),
    "cosface": margins.cosface_logits,
    "arcface": margins.arcface_logits,
    "arcface_easy": lambda e, w, y: margins.arcface_logits(e, w, y, easy_margin=True),
    "l_softmax": lambda e, w, y: margins.l_softmax_logits(e, w, y, 3, 2.0),
    "a_softmax": margins.a_softmax_logits,
}


@pytest.mark.parametrize("name", LOGITS)
def test_logits_are_those_of_the_paper(name):
    embeddings, weight, labels = random_case()
    found = LOGITS[name](embeddings, weight, labels).numpy()
    wanted = [
        [FORMULAE[name](x, w, j == y) for j, w in enumerate(weight.numpy())]
        for x, y in zip(embeddings.numpy(), labels.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LOGITS)
def test_gradients_of_logits_are_finite_differences(name):
    embeddings, weight, labels = random_case(3)
    leaves = embeddings.requires_grad_(), weight.requires_grad_()
    assert gradcheck(lambda e, w: LOGITS[name](e, w, labels), leaves)


@pytest.mark.parametrize(
    "loss",
    [
        pairs.contrastive_loss,
        lambda e, y: pairs.cosine_verification_loss(e, y, 4.0, -1.0),
        lambda e, y: pairs.triplet_loss(e, pairs.semi_hard(e, y), squared=True),
        lambda e, y: pairs.triplet_loss(e, pairs.batch_hard(e, y), nonzero_mean=True),
        lambda e, y: pairs.agent_contrastive_loss(e, e[:3] * 2 + 1, y),
        lambda e, y: pairs.agent_triplet_loss(e, e[:3] * 2 + 1, y),
        lambda e, y: centers.center_loss(e, e[:3] * 2 + 1, y),
    ],
)
def test_gradients_of_losses_are_finite_differences(loss):
    embeddings, _, labels = random_case(4)
    assert gradcheck(lambda e: loss(e, labels), embeddings.requires_grad_())


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOGITS)
def test_gradients_stay_finite_where_an_angle_has_none(name, kind):
    """A feature on its class's weight, opposite to it, at a right angle, or zero."""
    weight = torch.tensor([[2.0, 0, 0], [0.3, 0.7, -0.2]], dtype=kind, requires_grad=True)
    rows = [[1.0, 0, 0], [-4.0, 0, 0], [0, 1.0, 0], [0, 0, 0]]
    embeddings = torch.tensor(rows, dtype=kind, requires_grad=True)
    logits = LOGITS[name](embeddings, weight, torch.zeros(4, dtype=torch.int64))
    F.cross_entropy(logits, torch.zeros(4, dtype=torch.int64)).backward()
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(weight.grad).all()


def test_equal_embeddings_have_a_gradient():
    embeddings = torch.ones(4, 3, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    loss = pairs.contrastive_loss(embeddings, labels) + pairs.triplet_loss(
        embeddings, pairs.mine_triplets(embeddings, labels)
    )
    loss.backward()
    assert torch.isfinite(embeddings.grad).all()


def test_equal_distances_are_not_farther():
    """A semi-hard negative is farther than the positive, not as far."""
    points = torch.tensor([[0.0], [1.0], [-1.0], [3.0]])
    found = pairs.semi_hard(points, torch.tensor([0, 0, 1, 1]))
    assert [0, 1, 3] in found.tolist()


# --- margins ----------------------------------------------------------------------------------------------


def target_logits(name, angles):
    """The logit of the label at these angles, for a feature and weights of length 1."""
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    weight = torch.tensor([[1.0, 0], [0, 1]], dtype=angles.dtype)
    return LOGITS[name](embeddings, weight, torch.zeros(len(angles), dtype=torch.int64))[:, 0].numpy()


@pytest.mark.parametrize("name", LOGITS)
def test_a_target_falls_with_the_angle_and_never_lies_above_the_plain_one(name):
    angles = torch.linspace(1e-6, math.pi - 1e-6, 2001, dtype=torch.float64)
    found = target_logits(name, angles)
    scale = {"normface": 20, "cosface": 64, "arcface": 64, "arcface_easy": 64}.get(name, 1)
    assert (found <= scale * np.cos(angles.numpy()) + 1e-9).all()
    steps = np.diff(found)
    if name == "arcface_easy":  # it jumps up at a right angle, once
        assert (steps > 0).sum() == 1
        assert abs(angles[np.flatnonzero(steps > 0)].item() - math.pi / 2) < 0.01
    else:
        assert (steps < 0).all()


def test_the_angle_with_its_margin_alone_would_rise_again():
    """Why the release has a line beyond pi - m: 151.35 degrees at m = 0.5."""
    angles = torch.linspace(0, math.pi, 1801, dtype=torch.float64)
    rising = np.diff(np.cos(angles.numpy() + 0.5)) > 0
    assert np.degrees(angles.numpy()[np.flatnonzero(rising)[0]]) == pytest.approx(151.35, abs=0.11)
    found = target_logits("arcface", angles) / 64
    beyond = angles.numpy() > math.pi - 0.5
    np.testing.assert_allclose(found[beyond], np.cos(angles.numpy()[beyond]) - 0.5 * math.sin(0.5))


@given(margin=st.integers(1, 6), angle=st.floats(0, math.pi))
@settings(max_examples=50, deadline=None)
def test_psi_is_continuous_and_falls_from_1(margin, angle):
    ends = margins.psi(torch.tensor([0.0, angle, math.pi], dtype=torch.float64), margin).tolist()
    assert ends[0] == 1
    assert ends[0] >= ends[1] >= ends[2] - 1e-12
    assert ends[2] == pytest.approx(1 - 2 * margin)
    near = margins.psi(torch.tensor([angle - 1e-7, angle + 1e-7], dtype=torch.float64), margin)
    assert abs(near[0] - near[1]) < 1e-5


# --- NormFace ---------------------------------------------------------------------------------------------


@given(
    classes=st.integers(2, 12), scale=st.floats(0.1, 64), each=st.integers(1, 3), seed=st.integers(0, 10**6)
)
@settings(max_examples=50, deadline=None)
def test_no_normalised_features_fall_below_the_bound(classes, scale, each, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, 4, generator=generator, dtype=torch.float64)
    labels = torch.arange(classes).repeat(each)
    noise = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
    for embeddings in (noise, weight[labels], weight[labels] + 0.1 * noise):
        loss = F.cross_entropy(margins.normface_logits(embeddings, weight, scale), labels)
        assert loss >= margins.normface_bound(classes, scale) - 1e-12


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_regular_simplex_reaches_the_bound(classes):
    weight = torch.eye(classes, dtype=torch.float64) - 1 / classes
    loss = F.cross_entropy(margins.normface_logits(weight, weight, 7.0), torch.arange(classes))
    assert loss.item() == pytest.approx(margins.normface_bound(classes, 7.0), rel=1e-12)


def test_without_a_scale_ten_thousand_classes_cannot_be_learnt():
    assert margins.normface_bound(10_000, 1) == pytest.approx(8.21, abs=0.01)
    scale = margins.normface_scale(10_000, 0.01)
    assert margins.normface_bound(10_000, scale) == pytest.approx(0.01)
    assert margins.normface_scale(5, math.log(5)) == pytest.approx(0, abs=1e-12)


@given(seed=st.integers(0, 10**6), factor=st.floats(1, 10))
@settings(max_examples=50, deadline=None)
def test_softmax_pushes_norms_up(seed, factor):
    """P_i(s f) >= P_i(f) for s > 1 on the largest class."""
    embeddings, weight, _ = random_case(seed)
    first, longer = (margins.softmax_logits(e, weight).softmax(1) for e in (embeddings, factor * embeddings))
    assert (longer.max(1).values >= first.max(1).values - 1e-12).all()


# --- modules ----------------------------------------------------------------------------------------------

WITH_CLASSES = [
    losses.Softmax, losses.NormFace, losses.CosFace, losses.ArcFace, losses.LSoftmax, losses.ASoftmax,
    losses.AgentContrastive, losses.AgentTriplet, losses.AdaFace, losses.CurricularFace, losses.Center,
]  # fmt: skip
WITHOUT = [
    losses.Contrastive, losses.CosineVerification, losses.Triplet, losses.Circle, losses.MultiSimilarity,
    losses.SupervisedContrastive, losses.NTXent,
]  # fmt: skip


@pytest.mark.parametrize("kind", WITH_CLASSES + WITHOUT)
def test_a_module_learns(kind):
    """The loss falls when embeddings and weights go down their gradient."""
    torch.manual_seed(0)
    sizes = {"dim": 4, "classes": 3} if kind.has_classes else {}
    loss = MODELS.build({"type": kind.__name__, **sizes})
    embeddings = torch.nn.Parameter(torch.randn(9, 4))
    labels = torch.arange(9) % 3
    optimiser = torch.optim.SGD([embeddings, *loss.parameters()], lr=0.01)
    values = []
    for _ in range(10):
        optimiser.zero_grad()
        value = loss(embeddings, labels)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0]


def test_a_loss_of_a_library_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    words = r"Circle is pytorch-metric-learning's CircleLoss, .*pip install 'posekit\[recognition\]'"
    loss = losses.Circle()  # a trained network is built with it
    with pytest.raises(ConfigError, match=words):
        loss(torch.ones(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_batch_without_pairs_costs_nothing(kind):
    embeddings = torch.randn(1, 4, requires_grad=True)
    value = kind()(embeddings, torch.tensor([0]))
    value.backward()
    assert value == 0
    assert (embeddings.grad == 0).all()


def test_half_precision_is_computed_in_float32():
    torch.manual_seed(0)
    loss = losses.ArcFace(4, 3)
    embeddings, labels = torch.randn(6, 4).bfloat16(), torch.arange(6) % 3
    wanted = loss(embeddings.float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(embeddings, labels) == wanted


def test_annealing_goes_on_where_it_was():
    loss = losses.ASoftmax(4, 3, annealing={})
    embeddings, labels = torch.randn(6, 4), torch.arange(6) % 3
    assert loss.annealing_now() == 1000
    loss(embeddings, labels)
    assert loss.annealing_now() == pytest.approx(1000 / 1.12)
    resumed = losses.ASoftmax(4, 3, annealing={})
    resumed.load_state_dict(loss.state_dict())
    assert resumed.annealing_now() == loss.annealing_now()
    resumed.eval()(embeddings, labels)
    assert resumed.step == 1
    assert margins.annealed_lambda(10**6) == 5


def test_neighbouring_rows():
    embeddings, _, labels = random_case(5, rows=6)
    labels = torch.tensor([0, 0, 1, 2, 0, 1])
    rows = torch.tensor([[0, 1], [2, 3], [4, 5]])
    assert losses.Contrastive(rows="neighbours")(embeddings, labels) == pairs.contrastive_loss(
        embeddings, labels, pairs=rows
    )
    d = pairs.pair_distances(embeddings)
    wanted = (F.relu(d[0, 1] - d[0, 2] + 1) + F.relu(d[3, 4] - d[3, 5] + 1)) / 2
    found = losses.Triplet(1.0, "neighbours", squared=False, normalise=False)(embeddings, labels)
    assert found.item() == pytest.approx(wanted.item())


def test_facenet_has_squared_distances_of_units():
    embeddings, _, labels = random_case(6)
    d = pairs.pair_distances(F.normalize(embeddings)).square()
    triplets = pairs.semi_hard(F.normalize(embeddings), labels)
    wanted = F.relu(d[triplets[:, 0], triplets[:, 1]] - d[triplets[:, 0], triplets[:, 2]] + 0.2).mean()
    assert losses.Triplet()(embeddings, labels).item() == pytest.approx(wanted.item())
    gaps = d[:, None, :] - d[:, :, None]
    found = losses.Triplet(mining="semihard").mine(F.normalize(embeddings), labels)
    assert len(found)
    assert all(0 < gaps[a, p, n] <= 0.2 for a, p, n in found.tolist())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: losses.ArcFace(4, 3, margin=28.6), "28.6 degrees are 0.499"),
        (lambda: losses.ASoftmax(4, 3, margin=2.5), "whole number above 0, found 2.5"),
        (lambda: losses.ASoftmax(4, 3, annealing={"bse": 1}), "'annealing': .*bse"),
        (lambda: losses.CosFace(4, 3, scale=0), "'scale' must be a finite number above 0, found 0"),
        (lambda: losses.Softmax(4, 0), "'classes' must be a whole number above 0, found 0"),
        (lambda: losses.Triplet(mining="semihrd"), "'mining' must be one of"),
        (lambda: losses.Contrastive(rows="some"), "'rows' must be"),
        (lambda: losses.Softmax(4, 3)(torch.randn(2, 4), torch.tensor([0, 3])), r"labels 0\.\.2 .*found 3"),
        (lambda: margins.normface_bound(1, 5), "at least 2, found 1"),
        (lambda: margins.normface_scale(3, 2.0), r"at most log\(3\)"),
        (lambda: pairs.mine_triplets(torch.randn(3, 2), torch.arange(3), "soft"), "'kind' must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused(build, words):
    with pytest.raises(ConfigError, match=words):
        build()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"embeddings \(B, D\) and weight \(C, D\)"):
        margins.softmax_logits(torch.randn(2, 3), torch.randn(4, 5))
    with pytest.raises(ValueError, match="whole-number labels"):
        losses.Softmax(4, 3)(torch.randn(2, 4), torch.zeros(2))
    with pytest.raises(ValueError, match=r"labels of shape \(2,\)"):
        margins.cosface_logits(torch.randn(2, 4), torch.randn(3, 4), torch.tensor([0]))
    with pytest.raises(ValueError, match="one label for each of 2"):
        pairs.contrastive_loss(torch.randn(2, 4), torch.tensor([0]))
