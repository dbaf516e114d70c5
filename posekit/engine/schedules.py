"""Schedules of the learning rate: their lengths follow from the training's, or must fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def map_schedulers(
    schedulers: Any, change: Callable[[Mapping[str, Any], str], Any], where: str = "param_scheduler"
) -> Any:
    """Changes every scheduler of a config that is not built yet.

    Args:
        schedulers: The config's ``param_scheduler``: a scheduler, a list, or a dict of these by optimiser.
        change: From a scheduler's section and its place in the config to what stands there instead.
        where: The place of ``schedulers``.
    """
    if isinstance(schedulers, (list, tuple)):
        return [map_schedulers(one, change, f"{where}.{i}") for i, one in enumerate(schedulers)]
    if not isinstance(schedulers, Mapping):
        return schedulers
    if "type" in schedulers:
        return change(schedulers, where)
    return {name: map_schedulers(one, change, f"{where}.{name}") for name, one in schedulers.items()}
