"""What the command line of a sweep states by name: losses, grids of them, and variants."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from posekit.engine.configs.config import PoseConfig, load_config
from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import read_object
from posekit.study.cells import LOSS, stated_cell


def read_losses(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The losses that the command line states by name, in plain values.

    Args:
        words: ``NAME={"type": "AdaptiveWingLoss", "omega": 14}``, JSON or a Python literal, or ``NAME=FILE``,
            a config whose ``model.head.loss`` is taken; or a file ``*.json``, an object of names and losses.
            A loss with a ``grid``, ``{"type": "WingLoss", "grid": {"omega": [5, 10], "epsilon": [1, 2]}}``,
            is one for every combination, ``NAME-omega5-epsilon1`` and so on.

    Raises:
        ConfigError: On anything else.
    """
    losses: dict[str, dict[str, Any]] = {}
    for stated, text in named_words("--losses", words).items():
        for name, loss in _grid_of(stated, _read_loss(stated, text)).items():
            stated_cell(name, 0)
            if name in losses:
                raise ConfigError(f"--losses: {name} stands there twice")
            losses[name] = loss
    return losses


def named_words(option: str, words: Sequence[str]) -> dict[str, Any]:
    """What an option's words state by name: the text after ``NAME=``, or values from files ``*.json``.

    Raises:
        ConfigError: On a name that stands there twice or cannot be one, or a faulty file.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        own: Mapping[str, Any] = {name: text.strip()}
        if not equals and name.endswith(".json"):
            try:
                own = read_object(Path(name))
            except DataError as error:
                raise ConfigError(f"{option} {name}: {error}") from error
        for each, value in own.items():
            stated_cell(each, 0)
            if each in found:
                raise ConfigError(f"{option}: {each} stands there twice")
            found[each] = value
    return found


def _grid_of(name: str, loss: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The losses of a grid by name; a loss without one is itself."""
    grid = loss.get("grid")
    if grid is None:
        return {name: loss}
    if not isinstance(grid, dict) or not grid or not all(isinstance(v, list) and v for v in grid.values()):
        raise ConfigError(
            f"--losses {name}: 'grid': expected an object of settings and lists of their values, "
            f"found {shown(grid)}"
        )
    rest = {key: value for key, value in loss.items() if key != "grid"}
    found = {}
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        found["-".join([name, *(f"{key}{value}" for key, value in settings.items())])] = {**rest, **settings}
    return found


def _read_loss(name: str, text: Any) -> dict[str, Any]:
    if isinstance(text, str) and text.endswith(".py"):
        return importable(loss_of(load_config(text), text))
    if isinstance(text, dict) and isinstance(text.get("type"), str):
        return text
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            # As plan.json will hold it, so that a sweep that goes on finds it the same.
            found = json.loads(json.dumps(read(text), allow_nan=False))
            if isinstance(found, dict) and isinstance(found.get("type"), str):
                return found
    raise ConfigError(
        f"--losses {name}: expected a config file (.py) or plain values with a 'type', such as "
        f'{name}=\'{{"type": "AdaptiveWingLoss", "omega": 14}}\', found {shown(text)}'
    )


def importable(value: Any) -> Any:
    """A part of a config with its classes as the dotted paths that they are imported by."""
    if isinstance(value, Mapping):
        return {key: importable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [importable(item) for item in value]
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def bare(value: Any) -> Any:
    """A part of a config with its types by their bare names, so that it is one however they were stated."""
    if isinstance(value, Mapping):
        return {
            key: str(getattr(item, "__name__", item)).rpartition(".")[2] if key == "type" else bare(item)
            for key, item in value.items()
        }
    return [bare(item) for item in value] if isinstance(value, (list, tuple)) else value


def loss_of(cfg: PoseConfig, source: str) -> Mapping[str, Any]:
    """The loss of a prepared config.

    Raises:
        ConfigError: If it has none, naming the source.
    """
    model = cfg.to_dict()["model"]
    head = model.get("head") if isinstance(model, Mapping) else None
    loss = head.get("loss") if isinstance(head, Mapping) else None
    if not isinstance(loss, Mapping):
        raise ConfigError(f"config {source}: there is no '{LOSS}', which is what the sweep varies")
    return loss


def read_variants(words: Sequence[str], config: str, own: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """The variants that the command line states by name: each one's config and ``--cfg-options``.

    Args:
        words: ``NAME=CONFIG.py``, or a file ``*.json``, an object of names and either such a path or
            ``{"config": "CONFIG.py", "options": {"param_scheduler.0.eta_max": 1e-3, "model.head.loss":
            {"type": "L2Loss"}}}``, of which either may be left out.
        config: What a variant without a config changes.
        own: The sweep's options, which come first.

    Raises:
        ConfigError: On anything else.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, stated in named_words("--variants", words).items():
        value = {"config": stated} if isinstance(stated, str) else stated
        known = isinstance(value, dict) and not value.keys() - {"config", "options"}
        path, options = (value.get("config", config), value.get("options", {})) if known else (None, None)
        if not isinstance(options, dict) or not isinstance(path, str) or not path.endswith(".py"):
            raise ConfigError(
                f"--variants {name}: expected a config file (.py), or in a json an object with 'config', "
                f"'options' or both, found {shown(stated)}"
            )
        found[name] = (path, [*own, *(f"{key}={option!r}" for key, option in options.items())])
    return found
