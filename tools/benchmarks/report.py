"""The report: rows judged by the targets in the benchmarks' docstrings, the conditions, the table."""

from __future__ import annotations

import importlib
import math
import os
import platform
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posekit.metrics.tables import format_table as table_of

from . import BENCHMARKS
from .common import Row, Settings

TARGET = re.compile(r"^ +(?P<what>.+): (?P<ratio>ratio )?(?P<sign>[<>]=) (?P<value>\S+)(?P<unit> .+)?$", re.M)
HEADER = ("what", "posekit", "reference", "unit", "ratio", "target", "", "the reference is")


def judge(name: str, row: Row, full_size: bool) -> dict[str, Any]:
    """A row with its ratio, and its target as the benchmark's docstring states it."""
    stated = (BENCHMARKS[name].__doc__ or "").partition("Targets:")[2]
    target = next(match for match in TARGET.finditer(stated) if match["what"] == row.what)
    ratio = row.posekit / row.reference if row.reference else None
    found = ratio if target["ratio"] else row.posekit
    reached = None
    if full_size and found is not None:
        bound = float(target["value"])
        reached = found >= bound if target["sign"] == ">=" else found <= bound
    text = target[0].split(": ", 1)[1]
    return {"benchmark": name, **asdict(row), "ratio": ratio, "target": text, "reached": reached}


def conditions(settings: Settings) -> dict[str, Any]:
    """Machine, threads and versions."""
    load = [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None
    names = ("posekit", "torch", "numpy", "cv2")
    return {
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores",
        "load_average": load,
        "threads": settings.threads,
        "clock": "CPU time" if settings.threads == 1 else "wall time",
        "repeats": settings.repeats,
        "fraction": settings.fraction,
        "pictures": settings.images or "synthetic 640x480 JPEGs",
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.import_module(name).__version__ for name in names},
        },
    }


def processor() -> str:
    """The processor's name."""
    listed = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", listed.read_text("utf-8")) if listed.exists() else []
    return names[0] if names else platform.processor() or "unknown processor"


def describe(state: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in state["versions"].items())
    busy = (state["load_average"] or [0])[0] > (os.cpu_count() or 1)
    note = " - BUSY: numbers are slower than the machine's own, trust the ratios" if busy else ""
    return (
        f"{state['machine']}; load average {state['load_average']}{note}\n"
        f"threads {state['threads']}, {state['clock']}, medians of at most {state['repeats']} turns; "
        f"pictures: {state['pictures']}\n{versions}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Judged rows as a table."""
    return table_of(HEADER, [cells(row) for row in rows])


def summary(rows: list[dict[str, Any]]) -> str:
    """How many targets were reached, and which were not."""
    missed = [f"{row['benchmark']}: {row['what']}" for row in rows if row["reached"] is False]
    judged = sum(row["reached"] is not None for row in rows)
    return f"{judged - len(missed)} of {judged} targets reached" + "".join(f"\n  missed: {m}" for m in missed)


def compare(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Two reports side by side, by their ratios where there are any: times are of a machine on a day."""
    first, second = ({(row["benchmark"], row["what"]): row for row in r["rows"]} for r in (before, after))
    rows = []
    for key in first.keys() & second.keys():
        by = "ratio" if None not in (first[key]["ratio"], second[key]["ratio"]) else "posekit"
        a, b = first[key][by], second[key][by]
        rows.append((key, by, a, b, b / a if a else math.nan))
    rows.sort(key=lambda row: list(first).index(row[0]))
    body = [
        [
            f"{name}: {what}",
            number(first[name, what]["posekit"]),
            number(second[name, what]["posekit"]),
            first[name, what]["unit"],
            number(first[name, what]["ratio"]),
            number(second[name, what]["ratio"]),
            f"{change:.2f}",
            "" if by == "ratio" else "of the numbers: there is no reference",
        ]
        for (name, what), by, _, _, change in rows
    ]
    lines = [table_of(("what", "A", "B", "unit", "ratio A", "ratio B", "B / A", ""), body)]
    lines += [
        f"only in {which}: {name}: {what}"
        for which, own, other in (("A", first, second), ("B", second, first))
        for name, what in own
        if (name, what) not in other
    ]
    stated = [key for key in before | after if key not in ("rows", "load_average")]
    others = [key for key in stated if before.get(key) != after.get(key)]
    return "\n".join([f"{key}: {before.get(key)} (A), {after.get(key)} (B)" for key in others] + lines)


def cells(row: dict[str, Any]) -> list[str]:
    """A judged row as table cells."""
    verdict = {True: "reached", False: "MISSED", None: "not judged"}[row["reached"]]
    what = f"{row['benchmark']}: {row['what']}"
    return [
        what,
        number(row["posekit"]),
        number(row["reference"]),
        row["unit"],
        number(row["ratio"]),
        row["target"],
        verdict,
        row["reference_is"],
    ]


def number(value: float | None) -> str:
    """Four digits."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
