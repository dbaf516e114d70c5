"""Makes a sweep's plan, and proves that its cells differ in loss and seed alone.

Every cell's config is prepared as tools/train.py does it; what is left without loss and seed must be one
text. Of the files that it names (annotations, weights; not the pictures) the SHA-256 is kept. What a training
left in its work directory is compared in the same way.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import posekit
from posekit.datasets.overlap import DISJOINT, compare_sets
from posekit.engine.configs.config import PoseConfig, load_config, parse_options
from posekit.engine.configs.dump import config_text
from posekit.engine.report import source_revision
from posekit.errors import ConfigError, shown
from posekit.io.files import sha256, under
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.study.cells import LOSS, SCHEDULE, Cell, stated_cell
from posekit.study.plan import Plan, difference

# What the sweep itself sets, cell by cell.
_OWN = (LOSS, SCHEDULE, "randomness.seed", "work_dir", "resume", "launcher")
# Hooks that a sweep adds: the account of foreground and background, and the validation loss of the figures.
_ADDED = ("foreground", "val_loss")
GAMMA_0 = "gamma 0 is plain MSE (MSELoss), whatever the form and delta: one cell a seed"
# Belong to one invocation, or to what the cells may differ in.
_LEFT_OUT = ("work_dir", "launcher", "resume", "default_scope", "load_from")


def make_plan(
    config: str,
    options: Sequence[str],
    cells: Sequence[Cell],
    losses: Mapping[str, dict[str, Any]] | None = None,
) -> Plan:
    """Prepares every cell's config and compares them.

    Args:
        config: Its path.
        options: The ``--cfg-options`` of every cell.
        cells: What is to be run.
        losses: The losses beside the focal forms, see :func:`read_losses`.

    Raises:
        ConfigError: If the config cannot be swept, an option is the sweep's own, a loss is not stated or does
            not go with the head, or cells differ in more than loss and seed.
    """
    for key in parse_options(options):
        if any(key == own or key.startswith(f"{own}.") for own in _OWN):
            raise ConfigError(f"--cfg-options {key}: the sweep sets it, cell by cell")
    base = load_config(config, parse_options(options))
    _loss_of(base, config)
    if added := added_hooks(base):
        options = [*options, *(f"default_hooks.{name}={{}}" for name in added)]
        base = load_config(config, parse_options(options))
    plan = Plan(
        config=str(config),
        folder=str(Path.cwd()),
        options=list(options),
        shared=(shared := shared_text(base)),
        fingerprint=fingerprint(shared),
        files={path: sha256(path) for path in sorted(set(_named_files(base.to_dict())))},
        cells=[cell.name for cell in cells],
        max_epochs=_epochs(base, config),
        score=_score(base, config),
        reduction=_loss_of(base, config).get("reduction"),
        notes=[GAMMA_0],
        losses=dict(losses or {}),
        people=_people(base),
        posekit={"version": posekit.__version__, "git": source_revision()},
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    plan.check_losses()
    # The seed is no part of what is read here: one cell of each setting stands for its others.
    for cell in {cell.setting: cell for cell in cells}.values():
        check_cell(plan, cell, load_config(config, parse_options(plan.words(cell))), "its prepared config")
    return plan


def added_hooks(cfg: PoseConfig) -> list[str]:
    """The hooks that a sweep switches on; they change no training.

    Not those that the config states (as None, to have none), and none for a head of another kind.
    """
    stated = cfg.to_dict().get("default_hooks") or {}
    return [name for name in _ADDED if name not in stated] if _is_heatmap_head(cfg) else []


def _is_heatmap_head(cfg: PoseConfig) -> bool:
    from posekit.models.heads import HeatmapHead

    kind = cfg.to_dict()["model"]["head"].get("type")
    return isinstance(kind, type) and issubclass(kind, HeatmapHead)


def shared_text(cfg: PoseConfig) -> str:
    """The text of a prepared config without loss, seed and what belongs to one invocation."""
    plain = {key: value for key, value in cfg.to_dict().items() if key not in _LEFT_OUT}
    plain["randomness"] = {k: v for k, v in plain.get("randomness", {}).items() if k != "seed"}
    model = plain["model"]
    head = {k: v for k, v in model["head"].items() if k != "loss"}
    plain["model"] = {**model, "head": head}
    hooks = plain.get("default_hooks") or {}
    plain["default_hooks"] = {k: v for k, v in hooks.items() if f"default_hooks.{k}" != SCHEDULE}
    return config_text(dict(sorted(plain.items())))


def fingerprint(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- losses ----------------------------------------------------------------------------------------------


def read_losses(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The losses that the command line states by name, in plain values.

    Args:
        words: ``NAME={"type": "AdaptiveWingLoss", "omega": 14}``, JSON or a Python literal, or ``NAME=FILE``,
            a config whose ``model.head.loss`` is taken.

    Raises:
        ConfigError: On anything else.
    """
    losses: dict[str, dict[str, Any]] = {}
    for word in words:
        name, _, text = word.partition("=")
        stated_cell(name, 0)
        if name in losses:
            raise ConfigError(f"--losses: {name} stands there twice")
        losses[name] = _read_loss(name, text.strip())
    return losses


def _read_loss(name: str, text: str) -> dict[str, Any]:
    if text.endswith(".py"):
        return _importable(_loss_of(load_config(text), text))
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


def _importable(value: Any) -> Any:
    """A part of a config with its classes as the dotted paths that they are imported by."""
    if isinstance(value, Mapping):
        return {key: _importable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_importable(item) for item in value]
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def _bare(value: Any) -> Any:
    """A part of a config with its types by their bare names, so that it is one however they were stated."""
    if isinstance(value, Mapping):
        return {
            key: str(getattr(item, "__name__", item)).rpartition(".")[2] if key == "type" else _bare(item)
            for key, item in value.items()
        }
    return [_bare(item) for item in value] if isinstance(value, (list, tuple)) else value


def _loss_of(cfg: PoseConfig, source: str) -> Mapping[str, Any]:
    model = cfg.to_dict()["model"]
    head = model.get("head") if isinstance(model, Mapping) else None
    loss = head.get("loss") if isinstance(head, Mapping) else None
    if not isinstance(loss, Mapping):
        raise ConfigError(f"config {source}: there is no '{LOSS}', which is what the sweep varies")
    return loss


def _epochs(cfg: PoseConfig, source: str) -> int:
    missing = [part for part in ("train_cfg", "val_cfg", "test_cfg") if cfg.get(part) is None]
    if missing:
        raise ConfigError(
            f"config {source}: a sweep trains, validates and tests; {', '.join(missing)} is missing"
        )
    epochs = cfg.train_cfg.get("max_epochs")
    if not isinstance(epochs, int):
        raise ConfigError(f"config {source}: train_cfg.max_epochs: expected a whole number, found {epochs!r}")
    return epochs


def _score(cfg: PoseConfig, source: str) -> str | None:
    name = ((cfg.get("default_hooks") or {}).get("checkpoint") or {}).get("save_best")
    if name is not None and not isinstance(name, str):
        raise ConfigError(
            f"config {source}: default_hooks.checkpoint.save_best: a sweep tests the checkpoint that "
            f"one score chooses: expected its name, found {name!r}"
        )
    return None if name == "auto" else name


def _people(cfg: PoseConfig) -> dict[str, Any]:
    """Whether the test people are those that checkpoints are chosen by, and the sentence that says it."""
    found = compare_sets(cfg.val_dataloader.get("dataset"), cfg.test_dataloader.get("dataset"))
    checkpoint = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    if not checkpoint.get("save_best"):
        sentence = f"the config keeps no best checkpoint ('save_best'): the last one is tested; {found}"
    else:
        sentence = f"each cell's checkpoint is chosen on the validation people; {found}"
        if found.chosen_on_test:
            sentence += ", so that test scores are flattered by the choice"
        elif found.kind == DISJOINT:
            sentence += "; they are scored once"
    return {**asdict(found), "sentence": sentence}


def _named_files(value: Any, root: str = "") -> Iterator[str]:
    """Every file that a part of a prepared config names, also below a ``data_root``."""
    if isinstance(value, Mapping):
        root = str(value.get("data_root") or root)
        for item in value.values():
            yield from _named_files(item, root)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named_files(item, root)
    elif isinstance(value, str) and 0 < len(value) < 4096 and "\n" not in value:
        yield from (path for path in dict.fromkeys((under(root, value), value)) if Path(path).is_file())


def check_cell(plan: Plan, cell: Cell, cfg: PoseConfig, where: str) -> None:
    """Compares a cell's config with what all cells share, and its loss with what it should be.

    Args:
        plan: The sweep.
        cell: The cell.
        cfg: Its config, prepared.
        where: What that config is, for messages.

    Raises:
        ConfigError: If they differ, with the lines that do; if the loss is impossible.
    """
    found = shared_text(cfg)
    if fingerprint(found) != plan.fingerprint:
        raise ConfigError(
            f"cell {cell.name}: {where} differs from the other cells' in more than loss and seed:\n"
            f"{difference(plan.shared, found, 'shared', cell.name)}"
        )
    loss = dict(_loss_of(cfg, where))
    stated = {LOSS: _bare(loss)}
    schedule = (cfg.to_dict().get("default_hooks") or {}).get(SCHEDULE.partition(".")[2])
    if schedule is not None:
        stated[SCHEDULE] = {key: value for key, value in schedule.items() if key != "type"}
    expected = _bare(plan.own_options(cell))
    if stated != expected:
        raise ConfigError(f"cell {cell.name}: {where} has {stated}, expected {expected}")
    try:
        _try_loss(cfg, loss)
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"cell {cell.name}: {where}: loss {loss}: {error}") from error


def _try_loss(cfg: PoseConfig, loss: dict[str, Any]) -> None:
    """Builds the loss, and a head of one channel, which knows what goes with its codec and keypoints."""
    built, plain = MODELS.build(loss), cfg.to_dict()
    if (plain.get("default_hooks") or {}).get("foreground") is not None and not hasattr(
        built, "pixel_losses"
    ):
        raise ConfigError(
            "it has no 'pixel_losses' for the hook 'foreground'; derive it from posekit's HeatmapLoss, or "
            "sweep with --cfg-options default_hooks.foreground=None"
        )
    if _is_heatmap_head(cfg) and plain.get("skeleton") is not None:
        own = {"in_channels": 1, "num_keypoints": get_skeleton(plain["skeleton"]).num_keypoints}
        MODELS.build({**own, **plain["model"]["head"]})
