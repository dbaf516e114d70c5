"""Class logits with and without a margin, as pure functions; their cross entropy is the loss.

Every function takes ``embeddings`` (B, D), the classes' ``weight`` (C, D) and, where there is a margin, int64
``labels`` (B,), and returns logits (B, C). theta_j is the angle between embedding x and weight w_j, y the
label. No function has a bias. What is not said of other classes is their logit.

=========================  ==========================================  =========================
function                   logit of the label                          logit of the other classes
=========================  ==========================================  =========================
:func:`softmax_logits`     w_y . x                                     w_j . x
:func:`normface_logits`    s cos(theta_y)                              s cos(theta_j)
:func:`l_softmax_logits`   ||w_y|| ||x|| psi(theta_y)                  w_j . x
:func:`a_softmax_logits`   ||x|| psi(theta_y)                          ||x|| cos(theta_j)
:func:`cosface_logits`     s (cos(theta_y) - m)                        s cos(theta_j)
:func:`arcface_logits`     s cos(theta_y + m)                          s cos(theta_j)
:func:`adaface_logits`     a margin by the feature's norm              s cos(theta_j)
:func:`curricular_logits`  as ArcFace                                  the harder ones weighed by the training
=========================  ==========================================  =========================

No logit but AdaFace's goes through an arccosine, so that gradients stay finite where a feature meets its
class weight or its opposite. Compute them in float32 or better: a scale of 64 shows the steps of half
precision.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.errors import ConfigError, is_whole


def cosines(embeddings: Tensor, weight: Tensor) -> Tensor:
    """The cosines (B, C) between embeddings (B, D) and class weights (C, D).

    Raises:
        ValueError: On shapes that do not fit.
    """
    _check(embeddings, weight)
    return F.linear(F.normalize(embeddings), F.normalize(weight))


def softmax_logits(embeddings: Tensor, weight: Tensor) -> Tensor:
    """Inner products: the plain softmax, without bias.

    Args:
        embeddings: (B, D).
        weight: (C, D).

    Raises:
        ValueError: On shapes that do not fit.
    """
    _check(embeddings, weight)
    return F.linear(embeddings, weight)


def normface_logits(embeddings: Tensor, weight: Tensor, scale: float | Tensor = 20.0) -> Tensor:
    """Scaled cosines: features and weights normalised.

    Wang et al., "NormFace: L2 hypersphere embedding for face verification", ACM MM 2017, eq. 4-6.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        scale: s; without one the loss cannot fall below :func:`normface_bound` of 1. May be learnt.

    Raises:
        ValueError: On shapes that do not fit.
    """
    return scale * cosines(embeddings, weight)


def cosface_logits(
    embeddings: Tensor, weight: Tensor, labels: Tensor, scale: float = 64.0, margin: float = 0.35
) -> Tensor:
    """A margin on the cosine. Wang et al., "CosFace", CVPR 2018, eq. 4.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        scale: s.
        margin: m.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine = cosines(embeddings, weight)
    return scale * _with_target(cosine, labels, lambda target: target - margin)


def arcface_logits(
    embeddings: Tensor,
    weight: Tensor,
    labels: Tensor,
    scale: float = 64.0,
    margin: float = 0.5,
    easy_margin: bool = False,
) -> Tensor:
    """A margin on the angle. Deng et al., "ArcFace", CVPR 2019, eq. 3.

    cos(theta + m) falls with theta while theta < pi - m only. Beyond, for cos(theta) <= cos(pi - m), the
    released code goes on with cos(theta) - m sin(m), which lies lower there (by 0.12 at m = 0.5) and falls
    on. With an easy margin it leaves cos(theta) <= 0 as it is instead: the logit jumps up at a right angle.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        scale: s.
        margin: m, radians.
        easy_margin: Only targets of less than a right angle have a margin: easier to begin with.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine = cosines(embeddings, weight)

    def widened(target: Tensor) -> Tensor:
        shifted = _shifted(target, margin)
        return torch.where(target > 0, shifted, target) if easy_margin else _falling(target, shifted, margin)

    return scale * _with_target(cosine, labels, widened)


def adaface_logits(
    embeddings: Tensor,
    weight: Tensor,
    labels: Tensor,
    mean: float | Tensor,
    std: float | Tensor,
    scale: float = 64.0,
    margin: float = 0.4,
    concentration: float = 0.333,
) -> Tensor:
    """A margin on angle and cosine by the feature's norm. Kim et al., "AdaFace", CVPR 2022, eq. 12-14.

    q = clip(h (||x|| - mean) / (std + 0.001), -1, 1), without gradient; the label's logit is
    s (cos(theta - m q) - m - m q). As in the released code norms are kept within 0.001..100, cosines within
    0.999 and angles 0.001 away from 0 and pi.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        mean: Of the norms.
        std: Of the norms.
        scale: s.
        margin: m.
        concentration: h.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine = cosines(embeddings, weight).clamp(-0.999, 0.999)
    norms = embeddings.detach().norm(dim=1).clamp(0.001, 100)
    quality = (concentration * (norms - mean) / (std + 0.001)).clamp(-1, 1)

    def widened(target: Tensor) -> Tensor:
        theta = (target.acos() - margin * quality).clamp(0.001, math.pi - 0.001)
        return theta.cos() - (margin + margin * quality)

    return scale * _with_target(cosine, labels, widened)


def curricular_logits(
    embeddings: Tensor,
    weight: Tensor,
    labels: Tensor,
    progress: float | Tensor,
    scale: float = 64.0,
    margin: float = 0.5,
) -> Tensor:
    """ArcFace, the hard classes weighed. Huang et al., "CurricularFace", CVPR 2020, eq. 5-6.

    A class j with cos(theta_j) > cos(theta_y + m) has the logit s cos(theta_j) (t + cos(theta_j)).

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        progress: t, near 0 at the beginning: the running mean of the labels' cosines.
        scale: s.
        margin: m, radians.

    Raises:
        ValueError: On shapes that do not fit.
    """
    cosine = cosines(embeddings, weight)
    target = cosine.gather(1, labels[:, None])
    shifted = _shifted(target, margin)
    weighed = torch.where(cosine > shifted, cosine * (progress + cosine), cosine)
    own = _falling(target, shifted, margin).squeeze(1)
    return scale * _with_target(weighed, labels, lambda _: own)


def l_softmax_logits(
    embeddings: Tensor, weight: Tensor, labels: Tensor, margin: int = 4, annealing: float | Tensor = 0.0
) -> Tensor:
    """A factor on the angle, weights as they are. Liu et al., "L-Softmax", ICML 2016, eq. 4-6.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        margin: m, a whole number; 1 is the plain softmax.
        annealing: lambda: the label's logit is ||w|| ||x|| (psi + lambda cos) / (1 + lambda).

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On a margin that is no whole number above 0.
    """
    _check(embeddings, weight)
    logits = F.linear(embeddings, weight)
    own = weight[labels]
    cosine = (F.normalize(embeddings) * F.normalize(own)).sum(dim=1)
    length = embeddings.norm(dim=1) * own.norm(dim=1)
    return _with_target(logits, labels, lambda _: length * _annealed(cosine, margin, annealing))


def a_softmax_logits(
    embeddings: Tensor, weight: Tensor, labels: Tensor, margin: int = 4, annealing: float | Tensor = 0.0
) -> Tensor:
    """A factor on the angle, weights normalised. Liu et al., "SphereFace", CVPR 2017, eq. 7.

    Args:
        embeddings: (B, D).
        weight: (C, D).
        labels: int64 (B,).
        margin: m, a whole number; 1 normalises weights only.
        annealing: lambda: the label's logit is ||x|| (psi + lambda cos) / (1 + lambda).

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On a margin that is no whole number above 0.
    """
    cosine = cosines(embeddings, weight)
    widened = _with_target(cosine, labels, lambda target: _annealed(target, margin, annealing))
    return embeddings.norm(dim=1, keepdim=True) * widened


def psi(theta: Tensor, margin: int) -> Tensor:
    """(-1)^k cos(m theta) - 2k for theta in [k pi / m, (k + 1) pi / m]: falls from 1 to 1 - 2m.

    Args:
        theta: Angles (...), 0..pi, radians.
        margin: m, a whole number.

    Raises:
        ConfigError: On a margin that is no whole number above 0.
    """
    return psi_of_cosine(theta.cos(), margin)


def psi_of_cosine(cosine: Tensor, margin: int) -> Tensor:
    """:func:`psi` of the angles that have these cosines (...); cos(m theta) is Chebyshev's polynomial.

    Raises:
        ConfigError: On a margin that is no whole number above 0.
    """
    if not is_whole(margin):
        raise ConfigError(f"'margin': a factor on the angle must be a whole number above 0, found {margin!r}")
    before, chebyshev = torch.ones_like(cosine), cosine
    for _ in range(margin - 1):
        before, chebyshev = chebyshev, 2 * cosine * chebyshev - before
    # The branches meet at the ends of their ranges, so that it does not matter whose the ends are.
    k = sum(
        ((cosine <= math.cos(i * math.pi / margin)).to(cosine.dtype) for i in range(1, margin)),
        torch.zeros_like(cosine),
    )
    return (1 - 2 * (k % 2)) * chebyshev - 2 * k


def annealed_lambda(
    step: int | Tensor, base: float = 1000.0, gamma: float = 0.12, power: float = 1.0, least: float = 5.0
) -> Tensor:
    """SphereFace's lambda at a step: max(least, base (1 + gamma step)^-power), the release's numbers.

    Args:
        step: Of the training, from 0.
        base: At step 0.
        gamma: How fast it falls.
        power: By which power.
        least: Where it stays.

    Returns:
        float32 ().
    """
    step = torch.as_tensor(step).to(torch.float32)
    return (base * (1 + gamma * step) ** -power).clamp(min=least)


def normface_bound(classes: int, scale: float) -> float:
    """The softmax loss that no normalised features fall below: log(1 + (n - 1) exp(-s n / (n - 1))).

    NormFace, proposition 2: with equally many samples of each of the n classes. It is reached where every
    feature is its class's weight and the weights are a regular simplex.

    Args:
        classes: n, at least 2.
        scale: s.

    Raises:
        ConfigError: On less than two classes or a scale below 0.
    """
    _check_classes(classes)
    if not 0 <= scale < math.inf:
        raise ConfigError(f"'scale' must be a finite number >= 0, found {scale!r}")
    return math.log1p((classes - 1) * math.exp(-scale * classes / (classes - 1)))


def normface_scale(classes: int, loss: float) -> float:
    """The scale whose :func:`normface_bound` is a given loss: the least scale that can get there.

    Args:
        classes: n, at least 2.
        loss: Above 0 and at most log(n), which scale 0 has.

    Raises:
        ConfigError: On another number of classes or another loss.
    """
    _check_classes(classes)
    if not 0 < loss <= math.log(classes):
        raise ConfigError(
            f"'loss' must be above 0 and at most log({classes}) = {math.log(classes):.3f}, found {loss!r}"
        )
    return max(0.0, (classes - 1) / classes * math.log((classes - 1) / math.expm1(loss)))


def _annealed(cosine: Tensor, margin: int, annealing: float | Tensor) -> Tensor:
    """(psi + lambda cos) / (1 + lambda)."""
    return (psi_of_cosine(cosine, margin) + annealing * cosine) / (1 + annealing)


def _with_target(logits: Tensor, labels: Tensor, change: object) -> Tensor:
    """The logits with those of the labels changed."""
    if labels.shape != logits.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"expected whole-number labels of shape ({len(logits)},), found {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )
    places = labels.long()[:, None]
    changed = change(logits.gather(1, places).squeeze(1))  # type: ignore[operator]
    return logits.scatter(1, places, changed[:, None])


def _shifted(cosine: Tensor, margin: float) -> Tensor:
    """cos(theta + m)."""
    return cosine * math.cos(margin) - _sine(cosine) * math.sin(margin)


def _falling(cosine: Tensor, shifted: Tensor, margin: float) -> Tensor:
    """cos(theta + m) while theta < pi - m; beyond, where it would rise again, the release's line."""
    line = cosine - margin * math.sin(margin)
    return torch.where(cosine > math.cos(math.pi - margin), shifted, line)


def _sine(cosine: Tensor) -> Tensor:
    """sqrt(1 - cos^2), with gradient 0 in place of infinity at 0; rounding may take a cosine beyond 1."""
    squared = 1 - cosine.square()
    there = squared > 0
    return torch.where(there, squared, 1).sqrt() * there


def _check(embeddings: Tensor, weight: Tensor) -> None:
    if embeddings.ndim != 2 or weight.ndim != 2 or embeddings.shape[1] != weight.shape[1]:
        raise ValueError(
            f"expected embeddings (B, D) and weight (C, D), found {tuple(embeddings.shape)} and "
            f"{tuple(weight.shape)}"
        )


def _check_classes(classes: int) -> None:
    if not is_whole(classes, 2):
        raise ConfigError(f"'classes' must be a whole number of at least 2, found {classes!r}")
