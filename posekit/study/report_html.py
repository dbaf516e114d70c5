"""A sweep's report as one page, ``report.html.jinja``: no scripts, no network, figures inside.

Colours tell better (blue) from worse (orange) beside the marks that say the same, so that nothing depends on
them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from posekit.study.analysis import BETTER, WORSE, interval_of, signed
from posekit.study.cells import FORMS, MSE, number_text
from posekit.study.face_figures import face_scores
from posekit.study.pages import HERE, Grid, embedded, render
from posekit.study.record import FINISHED, as_number, duration
from posekit.study.table import Table, score_text
from posekit.study.variants import VARIANTS

MARKS = {BETTER: "\u25b2", WORSE: "\u25bc"}
CAPTIONS = {
    "accuracy_vs_epoch": "Validation score against epoch",
    "training_and_validation": "Accuracy and loss in training and validation; the losses differ in scale",
    "score_vs_gamma": "Final score against gamma: single seeds, their mean and standard deviation",
    "foreground": "Where loss and gradient come from, and the shape of predicted peaks, over training",
    "per_joint": "Difference to plain MSE of each joint",
    "ced": "Share of faces with at most an error, of each loss",
    "score_by_loss": "Final score of each loss: single seeds, their mean and standard deviation",
}


def page(found: Mapping[str, Any], table: Table, pictures: Mapping[str, str]) -> str:
    """The page.

    Args:
        found: As :func:`~posekit.study.analysis.analyse` gives it.
        table: The sweep.
        pictures: Name -> svg text.
    """

    def figures(*kinds: str) -> Iterator[tuple[str, str, str]]:
        for kind in kinds:
            for name in sorted(pictures):
                if name.startswith(kind):
                    yield captions[kind], name, embedded(pictures[name])

    captions = CAPTIONS
    if found["base"] != "plain MSE":
        captions = {**CAPTIONS, "per_joint": f"Difference to {found['base']} of each part of the score"}
    name = found["plan"].get("config") or table.out.resolve().name
    gamma = any(form == MSE or form in FORMS for form in found["forms"])
    environment = [("", (name, " | ".join(values))) for name, values in found["environment"].items()]
    tables = {
        "cells": _cells(found),
        "settings": _settings(found),
        "joints": _joints(found),
        "faces": (
            *face_scores(found),
            "Mean and standard deviation over seeds; the mean of a group's faces.",
        ),
        "foreground": _numbers(found["foreground"], "At the end of training; shares are fractions."),
        "diagnosis": _diagnosis(found),
        "environment": (("what", " value"), environment),
    }
    outcomes = {one["outcome"] for one in found["comparisons"]}
    return render(
        HERE / "report.html.jinja",
        **found,
        title=f"{'Gamma' if gamma else 'Loss'} study of {name}",
        kind=outcomes.pop().replace(" ", "-") if len(outcomes) == 1 else "mixed",
        budget=_budget(found),
        focal=FORMS,
        gamma=gamma,
        part={"joints": "Joint by joint", "groups": "Group by group"}[found["people"].get("parts", "joints")],
        variants={form: own for form, own in table.variants.items() if form in found["forms"]},
        tables=tables,
        pictures=figures,
        percent=f"{100 * found['method']['confidence']:g} %",
        command=_command(found, table),
        runs="\n".join(str(row.run["command"]) for row in table.rows if row.run.get("command")),
    )


def _budget(found: Mapping[str, Any]) -> list[str]:
    epochs = found["plan"].get("max_epochs")
    others = " but variants of another number" if _other_epochs(found) else ""
    budget = [f"{epochs} epochs for every cell{others}"] if epochs else []
    if seconds := [row["train_seconds"] for row in found["rows"] if row["train_seconds"]]:
        mean = duration(sum(seconds) / len(seconds))
        budget.append(f"{mean} of training a cell, {duration(sum(seconds))} in all")
    return budget


def _other_epochs(found: Mapping[str, Any]) -> bool:
    variants = found["plan"].get("variants")
    own = variants.values() if isinstance(variants, Mapping) else ()
    return any(isinstance(v, Mapping) and v.get("max_epochs") != found["plan"].get("max_epochs") for v in own)


def _cells(found: Mapping[str, Any]) -> Grid:
    score = found["score"]
    header = (
        "cell", " form", "γ", "δ", "seed", " state", "epoch", "validation", f"test {score}", "training",
        "test", " message",
    )  # fmt: skip
    rows = []
    for row in found["rows"]:
        weight = [None if row[key] is None else number_text(row[key]) for key in ("gamma", "delta")]
        scores = [score_text(score, row[key]) for key in ("val", "test")]
        seconds = [duration(row[key], "-") for key in ("train_seconds", "test_seconds")]
        what, where = (row["name"], row["loss"], *weight, row["seed"]), (row["state"], row["epoch"])
        rows.append(
            ("" if row["state"] == FINISHED else "odd", [*what, *where, *scores, *seconds, row["message"]])
        )
    return header, rows


def _settings(found: Mapping[str, Any]) -> Grid:
    score, rows = found["score"], []
    for setting in found["settings"]:
        test, val, cost = (setting[key] or {} for key in ("test", "val", "train_seconds"))
        seeds = f"{len(setting['seeds'])} of {len(setting['planned_seeds'])}"
        numbers = [val.get("mean"), *(test.get(key) for key in ("mean", "sd", "min", "max"))]
        scores = [score_text(score, number) for number in numbers]
        values = [setting["label"], seeds, *scores, duration(cost.get("mean"), "-")]
        rows.append(("" if test else "odd", values))
    mean = f"test {score}, mean"
    header = ("setting", "seeds", "validation", mean, "sd", "smallest", "largest", "training")
    return header, rows, "sd: over seeds, on the same test people; of a single seed there is none."


def _joints(found: Mapping[str, Any]) -> Grid:
    compared = found["comparisons"]
    if not compared:
        return [], []
    rows, parts = [], found["people"]["parts"]
    for line in zip(*([*one["joints"], one["headline"]] for one in compared), strict=True):
        first = line[0]
        kind = "total" if first is compared[0]["headline"] else ""
        mse = None if first["base"] is None else f"{first['base']:.2f}"
        rows.append((kind, [first["joint"].replace("_", " "), mse, *map(_difference, line)]))
    note = (
        f"Percentage points to {found['base']} and {100 * found['method']['confidence']:g} % interval over "
        f"{interval_of(compared[0])}; {MARKS[BETTER]} better, {MARKS[WORSE]} worse where an interval that "
        f"includes seeds leaves 0 out. With this many {parts} some will by chance alone: the intervals are "
        "not adjusted for their number; the verdict is."
    )
    if found["people"]["lower"]:
        note += " Lower is better: a negative difference."
    base = "MSE" if found["base"] == "plain MSE" else found["base"]
    return [parts.removesuffix("s"), f"{base}, %", *(one["label"] for one in compared)], rows, note


def _difference(cell: Mapping[str, Any]) -> tuple[str, str]:
    """A joint's difference with interval and mark, and the mark's class."""
    text = f"{signed(cell['difference'])} [{signed(cell['low'])}, {signed(cell['high'])}]"
    mark = MARKS.get(cell["outcome"])
    return (f"{text} {mark}", cell["outcome"]) if mark else (text, "")


def _diagnosis(found: Mapping[str, Any]) -> Grid:
    """Who was examined, and what is wrong overall; the joints, some hundred numbers, stay in sweep.json."""
    cells = found["diagnosis"]
    overall = {
        name: {"people": own.get("people"), "right": own.get("right"), **(own.get("overall") or {})}
        for name, own in cells.items()
    }
    splits = " and ".join(dict.fromkeys(str(own.get("split")) for own in cells.values()))
    note = (
        f"Of the {splits} people; right and wrong in percent of their labelled joints, as the score takes "
        "them. Joint by joint: sweep.json, cells/*/diagnosis.json."
    )
    return _numbers(overall, note)


def _numbers(cells: Mapping[str, Mapping[str, Any]], note: str) -> Grid:
    """One row a cell, one column a number that any cell has."""
    numbers = {cell: {key: as_number(value) for key, value in own.items()} for cell, own in cells.items()}
    names = list(dict.fromkeys(key for own in numbers.values() for key in own if own[key] is not None))
    rows = [
        ("", [cell, *(None if (n := own.get(name)) is None else f"{n:.4g}" for name in names)])
        for cell, own in numbers.items()
        if names
    ]
    return ["cell", *(name.replace("_", " ") for name in names)], rows, note


def _command(found: Mapping[str, Any], table: Table) -> str:
    """What repeats the sweep."""
    plan, out = found["plan"], table.out.name
    losses = [f"{name}={json.dumps(loss)}" for name, loss in (plan.get("losses") or {}).items()]
    options = [str(option) for option in plan.get("options") or []]
    variants = [f"{out}/{VARIANTS}"] if table.variants else []
    words = ["python", "tools/gamma_sweep.py", str(plan.get("config") or "CONFIG"), "--out", out]
    words += ["--cells", *(row["name"] for row in found["rows"])]
    base = [str(plan["base"])] if plan.get("base", MSE) != MSE else []
    stated = (("--losses", losses), ("--variants", variants), ("--base", base), ("--cfg-options", options))
    for name, values in stated:
        words += [name, *values] if values else []
    return shlex.join(words)
