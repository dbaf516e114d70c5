"""A sweep's folder as a table: one row a cell, finished, failed, interrupted or not run.

Read are ``plan.json``, and of each cell ``cell.json``, ``run.json`` and ``test/errors.npz``. Whatever is
missing or damaged becomes a note, not an end: a report is wanted most when something went wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.files import read_json, write_text
from posekit.study.cells import FORMS, MSE, Cell, number_text, parse_cell
from posekit.study.errors import FILE_NAME, PersonErrors, read_errors
from posekit.study.statistics import ScoreForm, observed_scores

FINISHED, FAILED, STOPPED, NOT_RUN, DAMAGED = "finished", "failed", "not finished", "not run", "damaged"
_SAME_SCORE = 1e-6  # percent: errors.npz and metrics.json hold the same joints


@dataclass
class Row:
    """One cell of the sweep.

    Attributes:
        cell: What it is.
        state: One of the five above.
        message: Why it failed or cannot be read.
        stated: Its ``cell.json``; empty where there is none.
        run: Its ``run.json``, the environment of its training; empty where there is none.
        errors: What became of each test person's joints, or None.
    """

    cell: Cell
    state: str
    message: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    errors: PersonErrors | None = None

    def part(self, name: str) -> Mapping[str, Any]:
        """An object of ``cell.json``; empty where it is null or missing."""
        found = self.stated.get(name)
        return found if isinstance(found, Mapping) else {}

    def number(self, name: str) -> float | None:
        """A number of ``cell.json``."""
        return as_number(self.stated.get(name))

    def test(self, score: str) -> float | None:
        """A test score as ``metrics.json`` has it."""
        return as_number(self.part("test").get(score))

    def val(self, score: str) -> float | None:
        """The validation score of the weights that were tested."""
        val = self.part("val")
        scores = val.get("scores")
        if isinstance(scores, Mapping) and as_number(scores.get(score)) is not None:
            return as_number(scores[score])
        return as_number(val.get("score")) if val.get("metric", score) == score else None


@dataclass
class Table:
    """A sweep as far as it has got.

    Attributes:
        out: Its folder.
        plan: ``plan.json``; empty where there is none.
        rows: All cells, planned or found, plain MSE first, then by form, delta, gamma and seed.
        score: The headline score's name in ``metrics.json``.
        notes: What is missing, damaged or does not fit.
    """

    out: Path
    plan: Mapping[str, Any]
    rows: list[Row]
    score: str = ""
    notes: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, list[Row]]:
        """Setting -> its rows, one a seed."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.cell.setting, []).append(row)
        return found


def as_number(value: Any) -> float | None:
    """A finite number as float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return float(value)


def label_of(cell: Cell) -> str:
    """A setting in words, without the seed: ``MSE``, ``focal, γ = 1, δ = 0.001``."""
    if cell.delta is None:
        return "MSE"
    return f"{cell.form}, γ = {number_text(cell.gamma)}, δ = {number_text(cell.delta)}"


def score_text(score: str, value: float | None) -> str:
    """A score as tables print it: AP and AR are fractions, PCK and PCKh percentages."""
    if value is None:
        return "-"
    return f"{value:.2f}" if "PCK" in score or "KS@" in score else f"{value:.3f}"


def form_words(form: str) -> str:
    """What a form weighs by."""
    return "plain MSE, every pixel weighs the same" if form == MSE else FORMS[form].words


# --- reading ---------------------------------------------------------------------------------------------


def read_table(out: str | Path) -> Table:
    """Reads a sweep's folder.

    Raises:
        DataError: If there is no such folder, or neither a plan nor a cell in it.
    """
    out = Path(out)
    if not out.is_dir():
        raise DataError(f"{out}: no such folder; expected the output folder of tools/gamma_sweep.py")
    notes: list[str] = []
    plan = _read_object(out / "plan.json", notes, "nothing is known of cells that did not run")
    stated = plan.get("cells")
    planned = stated if isinstance(stated, list) else []
    folders = sorted(path.name for path in (out / "cells").glob("*") if path.is_dir())
    rows = [
        _read_row(out / "cells" / cell.name, cell, notes)
        for cell in _cells(dict.fromkeys([*map(str, planned), *folders]), notes)
    ]
    if not rows:
        raise DataError(
            f"{out}: expected plan.json or folders in cells/, as tools/gamma_sweep.py leaves them"
        )
    rows.sort(key=lambda row: (row.cell.form != MSE, *_order(row.cell)))
    table = Table(out, plan, rows, _headline(plan, rows), notes)
    _check_errors(table)
    return table


def _order(cell: Cell) -> tuple[Any, ...]:
    return list(FORMS).index(cell.form) if cell.form in FORMS else -1, cell.delta or 0, cell.gamma, cell.seed


def _cells(names: Sequence[str] | dict[str, None], notes: list[str]) -> list[Cell]:
    cells = []
    for name in names:
        try:
            cells.append(parse_cell(name))
        except ConfigError as error:
            notes.append(f"{name} is left out: {error}")
    return cells


def _read_object(path: Path, notes: list[str], consequence: str) -> Mapping[str, Any]:
    if not path.is_file():
        notes.append(f"there is no {path.name}: {consequence}")
        return {}
    try:
        content = read_json(path)
    except DataError as error:
        notes.append(str(error))
        return {}
    if isinstance(content, Mapping):
        return content
    notes.append(f"{path}: expected an object, found {type(content).__name__}")
    return {}


def _read_row(folder: Path, cell: Cell, notes: list[str]) -> Row:
    if not folder.is_dir():
        return Row(cell, NOT_RUN)
    run = _read_object(folder / "run.json", [], "")
    if not (folder / "cell.json").is_file():
        return Row(cell, STOPPED, "still running, or interrupted", run=run)
    faults: list[str] = []
    stated = _read_object(folder / "cell.json", faults, "")
    if not faults and stated.get("state") not in (FINISHED, FAILED):
        faults = [
            f"{folder / 'cell.json'}: 'state': expected finished or failed, found {stated.get('state')}"
        ]
    if faults:
        return Row(cell, DAMAGED, faults[0], run=run)
    row = Row(cell, str(stated["state"]), str(stated.get("message") or ""), stated, run)
    if row.state == FINISHED:
        row.errors = _errors_of(folder / "test" / FILE_NAME, notes)
    return row


def _errors_of(path: Path, notes: list[str]) -> PersonErrors | None:
    try:
        return read_errors(path).by_person()
    except DataError as error:
        notes.append(f"left out of all comparisons: {error}")
        return None


def _headline(plan: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The score that errors.npz is made for; else the one by which checkpoints are chosen; else the first."""
    names = [row.errors.score for row in rows if row.errors is not None]
    names += [str(plan["score"])] if plan.get("score") else []
    names += [str(row.part("val")["metric"]) for row in rows if row.part("val").get("metric")]
    names += [str(name) for row in rows for name in row.part("test")]
    tested = {name for row in rows for name in row.part("test")}
    return next((name for name in names if name in tested), names[0] if names else "")


def _check_errors(table: Table) -> None:
    """Takes away errors of other people than the first cell's, and those that are not of ``metrics.json``."""
    first: Row | None = None
    for row in table.rows:
        if row.errors is None:
            continue
        fault = _unlike(row.errors, first.errors) if first and first.errors else ""
        fault = (fault and f"{fault} than {first.cell.name if first else ''}") or _unlike_metrics(row)
        if fault:
            table.notes.append(f"{row.cell.name} is left out of all comparisons: {FILE_NAME} {fault}")
            row.errors = None
        first = first or (row if row.errors is not None else None)


def _unlike(errors: PersonErrors, first: PersonErrors) -> str:
    same = {
        "other people": np.array_equal(errors.person_id, first.person_id),
        "other joints": errors.joints == first.joints,
        "other labels": np.array_equal(errors.valid, first.valid),
        "another score": (errors.score, errors.pooled) == (first.score, first.pooled),
        "other weights": np.array_equal(errors.weights, first.weights),
        "another threshold": errors.threshold == first.threshold,
    }
    wrong = next((words for words, fine in same.items() if not fine), "")
    return f"has {wrong}" if wrong else ""


def _unlike_metrics(row: Row) -> str:
    """Whether the score made of the joints is another than the stated one; that of OKS always is."""
    assert row.errors is not None
    stated = row.test(row.errors.score)
    if stated is None or len(row.errors.sigmas):
        return ""
    form = ScoreForm(row.errors.weights, row.errors.pooled)
    found = observed_scores(row.errors.right()[None], row.errors.valid, form)[0, -1]
    if abs(found - stated) <= _SAME_SCORE:
        return ""
    return f"gives {row.errors.score} {found:.4f}, metrics.json states {stated:.4f}"


# --- sweep.csv -------------------------------------------------------------------------------------------


def rows_as_dicts(table: Table) -> list[dict[str, Any]]:
    """The rows in plain values: what a cell is, how it went, and all its test scores as ``test/<name>``."""
    names = list(dict.fromkeys(name for row in table.rows for name in row.part("test")))
    return [_row_as_dict(row, table.score, names) for row in table.rows]


def _row_as_dict(row: Row, score: str, names: Sequence[str]) -> dict[str, Any]:
    cell, git = row.cell, row.run.get("git")
    return {
        "name": cell.name,
        "loss": cell.form,
        "gamma": cell.gamma,
        "delta": cell.delta,
        "normalise": cell.form in FORMS and FORMS[cell.form].normalise,
        "seed": cell.seed,
        "state": row.state,
        "message": row.message,
        "epoch": row.part("val").get("epoch"),
        "val": row.val(score),
        "test": row.test(score),
        "train_seconds": row.number("train_seconds"),
        "test_seconds": row.number("test_seconds"),
        "device": row.run.get("device"),
        "commit": git.get("commit") if isinstance(git, Mapping) else None,
        "compared": row.errors is not None,
        **{f"test/{name}": row.test(name) for name in names},
    }


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows of the same keys, atomically; None is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
