"""Makes a sweep's plan, and proves that its cells differ in loss and seed alone.

Every cell's config is prepared as tools/train.py does it; what is left without loss and seed must be one
text. Of the files that it names (annotations, weights; not the pictures) the SHA-256 is kept. What a training
left in its work directory is compared in the same way.
"""

from __future__ import annotations

import contextlib
import hashlib
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
from posekit.errors import ConfigError
from posekit.io.files import sha256, under
from posekit.models.building import build_part
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.study.cells import LOSS, MSE, SCHEDULE, Cell
from posekit.study.plan import Plan, difference
from posekit.study.stated import bare, loss_of
from posekit.study.stated import read_losses as read_losses
from posekit.study.variants import Variant, differences

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
    variants: Mapping[str, tuple[str, list[str]]] | None = None,
    base_setting: str = MSE,
) -> Plan:
    """Prepares every cell's config and compares them.

    Args:
        config: Its path.
        options: The ``--cfg-options`` of every cell.
        cells: What is to be run.
        losses: The losses beside the focal forms, see :func:`~posekit.study.stated.read_losses`.
        variants: Name -> config and options, see :func:`~posekit.study.stated.read_variants`.
        base_setting: What the others are compared with.

    Raises:
        ConfigError: If the config cannot be swept, an option is the sweep's own, a loss is not stated or does
            not go with the head, or cells differ in more than loss and seed.
    """
    for key in parse_options(options):
        if any(key == own or key.startswith(f"{own}.") for own in _OWN):
            raise ConfigError(f"--cfg-options {key}: the sweep sets it, cell by cell")
    base = load_config(config, parse_options(options))
    # Of variants alone, whose heads may be of any kind, the config's own loss is none of the cells'.
    own_loss = any(cell.setting not in (variants or {}) for cell in cells)
    reduction = loss_of(base, config).get("reduction") if own_loss else None
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
        reduction=reduction,
        notes=[GAMMA_0] if any(cell.form == MSE for cell in cells) or base_setting == MSE else [],
        losses=dict(losses or {}),
        base=base_setting,
        people=_people(base),
        posekit={"version": posekit.__version__, "git": source_revision()},
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    for name, (path, own) in (variants or {}).items():
        plan.variants[name] = asdict(make_variant(name, path, own, base))
    plan.check_losses()
    # The seed is no part of what is read here: one cell of each setting stands for its others.
    for cell in {cell.setting: cell for cell in cells}.values():
        own_config = load_config(plan.config_of(cell), parse_options(plan.words(cell)))
        check_cell(plan, cell, own_config, "its prepared config")
    return plan


def added_hooks(cfg: PoseConfig) -> list[str]:
    """The hooks that a sweep switches on; they change no training.

    Not those that the config states (as None, to have none), and none for a head of another kind.
    """
    stated = cfg.to_dict().get("default_hooks") or {}
    return [name for name in _ADDED if name not in stated] if learns_heatmaps(cfg) else []


def learns_heatmaps(cfg: PoseConfig) -> bool | None:
    """Whether the config's head learns heatmaps; None where its kind says nothing of it."""
    head = cfg.to_dict()["model"].get("head")
    return getattr(head.get("type"), "learns_heatmaps", None) if isinstance(head, Mapping) else None


def whole_text(cfg: PoseConfig) -> str:
    """The text of a prepared config without seed and what belongs to one invocation."""
    return config_text(dict(sorted(_lasting(cfg).items())))


def _lasting(cfg: PoseConfig) -> dict[str, Any]:
    plain = {key: value for key, value in cfg.to_dict().items() if key not in _LEFT_OUT}
    plain["randomness"] = {k: v for k, v in plain.get("randomness", {}).items() if k != "seed"}
    return plain


def shared_text(cfg: PoseConfig) -> str:
    """The text of a prepared config without loss, seed and what belongs to one invocation."""
    plain = _lasting(cfg)
    model = plain["model"]
    head = {k: v for k, v in model["head"].items() if k != "loss"}
    plain["model"] = {**model, "head": head}
    hooks = plain.get("default_hooks") or {}
    plain["default_hooks"] = {k: v for k, v in hooks.items() if f"default_hooks.{k}" != SCHEDULE}
    return config_text(dict(sorted(plain.items())))


def fingerprint(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- what a sweep needs of its config ---------------------------------------------------------------------


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


def make_variant(name: str, config: str, options: Sequence[str], base: PoseConfig) -> Variant:
    """Prepares a variant, and sees that its scores compare with the others'.

    Args:
        name: Its name, for messages.
        config: Its path.
        options: Its ``--cfg-options``.
        base: The sweep's own config, prepared.

    Raises:
        ConfigError: If it is scored on other people or by other metrics, or checkpoints are chosen otherwise.
    """
    # A sweep that goes on states the hooks that it added to its own config; this head may be of another kind.
    options = [word for word in options if word not in {f"default_hooks.{hook}={{}}" for hook in _ADDED}]
    cfg = load_config(config, parse_options(options))
    if added := added_hooks(cfg):
        options = [*options, *(f"default_hooks.{hook}={{}}" for hook in added)]
        cfg = load_config(config, parse_options(options))
    own = _compared(cfg)
    for what, before in _compared(base).items():
        if before != (now := own[what]):
            raise ConfigError(
                f"variant {name}: {config}: '{what}' is another than the sweep's, so that scores do not "
                f"compare:\n{difference(before, now, 'sweep', name)}"
            )
    text = whole_text(cfg)
    return Variant(
        config=str(config),
        options=list(options),
        text=text,
        fingerprint=fingerprint(text),
        differs=sorted(differences(_lasting(base), _lasting(cfg))),
        max_epochs=_epochs(cfg, config),
        files={path: sha256(path) for path in sorted(set(_named_files(cfg.to_dict())))},
    )


def _compared(cfg: PoseConfig) -> dict[str, str]:
    """What must be alike for scores to compare, as text: who is tested, by what, and which weights."""
    plain, found = cfg.to_dict(), {}
    for stage in ("val", "test"):
        dataset = (plain.get(f"{stage}_dataloader") or {}).get("dataset") or {}
        people = {key: dataset[key] for key in ("source", "subset") if key in dataset}
        found[f"{stage}_dataloader.dataset"] = config_text({"people": people})
        found[f"{stage}_evaluator"] = config_text({"evaluator": plain.get(f"{stage}_evaluator")})
    best = ((plain.get("default_hooks") or {}).get("checkpoint") or {}).get("save_best")
    return {**found, "default_hooks.checkpoint.save_best": str(best)}


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
    if variant := plan.variant(cell):
        found = whole_text(cfg)
        if fingerprint(found) != variant.fingerprint:
            raise ConfigError(
                f"cell {cell.name}: {where} is not that of the variant:\n"
                f"{difference(variant.text, found, 'planned', cell.name)}"
            )
        with _naming(f"cell {cell.name}: {where}"):
            _try_head(cfg)
        return
    found = shared_text(cfg)
    if fingerprint(found) != plan.fingerprint:
        raise ConfigError(
            f"cell {cell.name}: {where} differs from the other cells' in more than loss and seed:\n"
            f"{difference(plan.shared, found, 'shared', cell.name)}"
        )
    loss = dict(loss_of(cfg, where))
    stated = {LOSS: bare(loss)}
    schedule = (cfg.to_dict().get("default_hooks") or {}).get(SCHEDULE.partition(".")[2])
    if schedule is not None:
        stated[SCHEDULE] = {key: value for key, value in schedule.items() if key != "type"}
    expected = bare(plan.own_options(cell))
    if stated != expected:
        raise ConfigError(f"cell {cell.name}: {where} has {stated}, expected {expected}")
    with _naming(f"cell {cell.name}: {where}: loss {loss}"):
        _try_loss(cfg, loss)


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{what}: {error}") from error


def _try_loss(cfg: PoseConfig, loss: dict[str, Any]) -> None:
    """Builds the loss, and the head."""
    built, plain = MODELS.build(loss), cfg.to_dict()
    if (plain.get("default_hooks") or {}).get("foreground") is not None and not hasattr(
        built, "pixel_losses"
    ):
        raise ConfigError(
            "it has no 'pixel_losses' for the hook 'foreground'; derive it from posekit's HeatmapLoss, or "
            "sweep with --cfg-options default_hooks.foreground=None"
        )
    _try_head(cfg)


def _try_head(cfg: PoseConfig) -> None:
    """Builds a head of one channel, which knows what goes with its codec and keypoints."""
    plain = cfg.to_dict()
    if learns_heatmaps(cfg) is not None and plain.get("skeleton") is not None:
        skeleton = get_skeleton(plain["skeleton"])
        own = {"in_channels": 1, "num_keypoints": skeleton.num_keypoints, "skeleton": skeleton}
        build_part(plain["model"]["head"], "model.head", own)
