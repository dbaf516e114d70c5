"""Residual log-likelihood estimation: coordinates learnt with how sure they are.

Li et al., "Human pose regression with residual log-likelihood estimation", ICCV 2021. A small
normalising flow learns the distribution of (p - y) / sigma beside a simple base; at test time it is not
needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.point_losses import PointLoss
from posekit.registry import MODELS

BASES = ("laplace", "gaussian", "release")


class RealNVP(nn.Module):
    """Six affine coupling layers on points of the plane; Dinh et al., ICLR 2017.

    Parameters are named as in the paper's release and in MMPose, so that their flows load.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self, layers: int = 6, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (layers // 2)))
        self.s = nn.ModuleList(_net(width, nn.Tanh()) for _ in range(layers))
        self.t = nn.ModuleList(_net(width) for _ in range(layers))

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Points (N, 2) in the base distribution's plane, and log |det| of that map, (N,)."""
        log_det = x.new_zeros(len(x))
        for mask, scale, shift in reversed(list(zip(self.mask, self.s, self.t, strict=True))):
            kept = mask * x
            s, t = scale(kept) * (1 - mask), shift(kept) * (1 - mask)
            x = (1 - mask) * (x - t) * torch.exp(-s) + kept
            log_det = log_det - s.sum(dim=1)
        return x, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of points (N, 2), (N,); the base is a standard normal."""
        z, log_det = self.to_base(x)
        return log_det - 0.5 * z.square().sum(dim=1) - math.log(2 * math.pi)


def _net(width: int, *last: nn.Module) -> nn.Sequential:
    layers = [
        nn.Linear(2, width),
        nn.LeakyReLU(),
        nn.Linear(width, width),
        nn.LeakyReLU(),
        nn.Linear(width, 2),
    ]
    for layer in layers:
        if isinstance(layer, nn.Linear):  # nearly the identity at first
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
    return nn.Sequential(*layers, *last)


@MODELS.register_module()
class RLELoss(PointLoss):
    """The negative log-likelihood of points whose spread is predicted too, mean over the batch.

    Eq. 9: log sigma - log phi(e) + [log sigma + d(e)] summed over points and axes, e = (p - y) / sigma, sigma
    the sigmoid of what the head gives, d the base's |e| or e^2 / 2, phi the flow's density. Coordinates are
    fractions of the input, as of :class:`~posekit.models.coordinate_head.CoordinateHead`, which then gives
    four numbers for each keypoint; its scores are 1 - the mean sigma of both axes.

    Args:
        base: ``"laplace"``: log 2 sigma + |e|; ``"gaussian"``: log (sigma sqrt(2 pi)) + e^2 / 2; both as in
            MMPose; ``"release"``: log (sigma sqrt(2 pi)) + |e| / sqrt(2), as the authors' code has it.
        residual: Learn the base's density too; False: the flow's alone.
        density: ``"each_axis"``: -log phi is added on either axis, so that it counts twice, as in the
            authors' code and in MMPose, whose published scores it gave; ``"once"``, as it is a density of
            the plane.

    Raises:
        ConfigError: On another base or density.
    """

    units = "fractions"
    numbers_per_keypoint = 4

    def __init__(self, base: str = "laplace", residual: bool = True, density: str = "each_axis") -> None:
        super().__init__()
        if base not in BASES:
            raise ConfigError(f"RLELoss: 'base' must be one of {list(BASES)}, found {base!r}")
        if density not in ("each_axis", "once"):
            raise ConfigError(f"RLELoss: 'density' must be 'each_axis' or 'once', found {density!r}")
        self.base, self.residual, self.density = base, residual, density
        self.flow_model = RealNVP()

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss, ().

        Args:
            prediction: (B, K, 4): x, y, and what the sigmoid makes sigma of x and y.
            target: (B, K, 2), in the prediction's unit.
            weight: (B, K), applied once. None: all 1.

        Raises:
            ValueError: On shapes that do not fit.
        """
        if (
            prediction.shape[2:] != (4,)
            or prediction.shape[:2] != target.shape[:2]
            or target.shape[2:] != (2,)
        ):
            raise ValueError(
                f"expected a prediction (B, K, 4) and a target (B, K, 2), found "
                f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            )
        points, sigma = prediction[..., :2], prediction[..., 2:].sigmoid()
        difference = points - target.detach()
        error = difference / (sigma if self.base == "release" else sigma + 1e-9)
        log_phi = self.flow_model.log_prob(error.reshape(-1, 2)).reshape(*error.shape[:2], 1)
        elements = torch.log(sigma) - log_phi * (1.0 if self.density == "each_axis" else 0.5)
        if self.residual:
            elements = elements + self._base(sigma, difference, error)
        if weight is not None:
            elements = elements * weight[..., None]
        return elements.sum(dim=(1, 2)).mean()

    def _base(self, sigma: Tensor, difference: Tensor, error: Tensor) -> Tensor:
        if self.base == "laplace":
            return torch.log(sigma * 2) + error.abs()
        spread = torch.log(sigma * math.sqrt(2 * math.pi))
        if self.base == "gaussian":
            return spread + 0.5 * error.square()
        return spread + difference.abs() / (math.sqrt(2) * sigma + 1e-9)

    def curve(self, distances: Tensor) -> Tensor:
        """Of the base, at sigma 1 and without the flow, up to a constant."""
        distances = distances.abs()
        if self.base == "gaussian":
            return distances.square() / 2
        return distances if self.base == "laplace" else distances / math.sqrt(2)
