"""What a config says of any network at its top level: how it lies in memory, whether it is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from posekit.errors import ConfigError


def check_network_settings(cfg: Mapping[str, Any], source: str) -> None:
    """Looks at ``channels_last`` and ``compile``.

    Raises:
        ConfigError: On another value than they take.
    """
    layout = cfg.get("channels_last")
    if layout not in (None, True, False):
        raise ConfigError(f"config {source}: channels_last: expected True or False, found {layout!r}")
    setting = cfg.get("compile")
    if isinstance(setting, Mapping):
        known = list(inspect.signature(torch.compile).parameters)[1:]  # without the function
        unknown = [key for key in setting if key not in known]
        if unknown:
            raise ConfigError(
                f"config {source}: compile: torch.compile takes no {unknown[0]!r}; expected some of {known}"
            )
    elif setting not in (None, True, False):
        raise ConfigError(
            f"config {source}: compile: expected True, False or a dict of torch.compile's arguments, "
            f"found {setting!r}"
        )


def lay_channels_last(model: nn.Module) -> None:
    """Puts weights, and the images that they meet, into the NHWC layout; no number changes."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if hasattr(model, "memory_format"):  # in which a PoseEstimator hands on its images
        model.memory_format = torch.channels_last  # type: ignore[assignment]


def compile_training(model: nn.Module, setting: Any) -> bool:
    """Compiles what a network does to get its losses; validations and tests run as they are.

    mmengine compiles the whole step, with the optimiser's counters, and so once more whenever one changes.
    torch, where a second size of batch comes, as an epoch's last one often is, compiles anew for any size and
    from then on uses that slower form for all. Here each size has its own, two as a rule. What else changes
    from step to step, such as a gamma on a schedule, is left to torch; an old one, such as 2.4, compiles for
    every value and gives up after eight.

    Args:
        model: The bare network. Its parameters and their names stay.
        setting: The config's ``compile``: True, or the arguments of ``torch.compile``, such as
            ``dict(mode="max-autotune")``; None and False compile nothing. With ``dynamic`` stated, it alone
            says what becomes of sizes.

    Returns:
        Whether there was anything to do.

    Raises:
        ConfigError: If torch refuses the arguments.
    """
    if setting is None or setting is False:
        return False
    plain, arguments = model.forward, {} if setting is True else setting
    try:
        compiled = torch.compile(plain, **arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        words = str(error).strip().partition("\n")[0]
        raise ConfigError(f"config: compile: torch.compile refuses it: {words}") from error

    def forward(*fields: Any, mode: str = "tensor") -> Any:
        if mode != "loss":
            return plain(*fields, mode=mode)
        for field in tree_leaves(fields) if arguments.get("dynamic") is None else ():
            if isinstance(field, Tensor):
                torch._dynamo.mark_static(field)
        return compiled(*fields, mode=mode)

    model.forward = forward
    return True
