"""What a loss does to features, in the plane: a small network with two features on synthetic classes.

NormFace's and SphereFace's figures show it on MNIST. Here a class is a Gaussian about a random centre in 32
dimensions, which needs no data: softmax makes rays whose length grows with certainty; with both normalised
the length means nothing; margins draw each ray together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from posekit.errors import ConfigError
from posekit.recognition import losses

# A plane holds few classes apart: margins and scales are smaller than on faces.
PLANE_LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"type": losses.Softmax},
    "NormFace": {"type": losses.NormFace, "scale": 16.0},
    "A-Softmax": {"type": losses.ASoftmax, "margin": 2, "annealing": {"gamma": 0.5}},
    "CosFace": {"type": losses.CosFace, "scale": 16.0, "margin": 0.1},
    "ArcFace": {"type": losses.ArcFace, "scale": 16.0, "margin": 0.2},
}


def plane_features(
    name: str, classes: int = 8, seed: int = 0, steps: int = 600, noise: float = 0.7
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (N, 2) of samples that the network has not learnt from, and their classes (N,).

    Args:
        name: One of :data:`PLANE_LOSSES`.
        classes: How many; 100 samples are shown of each.
        seed: Everything follows from it.
        steps: Of the training, 256 new samples each.
        noise: Deviation within a class; centres have 1.

    Raises:
        ConfigError: On an unknown name or a number that is not positive.
    """
    if name not in PLANE_LOSSES or classes < 2 or steps < 1:
        raise ConfigError(
            f"plane: expected one of {', '.join(PLANE_LOSSES)}, 2 or more classes and 1 or more steps, found "
            f"{name!r}, {classes} and {steps}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        centres = torch.randn(classes, 32, generator=generator)
        network = nn.Sequential(
            nn.Linear(32, 64), nn.PReLU(), nn.Linear(64, 64), nn.PReLU(), nn.Linear(64, 2, bias=False)
        )
        settings = dict(PLANE_LOSSES[name])
        loss = settings.pop("type")(dim=2, classes=classes, **settings)
        optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=3e-3)

        def draw(labels: torch.Tensor) -> torch.Tensor:
            return centres[labels] + noise * torch.randn(len(labels), 32, generator=generator)

        for _ in range(steps):
            labels = torch.randint(classes, (256,), generator=generator)
            optimizer.zero_grad()
            loss(network(draw(labels)), labels).backward()
            optimizer.step()
        labels = torch.arange(classes).repeat_interleave(100)
        with torch.no_grad():
            return network(draw(labels)).numpy(), labels.numpy()
