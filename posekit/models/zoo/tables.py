"""The zoo as text: for the terminal, for a Markdown file, and a row's scores beside those obtained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path

from posekit.errors import ConfigError
from posekit.io.files import write_text
from posekit.metrics.tables import format_table
from posekit.models.zoo.row import ZooRow
from posekit.models.zoo.table import ZOO

BEGIN = "<!-- zoo: made by `python -m posekit.models.zoo posekit/docs/zoo.md` -->"
END = "<!-- zoo end -->"
# Of the scores, the one that stands for a row.
_HEADLINES = {"AP": "AP", "PCKh@0.5/mean_weighted": "PCKh", "PCKh@0.5/mean_plain": "PCKh (plain mean)"}


def zoo_table() -> str:
    """The zoo for the terminal, a line per row."""
    header = ("name", "input", "codec", "boxes", "expected", "weights", "checksum")
    lines = [
        (
            row.name,
            _size(row),
            str(row.codec["type"]).removesuffix("Codec"),
            "AP_H_56" if row.box_source.startswith("COCO") else row.box_source,
            ", ".join(_headlines(row)) or "-",
            "download" if row.weights.url else "by hand",
            row.weights.checksum,
        )
        for row in ZOO.values()
    ]
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (header, *lines)
    )


def _headlines(row: ZooRow) -> list[str]:
    return [
        f"{label} {_number(key, row.expected[key])}"
        for key, label in _HEADLINES.items()
        if key in row.expected
    ]


def zoo_details() -> str:
    """Everything that the zoo says, a paragraph per row."""
    return "\n\n".join(row_details(row) for row in ZOO.values())


def row_details(row: ZooRow) -> str:
    """Everything that the zoo says of a row."""
    facts = {
        "input": f"{_size(row)} (height x width), {row.channel_order}, {row.skeleton}",
        "codec": _call(row.codec),
        "expected": _expected(row),
        "boxes": row.box_source,
        "weights": f"{row.weights.name} ({row.weights.checksum})",
        "from": row.weights.url or f"{row.weights.page} (by hand)",
        "config": row.config,
        "note": row.note,
    }
    return "\n".join([row.name, *(f"  {key + ':':<10}{value}" for key, value in facts.items() if value)])


def _size(row: ZooRow) -> str:
    return "{}x{}".format(*row.input_size_hw)


def _call(part: Mapping[str, object]) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in part.items() if key != "type")
    return f"{part['type']}({arguments})"


def _expected(row: ZooRow) -> str:
    if not row.expected:
        return "not published"
    flip = "with flip test" if row.flip_test else "without flip test"
    scores = ", ".join(f"{name} {_number(name, value)}" for name, value in row.expected.items())
    return f"{scores} ({row.expected_source}, {flip})"


def _number(name: str, value: float) -> str:
    """AP and AR as fractions with three places, PCKh in percent with two."""
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if "/" in name else f"{value:.3f}"


def comparison(row: ZooRow, scores: Mapping[str, float], how: Mapping[str, object]) -> str:
    """A row's published scores beside those obtained, and what each was obtained on.

    Args:
        row: The row.
        scores: What the evaluators gave, by their names.
        how: As from :func:`posekit.engine.report.protocol`.
    """
    if not row.expected:
        return f"{row.name}: no score is published for these weights"
    lines = []
    for name, expected in row.expected.items():
        found = float(scores.get(name, math.nan))
        digits = 2 if "/" in name else 3
        difference = "-" if math.isnan(found) else f"{found - expected:+.{digits}f}"
        lines.append((name, _number(name, expected), _number(name, found), difference))
    table = format_table((row.name, "expected", "obtained", "difference"), lines)
    whole = "5,000 images of val2017" if "coco" in row.skeleton else "2,958 people of the validation set"
    flip = "average of the crop and its mirror image" if row.flip_test else "off"
    notes = [
        f"expected: {row.expected_source}; {whole}, boxes: {row.box_source}, flip: {flip}",
        f"obtained: {how['people']} people, boxes: {how['box_source']}, flip: {how['flip']}",
        row.note,
    ]
    return "\n  ".join([table, *(note for note in notes if note)])


# --- Markdown ----------------------------------------------------------------------------------------------


def markdown_table() -> str:
    """A line per network, with all the weights that there are for it."""
    lines = ["| name | parameters | multiply-adds | weights: expected score |", "|---|---|---|---|"]
    for _, group in itertools.groupby(sorted(ZOO.values(), key=_place), key=_place):
        rows = list(group)
        first = rows[0]
        cells = [f"`{first.name}`", f"{first.parameters / 1e6:.2f} M", f"{first.macs / 1e9:.2f} G"]
        lines.append(f"| {' | '.join(cells)} | {', '.join(_weights(row, first) for row in rows)} |")
    return "\n".join(lines)


def _place(row: ZooRow) -> int:
    """Where the row's network stands in the table."""
    return [other.config for other in ZOO.values()].index(row.config)


def _weights(row: ZooRow, first: ZooRow) -> str:
    name = "release" if row is first else f"`{row.name.removeprefix(first.name)}`"
    mark = "" if row.weights.url else "\\*"
    return f"{name}{mark}: {' '.join(_headlines(row)) or 'no score published'}"


def update_markdown(path: str | Path) -> None:
    """Renews the table between the markers of a Markdown file.

    Raises:
        ConfigError: If it has no markers.
    """
    text = Path(path).read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f"{path}: expected the lines '{BEGIN}' and '{END}'")
    write_text(path, f"{before}{begin}\n\n{markdown_table()}\n\n{end}{after}")
