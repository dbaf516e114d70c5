"""A cell that differs in more than its loss: another config, or other options, compared as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Variant:
    """A variant as ``plan.json`` holds it. Nothing heavy is imported here.

    Attributes:
        config: The path of its config.
        options: Its ``--cfg-options``, those of the sweep among them.
        text: The text of its prepared config, loss and all, without the seed.
        fingerprint: The text's SHA-256.
        differs: What differs from the sweep's own config, see :func:`differences`.
        max_epochs: Of its training.
        files: Path -> SHA-256 of the files that it names.
    """

    config: str
    options: list[str]
    text: str
    fingerprint: str
    differs: list[str]
    max_epochs: int
    files: dict[str, str] = field(default_factory=dict)


def differences(before: Any, now: Any, where: str = "") -> list[str]:
    """What differs between two parts of a config, by dotted key; classes by their names.

    >>> differences({"lr": 1e-3, "steps": [8, 9]}, {"lr": 1e-4, "steps": [8, 11], "clip": 1})
    ['lr: 0.001 -> 0.0001', 'steps.1: 9 -> 11', 'clip: none -> 1']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = list(dict.fromkeys([*before, *now]))
        pairs = [(key, before.get(key, _NONE), now.get(key, _NONE)) for key in keys]
    elif _listed(before) and _listed(now) and len(before) == len(now):
        pairs = [(i, *both) for i, both in enumerate(zip(before, now, strict=True))]
    else:
        return [] if before == now else [f"{where}: {_words(before)} -> {_words(now)}"]
    return [line for key, *both in pairs for line in differences(*both, f"{where}.{key}".lstrip("."))]


class _Nothing:
    def __repr__(self) -> str:
        return "none"


_NONE = _Nothing()


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_words(item)}" for key, item in value.items()) + "}"
    if _listed(value):
        return "[" + ", ".join(map(_words, value)) + "]"
    return str(getattr(value, "__name__", None) or repr(value))
