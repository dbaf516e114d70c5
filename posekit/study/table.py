"""A sweep's folder as a table: one row a cell, finished, failed, interrupted or not run.

Read are ``plan.json``, and of each cell ``cell.json``, ``run.json`` and ``test/errors.npz``. Whatever is
missing or damaged becomes a note, not an end: a report is wanted most when something went wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import read_object, write_text
from posekit.metrics.errors import FILE_NAME, PersonErrors, read_errors
from posekit.study.cells import FORMS, MSE
from posekit.study.folder import CellFiles, label_of, read_cells
from posekit.study.measures import lacking, measure_of
from posekit.study.record import FINISHED, as_number, object_of
from posekit.study.statistics import observed_scores

_SAME_SCORE = 1e-6  # percent: errors.npz and metrics.json hold the same joints


@dataclass
class Row(CellFiles):
    """One cell of the sweep.

    Attributes:
        run: Its ``run.json``, the environment of its training; empty where there is none.
        errors: What became of each test person's joints, or None.
    """

    run: Mapping[str, Any] = field(default_factory=dict)
    errors: PersonErrors | None = None

    def part(self, name: str) -> Mapping[str, Any]:
        """An object of ``cell.json``; empty where it is null or missing."""
        return object_of(self.stated, name)

    def number(self, name: str) -> float | None:
        """A number of ``cell.json``."""
        return as_number(self.stated.get(name))

    def test(self, score: str) -> float | None:
        """A test score as ``metrics.json`` has it."""
        return as_number(self.part("test").get(score))

    def val(self, score: str) -> float | None:
        """The validation score of the weights that were tested."""
        val = self.part("val")
        found = as_number(object_of(val, "scores").get(score))
        return as_number(val.get("score")) if found is None and val.get("metric", score) == score else found


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

    @property
    def base(self) -> str:
        """The setting that the others are compared with."""
        return str(self.plan.get("base") or MSE)

    @property
    def base_words(self) -> str:
        """The same for readers."""
        if self.base == MSE:
            return "plain MSE"
        return next((label_of(row.cell) for row in self.rows if row.cell.setting == self.base), self.base)

    @property
    def variants(self) -> dict[str, Mapping[str, Any]]:
        """The plan's variants, as far as they are whole."""
        stated = object_of(self.plan, "variants")
        lists = ("options", "differs")
        return {
            str(name): own
            for name, own in stated.items()
            if isinstance(own, Mapping)
            and all(isinstance(own.get(k), list) and all(isinstance(w, str) for w in own[k]) for k in lists)
        }

    def settings(self) -> dict[str, list[Row]]:
        """Setting -> its rows, one a seed."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.cell.setting, []).append(row)
        return found


def score_text(score: str, value: float | None) -> str:
    """A score as tables print it: AP and AR are fractions, PCK and PCKh percentages."""
    if value is None:
        return "-"
    return f"{value:.2f}" if any(part in score for part in ("PCK", "KS@", "NME/", "FR@")) else f"{value:.3f}"


def form_words(form: str, losses: Any = None, variants: Any = None) -> str:
    """What a form weighs by, or what the plan's ``losses`` or ``variants`` state of it."""
    if isinstance(variants, Mapping) and form in variants:
        return f"a variant, compared as a whole: {variants[form].get('config')}"
    if form == MSE:
        return "plain MSE, every pixel weighs the same"
    if form in FORMS:
        return FORMS[form].words
    return str(losses[form]) if isinstance(losses, Mapping) and form in losses else "not stated by the plan"


# --- reading ---------------------------------------------------------------------------------------------


def read_table(out: str | Path) -> Table:
    """Reads a sweep's folder.

    Raises:
        DataError: If there is no such folder, or neither a plan nor a cell in it.
    """
    out = Path(out)
    notes: list[str] = []
    plan: Mapping[str, Any] = {}
    if (out / "plan.json").is_file():
        plan = _noted(read_object, out / "plan.json", notes) or {}
    else:
        notes.append("there is no plan.json: nothing is known of cells that did not run")
    stated = plan.get("cells")
    planned = map(str, stated) if isinstance(stated, list) else ()
    rows = [_row(files, notes) for files in read_cells(out, notes, planned)]
    if not rows:
        raise DataError(
            f"{out}: expected plan.json or folders in cells/, as tools/gamma_sweep.py leaves them"
        )
    table = Table(out, plan, rows, _headline(plan, rows), notes)
    _check_errors(table)
    return table


def _noted(read: Callable[[Path], Any], path: Path, notes: list[str], words: str = "") -> Any:
    """What a file holds, or None and a note of why it cannot be read."""
    try:
        return read(path)
    except DataError as error:
        notes.append(f"{words}{error}")
        return None


def _row(files: CellFiles, notes: list[str]) -> Row:
    row, run = Row(**vars(files)), files.folder / "run.json"
    if run.is_file():
        row.run = _noted(read_object, run, notes) or {}
    if row.state == FINISHED:
        errors = files.folder / "test" / FILE_NAME
        row.errors = _noted(
            lambda path: read_errors(path).by_person(), errors, notes, "left out of all comparisons: "
        )
    return row


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
        fault = _unlike(row.errors, first) if first else ""
        if fault := fault or _unlike_metrics(row, row.errors):
            table.notes.append(f"{row.cell.name} is left out of all comparisons: {FILE_NAME} {fault}")
            row.errors = None
        first = first or (row if row.errors is not None else None)


def _unlike(errors: PersonErrors, first: Row) -> str:
    other = first.errors
    assert other is not None
    same = {
        "other people": np.array_equal(errors.person_id, other.person_id),
        "other joints": errors.joints == other.joints,
        "other labels": np.array_equal(errors.valid, other.valid),
        "another score": (errors.score, errors.pooled) == (other.score, other.pooled),
        "other weights": np.array_equal(errors.weights, other.weights),
        "another threshold": errors.threshold == other.threshold,
        "other groups": tuple(errors.group_names) == tuple(other.group_names)
        and np.array_equal(errors.groups, other.groups),  # type: ignore[arg-type]
    }
    wrong = next((words for words, fine in same.items() if not fine), "")
    return wrong and f"has {wrong} than {first.cell.name}"


def _unlike_metrics(row: Row, errors: PersonErrors) -> str:
    """Whether the score made of the joints is another than the stated one; that of OKS always is."""
    if number := lacking(errors):
        return f"has no prediction of {number} people, whose error has no size"
    stated = row.test(errors.score)
    if stated is None or len(errors.sigmas):
        return ""
    measure = measure_of(errors)
    found = observed_scores(measure.values[None], measure.counted, measure.form)[0, -1]
    if abs(found - stated) <= _SAME_SCORE:
        return ""
    return f"gives {errors.score} {found:.4f}, metrics.json states {stated:.4f}"


# --- sweep.csv -------------------------------------------------------------------------------------------


def rows_as_dicts(table: Table) -> list[dict[str, Any]]:
    """The rows in plain values: what a cell is, how it went, and all its test scores as ``test/<name>``."""
    names = list(dict.fromkeys(name for row in table.rows for name in row.part("test")))
    return [_row_as_dict(row, table.score, names) for row in table.rows]


def _row_as_dict(row: Row, score: str, names: Sequence[str]) -> dict[str, Any]:
    return {
        **row.cell.describe(),
        "state": row.state,
        "message": row.message,
        "epoch": row.part("val").get("epoch"),
        "val": row.val(score),
        "test": row.test(score),
        "train_seconds": row.number("train_seconds"),
        "test_seconds": row.number("test_seconds"),
        "device": row.run.get("device"),
        "commit": object_of(row.run, "git").get("commit"),
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
