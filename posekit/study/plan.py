"""What a sweep is to run, as ``plan.json`` holds it; a sweep that goes on is compared with it.

It has the text of the config that all cells share, without loss and seed, and the SHA-256 of it and of every
file that it names, so that a sweep continued with anything else can be refused with the lines that differ.
How a plan is made: :mod:`posekit.study.prepare`. Importing this imports nothing heavy.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import read_json, write_json
from posekit.study.cells import FORMS, LOSS, MSE, Cell, parse_cell
from posekit.study.variants import Variant

PLAN = "plan.json"
_SHOWN = 30  # lines of a difference


@dataclass
class Plan:
    """A sweep as ``plan.json`` holds it.

    Attributes:
        config: The config's path, as given.
        folder: The working directory that relative paths of the config start from.
        options: The ``--cfg-options`` of every cell.
        shared: The text of the config without loss and seed.
        fingerprint: Its SHA-256.
        files: Path -> SHA-256 of the files that the config names.
        cells: Names, in the order they are run.
        max_epochs: Of a training.
        score: Name of the validation score by which checkpoints are chosen; None: the first one.
        reduction: Of the config's own loss, kept by every cell; None: the default.
        notes: What a reader of the results must know.
        losses: Name -> config of the losses beside the focal forms, in plain values.
        variants: Name -> the variants, see :class:`~posekit.study.variants.Variant`, as plain values.
        base: The setting that the others are compared with.
        people: Whether the test people are those that checkpoints are chosen by: the fields of
            :class:`~posekit.datasets.overlap.Overlap`, and ``sentence``; empty where nobody has looked.
        launcher: ``"none"``, ``"pytorch"`` or ``"slurm"``.
        processes_per_cell: Of one training.
        posekit: Version and git revision at the start.
        started: When.
    """

    config: str
    folder: str
    options: list[str]
    shared: str
    fingerprint: str
    files: dict[str, str]
    cells: list[str]
    max_epochs: int
    score: str | None = None
    reduction: str | None = None
    notes: list[str] = field(default_factory=list)
    losses: dict[str, dict[str, Any]] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: str = MSE
    people: dict[str, Any] = field(default_factory=dict)
    launcher: str = "none"
    processes_per_cell: int = 1
    posekit: dict[str, Any] = field(default_factory=dict)
    started: str = ""

    def own_options(self, cell: Cell) -> dict[str, Any]:
        """All that a cell's config has of its own but the seed, by dotted key; nothing of a variant."""
        if cell.form in self.variants:
            return {}
        return {LOSS: self.losses[cell.form]} if cell.stated else cell.options(self.reduction)

    def words(self, cell: Cell) -> list[str]:
        """The ``--cfg-options`` of a cell."""
        variant = self.variant(cell)
        options = self.options if variant is None else variant.options
        return [*options, *(f"{key}={value!r}" for key, value in self.own_options(cell).items())]

    def variant(self, cell: Cell) -> Variant | None:
        """The variant that a cell is; None of a loss."""
        stated = self.variants.get(cell.form)
        return None if stated is None else Variant(**stated)

    def config_of(self, cell: Cell) -> str:
        """The config's path that a cell is trained by."""
        variant = self.variant(cell)
        return self.config if variant is None else variant.config

    def epochs_of(self, cell: Cell) -> int:
        """The epochs of a cell's training."""
        variant = self.variant(cell)
        return self.max_epochs if variant is None else variant.max_epochs

    def check_losses(self) -> None:
        """Raises ConfigError on a cell whose loss is not stated."""
        for cell in map(parse_cell, self.cells):
            if cell.stated and cell.form not in {**self.losses, **self.variants}:
                known = ", ".join([*FORMS, MSE, *self.losses, *self.variants])
                raise ConfigError(f"cell {cell.name}: expected a loss of --losses or one of {known}")


def difference(before: str, now: str, names: str, name: str) -> str:
    """The lines that differ between two texts, not too many."""
    lines = list(difflib.unified_diff(before.splitlines(), now.splitlines(), names, name, n=1, lineterm=""))
    more = [f"... and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    return "\n".join(f"  {line}" for line in [*lines[:_SHOWN], *more])


def join_plans(old: Plan, new: Plan, out: Path) -> Plan:
    """The plan of a sweep that goes on: the old one with the new one's cells added.

    Raises:
        ConfigError: If config, options, files or launcher are others, with what differs.
    """
    parts = []
    if old.fingerprint != new.fingerprint:
        parts.append(f"the config:\n{difference(old.shared, new.shared, 'before', 'now')}")
    for path in sorted(set(old.files) | set(new.files)):
        if old.files.get(path) != new.files.get(path):
            state = "is new" if path not in old.files else "is gone" if path not in new.files else "changed"
            parts.append(f"the file {path} {state}")
    for name in sorted(set(old.losses) & set(new.losses)):
        if old.losses[name] != new.losses[name]:
            parts.append(f"the loss {name}: {old.losses[name]} before, {new.losses[name]} now")
    for name in sorted(set(old.variants) & set(new.variants)):
        was, is_now = (Variant(**plan.variants[name]) for plan in (old, new))
        if was.fingerprint != is_now.fingerprint:
            parts.append(f"the variant {name}:\n{difference(was.text, is_now.text, 'before', 'now')}")
    for name in ("reduction", "launcher", "processes_per_cell"):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            parts.append(f"{name}: {before} before, {now} now")
    if parts:
        raise ConfigError(
            f"{out}: holds a sweep that began with something else; finish it as it began, or choose another "
            "--out. What differs: " + "\n".join(parts)
        )
    cells, losses = list(dict.fromkeys([*old.cells, *new.cells])), {**old.losses, **new.losses}
    variants = {**old.variants, **new.variants}
    now = {"cells": cells, "losses": losses, "variants": variants, "base": new.base}
    now |= {"notes": new.notes, "people": new.people}
    return Plan(**{**asdict(old), **now})


def changed_code(old: Plan, new: Plan) -> str | None:
    """A warning if posekit itself is not what it was when the sweep began; None if it is."""
    if old.posekit == new.posekit:
        return None
    return (
        f"posekit has changed since the sweep began: {_revision(old.posekit)} then, "
        f"{_revision(new.posekit)} now; each cell.json states its own"
    )


def _revision(stated: Mapping[str, Any]) -> str:
    git = stated.get("git") or {}
    changed = " with changes" if git.get("dirty") else ""
    return f"{stated.get('version')} {str(git.get('commit', ''))[:10]}{changed}".strip()


# --- plan.json -------------------------------------------------------------------------------------------


def read_plan(out: Path) -> Plan | None:
    """The plan of a sweep's folder; None if there is none.

    Raises:
        DataError: If ``plan.json`` cannot be read or is something else.
    """
    path = Path(out) / PLAN
    if not path.is_file():
        return None
    stated = read_json(path)
    try:
        plan = Plan(**stated)
        _check_kinds(plan, path)
        plan.check_losses()
    except (TypeError, AttributeError, ConfigError) as error:
        raise DataError(f"{path}: is not the plan of a sweep ({error})") from error
    return plan


def _check_kinds(plan: Plan, path: Path) -> None:
    kinds: dict[str, type] = dict.fromkeys(("max_epochs", "processes_per_cell"), int)
    kinds |= dict.fromkeys(("files", "losses", "variants", "people", "posekit"), dict)
    kinds |= dict.fromkeys(("options", "cells", "notes"), list)
    for name, value in vars(plan).items():
        kind = kinds.get(name, str)
        if value is None and name in ("score", "reduction"):
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(f"{path}, field '{name}': expected {kind.__name__}, found {shown(value)}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise DataError(f"{path}, field '{name}': expected texts, found {shown(value)}")
    if not all(isinstance(loss, dict) for loss in plan.losses.values()):
        raise DataError(f"{path}, field 'losses': expected objects, found {shown(plan.losses)}")
    for stated in plan.variants.values():
        Variant(**stated)  # a TypeError says what is missing


def write_plan(plan: Plan, out: Path) -> None:
    """Writes ``plan.json``."""
    write_json(Path(out) / PLAN, asdict(plan))
