"""What a config may say: the names of its sections, of their keys and of every class's arguments.

mmengine lets a misspelt top-level key pass, and reports a misspelt argument only when the object is built,
which for a hook or a test section can be hours later. Here the whole config is compared with the real
signatures before anything is built.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mmengine.dataset import DefaultSampler  # noqa: F401 - fills mmengine's registries
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, LogProcessor, Runner, TestLoop, ValLoop
from torch.utils.data import DataLoader

from posekit import registry
from posekit.engine.network import check_network_settings
from posekit.errors import ConfigError, did_you_mean

# Keys that the runner reads from the config itself, beside its own arguments.
_EXTRA_TOP_LEVEL = {
    "skeleton",
    "data_root",
    "sync_bn",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "compile",
    "channels_last",
    "activation_checkpointing",
    "efficient_conv_bn_eval",
}
_PACKAGES = (
    "posekit.datasets",
    "posekit.models",
    "posekit.metrics",
    "posekit.engine",
    "posekit.engine.hooks",
    "posekit.detection",
)
_MODULES = ("posekit.codecs", "posekit.transforms", "posekit.study.focal_hooks")


def arguments_of(kind: Callable[..., Any]) -> set[str] | None:
    """The keyword arguments that a class or function takes; None if it takes any.

    A ``**kwargs`` is followed up the class's bases to the signature it is handed to.
    """
    if not inspect.isclass(kind):
        signature = inspect.signature(kind)
        return None if _takes_any(signature) else _names(signature)
    names: set[str] = set()
    open_ended = False
    for base in kind.__mro__:
        if base is object or "__init__" not in vars(base):
            continue
        signature = inspect.signature(vars(base)["__init__"])
        names |= _names(signature) - {"self"}
        if not _takes_any(signature):
            return names
        open_ended = True
    return None if open_ended else set()  # a class without __init__ takes nothing


def _takes_any(signature: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _names(signature: inspect.Signature) -> set[str]:
    fixed = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {p.name for p in signature.parameters.values() if p.kind not in fixed}


# --- names of classes -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _import_everything() -> None:
    """Imports posekit's modules, so that all their classes stand in the registries."""
    for package in _PACKAGES:
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
        found = _import_path(name)
        if found is None:
            raise ConfigError(f"{where}: nothing can be imported as '{name}'")
        return found
    known = registered()
    if name not in known:
        raise ConfigError(f"{where}: no class is registered as '{name}'{did_you_mean(name, known)}")
    return known[name]


def _import_path(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError):  # TypeError: of a path that begins with dots
        return None


# --- the check ------------------------------------------------------------------------------------------


def top_level_keys() -> set[str]:
    """The sections that a config may have."""
    return (_names(inspect.signature(Runner.__init__)) - {"self", "cfg"}) | _EXTRA_TOP_LEVEL


def check_config(cfg: Mapping[str, Any], source: str) -> None:
    """Compares every key of a config with what takes it.

    Args:
        cfg: The config as nested dicts, each ``type`` a class or function.
        source: The config's file, for messages.

    Raises:
        ConfigError: On the first key that nothing takes, with near names.
    """
    known = top_level_keys()
    for key, value in cfg.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise ConfigError(
                f"config {source}: unknown section '{key}'{hint} "
                "(a helper variable of a config must begin with an underscore)"
            )
        _check_value(value, key, source, _untyped_keys(key))
    check_network_settings(cfg, source)


def _check_value(value: Any, where: str, source: str, untyped: set[str] | None = None) -> None:
    if isinstance(value, Mapping):
        _check_keys(value, where, source, untyped)
        for key, item in value.items():
            _check_value(item, f"{where}.{key}", source, _untyped_keys(f"{where}.{key}"))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_value(item, f"{where}.{i}", source)


def _check_keys(section: Mapping[str, Any], where: str, source: str, untyped: set[str] | None) -> None:
    kind = section.get("type")
    known = untyped if kind is None else _typed_keys(kind)
    if known is None:
        return
    for key in section:
        if key not in known and key not in ("type", "_scope_"):
            owner = f" of {getattr(kind, '__name__', kind)}" if kind is not None else ""
            raise ConfigError(
                f"config {source}: '{where}' has an unknown key '{key}'{owner}{did_you_mean(str(key), known)}"
            )


def _typed_keys(kind: Any) -> set[str] | None:
    if not callable(kind):
        return None
    names = arguments_of(kind)
    if names is None or not inspect.isclass(kind):
        return names
    # What mmengine takes out of the dict before it calls the class.
    if issubclass(kind, Hook):
        return names | {"priority"}
    if issubclass(kind, OptimWrapper):
        return names | {"constructor", "paramwise_cfg"}
    if issubclass(kind, _ParamScheduler):
        return names | {"convert_to_iter_based"}
    return names


def _untyped_keys(where: str) -> set[str] | None:
    """The keys of the sections that have no ``type``; None where anything goes."""
    own = {"runner", "dataloader", "evaluator"}
    if where.endswith("_dataloader"):
        loader = arguments_of(DataLoader) or set()
        return loader | {"dataset", "sampler", "num_batch_per_epoch", "disable_subprocess_warning"}
    sections: dict[str, Callable[[], set[str]]] = {
        "train_cfg": lambda: (arguments_of(EpochBasedTrainLoop) or set()) - own | {"by_epoch"},
        "val_cfg": lambda: (arguments_of(ValLoop) or set()) - own,
        "test_cfg": lambda: (arguments_of(TestLoop) or set()) - own,
        "optim_wrapper": lambda: _typed_keys(OptimWrapper) or set(),
        "default_hooks": lambda: set(_named_hooks()),
        "randomness": lambda: {"seed", "diff_rank_seed", "deterministic"},
        "env_cfg": lambda: {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"},
        "auto_scale_lr": lambda: {"base_batch_size", "enable"},
        "log_processor": lambda: arguments_of(LogProcessor) or set(),
    }
    if where.startswith("default_hooks."):
        return _default_hook_keys(where.removeprefix("default_hooks."))
    return sections[where]() if where in sections else None


def _default_hook_keys(name: str) -> set[str] | None:
    entry = _named_hooks().get(name)
    return _typed_keys(entry["type"]) if entry else None


def _named_hooks() -> dict[str, dict[str, Any]]:
    """The hooks that ``default_hooks`` may change, switch on or drop."""
    from posekit.engine.hooks.defaults import default_hooks, optional_hooks

    return {**default_hooks(), **optional_hooks()}
