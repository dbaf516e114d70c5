"""A cell that differs in more than its loss: another config, or other options, compared as a whole."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VARIANTS = "variants.json"  # in a sweep's folder


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


def as_stated(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The variants of a ``plan.json`` in the form of a file that ``--variants`` reads."""
    return {
        name: {
            "config": own.get("config"),
            "options": {
                key: _value(text) for key, _, text in (word.partition("=") for word in own["options"])
            },
        }
        for name, own in variants.items()
    }


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):  # a bare word is a string
        return text


def differences(before: Any, now: Any, where: str = "") -> list[str]:
    """What differs between two parts of a config, by dotted key; classes by their names.

    >>> differences({"lr": 1e-3, "steps": [8, 9]}, {"lr": 1e-4, "steps": [8, 11], "clip": 1})
    ['lr: 0.001 -> 0.0001', 'steps.1: 9 -> 11', 'clip: none -> 1']
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = list(dict.fromkeys([*before, *now]))
        pairs: list[tuple[Any, Any, Any]] = [
            (key, before.get(key, _NONE), now.get(key, _NONE)) for key in keys
        ]
    elif _listed(before) and _listed(now) and len(before) == len(now):
        pairs = [(i, old, new) for i, (old, new) in enumerate(zip(before, now, strict=True))]
    else:
        return [] if before == now else [f"{where}: {_words(before)} -> {_words(now)}"]
    return [line for key, old, new in pairs for line in differences(old, new, f"{where}.{key}".lstrip("."))]


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
