"""A sweep's folder as figures: what each cell has logged and scored, and the figures of all, by file name.

Read by :mod:`posekit.study.folder`. Cells still in training count with the curves they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posekit.errors import DataError, PosekitError
from posekit.study.cells import MSE
from posekit.study.folder import DAMAGED, NOT_RUN, CellFiles, label_of, read_cells
from posekit.study.record import FINISHED, as_number
from posekit.study.study_figures import (
    FOREGROUND,
    Curve,
    accuracy_vs_epoch,
    foreground_curves,
    score_vs_gamma,
)
from posekit.visualization.figure_style import Label
from posekit.visualization.records import (
    Curves,
    as_percent,
    collect,
    named,
    read_directions,
    read_scalars,
    score_label,
    train_series,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Group = tuple[str, float]  # form and delta


@dataclass
class CellRecords(CellFiles):
    """One cell of a sweep; its state "not finished" is one in training, too.

    Attributes:
        curves: What its training has logged so far.
        test: Score -> value, as the evaluator gives it.
    """

    curves: Curves = field(default_factory=lambda: Curves(np.empty(0)))
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
    records = CellRecords(**vars(files))
    if any(files.folder.glob("*/vis_data/scalars.json")):
        records.curves = collect(read_scalars(files.folder), read_directions(files.folder))
    scores = {name: as_number(value) for name, value in files.stated.get("test", {}).items()}
    records.test = {name: value for name, value in scores.items() if value is not None}
    return records


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
    curves = [records.curves for records in cells]
    found = {name: [train_series(own, f"foreground/{name}") for own in curves] for name in FOREGROUND}
    # Rounded: means need equal epochs.
    return {name: [(np.round(x, 6), y) for x, y in own if len(x)] for name, own in found.items()}


def final_scores(cells: Iterable[CellRecords], score: str, test: bool) -> list[float]:
    """A score of each finished cell that has it: on the test people, or the best of its validations."""
    done = [records for records in cells if records.state == FINISHED]
    if test:
        found = [(key, r.test[key]) for r in done for key in named(r.test, score)[:1]]
        return [float(as_percent(key, np.array(value))) for key, value in found]
    runs = [(r.curves, np.asarray(y)) for r in done for _, y in val_curves([r], score)]
    return [float(y[best]) for curves, y in runs if (best := curves.best(score, y)) is not None]


# --- figures ---------------------------------------------------------------------------------------------


def sweep_figures(cells: Sequence[CellRecords], score: str, title: str = "") -> dict[str, Figure]:
    """Accuracy over epochs, score against gamma, and the accounting of foreground where it was logged.

    Args:
        cells: See :func:`read_sweep`.
        score: Its full name.
        title: Above each figure, in place of its own.

    Returns:
        File name without suffix -> figure: ``accuracy_vs_epoch`` (with several forms or deltas one for each
        that has at least two gammas, and ``accuracy_vs_epoch_all``), ``score_vs_gamma_test``,
        ``score_vs_gamma_val``, ``foreground``.
    """
    groups, settings = groups_of(cells), by_setting(cells)
    several = len(groups) > 1 or any(records.cell.stated for records in cells)
    figures: dict[str, Figure] = {}
    for group in groups if groups else [None]:
        own = by_gamma(cells, group)
        if not several:
            figures["accuracy_vs_epoch"] = _over_epochs(own, score, title or f"Accuracy, {_words(group)}")
        elif len(own.keys() - {0.0}) > 1 and group is not None:
            name = f"accuracy_vs_epoch_{group[0]}_d{group[1]:g}"
            figures[name] = _over_epochs(own, score, title or f"Accuracy, {_words(group)}")
    if several:
        name = "accuracy_vs_epoch_all"
        lower = any(named(records.curves.lower, score) for records in cells)
        words = f"{'Error' if lower else 'Accuracy'} of every loss"
        figures[name] = _over_epochs(settings, score, title or words)
    figures.update(_against_gamma(cells, groups, score, title))
    accounts = {label: foreground_of(own) for label, own in settings.items()}
    if any(curves for account in accounts.values() for curves in account.values()):
        figures["foreground"] = foreground_curves(accounts, title=title)
    return figures


def _words(group: Group | None) -> str:
    return "MSE" if group is None else f"{group[0]}, δ = {group[1]:g}"


def _over_epochs(kinds: Mapping[Label, Sequence[CellRecords]], score: str, title: str) -> Figure:
    curves = {label: val_curves(own, score) for label, own in kinds.items()}
    drawn = {label: seeds for label, seeds in curves.items() if seeds}
    return accuracy_vs_epoch(drawn, score=f"validation {score_label(score)}", title=title)


def _against_gamma(
    cells: Sequence[CellRecords], groups: Sequence[Group], score: str, title: str
) -> dict[str, Figure]:
    """Score against gamma on the test people, and on the validation people, of finished cells."""
    figures = {}
    for name, people in (("test", "test people"), ("val", "validation people, best epoch")):
        reference = final_scores(by_gamma(cells, None).get(0.0, []), score, name == "test")
        series: dict[str, dict[float, list[float]]] = {}
        for group in groups:
            kinds = [(float(gamma), own) for gamma, own in by_gamma(cells, group).items() if gamma != 0]
            scores = {gamma: final_scores(own, score, name == "test") for gamma, own in kinds}
            if points := {gamma: values for gamma, values in scores.items() if values}:
                series[_words(group)] = points
        if reference or series:
            figures[f"score_vs_gamma_{name}"] = score_vs_gamma(
                series, reference=reference, score=score_label(score),
                title=title or f"Score against γ: {people}",
            )  # fmt: skip
    return figures
