"""A sweep's folder as it lies on the disk: which cells there are, how far each has got, what is damaged.

The report's table (:mod:`posekit.study.table`) and the figures
(:mod:`posekit.study.sweep_figures`) are both made of this. ``cells/<name>/`` is the work directory of
a cell, whose name says loss, gamma, delta and seed; its ``cell.json`` is written when it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posekit.errors import ConfigError, DataError
from posekit.study.cells import FORMS, MSE, Cell, number_text, parse_cell
from posekit.study.record import read_cell

STOPPED, NOT_RUN, DAMAGED = "not finished", "not run", "damaged"


@dataclass
class CellFiles:
    """A cell as its folder has it.

    Attributes:
        cell: What it is.
        folder: Its work directory, which need not be there.
        state: finished, failed, :data:`STOPPED` (which one that is still running also is), :data:`NOT_RUN`
            or :data:`DAMAGED`.
        message: Why it failed or cannot be read.
        stated: Its ``cell.json``; empty where there is none.
    """

    cell: Cell
    folder: Path
    state: str
    message: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict)


def read_cells(out: Path, faults: list[str], planned: Iterable[str] = ()) -> list[CellFiles]:
    """The cells of a sweep, plain MSE first, then by form, delta, gamma and seed, stated losses last.

    Args:
        out: The sweep's folder.
        faults: Takes the names that are no cell's; those are left out.
        planned: Names of cells that need not have a folder.

    Raises:
        DataError: If there is no such folder.
    """
    if not out.is_dir():
        raise DataError(f"{out}: no such folder; expected the output folder of tools/gamma_sweep.py")
    folders = sorted(path.name for path in (out / "cells").glob("*") if path.is_dir())
    found = []
    for name in dict.fromkeys([*planned, *folders]):
        try:
            found.append(_read_cell(out, name, parse_cell(name)))
        except ConfigError as error:
            faults.append(f"{name} is left out: {error}")
    return sorted(found, key=lambda files: _order(files.cell))


def _read_cell(out: Path, name: str, cell: Cell) -> CellFiles:
    folder = out / "cells" / cell.name
    if name != cell.name:
        raise ConfigError(f"expected the folder '{cell.name}'")
    if not folder.is_dir():
        return CellFiles(cell, folder, NOT_RUN)
    try:
        stated = read_cell(out, name)
    except DataError as error:
        return CellFiles(cell, folder, DAMAGED, str(error))
    if stated is None:
        return CellFiles(cell, folder, STOPPED, "still running, or interrupted")
    return CellFiles(cell, folder, stated["state"], str(stated.get("message") or ""), stated)


def _order(cell: Cell) -> tuple[Any, ...]:
    form = [*FORMS, cell.form].index(cell.form)
    return cell.form != MSE, form, cell.form, cell.delta or 0, cell.gamma or 0, cell.seed


def label_of(cell: Cell) -> str:
    """A setting in words, without the seed: ``MSE``, ``focal, γ = 1, δ = 0.001``, ``awing``."""
    if cell.gamma is None or cell.delta is None:
        return "MSE" if cell.form == MSE else cell.form
    return f"{cell.form}, γ = {number_text(cell.gamma)}, δ = {number_text(cell.delta)}"
