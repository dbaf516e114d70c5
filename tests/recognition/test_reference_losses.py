"""Values and gradients of the recognition losses against vectors of public code and formulae."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as F

from posekit.recognition import centers, losses, margins, pairs

# The name of the vectors -> logits of (embeddings, weight, labels).
LOGITS = {
    "softmax": lambda e, w, y: margins.softmax_logits(e, w),
    "normface_s20": lambda e, w, y: margins.normface_logits(e, w, 20),
    "cosface_s30_m0.4": partial(margins.cosface_logits, scale=30, margin=0.4),
    "arcface_s30_m0.5_easy0": partial(margins.arcface_logits, scale=30, margin=0.5),
    "arcface_s30_m0.5_easy1": partial(margins.arcface_logits, scale=30, margin=0.5, easy_margin=True),
    "sphereface_m4_lambda0": partial(margins.a_softmax_logits, margin=4),
    "sphereface_m4_lambda5": partial(margins.a_softmax_logits, margin=4, annealing=5.0),
    "lsoftmax_m4_beta0": partial(margins.l_softmax_logits, margin=4),
    "lsoftmax_m2_beta100": partial(margins.l_softmax_logits, margin=2, annealing=100.0),
}
# pytorch-metric-learning's values; its ArcFace has no line beyond pi - m.
PML = {
    "pml_cosface_m0.35_s64": partial(margins.cosface_logits, scale=64, margin=0.35),
    "pml_sphereface_m4_s1": partial(margins.a_softmax_logits, margin=4),
    "pml_lsoftmax_m4_s1": partial(margins.l_softmax_logits, margin=4),
}


def batch_hard(e, y, margin):
    return pairs.triplet_loss(e, pairs.batch_hard(e, y), margin)


def semi_hard(e, y, margin):
    return pairs.triplet_loss(e, pairs.semi_hard(e, y), margin)


def batch_all(e, y, margin, nonzero_mean=False):
    return pairs.triplet_loss(e, pairs.mine_triplets(e, y), margin, nonzero_mean=nonzero_mean)


def mined(e, y, margin):
    return pairs.triplet_loss(e, pairs.mine_triplets(e, y, "semihard", margin), margin, nonzero_mean=True)


TRIPLETS = {
    "triplet_batch_hard": batch_hard,
    "triplet_semihard": semi_hard,
    "triplet_batch_all_mean": batch_all,
    "triplet_batch_all_nonzero_mean": partial(batch_all, nonzero_mean=True),
}


def identification(e, w, y):
    return F.cross_entropy(margins.softmax_logits(e, w), y)


CLASS_LOSSES = {
    "normface_c_contrastive_m1": partial(pairs.agent_contrastive_loss, margin=1.0),
    "normface_c_triplet_m0.8": partial(pairs.agent_triplet_loss, margin=0.8),
    "deepid2_lambda0.05_m2": lambda e, w, y: (
        identification(e, w, y) + 0.05 * pairs.contrastive_loss(e, y, margin=2)
    ),
}


def face(*names):
    arrays = reference.load("face.npz")
    return [torch.from_numpy(arrays[name]) for name in names]


def embed(*names):
    arrays = reference.load("embed.npz")
    return [torch.from_numpy(arrays[name]) for name in names]


def assert_gradients(loss, leaves, wanted):
    for found, name_or_array in zip(torch.autograd.grad(loss, leaves), wanted, strict=True):
        np.testing.assert_allclose(found.numpy(), name_or_array.numpy(), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", LOGITS)
def test_margin_softmax(name):
    stated = reference.load_json("face.json")[name]["loss"]
    embeddings, weight, labels = face("m_embeddings", "m_weight_CxD", "m_labels")
    logits, *gradients = face(f"{name}__logits", f"{name}__grad_emb", f"{name}__grad_weight")
    leaves = embeddings.requires_grad_(), weight.requires_grad_()
    found = LOGITS[name](*leaves, labels)
    np.testing.assert_allclose(found.detach().numpy(), logits.numpy(), rtol=1e-9, atol=1e-9)
    loss = F.cross_entropy(found, labels)
    assert loss.item() == pytest.approx(stated, rel=1e-10)
    assert_gradients(loss, leaves, gradients)


@pytest.mark.parametrize("name", PML)
def test_values_of_pytorch_metric_learning(name):
    stated = reference.load_json("face.json")[name]["loss"]
    embeddings, weight, labels = face("m_embeddings", "m_weight_CxD", "m_labels")
    assert F.cross_entropy(PML[name](embeddings, weight, labels), labels).item() == pytest.approx(
        stated, rel=1e-9
    )


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_psi(margin):
    theta, wanted = face("psi_theta", f"psi_m{margin}")
    np.testing.assert_allclose(margins.psi(theta, margin).numpy(), wanted.numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", ["raw", "l2norm"])
@pytest.mark.parametrize("name", TRIPLETS)
def test_triplets(name, form):
    stated = reference.load_json("face.json")[f"{name}_{form}"]["loss"]
    embeddings, labels, gradient = face("m_embeddings", "m_labels", f"{name}_{form}__grad_emb")
    embeddings.requires_grad_()
    units = F.normalize(embeddings) if form == "l2norm" else embeddings
    loss = TRIPLETS[name](units, labels, 1.5 if form == "raw" else 0.3)
    assert loss.item() == pytest.approx(stated, rel=1e-10)
    assert_gradients(loss, [embeddings], [gradient])


@pytest.mark.parametrize("form", ["raw", "l2norm"])
def test_contrastive(form):
    stated = reference.load_json("face.json")[f"contrastive_all_pairs_{form}"]["loss"]
    embeddings, labels, gradient = face("m_embeddings", "m_labels", f"contrastive_all_pairs_{form}__grad_emb")
    embeddings.requires_grad_()
    units = F.normalize(embeddings) if form == "l2norm" else embeddings
    loss = pairs.contrastive_loss(units, labels, 3.0 if form == "raw" else 1.0)
    assert loss.item() == pytest.approx(stated, rel=1e-10)
    assert_gradients(loss, [embeddings], [gradient])


@pytest.mark.parametrize("form", ["raw", "l2norm"])
def test_mining(form):
    margin = 1.0 if form == "raw" else 0.2
    counts = reference.load_json("embed.json")
    names = ("dist", "batch_hard", "triplets_semihard", "triplets_hard", "nearest_semihard")
    embeddings, labels, *wanted = embed("embeddings", "labels", *(f"{name}_{form}" for name in names))
    if form == "l2norm":
        embeddings = F.normalize(embeddings)
    distances, hardest, semihard, hard, nearest = (array.numpy() for array in wanted)
    np.testing.assert_allclose(pairs.pair_distances(embeddings).numpy(), distances, atol=1e-12)
    assert (pairs.batch_hard(embeddings, labels).numpy() == hardest).all()
    assert (pairs.mine_triplets(embeddings, labels, "semihard", margin).numpy() == semihard).all()
    assert (pairs.mine_triplets(embeddings, labels, "hard", margin).numpy() == hard).all()
    for kind, name in (("within_margin", "all"), ("easy", "easy")):
        found = pairs.mine_triplets(embeddings, labels, kind, margin)
        assert len(found) == counts[f"n_triplets_{name}_{form}"]
    found = pairs.semi_hard(embeddings, labels, fallback=False).numpy()
    assert (found == nearest[nearest[:, 2] >= 0]).all()
    assert (pairs.semi_hard(embeddings, labels).numpy()[:, :2] == nearest[:, :2]).all()


@pytest.mark.parametrize("form", ["raw", "l2norm"])
def test_mined_triplets(form):
    name = f"triplet_semihard_mined_{form}"
    stated = reference.load_json("embed.json")[name]
    embeddings, labels, gradient = embed("embeddings", "labels", f"{name}__grad_emb")
    embeddings.requires_grad_()
    units = F.normalize(embeddings) if form == "l2norm" else embeddings
    loss = mined(units, labels, stated["margin"])
    assert loss.item() == pytest.approx(stated["loss"], rel=1e-10)
    assert_gradients(loss, [embeddings], [gradient])


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_agents_and_joint_losses(name):
    stated = reference.load_json("embed.json")[name]["loss"]
    embeddings, weight, labels = embed("embeddings", "weight_CxD", "labels")
    gradients = embed(f"{name}__grad_emb", f"{name}__grad_weight")
    leaves = embeddings.requires_grad_(), weight.requires_grad_()
    loss = CLASS_LOSSES[name](*leaves, labels)
    assert loss.item() == pytest.approx(stated, rel=1e-10)
    assert_gradients(loss, leaves, gradients)


SIMILARITIES = {
    "circle_m0.25_g256": losses.Circle(0.25, 256),
    "circle_m0.4_g80": losses.Circle(0.4, 80),
    "circle_m0.25_g64": losses.Circle(0.25, 64),
    "multi_similarity": losses.MultiSimilarity(),
    "supcon_t0.1": losses.SupervisedContrastive(),
    "ntxent_t0.07": losses.NTXent(),
}


@pytest.mark.parametrize("name", SIMILARITIES)
def test_similarities(name):
    stated = reference.load_json("embed.json")[name]["loss"]
    embeddings, labels, gradient = embed("embeddings", "labels", f"{name}__grad_emb")
    loss = SIMILARITIES[name](embeddings.requires_grad_(), labels)
    assert loss.item() == pytest.approx(stated, rel=1e-10)
    assert_gradients(loss, [embeddings], [gradient])


def test_center():
    stated = reference.load_json("embed.json")["center"]
    embeddings, labels, center = embed("embeddings", "labels", "center_centers")
    gradients = embed("center__grad_emb", "center__grad_centers")
    leaves = embeddings.requires_grad_(), center.requires_grad_()
    loss = centers.center_loss(*leaves, labels)
    assert loss.item() == pytest.approx(stated["loss"], rel=1e-10)
    assert len(labels) / 2 * loss.item() == pytest.approx(stated["paper_value"], rel=1e-10)
    assert_gradients(loss, leaves, gradients)
    step, updated = embed("center_delta_formula", "center_updated_alpha0.5")
    found = centers.center_step(embeddings, center, labels)
    np.testing.assert_allclose(found.numpy(), step.numpy(), rtol=1e-10)
    np.testing.assert_allclose((center - 0.5 * found).detach().numpy(), updated.numpy(), rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "kind"), [("adaface", losses.AdaFace), ("curricular", losses.CurricularFace)]
)
def test_running_margins(name, kind):
    stated = reference.load_json("embed.json")[name]
    embeddings, weight, labels = embed("embeddings", "weight_CxD", "labels")
    logits, *gradients = embed(f"{name}__logits", f"{name}__grad_emb", f"{name}__grad_weight")
    loss = kind(8, 6).double()
    loss.weight.data = weight
    embeddings.requires_grad_()
    found = loss.logits(embeddings, labels)
    # Means are float32 in the releases.
    np.testing.assert_allclose(found.detach().numpy(), logits.numpy(), rtol=1e-6, atol=1e-6)
    value = F.cross_entropy(found, labels)
    assert value.item() == pytest.approx(stated["loss"], rel=1e-7)
    for own, wanted in zip(torch.autograd.grad(value, [embeddings, loss.weight]), gradients, strict=True):
        np.testing.assert_allclose(own.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)
    if name == "adaface":
        assert loss.mean.item() == pytest.approx(stated["batch_mean"], rel=1e-6)
        assert loss.std.item() == pytest.approx(stated["batch_std"], rel=1e-6)
    else:
        assert loss.progress.item() == pytest.approx(stated["t_after"], rel=1e-6)


def test_cosine_verification():
    stated = reference.load_json("embed.json")["deepid2_cosine_w4_b-1"]["loss"]
    embeddings, labels, order = embed("embeddings", "labels", "pairs_ij")
    assert (pairs.all_pairs(len(labels)).numpy() == order.numpy()).all()
    assert pairs.cosine_verification_loss(embeddings, labels, 4, -1).item() == pytest.approx(
        stated, rel=1e-10
    )
