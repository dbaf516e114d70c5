"""A sweep whose score is the NME of faces: curves of its errors, its scores loss by loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.metrics.nme import THRESHOLDS, ced
from posekit.study.folder import label_of
from posekit.study.measures import measure_of
from posekit.study.statistics import spread
from posekit.study.table import Table
from posekit.visualization.figure_style import (
    PAGE,
    SOFT,
    add_legend,
    finish_axes,
    headline,
    new_figure,
    series_looks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 101  # of a curve


def face_figures(table: Table) -> dict[str, Figure]:
    """File name -> figure: ``ced`` and ``score_by_loss``; nothing where no cell has errors of faces."""
    errors: dict[str, list[np.ndarray]] = {}
    for rows in table.settings().values():
        own = [row.errors for row in rows if row.errors is not None and row.errors.of_distances]
        if own:
            errors[label_of(rows[0].cell)] = [measure_of(one).values[:, -1] for one in own]
    if not errors:
        return {}
    statistic = next(row.errors.statistic for row in table.rows if row.errors is not None)
    return {
        "ced": ced_bands(errors, title="Faces with at most this error"),
        "score_by_loss": scores_by_loss(
            {label: [100 * float(nme.mean()) for nme in runs] for label, runs in errors.items()}, statistic
        ),
    }


def ced_bands(
    errors: Mapping[str, Sequence[np.ndarray]],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    title: str = "",
) -> Figure:
    """Cumulative error distributions: of each loss the mean of its seeds' curves, the band holds them all.

    Args:
        errors: Label -> of each seed the faces' NME (N,), fractions.
        thresholds: Where failures begin; marked.
        title: Above the figure.
    """
    figure = new_figure(PAGE, 4.0)
    axes = figure.subplots()
    every = np.concatenate([nme for runs in errors.values() for nme in runs])
    most = max(*thresholds, min(0.3, float(np.quantile(every[np.isfinite(every)], 0.95))))
    grid = np.linspace(0, most, POINTS)
    for (label, runs), look in zip(errors.items(), series_looks(errors), strict=True):
        curves = 100 * np.stack([ced(nme, grid) for nme in runs])
        count = f", {len(runs)} seeds" if len(runs) > 1 else ""
        axes.plot(
            100 * grid, curves.mean(axis=0), label=f"{label}{count}", lw=1.6, ms=4, markevery=10, **look
        )
        if len(runs) > 1:
            axes.fill_between(100 * grid, curves.min(0), curves.max(0), color=look["color"], alpha=0.15, lw=0)
    for threshold in thresholds:
        axes.axvline(100 * threshold, color=SOFT, lw=0.8, ls=":")
    axes.set_xlim(0, 100 * most)
    axes.set_ylim(0, 100)
    finish_axes(axes, "NME, %", "faces, %")
    add_legend(axes)
    marks = " and ".join(f"{100 * threshold:g} %" for threshold in thresholds)
    headline(figure, title, f"bands: from the lowest to the highest seed; dotted: failures begin, {marks}")
    return figure


def scores_by_loss(scores: Mapping[str, Sequence[float]], score: str, *, title: str = "") -> Figure:
    """A row for each loss: a mark for each seed, and their mean with one standard deviation to either side.

    Args:
        scores: Label -> a score for each seed, percent.
        score: Its name.
        title: Above the figure.
    """
    figure = new_figure(PAGE, 1.4 + 0.34 * len(scores))
    axes = figure.subplots()
    for row, (runs, look) in enumerate(zip(scores.values(), series_looks(scores), strict=True)):
        sd = float(np.std(runs, ddof=1)) if len(runs) > 1 else None
        axes.plot(list(runs), [row] * len(runs), "o", color=look["color"], mfc="none", ms=5.5, mew=1.3)
        axes.errorbar(
            float(np.mean(runs)), row, xerr=sd, fmt="|", color=look["color"], ms=13, mew=2, capsize=3
        )
    axes.set_yticks(range(len(scores)), list(scores))
    axes.set_ylim(len(scores) - 0.5, -0.5)
    finish_axes(axes, f"{score}, %; lower is better", "")
    headline(
        figure,
        title or "Final score of each loss: test faces",
        "rings: seeds; bars: mean ± 1 standard deviation over seeds",
    )
    return figure


def face_scores(found: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Every score of the NME's metric, loss by loss: mean and standard deviation over seeds.

    Args:
        found: As :func:`~posekit.study.analysis.analyse` gives it.

    Returns:
        Names of the columns and rows, as ``report.html.jinja`` takes them; none where the score is no NME.
    """
    if not found["people"].get("lower"):
        return [], []
    done = [row for row in found["rows"] if row["test"] is not None]
    names = [
        name for name in (done[0] if done else ()) if name.startswith(("test/NME/", "test/FR@", "test/AUC@"))
    ]
    rows = []
    for setting in found["settings"]:
        own = [row for row in done if row["name"].rpartition("_s")[0] == setting["setting"]]
        texts = [_mean_text(name, [row[name] for row in own if row[name] is not None]) for name in names]
        if own:
            rows.append(("", [setting["label"], str(len(own)), *texts]))
    return ["setting", "seeds", *(_short(name) for name in names)], rows


def _short(name: str) -> str:
    """A column's name: the size is named once, by the headline."""
    kind, _, rest = name.removeprefix("test/").partition("/")
    group = rest.partition("/")[2]
    return f"{kind} {group}".strip() + ("" if kind.startswith("AUC") else ", %")


def _mean_text(name: str, values: Sequence[float]) -> str:
    found = spread(list(values))
    if found is None:
        return "-"
    digits = 3 if name.startswith("test/AUC@") else 2
    sd = "" if found["sd"] is None else f" ± {found['sd']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{sd}"
