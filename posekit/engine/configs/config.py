"""Configs: read, overridden from the command line, checked and completed before anything is built.

A config is a pure-Python mmengine file (relative ``read_base``, classes imported). Its top-level names are
its sections (:mod:`.schema`); helper variables begin with an underscore. ``skeleton`` is stated once and
handed to the model and to every data set that does not set its own; likewise ``data_root`` to every reader of
annotation files and ``channels_last`` to the model.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config.lazy import LazyAttr, LazyObject

from posekit.engine.configs import own_code
from posekit.engine.configs.dump import HANDED_DOWN, config_text
from posekit.engine.configs.schema import arguments_of, check_config, check_values, resolve_type
from posekit.engine.loggers import chosen_loggers
from posekit.errors import ConfigError, PosekitError, did_you_mean, shown
from posekit.io.bundled import bundled_weights
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

DEFAULT_SEED = 0
STAGES = ("train", "val", "test")
_MAX_DEPTH = 30  # of a dotted key
_INVOCATION = ("work_dir", "launcher", "resume", "default_scope")


class PoseConfig(Config):
    """An mmengine config whose text is made by :mod:`posekit.engine.configs.dump`, without yapf.

    mmengine formats the config several times at start-up; overriding the one property serves all of them.
    """

    @property
    def pretty_text(self) -> str:
        """The config as a config file, without what belongs to one invocation (where, how, from what)."""
        cfg = self.to_dict()
        if cfg.get("resume"):
            cfg.pop("load_from", None)
        return config_text({key: value for key, value in cfg.items() if key not in _INVOCATION})


def load_config(path: str | Path, cfg_options: Mapping[str, Any] | None = None) -> PoseConfig:
    """Reads a config file, ready for :class:`~posekit.engine.runner.PoseRunner`.

    Args:
        path: The config, a Python file; one of posekit's own, ``configs/hrnet/...``, from any folder.
        cfg_options: Overrides by dotted key, e.g. ``{"train_dataloader.batch_size": 8}``; numbers index
            lists. As from :func:`parse_options`.

    Returns:
        The config; every ``type`` is a class or function, the skeleton is handed down.

    Raises:
        ConfigError: If the file is missing or cannot be run, or on a key or argument that nothing takes.
    """
    path = own_code.existing_config(path)
    cfg = _read(path)
    for key, value in (cfg_options or {}).items():
        _override(cfg, key, value, str(path))
    return prepare_config(cfg, str(path))


def _read(path: Path) -> dict[str, Any]:
    folders = [path.absolute().parent.resolve()]
    own_code.reach(folders[0])
    try:
        # lazy_import: never a text `_base_`; format_python_code: yapf costs over a second.
        # The absolute path is the config's own __file__, by which it may find what lies beside it.
        with own_code.absolute_bases():
            lazy = Config.fromfile(str(path.absolute()), lazy_import=True, format_python_code=False)
        values = lazy._to_lazy_dict()
        folders += own_code.stated_folders(values, path)
        for folder in folders[1:]:
            own_code.reach(folder)
        own_code.import_customs(values, path)
        cfg = {
            key: _resolve(value, f"config {path}", key, folders)
            for key, value in values.items()
            if key == "skeleton" or not (key.startswith("_") or isinstance(value, (LazyObject, ModuleType)))
        }
    except PosekitError:
        raise
    except Exception as error:  # the file is code of the user's; whatever it raises is its fault
        raise ConfigError(f"config {path}: {_in_words(error, path)}") from error
    cfg.pop("own_code", None)
    if used := own_code.folders_of(cfg, folders):
        cfg["own_code"] = used
    return cfg


def _in_words(error: Exception, path: Path) -> str:
    """What is wrong with a config that cannot be run, and where."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if isinstance(error, UnicodeDecodeError):  # of the file itself or of a base
        files = [f.f_locals.get("filename") for f, _ in frames if f.f_code.co_name == "_parse_lazy_import"]
        line = error.object.count(b"\n", 0, error.start) + 1
        return (
            f"{files[-1] if files else path} is not UTF-8: line {line} has the byte "
            f"0x{error.object[error.start]:02x}, as Latin-1 or Windows-1252 write an accent; save it as UTF-8"
        )
    if type(error) is RuntimeError and not error.args:  # what is imported is imported later, by its name
        # Those of a config's own text: mmengine runs it as no module.
        called = [number for frame, number in frames if "__name__" not in frame.f_globals]
        where = f"line {called[-1]}" if called else "it"
        return (
            f"{where} calls what it imports: expected settings, dict(type=NAME, argument=...), in place of "
            "NAME(argument=...)"
        )
    return f"{type(error).__name__}: {error}"


def _resolve(value: Any, source: str, where: str, folders: list[Path] | None = None) -> Any:
    """A copy in which what was imported lazily, and every ``type`` that is a string, is what it names."""
    if isinstance(value, (LazyObject, LazyAttr)):
        return own_code.build(value, [] if folders is None else folders, source)
    if isinstance(value, Mapping):
        resolved = {
            key: _resolve(item, source, f"{where}.{key}".lstrip("."), folders) for key, item in value.items()
        }
        if isinstance(resolved.get("type"), str):
            resolved["type"] = resolve_type(resolved["type"], f"{source}: '{where}.type'")
        return resolved
    if isinstance(value, (list, tuple)):
        return type(value)(_resolve(item, source, f"{where}.{i}", folders) for i, item in enumerate(value))
    return value


def parse_options(items: Sequence[str]) -> dict[str, Any]:
    """Parses ``key=value`` words of the command line; values are Python literals, else strings.

    Raises:
        ConfigError: On a word without ``=``.
    """
    options = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"--cfg-options: expected key=value, found {shown(item)}")
        if (dots := key.count(".")) > _MAX_DEPTH:
            raise ConfigError(f"--cfg-options {key:.80}: expected at most {_MAX_DEPTH} dots, found {dots}")
        options[key.strip()] = _literal(text.strip())
    return options


def _literal(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: nested too deep
        return text  # a bare word is a string


def _override(cfg: dict[str, Any], key: str, value: Any, source: str) -> None:
    """Sets one dotted key; unknown keys are found by the check that follows."""
    node: Any = cfg
    *parents, last = key.split(".")
    for depth, part in enumerate(parents):
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = node[_place(node, part, f"--cfg-options {key}: '{'.'.join(parents[:depth])}' in {source}")]
    place = _place(node, last, f"--cfg-options {key}: '{'.'.join(parents)}' in {source}")
    if isinstance(node, dict):
        _check_kind(node.get(last), value, key)
    node[place] = value


def _place(node: Any, part: str, where: str) -> str | int:
    """Where a section or list holds what one part of a dotted key names."""
    if isinstance(node, dict):
        return part
    if not isinstance(node, list):
        raise ConfigError(f"{where} is {shown(node)}, it has no '{part}'")
    if not part.isdigit() or int(part) >= len(node):
        raise ConfigError(f"{where} is a list of {len(node)}; expected a number below that, found '{part}'")
    return int(part)


def _check_kind(old: Any, new: Any, key: str) -> None:
    number = isinstance(old, (int, float)) and not isinstance(old, bool)
    if (number and isinstance(new, (str, list, dict))) or (isinstance(old, bool) and isinstance(new, str)):
        kind = "a number" if number else "True or False"
        raise ConfigError(f"--cfg-options {key}: expected {kind} (it is {old!r}), found {shown(new)}")


def prepare_config(cfg: Mapping[str, Any], source: str = "(Python)") -> PoseConfig:
    """Checks a config and completes it: types resolved, defaults set, skeleton handed down.

    Doing it twice changes nothing.

    Args:
        cfg: Nested dicts, or an mmengine ``Config``.
        source: The file it came from, for messages.

    Raises:
        ConfigError: As :func:`load_config`.
    """
    plain = cfg.to_dict() if isinstance(cfg, (Config, ConfigDict)) else dict(cfg)
    plain = _resolve(plain, f"config {source}", "")
    _set_defaults(plain)
    _plain_skeleton(plain, source)
    check_config(plain, source)
    check_values(plain, source)
    chosen_loggers(plain, source)
    _check_stages(plain, source)
    _hand_down(plain, source)
    filename = source if Path(source).is_file() else None
    return PoseConfig(plain, cfg_text=" ", filename=filename, format_python_code=False)


def _set_defaults(cfg: dict[str, Any]) -> None:
    for stage in ("val", "test"):
        if cfg.get(f"{stage}_dataloader") is not None and cfg.get(f"{stage}_cfg") is None:
            cfg[f"{stage}_cfg"] = {}
    train = cfg.get("train_cfg")
    if isinstance(train, dict) and "type" not in train:
        train.setdefault("by_epoch", True)
    for name in ("randomness", "log_processor", "default_hooks"):
        if not isinstance(cfg.get(name) or {}, dict):
            raise ConfigError(f"config: '{name}': expected a dict, found {shown(cfg[name])}")
    cfg["randomness"] = randomness = cfg.get("randomness") or {}
    if randomness.get("seed") is None:
        randomness["seed"] = DEFAULT_SEED
    if isinstance(cfg.get("load_from"), str) and not Path(cfg["load_from"]).exists():
        # The weights that come with posekit, by their name.
        cfg["load_from"] = str(bundled_weights(cfg["load_from"]) or cfg["load_from"])
    # With a default scope, mmengine's registries search only that one scope for a name.
    cfg["default_scope"] = None


def _plain_skeleton(cfg: dict[str, Any], source: str) -> None:
    skeleton = cfg.get("skeleton")
    if skeleton is None:
        return
    if isinstance(skeleton, Skeleton):
        skeleton = cfg["skeleton"] = skeleton.to_dict()
    try:
        get_skeleton(skeleton)  # an unknown name or a wrong field is an error here and now
    except ConfigError as error:
        raise ConfigError(f"config {source}: {error}") from error


def _check_stages(cfg: dict[str, Any], source: str) -> None:
    if not isinstance(cfg.get("model"), dict) and not hasattr(cfg.get("model"), "forward"):
        raise ConfigError(f"config {source}: there is no 'model'")
    for stage in STAGES:
        others = ["optim_wrapper"] if stage == "train" else [f"{stage}_evaluator"]
        names = [f"{stage}_dataloader", f"{stage}_cfg", *others]
        present = [name for name in names if cfg.get(name) is not None]
        missing = [name for name in names if name not in present]
        if present and missing:
            given = f"'{present[0]}' is given but not {missing}"
            raise ConfigError(f"config {source}: {given}; state all or none")
        loader = cfg.get(f"{stage}_dataloader")
        if isinstance(loader, dict) and "dataset" not in loader:
            hint = did_you_mean("dataset", loader)
            raise ConfigError(f"config {source}: '{stage}_dataloader' has no 'dataset'{hint}")


def _hand_down(cfg: dict[str, Any], source: str) -> None:
    """Sets what is stated at the top level where something takes it and has none of its own."""
    loaders = [cfg.get(f"{stage}_dataloader") for stage in STAGES]
    places = [cfg["model"], *(loader["dataset"] for loader in loaders if isinstance(loader, dict))]
    for name in HANDED_DOWN:
        if cfg.get(name) is not None:
            given = [_give(place, name, cfg[name]) for place in places]
            if name == "channels_last" and cfg[name] and not any(given):
                raise ConfigError(f"config {source}: channels_last: this model takes none; leave it out")


def _give(section: Any, name: str, value: Any) -> bool:
    """Gives it to the outermost things that take it, a wrapper of data sets passes it by; whether any did."""
    if isinstance(section, dict):
        kind = section.get("type")
        if callable(kind) and name in (arguments_of(kind) or ()):
            section.setdefault(name, value)
            return True
        section = list(section.values())
    given = [_give(item, name, value) for item in section] if isinstance(section, (list, tuple)) else []
    return any(given)
