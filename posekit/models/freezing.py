"""Parts of a network that keep what they start from while the rest learns."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from posekit.errors import ConfigError


def freeze(module: nn.Module, beginnings: Sequence[str]) -> None:
    """Stops the parameters whose names begin so from learning.

    Raises:
        ConfigError: Where no name begins so.
    """
    for beginning in beginnings:
        parameters = [p for name, p in module.named_parameters() if name.startswith(beginning)]
        if not parameters:
            raise ConfigError(f"model.frozen: nothing in the network begins with {beginning!r}")
        for parameter in parameters:
            parameter.requires_grad_(False)


def keep_frozen_norms(module: nn.Module) -> None:
    """Batch norms that do not learn go on with the statistics they have; to be called after ``train()``."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and not any(p.requires_grad for p in part.parameters()):
            part.eval()
