"""What a sweep's folder holds for figures: each cell's curves and its test scores.

Read by :mod:`posekit.study.folder`. Cells still in training count with the curves they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from posekit.errors import DataError, PosekitError
from posekit.study.cells import MSE, Cell
from posekit.study.folder import DAMAGED, NOT_RUN, CellFiles, label_of, read_cells
from posekit.study.record import FINISHED, as_number
from posekit.study.study_figures import FOREGROUND, Curve
from posekit.visualization.figure_style import Label
from posekit.visualization.records import (
    Curves,
    as_percent,
    collect,
    named,
    read_directions,
    read_scalars,
    train_series,
)

Group = tuple[str, float]  # form and delta


@dataclass
class CellRecords:
    """One cell of a sweep.

    Attributes:
        cell: What it is.
        state: Of :class:`~posekit.study.folder.CellFiles`; "not finished" is one in training, too.
        curves: What its training has logged so far.
        test: Score -> value, as the evaluator gives it.
    """

    cell: Cell
    state: str
    curves: Curves
    test: dict[str, float] = field(default_factory=dict)


def read_sweep(folder: str | Path, faults: list[str] | None = None) -> list[CellRecords]:
    """The cells of a sweep that have begun, plain MSE first, then by form, delta, gamma and seed.

    Args:
        folder: The sweep's.
        faults: Takes what is wrong with cells that cannot be read, which are then left out; None: raises it.

    Raises:
        DataError: If the folder is not a sweep's, or nothing in it has begun.
        PosekitError: If a cell's name or files are damaged and ``faults`` is None.
    """
    folder = Path(folder)
    own_faults: list[str] = [] if faults is None else faults
    begun = [files for files in read_cells(folder, own_faults) if files.state != NOT_RUN]
    if not begun and not own_faults:
        raise DataError(f"{folder}: no cell in {folder / 'cells'}; expected a folder of tools/gamma_sweep.py")
    cells = []
    for files in begun:
        try:
            cells.append(_records_of(files))
        except PosekitError as error:
            own_faults.append(str(error))
    if faults is None and own_faults:
        raise DataError(own_faults[0])
    if not any(records.curves.val or records.test for records in cells):
        raise DataError(f"{folder}: none of its {len(begun)} cells has a score yet")
    return cells


def _records_of(files: CellFiles) -> CellRecords:
    if files.state == DAMAGED:
        raise DataError(files.message)
    begun = any(files.folder.glob("*/vis_data/scalars.json"))
    logged = read_scalars(files.folder) if begun else []
    curves = collect(logged, read_directions(files.folder)) if begun else Curves(np.empty(0))
    scores = {name: as_number(value) for name, value in files.stated.get("test", {}).items()}
    numbers = {name: value for name, value in scores.items() if value is not None}
    return CellRecords(files.cell, files.state, curves, numbers)


def groups_of(cells: Iterable[CellRecords]) -> list[Group]:
    """The forms and deltas beside plain MSE, the one with most gammas first."""
    gammas: dict[Group, set[float]] = {}
    for records in cells:
        if records.cell.delta is not None:
            gammas.setdefault((records.cell.form, records.cell.delta), set()).add(records.cell.gamma or 0.0)
    return sorted(gammas, key=lambda group: (-len(gammas[group]), group))


def by_gamma(cells: Sequence[CellRecords], group: Group | None) -> dict[Label, list[CellRecords]]:
    """Gamma -> cells with that form and delta, plain MSE as gamma 0 among them, ascending."""
    own = [r for r in cells if r.cell.form == MSE or (r.cell.form, r.cell.delta) == group]
    gammas = sorted({r.cell.gamma or 0.0 for r in own})
    return {gamma: [r for r in own if r.cell.gamma == gamma] for gamma in gammas}


def by_setting(cells: Sequence[CellRecords]) -> dict[Label, list[CellRecords]]:
    """Loss in words -> its cells, plain MSE first."""
    found: dict[Label, list[CellRecords]] = {}
    for records in sorted(cells, key=lambda r: r.cell.form != MSE):
        found.setdefault(label_of(records.cell), []).append(records)
    return found


def val_curves(cells: Iterable[CellRecords], score: str) -> list[Curve]:
    """A validation score over epochs of each cell that has it, in percent where it is a fraction."""
    found = [(r.curves.val[key], key) for r in cells for key in named(r.curves.val, score)[:1]]
    return [(x, as_percent(key, y)) for (x, y), key in found]


def foreground_of(cells: Iterable[CellRecords]) -> dict[str, list[Curve]]:
    """The accounting of foreground and background, one curve per cell that logged it."""
    cells = list(cells)
    return {name: _logged(cells, f"foreground/{name}") for name in FOREGROUND}


def _logged(cells: Iterable[CellRecords], name: str) -> list[Curve]:
    found = [train_series(records.curves, name) for records in cells]
    return [(np.round(x, 6), y) for x, y in found if len(x)]  # rounded: means need equal epochs


def final_scores(cells: Iterable[CellRecords], score: str, test: bool) -> list[float]:
    """A score of each finished cell that has it: on the test people, or the best of its validations."""
    values = []
    for records in (records for records in cells if records.state == FINISHED):
        if test:
            keys = named(records.test, score)[:1]
            values += [float(as_percent(key, np.array(records.test[key]))) for key in keys]
        else:
            every = [np.asarray(y) for _, y in val_curves([records], score)]
            found = [(y, records.curves.best(score, y)) for y in every]
            values += [float(y[best]) for y, best in found if best is not None]
    return values
