"""From a sweep's table to its verdict: means over seeds, differences to plain MSE, sentences.

Every setting is compared with one of them, plain MSE (gamma = 0) unless the plan names another, on the same
test people, as :mod:`posekit.study.statistics` says. The sentence goes by the wider of the two intervals and
by the p-value adjusted after Holm for the number of settings compared; both are stated. It is "undecided"
where nothing is known of other seeds, that is where every loss has a single run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.study.cells import MSE
from posekit.study.folder import label_of
from posekit.study.measures import measure_of
from posekit.study.record import FINISHED, object_of
from posekit.study.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Comparison,
    compare,
    holm,
    observed_scores,
    resampled_scores,
    seed_variance,
    spread,
)
from posekit.study.table import Row, Table, form_words, rows_as_dicts, score_text

BETTER, WORSE, EVEN, UNDECIDED = "better", "worse", "not distinguishable", "undecided"
ALPHA = 1 - CONFIDENCE
_MACHINE = ("device", "torch_threads", "platform", "launcher", "ranks")  # of a run.json
ONE_RUN_EACH = "One run each; add --seeds"


def analyse(table: Table, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Everything that ``sweep.json`` holds, in plain values; a number that does not exist is None.

    Args:
        table: The sweep.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    comparisons, people = _comparisons(table, resamples, seed)
    settings = [_setting(rows, table.score) for rows in table.settings().values()]
    said = {"standing": standing(table.rows), "selection": selection(table.plan)}
    losses, variants = table.plan.get("losses"), table.variants
    return {
        "score": table.score,
        "base": table.base_words,
        "statistic": people.get("statistic"),
        "cells": Counter(row.state for row in table.rows),
        "people": people,
        "verdict": {**verdict(table, settings, comparisons), **said},
        "comparisons": comparisons,
        "settings": settings,
        "rows": rows_as_dicts(table),
        "forms": {row.cell.form: form_words(row.cell.form, losses, variants) for row in table.rows},
        "plan": {key: value for key, value in table.plan.items() if key != "shared"},
        "environment": environment(table.rows),
        **{
            part: {row.cell.name: row.part(part) for row in table.rows if row.part(part)}
            for part in ("diagnosis", "foreground")
        },
        "method": {"resamples": resamples, "seed": seed, "confidence": CONFIDENCE, "adjustment": "Holm"},
        "notes": [*map(str, table.plan.get("notes") or []), *table.notes, *unlike(table.rows)],
    }


def _setting(rows: Sequence[Row], score: str) -> dict[str, Any]:
    cell, done = rows[0].cell, [row for row in rows if row.state == FINISHED]
    numbers = {
        "test": [row.test(score) for row in done],
        "val": [row.val(score) for row in done],
        "train_seconds": [row.number("train_seconds") for row in done],
    }
    return {
        "setting": cell.setting,
        "label": label_of(cell),
        "loss": cell.form,
        "gamma": cell.gamma,
        "delta": cell.delta,
        "seeds": [row.cell.seed for row in done],
        "planned_seeds": [row.cell.seed for row in rows],
        **{name: spread([v for v in values if v is not None]) for name, values in numbers.items()},
    }


# --- comparisons -----------------------------------------------------------------------------------------


def _comparisons(table: Table, resamples: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Each setting against the base, and who was compared; both empty without errors.npz."""
    settings: dict[str, list[int]] = {}
    rows = [row for row in table.rows if row.errors is not None]
    for place, row in enumerate(rows):
        settings.setdefault(row.cell.setting, []).append(place)
    every = [row.errors for row in rows if row.errors is not None]
    if not every:
        return [], {}
    errors, groups = every[0], len(np.unique(every[0].image_id))
    people: dict[str, Any] = {
        "people": len(errors.person_id),
        "images": groups,
        "joints": int(errors.valid.sum()),
        "statistic": errors.statistic,
    }
    measures = [measure_of(one) for one in every]
    values, first = np.stack([one.values for one in measures]), measures[0]
    people |= {"lower": first.lower, "parts": first.parts}
    observed = observed_scores(values, first.counted, first.form)
    base = settings.pop(table.base, None)
    if base is None or not settings or groups < 2 or not np.isfinite(observed[:, -1]).all():
        return [], people
    resampled = resampled_scores(values, first.counted, errors.image_id, first.form, resamples, seed)
    pooled = seed_variance(observed, resampled, [base, *settings.values()])
    found = [compare(observed, resampled, own, base, groups, pooled=pooled) for own in settings.values()]
    listed = []
    for comparison, own, p_holm in zip(
        found, settings.values(), holm([one.p_value[-1] for one in found]), strict=True
    ):
        names = dict(enumerate(first.names)) | {observed.shape[1] - 1: errors.statistic}
        joints = _differences(names, observed[base], observed[own], comparison, first.lower)
        overruled = comparison.seeds is not None and p_holm >= ALPHA
        cell = rows[own[0]].cell
        stated = {
            "setting": cell.setting,
            "label": label_of(cell),
            "against": table.base,
            "against_words": table.base_words,
            "seeds": [rows[place].cell.seed for place in own],
            "base_seeds": [rows[place].cell.seed for place in base],
            "headline": joints[-1],
            "p_holm": None if comparison.seeds is None else p_holm,
            "outcome": EVEN if overruled else joints[-1]["outcome"],
            "joints": joints[:-1],
            "includes_seeds": comparison.seeds is not None,
            "borrowed": comparison.borrowed,
        }
        if table.base == MSE:  # the names that readers of sweep.json know
            stated["mse_seeds"] = stated["base_seeds"]
            for line in joints:
                line["mse"] = line["base"]
        listed.append({**stated, "sentence": sentence(stated, people, len(found))})
    return listed, people


def _differences(
    names: Mapping[int, str], base: np.ndarray, arm: np.ndarray, comparison: Comparison, lower: bool
) -> list[dict[str, Any]]:
    """The named columns and, last, the headline, with their intervals; base and arm are runs' scores."""
    people, interval = comparison.people, comparison.interval
    seeds = np.full_like(people, np.nan) if comparison.seeds is None else comparison.seeds
    columns = {
        **{"base": base.mean(axis=0), "value": arm.mean(axis=0), "difference": comparison.difference},
        **{"low": interval[0], "high": interval[1], "people_low": people[0], "people_high": people[1]},
        **{"seeds_low": seeds[0], "seeds_high": seeds[1], "p_value": comparison.p_value},
    }
    return [
        {
            "joint": name,
            **{key: float(column[k]) if np.isfinite(column[k]) else None for key, column in columns.items()},
            "outcome": outcome(interval[0, k], interval[1, k], comparison.seeds is not None, lower),
        }
        for k, name in names.items()
    ]


def outcome(low: float, high: float, includes_seeds: bool, lower: bool = False) -> str:
    """What an interval of a difference says of the losses, NaN included; ``lower`` is better, or higher."""
    if not includes_seeds:
        return UNDECIDED
    if lower:
        low, high = -high, -low
    return BETTER if low > 0 else WORSE if high < 0 else EVEN


# --- sentences -------------------------------------------------------------------------------------------


def sentence(stated: Mapping[str, Any], people: Mapping[str, Any], comparisons: int) -> str:
    """A comparison in plain words, with its numbers."""
    head, over = stated["headline"], f"{100 * CONFIDENCE:g} % interval over {interval_of(stated)}"
    base = stated["against_words"]
    says = {
        BETTER: f"is better than {base}",
        WORSE: f"is worse than {base}",
        EVEN: f"is not distinguishable from {base}",
        UNDECIDED: f"against {base} is undecided",
    }
    text = (
        f"{stated['label']} {says[stated['outcome']]}: {signed(head['difference'])} percentage "
        f"points of {head['joint']} ({head['value']:.2f} against {head['base']:.2f}, {people['people']} test "
        f"people; {over} {signed(head['low'])} to {signed(head['high'])}"
    )
    if stated["outcome"] != UNDECIDED:
        text += f"; p {_p(head['p_value'])}"
        text += (
            f", adjusted for {comparisons} comparisons p {_p(stated['p_holm'])}" if comparisons > 1 else ""
        )
    return f"{text}). {_caveat(stated)}".strip()


def interval_of(stated: Mapping[str, Any]) -> str:
    """What a comparison's interval is over."""
    return "people and seeds" if stated["includes_seeds"] else "people only"


def _caveat(stated: Mapping[str, Any]) -> str:
    """What the sentence does not say: of seeds that were not run, and of an interval that Holm overrules."""
    head, runs = stated["headline"], (len(stated["seeds"]), len(stated["base_seeds"]))
    if stated["outcome"] == UNDECIDED:
        return f"{ONE_RUN_EACH}: the interval holds of these very runs, and other seeds may turn it round."
    parts = []
    if stated["outcome"] != head["outcome"]:
        parts.append("Alone it would count as different; with all the comparisons made it does not.")
    single = [
        name for name, n in zip((stated["label"], stated["against_words"]), runs, strict=True) if n == 1
    ]
    if single:
        parts.append(
            f"{runs[0]} against {runs[1]} runs; how much other seeds of {' and '.join(single)} would differ "
            "is taken from the losses that have several runs."
        )
    else:
        parts.append(f"{runs[0]} and {runs[1]} seeds; new trainings are included in the interval.")
    return " ".join(parts)


def signed(value: float | None) -> str:
    """A difference with its sign, to a hundredth; a hyphen where there is none."""
    if value is None:
        return "-"
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def _p(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "< 0.0001" if value < 1e-4 else f"= {value:.4f}" if value < 0.01 else f"= {value:.2f}"


def verdict(
    table: Table, settings: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The sentence on top, and what was chosen on validation."""
    if not comparisons:
        return {"sentence": f"No verdict: {_why_none(table)}.", "chosen": None, "chosen_sentence": ""}
    if len(comparisons) == 1:
        first = str(comparisons[0]["sentence"])
    else:
        parts = []
        for kind in (BETTER, WORSE, EVEN, UNDECIDED):
            labels = [
                c["label"] + (", a single run" if 1 in (len(c["seeds"]), len(c["base_seeds"])) else "")
                for c in comparisons
                if c["outcome"] == kind
            ]
            verb = "is" if len(labels) == 1 else "are"
            if labels:
                parts.append(f"{len(labels)} {verb} {kind} ({'; '.join(labels)})")
        listed = " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
        first = f"Of {len(comparisons)} settings compared with {table.base_words}, {listed}."
        if comparisons[0]["outcome"] == UNDECIDED:  # and so are all: seeds lend to all or to none
            first += f" {ONE_RUN_EACH}."
    chosen, words = _chosen(table, settings, comparisons)
    return {"sentence": first, "chosen": chosen, "chosen_sentence": words}


def _chosen(
    table: Table, settings: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> tuple[str | None, str]:
    """The setting that validation would choose: to pick the best on the test people would flatter it."""
    compared = {c["setting"]: c for c in comparisons}
    known = [
        s
        for s in settings
        if s["val"] is not None and (s["setting"] in compared or s["setting"] == table.base)
    ]
    if not known:
        return None, ""
    by = {(row.part("val").get("metric"), row.part("val").get("rule")) for row in table.rows}
    lower = (table.score, "less") in by
    best = (min if lower else max)(known, key=lambda s: s["val"]["mean"])
    score = score_text(table.score, best["val"]["mean"])
    words = f"Chosen by the validation score alone: {best['label']} ({score} on validation)."
    if len(comparisons) > 1 and best["setting"] in compared:
        kind = compared[best["setting"]]["outcome"]
        than = {EVEN: "from", UNDECIDED: "against"}.get(kind, "than")
        words += f" On the test people it is {kind} {than} {table.base_words}, see above."
    return str(best["setting"]), words


def selection(plan: Mapping[str, Any]) -> str:
    """Whether the test people are those that checkpoints are chosen by, as the plan states it."""
    stated = str(object_of(plan, "people").get("sentence") or "")
    if not stated:
        return "Whether the test people are those by whom checkpoints are chosen is not known."
    return f"{stated[0].upper()}{stated[1:]}."


def standing(rows: Sequence[Row]) -> str:
    """That a verdict is not the last word, where cells are missing; empty where all have finished."""
    finished = sum(row.state == FINISHED for row in rows)
    if finished == len(rows):
        return ""
    return (
        f"So far {finished} of {len(rows)} cells have finished: this may change with the others, and losses "
        "may be compared by fewer seeds than planned."
    )


def _why_none(table: Table) -> str:
    finished = [row for row in table.rows if row.state == FINISHED]
    if not finished:
        return "no cell has finished yet"
    compared = {row.cell.setting for row in finished if row.errors is not None}
    if not compared:
        return "no finished cell has a readable errors.npz, from which intervals are computed"
    if table.base not in compared:
        words = "with gamma 0 (plain MSE)" if table.base == MSE else f"of {table.base_words}"
        return f"no cell {words} can be compared with"
    if len(compared) == 1:
        return f"only {table.base_words} has finished"
    return "the test people are all on one image, or none of them has a joint of the score"


def unlike(rows: Sequence[Row]) -> list[str]:
    """What the plan cannot check: finished cells that were trained on or with different things."""
    found = environment([row for row in rows if row.state == FINISHED])
    return [
        f"the cells were trained with different values of {name}: {' | '.join(values)}"
        for name, values in found.items()
        if len(values) > 1
    ]


def environment(rows: Sequence[Row]) -> dict[str, list[str]]:
    """What the trainings ran on and with: name -> its values, several where cells differ."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        git = object_of(row.run, "git")
        changed = " with changes" if git.get("dirty") else ""
        facts = {name: row.run.get(name) for name in _MACHINE}
        facts |= {
            **object_of(row.run, "versions"),
            "commit": git.get("commit") and f"{git['commit']}{changed}",
        }
        for name, value in facts.items():
            if value is not None:
                found.setdefault(str(name), {})[str(value)] = None
    return {name: list(values) for name, values in found.items()}
