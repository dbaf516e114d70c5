"""Pieces of an HTML page without scripts: tables, lists, figures inside; every text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #666; --line: #ddd; --blue: #0072B2; --orange: #B34700; }
body { font: 16px/1.5 system-ui, "Segoe UI", sans-serif; color: var(--ink); background: #fff;
  max-width: 62rem; margin: 2rem auto 5rem; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p.soft, .soft, figcaption { color: var(--soft); } p { max-width: 46rem; }
.verdict { border-left: .35rem solid var(--soft); background: #f6f6f6; padding: .9rem 1.2rem;
  margin: 1.2rem 0; }
.verdict.better { border-color: var(--blue); } .verdict.worse { border-color: var(--orange); }
.verdict p { margin: .3rem 0; max-width: none; }
.verdict p:first-child { font-size: 1.12rem; font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; }
th, td { padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { font-weight: 600; } th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; min-width: 8rem; overflow-wrap: anywhere; }
td.better { color: var(--blue); background: #e8f2f9; font-weight: 600; }
td.worse { color: var(--orange); background: #fdeee2; font-weight: 600; }
tr.odd td { color: var(--soft); } tr.odd td.state { color: var(--orange); font-weight: 600; }
tr.total td { border-top: 2px solid var(--ink); font-weight: 600; }
figure { margin: 1.4rem 0; } figure img { width: 100%; max-width: 46rem; }
pre { background: #f6f6f6; padding: .7rem 1rem; overflow-x: auto; font-size: .82rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
summary { cursor: pointer; } li { max-width: 46rem; }
@media print { body { margin: 0; max-width: none; } details { display: block; } }
"""
CAPTIONS = {
    "accuracy_vs_epoch": "Validation score against epoch",
    "training_and_validation": "Accuracy and loss in training and validation; the losses differ in scale",
    "score_vs_gamma": "Final score against gamma: single seeds, their mean and standard deviation",
    "foreground": "Where loss and gradient come from, and the shape of predicted peaks, over training",
    "per_joint": "Difference to plain MSE of each joint",
}


def section(title: str, body: str) -> str:
    """A headed section; nothing without a body."""
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def bullets(texts: Iterable[str]) -> str:
    """A list of texts; nothing without any."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def rows_table(header: Sequence[str], rows: Iterable[str]) -> str:
    """A table of ready rows; a header that begins with a space is one of texts."""
    head = "".join(
        f"<th{_class('text' if name[:1] == ' ' else '')}>{escape(name.strip())}</th>" for name in header
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n' + "\n".join(rows) + "</table></div>"


def table_row(values: Sequence[str], kind: str = "", classes: Mapping[int, str] | None = None) -> str:
    """A row of texts; ``classes`` are by column."""
    names = classes or {}
    cells = [f"<td{_class(names.get(n, ''))}>{escape(value)}</td>" for n, value in enumerate(values)]
    return f"<tr{_class(kind)}>{''.join(cells)}</tr>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def figures(pictures: Mapping[str, str], *kinds: str) -> str:
    """The pictures whose names begin with ``kinds``, in that order, inside the page."""
    parts = []
    for kind in kinds:
        for name in sorted(pictures):
            if name.startswith(kind):
                data = base64.b64encode(pictures[name].encode("utf-8")).decode("ascii")
                words = escape(CAPTIONS[kind])
                parts.append(
                    f'<figure><img alt="{words}" src="data:image/svg+xml;base64,{data}">'
                    f"<figcaption>{words} (figures/{escape(name)}.png, .svg)</figcaption></figure>"
                )
    return "\n".join(parts)


def folded(summary: str, body: str) -> str:
    """What is shown on a click; nothing without a body."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>" if body else ""


def duration(seconds: float | None) -> str:
    """Seconds in words."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
