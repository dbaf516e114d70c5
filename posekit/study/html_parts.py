"""Pieces of an HTML page without scripts: tables, lists, figures inside; every text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

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


def paragraphs(texts: Iterable[str]) -> str:
    """Texts, each a paragraph; empty ones are left out."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts if text)


def bullets(texts: Iterable[str]) -> str:
    """A list of texts; nothing without any."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def rows_table(header: Sequence[str], rows: Iterable[tuple[str, Sequence[Any]]], note: str = "") -> str:
    """A table and a note below it; nothing without rows.

    Args:
        header: Names of the columns; one that begins with a space has texts, the others have numbers.
        rows: Of each its kind ("odd", "total" or "") and its values: texts, numbers, None for what there is
            none of, or pairs of a text and its class.
        note: About the table.
    """
    columns = [f"text {name.strip()}" if name[:1] == " " else "" for name in header]
    lines = [_row("td", kind, values, columns) for kind, values in rows]
    if not lines:
        return ""
    head = _row("th", "", [name.strip() for name in header], columns)
    soft = f'<p class="soft">{escape(note)}</p>' if note else ""
    return f'<div class="wide"><table>{head}\n' + "\n".join(lines) + f"</table></div>{soft}"


def _row(tag: str, kind: str, values: Sequence[Any], columns: Sequence[str]) -> str:
    parts = []
    for value, column in zip(values, columns, strict=True):
        text, name = value if isinstance(value, tuple) else (value, column)
        parts.append(f"<{tag}{_class(name)}>{escape('-' if text is None else str(text))}</{tag}>")
    return f"<tr{_class(kind)}>{''.join(parts)}</tr>"


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
