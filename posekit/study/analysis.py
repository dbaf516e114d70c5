"""From a sweep's table to its verdict: means over seeds, differences to plain MSE, sentences.

Every setting is compared with plain MSE (gamma = 0) on the same test people, as
:mod:`posekit.study.statistics` says. The sentence goes by the wider of the two intervals and by the p-value
adjusted after Holm for the number of settings compared; both are stated. It is "undecided" where nothing is
known of other seeds, that is where every loss has a single run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.study.cells import MSE
from posekit.study.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Comparison,
    ScoreForm,
    compare,
    holm,
    observed_scores,
    resampled_scores,
    seed_variance,
    spread,
)
from posekit.study.table import FINISHED, Row, Table, form_words, label_of, rows_as_dicts, score_text

BETTER, WORSE, EVEN, UNDECIDED = "better", "worse", "not distinguishable", "undecided"
ALPHA = 1 - CONFIDENCE
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
    counted = {state: sum(row.state == state for row in table.rows) for state in _states(table.rows)}
    return {
        "score": table.score,
        "statistic": people["statistic"] if people else None,
        "cells": counted,
        "people": people,
        "verdict": {
            **verdict(table, settings, comparisons),
            "standing": standing(table.rows),
            "selection": selection(table.plan),
        },
        "comparisons": comparisons,
        "settings": settings,
        "rows": rows_as_dicts(table),
        "forms": {
            form: form_words(form, table.plan.get("losses"))
            for form in dict.fromkeys(row.cell.form for row in table.rows)
        },
        "plan": {key: value for key, value in table.plan.items() if key != "shared"},
        "environment": environment(table.rows),
        "diagnosis": {row.cell.name: row.part("diagnosis") for row in table.rows if row.part("diagnosis")},
        "foreground": {row.cell.name: row.part("foreground") for row in table.rows if row.part("foreground")},
        "method": {"resamples": resamples, "seed": seed, "confidence": CONFIDENCE, "adjustment": "Holm"},
        "notes": [*map(str, table.plan.get("notes") or []), *table.notes, *unlike(table.rows)],
    }


def _states(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.state for row in rows))


def _setting(rows: Sequence[Row], score: str) -> dict[str, Any]:
    cell, done = rows[0].cell, [row for row in rows if row.state == FINISHED]
    values = {
        "test": [row.test(score) for row in done],
        "val": [row.val(score) for row in done],
        "train_seconds": [row.number("train_seconds") for row in done],
    }
    known = {name: [v for v in numbers if v is not None] for name, numbers in values.items()}
    return {
        "setting": cell.setting,
        "label": label_of(cell),
        "loss": cell.form,
        "gamma": cell.gamma,
        "delta": cell.delta,
        "seeds": [row.cell.seed for row in done],
        "planned_seeds": [row.cell.seed for row in rows],
        **{name: spread(numbers) if numbers else None for name, numbers in known.items()},
    }


# --- comparisons -----------------------------------------------------------------------------------------


def _comparisons(table: Table, resamples: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Each setting against plain MSE, and who was compared; both empty without errors.npz."""
    rows = [row for row in table.rows if row.errors is not None]
    if not rows or rows[0].errors is None:
        return [], {}
    errors = rows[0].errors
    groups = len(np.unique(errors.image_id))
    people: dict[str, Any] = {
        "people": len(errors.person_id),
        "images": groups,
        "joints": int(errors.valid.sum()),
        "statistic": errors.statistic,
    }
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.cell.setting, []).append(place)
    if MSE not in places or len(places) == 1 or groups < 2:
        return [], people
    form = ScoreForm(errors.weights, errors.pooled)
    right = np.stack([row.errors.right() for row in rows if row.errors is not None])
    observed = observed_scores(right, errors.valid, form)
    if not np.isfinite(observed[:, -1]).all():
        return [], people
    resampled = resampled_scores(right, errors.valid, errors.image_id, form, resamples, seed)
    pooled = seed_variance(observed, resampled, list(places.values()))
    found = {
        setting: compare(observed, resampled, own, places[MSE], groups, pooled=pooled)
        for setting, own in places.items()
        if setting != MSE
    }
    adjusted = holm([comparison.p_value[-1] for comparison in found.values()])
    base = observed[places[MSE]].mean(axis=0)
    names = [*errors.joints, people["statistic"]]
    listed = []
    for (setting, comparison), p_value in zip(found.items(), adjusted, strict=True):
        own = [rows[place] for place in places[setting]]
        joints = _differences(names, base, observed[places[setting]].mean(axis=0), comparison)
        seeds = comparison.seeds is not None
        stated = _stated(own, [rows[place] for place in places[MSE]], joints, p_value if seeds else None)
        listed.append({**stated, "includes_seeds": seeds, "borrowed": comparison.borrowed})
    for stated in listed:
        stated["sentence"] = sentence(stated, people, len(listed))
    return listed, people


def _differences(
    names: Sequence[str], base: np.ndarray, arm: np.ndarray, comparison: Comparison
) -> list[dict[str, Any]]:
    """The joints and, last, the headline, with their intervals."""
    seeds = comparison.seeds if comparison.seeds is not None else np.full_like(comparison.people, np.nan)
    low, high = comparison.interval
    return [
        {
            "joint": name,
            "mse": _number(base[k]),
            "value": _number(arm[k]),
            "difference": _number(comparison.difference[k]),
            "low": _number(low[k]),
            "high": _number(high[k]),
            "outcome": outcome(low[k], high[k], comparison.seeds is not None),
            "people_low": _number(comparison.people[0, k]),
            "people_high": _number(comparison.people[1, k]),
            "seeds_low": _number(seeds[0, k]),
            "seeds_high": _number(seeds[1, k]),
            "p_value": _number(comparison.p_value[k]),
        }
        for k, name in enumerate(names)
    ]


def outcome(low: float, high: float, includes_seeds: bool) -> str:
    """What an interval of a difference says of the losses, NaN included."""
    if not includes_seeds:
        return UNDECIDED
    return BETTER if low > 0 else WORSE if high < 0 else EVEN


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _stated(
    own: Sequence[Row], base: Sequence[Row], differences: list[dict[str, Any]], p_holm: float | None
) -> dict[str, Any]:
    headline = differences[-1]
    overruled = p_holm is not None and p_holm >= ALPHA
    return {
        "setting": own[0].cell.setting,
        "label": label_of(own[0].cell),
        "against": MSE,
        "seeds": [row.cell.seed for row in own],
        "mse_seeds": [row.cell.seed for row in base],
        "headline": headline,
        "p_holm": p_holm,
        "outcome": EVEN if overruled else headline["outcome"],
        "joints": differences[:-1],
    }


# --- sentences -------------------------------------------------------------------------------------------


def sentence(stated: Mapping[str, Any], people: Mapping[str, Any], comparisons: int) -> str:
    """A comparison in plain words, with its numbers."""
    head, over = stated["headline"], f"{100 * CONFIDENCE:g} % interval over {interval_of(stated)}"
    says = {
        BETTER: "is better than plain MSE",
        WORSE: "is worse than plain MSE",
        EVEN: "is not distinguishable from plain MSE",
        UNDECIDED: "against plain MSE is undecided",
    }
    text = (
        f"{stated['label']} {says[stated['outcome']]}: {signed(head['difference'])} percentage "
        f"points of {head['joint']} ({head['value']:.2f} against {head['mse']:.2f}, {people['people']} test "
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
    head, runs = stated["headline"], (len(stated["seeds"]), len(stated["mse_seeds"]))
    if stated["outcome"] == UNDECIDED:
        return f"{ONE_RUN_EACH}: the interval holds of these very runs, and other seeds may turn it round."
    parts = []
    if stated["outcome"] != head["outcome"]:
        parts.append("Alone it would count as different; with all the comparisons made it does not.")
    single = [name for name, n in zip((stated["label"], "plain MSE"), runs, strict=True) if n == 1]
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
            labels = [_with_runs(c) for c in comparisons if c["outcome"] == kind]
            verb = "is" if len(labels) == 1 else "are"
            if labels:
                parts.append(f"{len(labels)} {verb} {kind} ({'; '.join(labels)})")
        first = f"Of {len(comparisons)} settings compared with plain MSE, {_listed(parts)}."
        if comparisons[0]["outcome"] == UNDECIDED:  # and so are all: seeds lend to all or to none
            first += f" {ONE_RUN_EACH}."
    chosen, words = _chosen(table, settings, comparisons)
    return {"sentence": first, "chosen": chosen, "chosen_sentence": words}


def _with_runs(stated: Mapping[str, Any]) -> str:
    """A setting's label; one that rests on a single run of either loss says so."""
    single = min(len(stated["seeds"]), len(stated["mse_seeds"])) == 1
    return str(stated["label"]) + (", a single run" if single else "")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _chosen(
    table: Table, settings: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> tuple[str | None, str]:
    """The setting that validation would choose: to pick the best on the test people would flatter it."""
    compared = {c["setting"]: c for c in comparisons}
    known = [s for s in settings if s["val"] is not None and (s["setting"] in compared or s["loss"] == MSE)]
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
        words += f" On the test people it is {kind} {than} plain MSE, see above."
    return str(best["setting"]), words


def selection(plan: Mapping[str, Any]) -> str:
    """Whether the test people are those that checkpoints are chosen by, as the plan states it."""
    people = plan.get("people")
    stated = people.get("sentence") if isinstance(people, Mapping) else None
    if not stated:
        return "Whether the test people are those by whom checkpoints are chosen is not known."
    return f"{str(stated)[:1].upper()}{str(stated)[1:]}."


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
    if MSE not in compared:
        return "no cell with gamma 0 (plain MSE) can be compared with"
    if len(compared) == 1:
        return "only plain MSE has finished"
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
        git = row.run.get("git")
        git = git if isinstance(git, Mapping) else {}
        versions = row.run.get("versions")
        commit = (
            f"{git.get('commit')}{' with changes' if git.get('dirty') else ''}" if git.get("commit") else None
        )
        facts = {
            **{
                name: row.run.get(name)
                for name in ("device", "torch_threads", "platform", "launcher", "ranks")
            },
            **(versions if isinstance(versions, Mapping) else {}),
            "commit": commit,
        }
        for name, value in facts.items():
            if value is not None:
                found.setdefault(str(name), {})[str(value)] = None
    return {name: list(values) for name, values in found.items()}
