"""A config as the text of a config file, without a code formatter.

The text is pure Python that imports the classes it uses, as the configs themselves do; read back it gives
the same config.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posekit.errors import ConfigError

# Stated once at the top level and copied into the sections that need it.
HANDED_DOWN = ("skeleton", "data_root", "channels_last")
_WIDTH = 100


class _Imports:
    """Gives each class a name in the file, and two of the same name different ones."""

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        self.taken = set(cfg)
        # Handed down from the top level, and so not written again below it.
        self.stated = {name: cfg[name] for name in HANDED_DOWN if cfg.get(name) is not None}
        self.names: dict[tuple[str, str], str] = {}

    def name(self, obj: Callable[..., Any], where: str) -> str:
        module, qualified = getattr(obj, "__module__", None), getattr(obj, "__qualname__", "<")
        if not module or "<" in qualified or "." in qualified:
            raise ConfigError(f"config: {where} is {obj!r}, which no config file can name")
        if (module, qualified) not in self.names:
            names = (f"{qualified}_{number}" if number > 1 else qualified for number in count(1))
            self.names[module, qualified] = name = next(name for name in names if name not in self.taken)
            self.taken.add(name)
        return self.names[module, qualified]

    def lines(self) -> list[str]:
        return [
            f"from {module} import {qualified}" + ("" if name == qualified else f" as {name}")
            for (module, qualified), name in sorted(self.names.items())
        ]


def config_text(cfg: Mapping[str, Any]) -> str:
    """Writes a config as Python.

    Args:
        cfg: Nested dicts, lists and tuples of plain values, classes and functions. What was handed down
            from the top level is left out below it, so that changing it there changes it everywhere.

    Raises:
        ConfigError: On a value that a config file cannot hold (a lambda, an object).
    """
    imports = _Imports(cfg)
    sections = [f"{key} = {_format(value, imports, 0, key)}\n" for key, value in cfg.items()]
    head = "\n".join(imports.lines())
    return (head + "\n\n" if head else "") + "".join(sections)


def _format(value: Any, imports: _Imports, indent: int, where: str) -> str:
    if isinstance(value, Mapping):
        own = {k: item for k, item in value.items() if k not in imports.stated or item != imports.stated[k]}
        pairs = [(key, _format(item, imports, indent + 4, f"{where}.{key}")) for key, item in own.items()]
        if all(isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key) for key in own):
            return _join([f"{key}={text}" for key, text in pairs], "dict(", ")", indent)
        return _join([f"{key!r}: {text}" for key, text in pairs], "{", "}", indent)
    if isinstance(value, (list, tuple)):
        items = [_format(item, imports, indent + 4, f"{where}.{i}") for i, item in enumerate(value)]
        left, right = "[]" if isinstance(value, list) else "()"
        return _join(items, left, right, indent, "," if isinstance(value, tuple) and len(items) == 1 else "")
    return _format_atom(value, imports, where)


def _join(items: list[str], left: str, right: str, indent: int, comma: str = "") -> str:
    line = left + ", ".join(items) + comma + right
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return left + "\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + right


def _format_atom(value: Any, imports: _Imports, where: str) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, torch.dtype):
        return repr(str(value).removeprefix("torch."))
    if callable(value):
        return imports.name(value, where)
    raise ConfigError(f"config: {where} is a {type(value).__name__}, which no config file can hold")
