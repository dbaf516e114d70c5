"""Numbers of a config that can be judged before anything is built: counts, rates, seeds.

torch and mmengine would refuse most of them too, but after data sets have been read, and with a traceback.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from posekit.errors import ConfigError

_LOADER = {"batch_size": 1, "num_workers": 0, "prefetch_factor": 1}
# Dotted key -> least whole number.
_COUNTS = {
    "train_cfg.max_epochs": 1,
    "train_cfg.val_begin": 0,
    "train_cfg.val_interval": 1,
    "optim_wrapper.accumulative_counts": 1,
    "default_hooks.logger.interval": 1,
    "randomness.seed": 0,
    **{
        f"{stage}_dataloader.{key}": least
        for stage in ("train", "val", "test")
        for key, least in _LOADER.items()
    },
}
# Finite numbers that are not negative.
_RATES = (
    "optim_wrapper.optimizer.lr",
    "optim_wrapper.optimizer.weight_decay",
    "optim_wrapper.clip_grad.max_norm",
)
_LARGEST_SEED = 2**32 - 1  # numpy's
_ABSENT = object()


def check_values(cfg: Mapping[str, Any], source: str) -> None:
    """Looks at the counts and rates of a config.

    Args:
        cfg: The config as nested dicts.
        source: The config's file, for messages.

    Raises:
        ConfigError: On the first impossible one.
    """
    for key, least in _COUNTS.items():
        value = _find(cfg, key)
        if value is _ABSENT or (value is None and key.endswith("prefetch_factor")):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            expected = f"expected a whole number of at least {least}"
            raise ConfigError(f"config {source}: {key}: {expected}, found {value!r}")
    for key in _RATES:
        value = _find(cfg, key)
        if value is not _ABSENT and not _is_rate(value):
            raise ConfigError(f"config {source}: {key}: expected a finite number >= 0, found {value!r}")
    seed = _find(cfg, "randomness.seed")
    if isinstance(seed, int) and seed > _LARGEST_SEED:
        raise ConfigError(f"config {source}: randomness.seed: expected at most {_LARGEST_SEED}, found {seed}")


def _find(cfg: Mapping[str, Any], key: str) -> Any:
    node: Any = cfg
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return _ABSENT
        node = node[part]
    return node


def _is_rate(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0
