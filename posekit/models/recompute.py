"""Memory for time: parts of a network whose inner maps are not kept, but computed again on the way back.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016 (activation checkpointing). The training is
the same to the last bit: the statistics of batch norm count each batch once, which torch's
``torch.utils.checkpoint`` and mmengine's word ``activation_checkpointing`` do not see to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from posekit.errors import ConfigError

_LISTS = (nn.ModuleList, nn.ModuleDict)


def recompute(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Lets parts of a network keep no inner maps while it trains.

    Weights and their names stay; a test, or a part in evaluation, runs as before.

    Args:
        model: The network; its parts are changed in place.
        names: Of parts, such as ``("backbone.hg.*", "backbone.layer1")``; ``*`` stands for any text. Of parts
            within parts the outermost are meant.

    Returns:
        The parts, in the network's order.

    Raises:
        ConfigError: On a name that fits no part, or one that is a list of parts, which is never called.
    """
    parts = {name: part for name, part in model.named_modules() if name}
    for pattern in names:
        found = [name for name in parts if fnmatchcase(name, pattern)]
        where = f"recompute: {pattern!r}"
        if not found:
            raise ConfigError(
                f"{where}: expected the name of a part of the network, such as {next(iter(parts), '-')!r}"
            )
        if all(isinstance(parts[name], _LISTS) for name in found):
            raise ConfigError(f"{where}: it is a list of parts; name them: {pattern + '.*'!r}")
    chosen: list[str] = []
    for name, part in parts.items():
        inner = any(name.startswith(f"{outer}.") for outer in chosen)
        # A list of parts is never called; its parts are looked at instead.
        if not inner and not isinstance(part, _LISTS) and any(fnmatchcase(name, one) for one in names):
            chosen.append(name)
            kind = type(part)
            # A class, not a function put onto the object: a copy of the network has weights of its own.
            part.__class__ = type(kind.__name__, (_Recomputed, kind), {"__module__": kind.__module__})
    return chosen


class _Recomputed(nn.Module):
    """Before the class of a part: its forward, computed again when its gradient is."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(*inputs, **named)
        again = (nullcontext(), _statistics_kept(self))
        return checkpoint(super().forward, *inputs, use_reentrant=False, context_fn=lambda: again, **named)


@contextmanager
def _statistics_kept(part: nn.Module) -> Iterator[None]:
    """Batch norms go by the batch as they did; what they count goes into copies that are thrown away."""
    norms = [one for one in part.modules() if isinstance(one, _BatchNorm)]
    kept = [dict(norm._buffers) for norm in norms]
    for norm, buffers in zip(norms, kept, strict=True):
        norm._buffers.update({name: None if own is None else own.clone() for name, own in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)
