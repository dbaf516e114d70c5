"""What a config may say: its sections, their keys, every class's arguments; counts, rates and switches.

mmengine lets a misspelt top-level key pass, and reports a misspelt argument only when the object is built,
which for a hook or a test section can be hours later. Here the whole config is compared with the real
signatures before anything is built, and the values that can be judged then are.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping, Set
from functools import lru_cache
from typing import Any

import torch
from mmengine.dataset import DefaultSampler  # noqa: F401 - fills mmengine's registries
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop, ValLoop
from torch.utils.data import DataLoader

from posekit import registry
from posekit.engine.hooks.defaults import default_hooks, optional_hooks
from posekit.engine.log_means import IntervalMeans
from posekit.errors import ConfigError, did_you_mean, shown
from posekit.lean_imports import real_class
from posekit.models.backends import BACKENDS

# Keys that the runner reads from the config itself, beside its own arguments.
_EXTRA_TOP_LEVEL = {
    *("skeleton", "data_root", "channels_last", "compile", "sync_bn", "find_unused_parameters"),
    *("model_wrapper_cfg", "recompute", "efficient_conv_bn_eval"),
    *("own_code", "custom_imports", "backend", "loggers"),
}
_PACKAGES = ("datasets", "models", "metrics", "engine", "engine.hooks", "detection")
_MODULES = ("posekit.codecs", "posekit.transforms", "posekit.study.focal_hooks", "posekit.inference.stages")


def arguments_of(kind: Callable[..., Any]) -> set[str] | None:
    """The keyword arguments that a class or function takes; None if it takes any.

    A ``**kwargs`` is followed up the class's bases to the signature it is handed to.
    """
    kind = real_class(kind)
    takers = [kind]
    if inspect.isclass(kind):
        own = (vars(base).get("__init__") for base in kind.__mro__ if base is not object)
        takers = [init for init in own if init is not None]
    names: set[str] = set()
    for taker in takers:
        parameters = inspect.signature(taker).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} - {"self"}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            return names
    return None if takers else set()  # a class without __init__ takes nothing


@lru_cache(maxsize=1)
def _import_everything() -> None:
    """Imports posekit's modules, so that all their classes stand in the registries."""
    for package in (f"posekit.{name}" for name in _PACKAGES):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            if not module.ispkg:  # the sub-packages (the embedded data set's renderer) register nothing
                importlib.import_module(module.name)
    for name in _MODULES:
        importlib.import_module(name)


def registered() -> dict[str, Any]:
    """Every class and function known by a bare name; posekit's own win over mmengine's."""
    _import_everything()
    import mmengine.registry as theirs

    found: dict[str, Any] = {}
    for module in (theirs, registry):
        for entry in vars(module).values():
            if isinstance(entry, theirs.Registry):
                found.update(entry.module_dict)
    return found


def resolve_type(name: str, where: str) -> Any:
    """The class or function of a ``type`` string: a registered name or a dotted path.

    Raises:
        ConfigError: If there is none, with near names.
    """
    if "." in name:
        module, _, attribute = name.rpartition(".")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError, TypeError) as error:  # the last: it begins with dots
            raise ConfigError(f"{where}: nothing can be imported as '{name}'") from error
    known = registered()
    if name not in known:
        raise ConfigError(f"{where}: no class is registered as '{name}'{did_you_mean(name, known)}")
    return known[name]


def check_config(cfg: Mapping[str, Any], source: str) -> None:
    """Compares every key of a config with what takes it.

    Args:
        cfg: The config as nested dicts, each ``type`` a class or function.
        source: The config's file, for messages.

    Raises:
        ConfigError: On the first key that nothing takes, with near names.
    """
    known = _keys(Runner, without={"cfg"}) | _EXTRA_TOP_LEVEL
    if "activation_checkpointing" in cfg:
        raise ConfigError(
            f"config {source}: activation_checkpointing: mmengine's lets batch norm count every batch twice; "
            "state 'recompute', which takes the same names and does not"
        )
    for key, value in cfg.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise ConfigError(
                f"config {source}: unknown section '{key}'{hint} "
                "(a helper variable of a config must begin with an underscore)"
            )
        _check_value(value, key, source)


def _check_value(value: Any, where: str, source: str) -> None:
    if isinstance(value, Mapping):
        _check_keys(value, where, source)
        for key, item in value.items():
            _check_value(item, f"{where}.{key}", source)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_value(item, f"{where}.{i}", source)


def _check_keys(section: Mapping[str, Any], where: str, source: str) -> None:
    kind = section.get("type")
    known = _untyped_keys().get(where) if kind is None else _typed_keys(kind)
    for key in section:
        if known is not None and key not in known and key not in ("type", "_scope_"):
            owner = f" of {getattr(kind, '__name__', kind)}" if kind is not None else ""
            raise ConfigError(
                f"config {source}: '{where}' has an unknown key '{key}'{owner}{did_you_mean(str(key), known)}"
            )


# What mmengine takes out of the dict before it calls the class.
_TAKEN_OUT: dict[type, set[str]] = {
    Hook: {"priority"},
    OptimWrapper: {"constructor", "paramwise_cfg"},
    _ParamScheduler: {"convert_to_iter_based"},
}


def _typed_keys(kind: Any) -> set[str] | None:
    names = arguments_of(kind) if callable(kind) else None
    if names is None or not inspect.isclass(kind):
        return names
    return names.union(*(more for base, more in _TAKEN_OUT.items() if issubclass(kind, base)))


def _keys(kind: Any, without: Set[str] = frozenset()) -> set[str]:
    return (_typed_keys(kind) or set()) - without


@lru_cache(maxsize=1)
def _untyped_keys() -> dict[str, set[str]]:
    """The keys of the sections that have no ``type``, by their place; anything goes in others."""
    hooks = {**default_hooks(), **optional_hooks()}
    built = {"runner", "dataloader", "evaluator"}
    loader = _keys(DataLoader) | {"dataset", "sampler", "num_batch_per_epoch", "disable_subprocess_warning"}
    return {
        **{f"{stage}_dataloader": loader for stage in ("train", "val", "test")},
        "train_cfg": _keys(EpochBasedTrainLoop, built) | {"by_epoch"},
        "val_cfg": _keys(ValLoop, built),
        "test_cfg": _keys(TestLoop, built),
        "optim_wrapper": _keys(OptimWrapper),
        "default_hooks": set(hooks),
        **{f"default_hooks.{name}": _keys(hook["type"]) for name, hook in hooks.items()},
        "randomness": {"seed", "diff_rank_seed", "deterministic"},
        "env_cfg": {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"},
        "auto_scale_lr": {"base_batch_size", "enable"},
        "log_processor": _keys(IntervalMeans),
        "compile": _keys(torch.compile, {"model"}),
    }


_Rule = tuple[str, Callable[[Any], bool]]  # what is expected, and whether a value is that


def _whole(least: int, most: float = math.inf) -> _Rule:
    expected = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    return (
        f"a whole number {expected}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def _is_rate(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _is_switch(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_made(value: Any) -> bool:
    """Whether something can be built from it, or has been."""
    if isinstance(value, Mapping):
        return "type" in value
    return value is None or not isinstance(value, (str, bytes, int, float, list, tuple))


def _are_made(value: Any) -> bool:
    return all(map(_is_made, value)) if isinstance(value, (list, tuple)) else _is_made(value)


def _are_evaluators(value: Any) -> bool:
    """As :func:`_are_made`; or mmengine's form with the metrics within, which needs no ``type``."""
    within = isinstance(value, Mapping) and "metrics" in value and "type" not in value
    return _are_made(value["metrics"] if within else value)


def _is_section(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_made(value)


_RATE = "a finite number >= 0", _is_rate
_MADE: _Rule = ("settings, dict(type=NAME, argument=...)", _is_made)
_SECTION: _Rule = ("settings, dict(argument=...)", _is_section)
_ALL_MADE: _Rule = (f"{_MADE[0]}, or a list of such", _are_made)
# Of schedules: what the learning rate is multiplied by, or becomes.
_OF_SCHEDULE = ("gamma", "factor", "start_factor", "end_factor", "eta_min", "eta_min_ratio", "eta_max")
_LOADER: dict[str, _Rule] = {
    "batch_size": _whole(1),
    "num_workers": _whole(0),
    "dataset": _MADE,
    "sampler": _MADE,
    "batch_sampler": _MADE,
    "prefetch_factor": (_whole(1)[0], lambda value: value is None or _whole(1)[1](value)),
}
_COMPILE = "True, False or a dict of torch.compile's arguments"
# Dotted key -> what is expected there, where anything is.
_RULES: dict[str, _Rule] = {
    "train_cfg.max_epochs": _whole(1),
    "train_cfg.val_begin": _whole(0),
    "train_cfg.val_interval": _whole(1),
    "optim_wrapper.accumulative_counts": _whole(1),
    "default_hooks.logger.interval": _whole(1),
    "randomness.seed": _whole(0, 2**32 - 1),  # numpy's largest
    **{f"{stage}_dataloader.{key}": _LOADER[key] for stage in ("train", "val", "test") for key in _LOADER},
    **{f"{stage}_dataloader": _SECTION for stage in ("train", "val", "test")},
    **{f"{stage}_evaluator": (_ALL_MADE[0], _are_evaluators) for stage in ("val", "test")},
    "model": _MADE,
    "optim_wrapper": _SECTION,
    "optim_wrapper.optimizer": _MADE,
    "custom_hooks": _ALL_MADE,
    "env_cfg": _SECTION,
    "optim_wrapper.optimizer.lr": _RATE,
    "optim_wrapper.optimizer.weight_decay": _RATE,
    "optim_wrapper.clip_grad.max_norm": _RATE,
    "channels_last": ("True or False", _is_switch),
    "backend": (
        f"one of {', '.join(BACKENDS)}",
        lambda value: value is None or (isinstance(value, str) and value in BACKENDS),
    ),
    "compile": (_COMPILE, lambda value: _is_switch(value) or isinstance(value, Mapping)),
    "recompute": (
        "a list of names of the network's parts",
        lambda value: isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value),
    ),
}


def check_values(cfg: Mapping[str, Any], source: str) -> None:
    """Looks at the counts, rates and switches of a config.

    Args:
        cfg: The config as nested dicts.
        source: The config's file, for messages.

    Raises:
        ConfigError: On the first impossible one.
    """
    for key, (expected, fits) in _RULES.items():
        *sections, name = key.split(".")
        section: Any = cfg
        for part in sections:
            section = section.get(part) if isinstance(section, Mapping) else None
        if isinstance(section, Mapping) and name in section and not fits(section[name]):
            raise ConfigError(f"config {source}: {key}: expected {expected}, found {shown(section[name])}")
    for name, hook in (cfg.get("default_hooks") or {}).items():
        if not _is_section(hook):
            raise ConfigError(
                f"config {source}: default_hooks.{name}: expected {_SECTION[0]}, or None for none, found "
                f"{shown(hook)}"
            )
    _check_schedules(cfg.get("param_scheduler"), source)


def _check_schedules(stated: Any, source: str) -> None:
    """Raises ConfigError of a schedule by which a learning rate would be no number, or below 0."""
    for number, one in enumerate(stated if isinstance(stated, (list, tuple)) else [stated]):
        where = f"config {source}: param_scheduler.{number}"
        if not _is_section(one):
            raise ConfigError(f"{where}: expected {_MADE[0]}, found {shown(one)}")
        for name in _OF_SCHEDULE if isinstance(one, Mapping) else ():
            if one.get(name) is not None and not _is_rate(one[name]):
                raise ConfigError(f"{where}.{name}: expected {_RATE[0]}, found {shown(one[name])}")
