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
from posekit.study.html_parts import STYLE, bullets, duration, figures, folded, rows_table, section, table_row
from posekit.study.report_text import HOW_INTERVALS, SPEED_AND_FORM
from posekit.study.table import FINISHED, Table, as_number, score_text

MARKS = {BETTER: "\u25b2", WORSE: "\u25bc"}


def page(found: Mapping[str, Any], table: Table, pictures: Mapping[str, str]) -> str:
    """The page.

    Args:
        found: As :func:`~posekit.study.analysis.analyse` gives it.
        table: The sweep.
        pictures: Name -> svg text.
    """
    title = f"Gamma study of {found['plan'].get('config') or table.out.resolve().name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_counts(found, table))}</p>',
        _verdict(found),
        section("What was compared", _compared(found)),
        section("Every cell", _cells(found, table)),
        section("Score against gamma", _settings(found) + figures(pictures, "score_vs_gamma")),
        section(
            "Joint by joint", _joints(found) + folded("The same as figures", figures(pictures, "per_joint"))
        ),
        section("Over the epochs", figures(pictures, "accuracy_vs_epoch", "training_and_validation")),
        section("Foreground and background", _foreground(found) + figures(pictures, "foreground")),
        section("Why it errs", _diagnosis(found)),
        section("What to know of these numbers", bullets(found["notes"])),
        section("How the intervals were computed", "".join(f"<p>{escape(t)}</p>" for t in _how(found))),
        section("Environment", _environment(found)),
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


def _counts(found: Mapping[str, Any], table: Table) -> str:
    states = ", ".join(f"{number} {state}" for state, number in found["cells"].items())
    begun = f"; begun {found['plan']['started']}" if found["plan"].get("started") else ""
    return f"{len(table.rows)} cells: {states}{begun}"


def _verdict(found: Mapping[str, Any]) -> str:
    outcomes = {compared["outcome"] for compared in found["comparisons"]}
    kind = outcomes.pop().replace(" ", "-") if len(outcomes) == 1 else "mixed"
    said, compared = found["verdict"], found["comparisons"]
    texts = [said["sentence"], *(c["sentence"] for c in compared if len(compared) > 1)]
    texts += [said["chosen_sentence"], said["selection"], compared and said["standing"]]
    return (
        f'<div class="verdict {kind}">'
        + "".join(f"<p>{escape(text)}</p>" for text in texts if text)
        + "</div>"
    )


def _compared(found: Mapping[str, Any]) -> str:
    plan, people = found["plan"], found["people"]
    facts = []
    if plan.get("max_epochs"):
        facts.append(f"Budget: {plan['max_epochs']} epochs for every cell, {_cost(found)}.")
    elif _cost(found):
        facts.append(f"Budget: {_cost(found)}.")
    if plan.get("fingerprint"):
        facts.append(
            "Identical between cells, and checked: the whole config but the loss and the seed (SHA-256 of "
            f"its text {str(plan['fingerprint'])[:16]}…) and the {len(plan.get('files') or {})} files it "
            "names."
        )
    else:
        facts.append("What was identical between cells is not known: there is no plan.json.")
    for form, words in found["forms"].items():
        facts.append(f"Loss {form}: {words}{_normalised(form)}.")
    facts.append(SPEED_AND_FORM)
    if found["score"]:
        facts.append(f"Score: {found['score']}, on the test people.")
    if people:
        facts.append(
            f"Tested on {people['people']} people of {people['images']} images, {people['joints']} labelled "
            f"joints; intervals are of {people['statistic']}."
        )
    return bullets(facts)


def _normalised(form: str) -> str:
    if form not in FORMS:
        return ""
    return (
        " (normalised)"
        if form.endswith("-norm")
        else " (not normalised: gamma also changes the loss's scale)"
    )


def _cost(found: Mapping[str, Any]) -> str:
    seconds = [row["train_seconds"] for row in found["rows"] if row["train_seconds"]]
    if not seconds:
        return ""
    return f"{duration(sum(seconds) / len(seconds))} of training a cell, {duration(sum(seconds))} in all"


def _cells(found: Mapping[str, Any], table: Table) -> str:
    score = found["score"]
    header = (
        "cell", " form", "γ", "δ", "seed", " state", "epoch", "validation", f"test {score}", "training",
        "test", " message",
    )  # fmt: skip
    rows = []
    for row in found["rows"]:
        values = [
            row["name"], row["loss"],
            *("-" if row[key] is None else number_text(row[key]) for key in ("gamma", "delta")),
            str(row["seed"]), row["state"],
            "-" if row["epoch"] is None else str(row["epoch"]), score_text(score, row["val"]),
            score_text(score, row["test"]), duration(row["train_seconds"]), duration(row["test_seconds"]),
            row["message"],
        ]  # fmt: skip
        odd = "" if row["state"] == FINISHED else "odd"
        rows.append(table_row(values, odd, {1: "text", 5: "text state", 11: "text"}))
    return rows_table(header, rows)


def _settings(found: Mapping[str, Any]) -> str:
    score = found["score"]
    header = (
        "setting",
        "seeds",
        "validation",
        f"test {score}, mean",
        "sd",
        "smallest",
        "largest",
        "training",
    )
    rows = []
    for setting in found["settings"]:
        test, val, cost = setting["test"] or {}, setting["val"] or {}, setting["train_seconds"] or {}
        seeds = f"{len(setting['seeds'])} of {len(setting['planned_seeds'])}"
        numbers = [score_text(score, as_number(test.get(key))) for key in ("mean", "sd", "min", "max")]
        values = [setting["label"], seeds, score_text(score, as_number(val.get("mean"))), *numbers]
        rows.append(table_row([*values, duration(as_number(cost.get("mean")))], "" if test else "odd"))
    note = "sd: over seeds, on the same test people; of a single seed there is none."
    return rows_table(header, rows) + f'<p class="soft">{note}</p>'


def _joints(found: Mapping[str, Any]) -> str:
    compared = found["comparisons"]
    if not compared:
        return ""
    header = ["joint", "MSE, %", *(c["label"] for c in compared)]
    columns = [[*c["joints"], c["headline"]] for c in compared]
    rows = []
    for line in zip(*columns, strict=True):
        values, classes = [str(line[0]["joint"]).replace("_", " "), _percent(line[0]["mse"])], {}
        for number, cell in enumerate(line, 2):
            mark = MARKS.get(cell["outcome"], "")
            span = f"[{signed(cell['low'])}, {signed(cell['high'])}]"
            values.append(f"{signed(cell['difference'])} {span} {mark}".strip())
            if mark:
                classes[number] = cell["outcome"]
        rows.append(table_row(values, "total" if line[0] is columns[0][-1] else "", classes))
    note = (
        f"Percentage points to plain MSE and {100 * found['method']['confidence']:g} % interval over "
        f"{interval_of(compared[0])}; {MARKS[BETTER]} better, {MARKS[WORSE]} worse where an interval that "
        "includes seeds leaves 0 out. With this many joints some will by chance alone: the intervals are not "
        "adjusted for their number; the verdict is."
    )
    return rows_table(header, rows) + f'<p class="soft">{escape(note)}</p>'


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _foreground(found: Mapping[str, Any]) -> str:
    return _numbers_table(found["foreground"], "At the end of training; shares are fractions.")


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
    return _numbers_table(overall, note)


def _numbers_table(cells: Mapping[str, Mapping[str, Any]], note: str) -> str:
    """One row a cell, one column a number that any cell has."""
    names = list(
        dict.fromkeys(key for own in cells.values() for key in own if as_number(own[key]) is not None)
    )
    if not names:
        return ""
    rows = []
    for cell, own in cells.items():
        numbers = [as_number(own.get(name)) for name in names]
        rows.append(table_row([cell, *("-" if n is None else f"{n:.4g}" for n in numbers)]))
    header = ["cell", *(name.replace("_", " ") for name in names)]
    return rows_table(header, rows) + f'<p class="soft">{escape(note)}</p>'


def _how(found: Mapping[str, Any]) -> list[str]:
    method = found["method"]
    return [text.format(percent=f"{100 * method['confidence']:g} %", **method) for text in HOW_INTERVALS]


def _environment(found: Mapping[str, Any]) -> str:
    facts = found["environment"]
    rows = [table_row([name, " | ".join(values)], "", {1: "text"}) for name, values in facts.items()]
    note = "" if rows else "No cell has left a run.json."
    return (rows_table(("what", " value"), rows) if rows else "") + (f"<p>{note}</p>" if note else "")


def _commands(found: Mapping[str, Any], table: Table) -> str:
    plan = found["plan"]
    words = ["python", "tools/gamma_sweep.py", str(plan.get("config") or "CONFIG"), "--out", table.out.name]
    words += ["--cells", *(row["name"] for row in found["rows"])]
    losses = plan.get("losses") or {}
    words += ["--losses", *(f"{name}={json.dumps(loss)}" for name, loss in losses.items())] if losses else []
    options = [str(option) for option in plan.get("options") or []]
    words += ["--cfg-options", *options] if options else []
    sweep = f"<pre>{escape(shlex.join(words))}</pre>"
    runs = [str(row.run["command"]) for row in table.rows if row.run.get("command")]
    if not runs:
        return sweep
    return sweep + folded("The command of each training", f"<pre>{escape(chr(10).join(runs))}</pre>")
