"""Scores as plain-text tables for the terminal.

Scores are named ``metric/part`` (``PCKh@0.5/wrist``): a row per metric, a column per part. Names without
a part (``AP``, ``AR75``) share a row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

_FRACTION = re.compile(r"A[PR]([0-9]+|[ML]|_[a-z]+)?|AUC@[0-9.]+")


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns cells: the first column to the left, the others to the right.

    Args:
        header: C column titles.
        rows: Rows of C cells.

    >>> print(format_table(("name", "AP"), [("a", "0.5"), ("longer", "0.25")]))
    name      AP
    ------------
    a        0.5
    longer  0.25
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def score_table(scores: Mapping[str, float], title: str = "") -> str:
    """The tables of a metric's scores, one per set of parts.

    Args:
        scores: Values by name; ``NaN`` (nothing to count) and -1 (COCO's mark for it) show as ``-``.
        title: Printed above, if given.
    """
    metrics: dict[str, dict[str, float]] = {}
    for name, value in scores.items():
        metric, _, part = name.rpartition("/")
        metrics.setdefault(metric, {})[part] = value
    by_parts: dict[tuple[str, ...], list[str]] = {}
    for metric, values in metrics.items():
        by_parts.setdefault(tuple(values), []).append(metric)
    blocks = []
    for parts, names in by_parts.items():
        rows = [[name, *(_cell(metrics[name][part], name, part) for part in parts)] for name in names]
        # A skeleton's joints side by side do not fit a terminal: such a table is turned.
        if sum(len(part) + 2 for part in parts) > 100:
            turned = [[part, *(row[i + 1] for row in rows)] for i, part in enumerate(parts)]
            blocks.append(format_table(["", *names], turned))
        else:
            blocks.append(format_table(["", *parts], rows))
    return "\n\n".join(([title] if title else []) + blocks)


def _cell(value: float, metric: str, part: str) -> str:
    # Also of a category (AP/cat) and of one of several data sets (own/AP).
    fraction = not metric or any(_FRACTION.fullmatch(word) for word in (metric.rpartition("/")[2], part))
    if math.isnan(value) or (fraction and value < 0):
        return "-"
    if "loss" in (part or metric):  # that of heatmaps is soon 0.0009
        return f"{value:.4g}"
    # AP, AR and AUC are fractions given to three places; percentages are given to two; counts are whole.
    return f"{value:d}" if isinstance(value, int) else f"{value:.3f}" if fraction else f"{value:.2f}"
