"""What a training starts a backbone from: the published file that its recipe names, if it is there.

The same for every backbone that has ``load_pretrained(path)``. Whatever it is, it is said: a backbone that
silently kept its random start is a mistake that costs days. Nothing is downloaded unless that is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from posekit.errors import CheckpointError, ConfigError
from posekit.io.files import sha256
from posekit.models.partial import load_parts
from posekit.registry import MODELS


@MODELS.register_module()
@dataclass(frozen=True)
class PretrainedFile:
    """The published file that a recipe starts a backbone from, as a config's ``backbone.pretrained``.

    Attributes:
        path: Where it lies, under the name that it is published by.
        source: Where to get it.
        sha256: The first digits of its SHA-256, as published; None: not compared.
        strict: Whether a training is refused where it is missing; else it starts from random weights and
            says so.
        parts: Beginnings of the backbone's names: these layers alone are taken, from a checkpoint of posekit
            whose backbone has them too (:func:`~posekit.models.partial.load_parts`); the others start at
            random.
    """

    path: str
    source: str = ""
    sha256: str | None = None
    strict: bool = False
    parts: Sequence[str] = ()


class Start(NamedTuple):
    """What a backbone starts from, in words, and whether it is less than its config asks for."""

    words: str
    lacking: bool = False

    @property
    def summary(self) -> str:
        """The first line."""
        return self.words.partition("\n")[0]


def start_backbone(backbone: Any, pretrained: Any) -> Start:
    """Loads what a backbone's config names as ``pretrained``, if it is there. Nothing is downloaded for it.

    Args:
        backbone: With ``load_pretrained(path)``; with ``download_pretrained()`` if it knows weights by name.
        pretrained: A :class:`PretrainedFile` or its settings. A path: the same, but strict. True: what the
            backbone downloads by its own name. None or False: it stays as it was built.

    Raises:
        ConfigError: If it is anything else, or the backbone knows no weights by name.
        CheckpointError: If the file is unreadable, not the published one or made for another network, or is
            missing and strict.
    """
    if pretrained is None or pretrained is False:
        return _start_as_built(backbone)
    if pretrained is True and hasattr(backbone, "download_pretrained"):
        backbone.download_pretrained()
        return Start(f"the weights that are published under the name of this {type(backbone).__name__}")
    file = _stated_file(pretrained, type(backbone).__name__)
    if not Path(file.path).is_file():
        return _start_without(file)
    words = f"{file.path} (sha256 {sha256(file.path)})"
    if file.parts:
        loaded = load_parts(backbone, _checked(file), _stated_parts(file.parts))
        return Start(
            f"{len(loaded)} weights of {words}, which begin with {list(file.parts)}; the rest at random"
        )
    backbone.load_pretrained(_checked(file))
    return Start(words)


def _stated_parts(parts: Any) -> list[str]:
    if isinstance(parts, str) or not all(isinstance(part, str) and part for part in parts):
        raise ConfigError(f"pretrained.parts: expected a list of beginnings of names, found {parts!r}")
    return list(parts)


_later: ContextVar[bool] = ContextVar("posekit_start_later", default=False)


@contextmanager
def starting_later() -> Iterator[None]:
    """Within the block networks are built without what their configs start from: a checkpoint follows."""
    token = _later.set(True)
    try:
        yield
    finally:
        _later.reset(token)


def starts_later() -> bool:
    """Whether a network is being built that need not start from anything yet."""
    return _later.get()


def start_built(backbone: Any, pretrained: Any) -> None:
    """As :func:`start_backbone`, for a constructor: a file that is missing and not strict is a warning."""
    backbone.start = start_backbone(backbone, pretrained)
    if backbone.start.lacking:
        warnings.warn(f"{type(backbone).__name__} starts from {backbone.start.words}", stacklevel=3)


def without_pretrained(backbone: Any) -> tuple[Any, Any]:
    """A backbone's config, and apart from it what a training starts it from; other uses need no such file.

    What is built already, or starts by itself, is left as it is.
    """
    kind = backbone.get("type") if isinstance(backbone, Mapping) else None
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not hasattr(kind, "load_pretrained"):
        return backbone, None
    rest = dict(backbone)
    return rest, rest.pop("pretrained", None)


def _start_as_built(backbone: Any) -> Start:
    """What a backbone started from when it was built, as far as it says."""
    if hasattr(backbone, "load_pretrained"):
        return getattr(backbone, "start", Start("random weights: no file is stated"))
    return Start(f"the weights that {type(backbone).__name__} is built with")


def _stated_file(pretrained: Any, owner: str) -> PretrainedFile:
    if isinstance(pretrained, (str, Path)):
        return PretrainedFile(str(pretrained), strict=True)
    if isinstance(pretrained, Mapping):
        try:
            return PretrainedFile(**{key: value for key, value in pretrained.items() if key != "type"})
        except TypeError as error:
            raise ConfigError(f"{owner}: 'pretrained': {error}") from error
    if isinstance(pretrained, PretrainedFile):
        return pretrained
    raise ConfigError(
        f"{owner}: 'pretrained' must be a path, a dict(path=...) or None (random weights), found "
        f"{pretrained!r:.80}"
    )


def _start_without(file: PretrainedFile) -> Start:
    path = Path(file.path)
    source = f"\n  get it from: {file.source}" if file.source else ""
    where = (
        f"{source}\n  put it here: {path.absolute()}"
        "\n  or name another file: --cfg-options model.backbone.pretrained=FILE, or None for random weights"
    )
    if file.strict:
        raise CheckpointError(f"weights {path}: file not found, which the training is to start from.{where}")
    words = f"RANDOM weights: the recipe's {path.name} is not there. Expect a lower score, or train longer"
    return Start(f"{words}.{where}", lacking=True)


def _checked(file: PretrainedFile) -> str:
    """The path of a file that is the published one, as far as its publisher says."""
    if file.sha256 is not None:
        digest = sha256(file.path)
        if not digest.startswith(file.sha256.lower()):
            raise CheckpointError(
                f"weights {file.path}: expected a SHA-256 beginning with {file.sha256}, found {digest}; "
                "damaged, or not the published file. For a file of your own: --cfg-options "
                "model.backbone.pretrained=FILE"
            )
    return file.path
