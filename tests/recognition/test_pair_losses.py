"""Losses on pairs, triplets and cosines, written anew pair after pair in plain numpy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from posekit.recognition import centers, losses, margins, pairs

RNG = np.random.default_rng(7)
E = RNG.normal(size=(9, 4))
W = RNG.normal(size=(4, 4))
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1, 3])  # 3 is alone
N = len(Y)
D = np.array([[np.sqrt(np.sum((a - b) ** 2)) for b in E] for a in E])
COS = np.array([[a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for b in E] for a in E])
AGENT = np.array([[np.sum((a / np.sqrt(a @ a) - w / np.sqrt(w @ w)) ** 2) for w in W] for a in E])
POSITIVES = [[j for j in range(N) if j != i and Y[j] == Y[i]] for i in range(N)]
NEGATIVES = [[j for j in range(N) if Y[j] != Y[i]] for i in range(N)]
TRIPLETS = [(i, p, n) for i in range(N) for p in POSITIVES[i] for n in NEGATIVES[i]]
ANCHORS = [i for i in range(N) if POSITIVES[i]]

e, w, y = torch.from_numpy(E), torch.from_numpy(W), torch.from_numpy(Y)


def semi_hard():
    found = []
    for i in range(N):
        for p in POSITIVES[i]:
            farther = [n for n in NEGATIVES[i] if D[i, n] > D[i, p]]
            near = min(farther, key=lambda n, i=i: D[i, n]) if farther else -1
            found.append((i, p, near, max(NEGATIVES[i], key=lambda n, i=i: D[i, n])))
    return found


def test_mining():
    hardest = [
        (i, max(POSITIVES[i], key=lambda j, i=i: D[i, j]), min(NEGATIVES[i], key=lambda j, i=i: D[i, j]))
        for i in ANCHORS
    ]
    assert pairs.batch_hard(e, y).tolist() == [list(t) for t in hardest]
    found = semi_hard()
    assert any(near < 0 for _, _, near, _ in found)
    wanted = [[i, p, far if near < 0 else near] for i, p, near, far in found]
    assert pairs.semi_hard(e, y).tolist() == wanted
    wanted = [[i, p, near] for i, p, near, _ in found if near >= 0]
    assert pairs.semi_hard(e, y, fallback=False).tolist() == wanted
    for squared in (False, True):
        gap = {t: (D[t[0], t[2]] ** (1 + squared) - D[t[0], t[1]] ** (1 + squared)) for t in TRIPLETS}
        kinds = {
            "all": TRIPLETS,
            "easy": [t for t in TRIPLETS if gap[t] > 0.5],
            "semihard": [t for t in TRIPLETS if 0 < gap[t] <= 0.5],
            "hard": [t for t in TRIPLETS if gap[t] <= 0],
            "within_margin": [t for t in TRIPLETS if gap[t] <= 0.5],
        }
        for kind, wanted in kinds.items():
            assert wanted
            found = pairs.mine_triplets(e, y, kind, 0.5, squared)
            assert found.tolist() == [list(t) for t in wanted]


def contrastive():
    each = [D[i, j] ** 2 if Y[i] == Y[j] else max(0, 3 - D[i, j]) ** 2 for i, j in combinations(range(N), 2)]
    return np.mean(each) / 2


def cosine_verification():
    signal = [1 / (1 + np.exp(-4 * COS[i, j] + 1)) for i, j in combinations(range(N), 2)]
    same = [Y[i] == Y[j] for i, j in combinations(range(N), 2)]
    return np.mean((np.array(same) - signal) ** 2) / 2


def triplet(power=1, nonzero=False):
    each = np.array([max(0, D[i, p] ** power - D[i, n] ** power + 0.4) for i, p, n in TRIPLETS])
    return each[each > 0].mean() if nonzero else each.mean()


def agent_contrastive():
    return np.mean(
        [AGENT[i, Y[i]] + sum(max(0, 1 - AGENT[i, j]) for j in range(4) if j != Y[i]) for i in range(N)]
    )


def agent_triplet():
    return np.mean(
        [sum(max(0, 0.8 + AGENT[i, Y[i]] - AGENT[i, j]) for j in range(4) if j != Y[i]) for i in range(N)]
    )


def circle(m=0.25, g=8.0):
    each = []
    for i in ANCHORS:
        near = sum(np.exp(-g * max(0, 1 + m - COS[i, p]) * (COS[i, p] - 1 + m)) for p in POSITIVES[i])
        far = sum(np.exp(g * max(0, COS[i, n] + m) * (COS[i, n] - m)) for n in NEGATIVES[i])
        each.append(np.log(1 + near * far))
    return np.mean(each)


def multi_similarity():
    near = [np.log(1 + sum(np.exp(-2 * (COS[i, p] - 0.5)) for p in POSITIVES[i])) / 2 for i in range(N)]
    far = [np.log(1 + sum(np.exp(50 * (COS[i, n] - 0.5)) for n in NEGATIVES[i])) / 50 for i in range(N)]
    return np.mean(near) + np.mean(far)


def supervised_contrastive():
    each = []
    for i in ANCHORS:
        others = sum(np.exp(COS[i, j] / 0.1) for j in range(N) if j != i)
        each.append(-np.mean([np.log(np.exp(COS[i, p] / 0.1) / others) for p in POSITIVES[i]]))
    return np.mean(each)


def nt_xent():
    each = []
    for i in ANCHORS:
        far = sum(np.exp(COS[i, n] / 0.07) for n in NEGATIVES[i])
        own = [np.exp(COS[i, p] / 0.07) for p in POSITIVES[i]]
        each += [-np.log(one / (one + far)) for one in own]
    return np.mean(each)


CASES = {
    "contrastive": (contrastive, lambda: pairs.contrastive_loss(e, y, 3.0)),
    "cosine verification": (cosine_verification, lambda: pairs.cosine_verification_loss(e, y, 4.0, -1.0)),
    "triplet": (triplet, lambda: pairs.triplet_loss(e, pairs.mine_triplets(e, y), 0.4)),
    "triplet, squared, nonzero": (
        lambda: triplet(2, True),
        lambda: pairs.triplet_loss(e, pairs.mine_triplets(e, y), 0.4, True, True),
    ),
    "agent contrastive": (agent_contrastive, lambda: pairs.agent_contrastive_loss(e, w, y)),
    "agent triplet": (agent_triplet, lambda: pairs.agent_triplet_loss(e, w, y)),
    "circle": (circle, lambda: losses.Circle(gamma=8.0)(e, y)),
    "multi-similarity": (multi_similarity, lambda: losses.MultiSimilarity()(e, y)),
    "supcon": (supervised_contrastive, lambda: losses.SupervisedContrastive()(e, y)),
    "nt-xent": (nt_xent, lambda: losses.NTXent()(e, y)),
    "center": (
        lambda: np.mean([np.sum((E[i] - W[Y[i]]) ** 2) for i in range(N)]),
        lambda: centers.center_loss(e, w, y),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    wanted, found = CASES[name]
    assert wanted() > 0
    assert found().item() == pytest.approx(wanted(), rel=1e-9)


def test_a_step_of_the_centres():
    wanted = [
        sum((W[c] - E[i] for i in range(N) if Y[i] == c), np.zeros(4)) / (1 + (c == Y).sum())
        for c in range(4)
    ]
    np.testing.assert_allclose(centers.center_step(e, w, y).numpy(), wanted)


def angles():
    return np.array([[np.arccos(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)) for b in W] for a in E])


def test_adaface():
    theta, norms = angles(), np.sqrt(np.sum(E**2, axis=1))
    loss = losses.AdaFace(4, 4).double()
    loss.weight.data = w
    found = loss.logits(e, y).detach().numpy()
    mean, std = 0.99 * 20 + 0.01 * norms.mean(), 0.99 * 100 + 0.01 * norms.std(ddof=1)
    assert (loss.mean.item(), loss.std.item()) == pytest.approx((mean, std))
    wanted = 64 * np.cos(theta)
    for i in range(N):
        q = np.clip(0.333 * (norms[i] - mean) / (std + 1e-3), -1, 1)
        wanted[i, Y[i]] = 64 * (np.cos(theta[i, Y[i]] - 0.4 * q) - 0.4 - 0.4 * q)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    loss.eval().logits(e, y)
    assert loss.mean.item() == pytest.approx(mean)


def test_curricular():
    theta = angles()
    loss = losses.CurricularFace(4, 4).double()
    loss.weight.data = w
    found = loss.logits(e, y).detach().numpy()
    t = 0.01 * np.mean([np.cos(theta[i, Y[i]]) for i in range(N)])
    assert loss.progress.item() == pytest.approx(t)
    wanted = 64 * np.cos(theta)
    hard = 0
    for i in range(N):
        own = np.cos(theta[i, Y[i]] + 0.5)
        for j in range(4):
            if j != Y[i] and np.cos(theta[i, j]) > own:
                hard += 1
                wanted[i, j] = 64 * np.cos(theta[i, j]) * (t + np.cos(theta[i, j]))
        line = np.cos(theta[i, Y[i]]) - 0.5 * np.sin(0.5)
        wanted[i, Y[i]] = 64 * (own if theta[i, Y[i]] < np.pi - 0.5 else line)
    assert 0 < hard < 3 * N
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    assert margins.curricular_logits(e, w, y, 0.0).shape == (N, 4)
