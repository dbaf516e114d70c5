"""A sweep's report as one page: no scripts, no network, figures inside; every text is escaped.

Colours tell better (blue) from worse (orange) beside the marks that say the same, so that nothing depends on
them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

from posekit.study.analysis import BETTER, WORSE, interval_of, signed
from posekit.study.cells import FORMS, number_text
from posekit.study.html_parts import STYLE, bullets, figures, folded, paragraphs, rows_table, section
from posekit.study.record import FINISHED, as_number, duration
from posekit.study.report_text import HOW_INTERVALS, SPEED_AND_FORM
from posekit.study.table import Table, score_text

MARKS = {BETTER: "\u25b2", WORSE: "\u25bc"}


def page(found: Mapping[str, Any], table: Table, pictures: Mapping[str, str]) -> str:
    """The page.

    Args:
        found: As :func:`~posekit.study.analysis.analyse` gives it.
        table: The sweep.
        pictures: Name -> svg text.
    """
    title = f"Gamma study of {found['plan'].get('config') or table.out.resolve().name}"
    foreground = _numbers(found["foreground"], "At the end of training; shares are fractions.")
    facts = [("", (name, " | ".join(values))) for name, values in found["environment"].items()]
    environment = rows_table(("what", " value"), facts)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_counts(found))}</p>',
        _verdict(found),
        section("What was compared", _compared(found)),
        section("Every cell", _cells(found)),
        section("Score against gamma", _settings(found) + figures(pictures, "score_vs_gamma")),
        section(
            "Joint by joint", _joints(found) + folded("The same as figures", figures(pictures, "per_joint"))
        ),
        section("Over the epochs", figures(pictures, "accuracy_vs_epoch", "training_and_validation")),
        section("Foreground and background", foreground + figures(pictures, "foreground")),
        section("Why it errs", _diagnosis(found)),
        section("What to know of these numbers", bullets(found["notes"])),
        section("How the intervals were computed", paragraphs(_how(found))),
        section("Environment", environment or "<p>No cell has left a run.json.</p>"),
        section("To repeat it", _commands(found, table)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


# --- sections --------------------------------------------------------------------------------------------


def _counts(found: Mapping[str, Any]) -> str:
    states = ", ".join(f"{number} {state}" for state, number in found["cells"].items())
    begun = f"; begun {found['plan']['started']}" if found["plan"].get("started") else ""
    return f"{len(found['rows'])} cells: {states}{begun}"


def _verdict(found: Mapping[str, Any]) -> str:
    said, compared = found["verdict"], found["comparisons"]
    outcomes = {one["outcome"] for one in compared}
    kind = outcomes.pop().replace(" ", "-") if len(outcomes) == 1 else "mixed"
    texts = [said["sentence"], *(one["sentence"] for one in compared if len(compared) > 1)]
    texts += [said["chosen_sentence"], said["selection"], said["standing"] if compared else ""]
    return f'<div class="verdict {kind}">{paragraphs(texts)}</div>'


def _compared(found: Mapping[str, Any]) -> str:
    plan, people = found["plan"], found["people"]
    seconds = [row["train_seconds"] for row in found["rows"] if row["train_seconds"]]
    budget = [f"{plan['max_epochs']} epochs for every cell"] if plan.get("max_epochs") else []
    if seconds:
        mean = duration(sum(seconds) / len(seconds))
        budget.append(f"{mean} of training a cell, {duration(sum(seconds))} in all")
    facts = [f"Budget: {', '.join(budget)}."] if budget else []
    if plan.get("fingerprint"):
        facts.append(
            "Identical between cells, and checked: the whole config but the loss and the seed (SHA-256 of "
            f"its text {str(plan['fingerprint'])[:16]}…) and the {len(plan.get('files') or {})} files it "
            "names."
        )
    else:
        facts.append("What was identical between cells is not known: there is no plan.json.")
    for form, words in found["forms"].items():
        facts.append(f"Loss {form}: {words}{_scale(form)}.")
    facts.append(SPEED_AND_FORM)
    if found["score"]:
        facts.append(f"Score: {found['score']}, on the test people.")
    if people:
        facts.append(
            f"Tested on {people['people']} people of {people['images']} images, {people['joints']} labelled "
            f"joints; intervals are of {people['statistic']}."
        )
    return bullets(facts)


def _scale(form: str) -> str:
    if form not in FORMS:
        return ""
    return (
        " (normalised)" if FORMS[form].normalise else " (not normalised: gamma also changes the loss's scale)"
    )


def _cells(found: Mapping[str, Any]) -> str:
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
    return rows_table(header, rows)


def _settings(found: Mapping[str, Any]) -> str:
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
    return rows_table(
        header, rows, "sd: over seeds, on the same test people; of a single seed there is none."
    )


def _joints(found: Mapping[str, Any]) -> str:
    compared = found["comparisons"]
    if not compared:
        return ""
    rows = []
    for line in zip(*([*one["joints"], one["headline"]] for one in compared), strict=True):
        first = line[0]
        kind = "total" if first is compared[0]["headline"] else ""
        mse = None if first["mse"] is None else f"{first['mse']:.2f}"
        rows.append((kind, [first["joint"].replace("_", " "), mse, *map(_difference, line)]))
    note = (
        f"Percentage points to plain MSE and {100 * found['method']['confidence']:g} % interval over "
        f"{interval_of(compared[0])}; {MARKS[BETTER]} better, {MARKS[WORSE]} worse where an interval that "
        "includes seeds leaves 0 out. With this many joints some will by chance alone: the intervals are not "
        "adjusted for their number; the verdict is."
    )
    return rows_table(["joint", "MSE, %", *(one["label"] for one in compared)], rows, note)


def _difference(cell: Mapping[str, Any]) -> tuple[str, str]:
    """A joint's difference with interval and mark, and the mark's class."""
    text = f"{signed(cell['difference'])} [{signed(cell['low'])}, {signed(cell['high'])}]"
    mark = MARKS.get(cell["outcome"])
    return (f"{text} {mark}", cell["outcome"]) if mark else (text, "")


def _diagnosis(found: Mapping[str, Any]) -> str:
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


def _numbers(cells: Mapping[str, Mapping[str, Any]], note: str) -> str:
    """One row a cell, one column a number that any cell has."""
    numbers = {cell: {key: as_number(value) for key, value in own.items()} for cell, own in cells.items()}
    names = list(dict.fromkeys(key for own in numbers.values() for key in own if own[key] is not None))
    rows = [
        ("", [cell, *(None if (n := own.get(name)) is None else f"{n:.4g}" for name in names)])
        for cell, own in numbers.items()
        if names
    ]
    return rows_table(["cell", *(name.replace("_", " ") for name in names)], rows, note)


def _how(found: Mapping[str, Any]) -> list[str]:
    method = found["method"]
    return [text.format(percent=f"{100 * method['confidence']:g} %", **method) for text in HOW_INTERVALS]


def _commands(found: Mapping[str, Any], table: Table) -> str:
    plan = found["plan"]
    losses = [f"{name}={json.dumps(loss)}" for name, loss in (plan.get("losses") or {}).items()]
    options = [str(option) for option in plan.get("options") or []]
    words = ["python", "tools/gamma_sweep.py", str(plan.get("config") or "CONFIG"), "--out", table.out.name]
    words += ["--cells", *(row["name"] for row in found["rows"])]
    for name, values in (("--losses", losses), ("--cfg-options", options)):
        words += [name, *values] if values else []
    runs = "\n".join(str(row.run["command"]) for row in table.rows if row.run.get("command"))
    each = folded("The command of each training", f"<pre>{escape(runs)}</pre>" if runs else "")
    return f"<pre>{escape(shlex.join(words))}</pre>{each}"
