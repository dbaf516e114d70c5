"""The figures of an error analysis: numbers of :mod:`posekit.analysis.analyse` in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.metrics.error_impact import STEPS
from posekit.metrics.keypoint_kinds import KINDS
from posekit.metrics.oks import RECALL_LEVELS
from posekit.visualization.figure_style import (
    INK,
    PAGE,
    SMALL,
    finish_axes,
    headline,
    legend_below,
    new_figure,
    say_nothing_there,
    series_looks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of Okabe and Ito's palette, in the order of the kinds from good to worst, then of what is no keypoint's.
COLOURS = {
    "good": "#0072B2",
    "jitter": "#56B4E9",
    "inversion": "#E69F00",
    "swap": "#CC79A7",
    "miss": "#D55E00",
    "as_it_is": "#0072B2",
    "score": "#009E73",
    "false_pose": "#F0E442",
    "missed": "#BBBBBB",
}
WORDS = {"as_it_is": "as it is", "false_pose": "false poses", "missed": "missed people", "score": "scores"}
WAYS = {
    "size": "area, square pixels",
    "hidden": "labelled keypoints that are hidden",
    "keypoints": "labelled keypoints",
    "crowding": "other people",
    "category": "category",
}
_WIDE_ENOUGH = 0.035  # of a bar, for its number
_MOST_GROUPS = 8  # that fit side by side; more, of categories, are in the table alone


def words(name: str) -> str:
    """A kind's or step's name as it is written."""
    return WORDS.get(name, name)


def impact_figure(found: Sequence[Mapping[str, Any]]) -> Figure:
    """AP, and what it gains when each kind of error is mended, one after the other; a bar for each file."""
    names = [one["name"] for one in found]
    rows = {
        step: [one["impact"]["cumulative"][number]["gain" if number else "AP"] for one in found]
        for number, step in enumerate(("as_it_is", *STEPS))
    }
    figure = new_figure(PAGE, 1.35 + 0.42 * len(names))
    axes = figure.subplots()
    _stacked(axes, names, {step: np.maximum(values, 0) for step, values in rows.items()}, "{:.3f}")
    axes.set_xlim(0, 1)
    finish_axes(axes, "AP", "")
    legend_below(figure, *_handles(rows))
    headline(figure, "What AP would be without each kind of error, one after the other")
    return figure


def joints_figure(one: Mapping[str, Any]) -> Figure:
    """The shares of the kinds of errors, joint by joint."""
    joints = {"all": one["keypoints"]["overall"], **one["keypoints"]["joints"]}
    figure = new_figure(PAGE, 1.0 + 0.21 * len(joints))
    axes = figure.subplots()
    values = {kind: np.array([row[kind] or 0.0 for row in joints.values()]) for kind in KINDS}
    _stacked(axes, [name.replace("_", " ") for name in joints], values, "{:.0f}")
    axes.set_xlim(0, 100)
    finish_axes(axes, "percent of labelled keypoints of people with a pose", "")
    legend_below(figure, *_handles(values), columns=5)
    headline(figure, f"Kinds of errors, joint by joint: {one['name']}")
    return figure


def _stacked(axes: Axes, names: Sequence[str], values: Mapping[str, np.ndarray], form: str) -> None:
    """Horizontal bars, the first on top, each part with its number where there is room."""
    places, left = np.arange(len(names))[::-1], np.zeros(len(names))
    whole = np.sum(list(values.values()), axis=0).max(initial=1e-9)
    for name, widths in values.items():
        axes.barh(places, widths, left=left, height=0.78, color=COLOURS[name], label=words(name))
        for place, start, width in zip(places, left, widths, strict=True):
            if width / whole >= _WIDE_ENOUGH * (2 if len(form.format(width)) > 3 else 1):
                dark = name in ("good", "as_it_is", "miss", "score")
                axes.text(
                    start + width / 2, place, form.format(width), ha="center", va="center",
                    fontsize=SMALL, color="white" if dark else INK,
                )  # fmt: skip
        left = left + widths
    axes.set_yticks(places, names)
    axes.margins(y=0.02)


def _handles(names: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    return [Patch(color=COLOURS[name]) for name in names], [words(name) for name in names]


def precision_figure(one: Mapping[str, Any]) -> Figure:
    """Precision against recall, and how much is gained step by step (paper, Fig. 1)."""
    tables = one["impact"]["precision_recall"]
    figure = new_figure(PAGE, 2.9)
    panels = figure.subplots(1, len(tables), sharey=True)
    for axes, (threshold, curves) in zip(panels, tables.items(), strict=True):
        below = np.zeros(len(RECALL_LEVELS))
        for step, curve in curves.items():
            above = np.maximum(below, curve or 0.0)
            axes.fill_between(RECALL_LEVELS, below, above, color=COLOURS[step], lw=0)
            below = above
        if curves["as_it_is"]:
            axes.plot(RECALL_LEVELS, curves["as_it_is"], color=INK, lw=1.2)
        axes.set(xlim=(0, 1), ylim=(0, 1.01))
        finish_axes(axes, "recall", "precision" if axes is panels[0] else "", f"OKS {threshold}")
    legend_below(figure, *_handles(curves))
    headline(figure, f"Precision without each kind of error, one after the other: {one['name']}")
    return figure


def groups_figure(found: Sequence[Mapping[str, Any]]) -> Figure:
    """AR of each group of people, a panel for each way to divide them; below each the number of people."""
    ways = [way for way, groups in found[0]["groups"].items() if len(groups) <= _MOST_GROUPS]
    rows = -(-len(ways) // 2)
    figure = new_figure(PAGE, 0.7 + 2.2 * rows)
    panels = figure.subplots(rows, 2, sharey=True, squeeze=False).ravel()
    looks = series_looks([one["name"] for one in found])
    for axes, way in zip(panels, ways, strict=False):
        groups = found[0]["groups"][way]
        for number, (one, look) in enumerate(zip(found, looks, strict=True)):
            width = 0.76 / len(found)
            places = np.arange(len(groups)) + width * (number - (len(found) - 1) / 2)
            heights = [row["AR"] or 0.0 for row in one["groups"][way]]
            axes.bar(places, heights, width, color=look["color"])
        labels = [f"{_broken(row['group'])}\n{row['people']:,}" for row in groups]
        axes.set_xticks(np.arange(len(groups)), labels)
        finish_axes(axes, "", "AR", WAYS[way])
        axes.set_ylim(0, 1)
    for axes in panels[len(ways) :]:
        axes.remove()
    if len(found) > 1:
        from matplotlib.patches import Patch

        legend_below(
            figure, [Patch(color=look["color"]) for look in looks], [one["name"] for one in found], columns=1
        )
    headline(figure, "Who is found: AR by what makes people hard", "below each bar the number of people")
    return figure


def _broken(name: str) -> str:
    """A group's name on lines that fit under a bar."""
    lines = [""]
    for word in name.split():
        if lines[-1] and len(lines[-1]) + len(word) > 8:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def curves_figure(found: Sequence[Mapping[str, Any]]) -> Figure:
    """All curves that the files have, a panel for each; the areas under them in the legend."""
    names = list(dict.fromkeys(name for one in found for name in one["curves"]))
    rows = -(-len(names) // 2)
    figure = new_figure(PAGE, 0.7 + 2.2 * rows)
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    looks = series_looks([one["name"] for one in found])
    for axes, name in zip(panels, names, strict=False):
        for one, look in zip(found, looks, strict=True):
            curve = one["curves"][name]
            style = {"color": look["color"], "ls": look["ls"]}
            axes.plot(curve["x"], curve["percent"], lw=1.6, label=f"AUC {curve['AUC']:.3f}", **style)
        kind, _, size = name.partition("/")
        size = {"bbox": "box sides", "torso": "torsos"}.get(size, "head sizes" if kind == "PCKh" else "")
        x = "OKS of at least" if kind == "OKS" else f"distance, {size}"
        what = "people, %" if kind in ("OKS", "CED") else "joints, %"
        finish_axes(axes, x, what, {"CED": "mean error of people (CED)"}.get(kind, kind))
        axes.set_ylim(0, 101)
        axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
        if not curve["people"]:
            say_nothing_there(axes, "nobody has it")
    for axes in panels[len(names) :]:
        axes.remove()
    if len(found) > 1:
        from matplotlib.lines import Line2D

        lines = [Line2D([], [], lw=1.6, color=look["color"], ls=look["ls"]) for look in looks]
        legend_below(figure, lines, [one["name"] for one in found], columns=1)
    headline(figure, "Shares within a threshold")
    return figure


def figures_of(found: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """All figures by name; those of one file end in its number, from 1 on."""
    figures = {"impact": impact_figure(found)}
    for number, one in enumerate(found, 1):
        figures[f"precision_{number}"] = precision_figure(one)
        figures[f"joints_{number}"] = joints_figure(one)
    return {**figures, "groups": groups_figure(found), "curves": curves_figure(found)}
