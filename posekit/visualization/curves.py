"""Learning curves: the records of one run or of many in, a picture out, a panel per quantity.

``records.py`` reads the records. A run has one colour and line in all panels; beyond seven runs the colours
come again with other dashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.io.files import atomic_file
from posekit.visualization.figure_style import (
    INK,
    PAGE,
    SMALL,
    SOFT,
    finish_axes,
    headline,
    legend_below,
    legend_columns,
    log_if_positive,
    new_figure,
    say_nothing_there,
    series_looks,
)
from posekit.visualization.records import (
    Curves,
    Record,
    as_percent,
    collect,
    epoch_means,
    find_score,
    headline_scores,
    leaf,
    named,
    read_directions,
    read_scalars,
    score_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SCORES = 5
WIDTH = 1.15 * PAGE


def plot_curves(
    runs: str | Path | Sequence[Record] | Mapping[str, Any],
    path: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
    directions: Mapping[str, Any] | None = None,
) -> Path:
    """Draws the curves of one run or several into a file; see :func:`curves_figure`.

    Args:
        runs: A work directory, a ``scalars.json``, a list of records, or a mapping from a run's name to any
            of these.
        path: The picture to write (its suffix says the form, e.g. ``.png`` or ``.pdf``).
        metrics: Names of the validation scores, or their ends; by default a run's headline scores.
        title: Above the picture.
        directions: What the scores of lists of records are better when, as for :func:`~.records.collect`.

    Raises:
        DataError: If a run's records cannot be read, or no run has a score of that name.
    """
    sources = runs if isinstance(runs, Mapping) else {"": runs}
    curves = {
        name: collect(read_scalars(run), read_directions(run))
        if isinstance(run, (str, Path))
        else collect(run, directions)
        for name, run in sources.items()
    }
    figure = curves_figure(curves, metrics, title=title)
    with atomic_file(path) as file:
        figure.savefig(file, format=Path(path).suffix.lstrip(".") or "png")
    return Path(path)


def curves_figure(
    runs: Mapping[str, Curves], scores: Sequence[str] | None = None, *, title: str = "", notes: str = ""
) -> Figure:
    """Losses, accuracies and learning rates of runs side by side, over epochs.

    Panels: the training loss (per epoch; of up to three runs every record too, faint), the validation loss
    where logged, the training accuracy of the crops (``acc_pose``), each score with a mark per validation and
    the best one ringed, the learning rate. A panel says which runs have not logged it.

    Args:
        runs: Name -> curves.
        scores: Names of validation scores, or their ends; by default the runs' headline scores, at most five.
        title: Above the figure.
        notes: A line below the title.

    Raises:
        DataError: If no run has a score of that name.
    """
    names = _scores_of(runs, scores)
    kinds = _panels_of(runs, names)
    texts = [_best(name, curves, names) for name, curves in runs.items()]
    columns = legend_columns(texts, WIDTH, most=3)
    rows, legend_rows = -(-len(kinds) // 2), -(-len(texts) // columns)
    figure = new_figure(WIDTH, 0.5 + 2.1 * rows + 0.17 * legend_rows)
    panels = list(figure.subplots(rows, 2, sharex=True, squeeze=False).ravel())
    for axes in panels[len(kinds) :]:
        axes.remove()
        panels[len(kinds) - 2].tick_params(labelbottom=True)
    looks = series_looks(runs)
    for kind, axes in zip(kinds, panels, strict=False):
        absent = []
        for (name, curves), look in zip(runs.items(), looks, strict=True):
            if not _plot(axes, kind, curves, look, raw=len(runs) <= 3):
                absent.append(name)
        _finish(axes, kind, absent, len(runs))
    for axes in panels[max(0, len(kinds) - 2) : len(kinds)]:
        axes.set_xlabel("epoch", color=INK)
    _legend(figure, texts, looks, columns)
    headline(figure, title, notes)
    return figure


def missing(runs: Mapping[str, Curves], scores: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Which runs lack what :func:`curves_figure` draws: a panel's name -> names of runs."""
    found = {}
    for kind in _panels_of(runs, _scores_of(runs, scores)):
        absent = [name for name, curves in runs.items() if not len(_series(kind, curves)[0])]
        if absent:
            found[_words(kind)[0]] = absent
    return found


# --- panels ---------------------------------------------------------------------------------------------

Kind = tuple[str, str]  # where it stands: "train" or "val"; and its name there
LOSS, VAL_LOSS, ACCURACY, RATE = ("train", "loss"), ("val", "loss"), ("train", "acc_pose"), ("train", "lr")


def _scores_of(runs: Mapping[str, Curves], wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        found = dict.fromkeys(key for curves in runs.values() for key in headline_scores(curves.val))
        return list(found)[:MOST_SCORES]
    every = list(dict.fromkeys(key for curves in runs.values() for key in curves.val))
    where = ", ".join(name for name in runs if name) or "the run"
    return [find_score(every, name, where) for name in wanted]


def _panels_of(runs: Mapping[str, Curves], scores: Sequence[str]) -> list[Kind]:
    """What to draw: loss and learning rate always, the rest where a run has it."""
    there = [
        kind for kind in (VAL_LOSS, ACCURACY) if any(len(_series(kind, own)[0]) for own in runs.values())
    ]
    return [LOSS, *there, *(("val", score) for score in scores), RATE]


def _series(kind: Kind, curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of a panel's quantity, in the unit it is drawn in; empty where not logged."""
    stage, name = kind
    if stage == "train":
        # Whole arrays: a loss that is NaN must show as a gap.
        y = curves.train.get(name, np.empty(0))
        return curves.train_epoch[: len(y)], 100 * y if kind == ACCURACY else y
    keys = named(curves.val, name)
    x, y = curves.val[keys[0]] if keys else (np.empty(0), np.empty(0))
    return x, y if kind == VAL_LOSS else as_percent(name, y)


def _words(kind: Kind) -> tuple[str, str]:
    """A panel's title and its axis label."""
    fixed = {
        LOSS: ("Training loss", "loss"),
        VAL_LOSS: ("Validation loss", "loss"),
        ACCURACY: ("Training accuracy", "acc_pose, %"),
        RATE: ("Learning rate", "learning rate"),
    }
    unit = ", %" if score_label(kind[1]).endswith("%") else ""
    return fixed.get(kind, (f"Validation {kind[1]}", f"score{unit}"))


def _plot(axes: Axes, kind: Kind, curves: Curves, look: Mapping[str, Any], raw: bool) -> bool:
    """Draws one run's line; whether it has one."""
    x, y = _series(kind, curves)
    if not len(x):
        return False
    look = dict(look)
    marker = look.pop("marker")
    if kind[0] == "train":
        if kind == RATE:
            look["drawstyle"] = "steps-post"
        elif raw:
            axes.plot(x, y, lw=0.7, alpha=0.3, color=look["color"])
        drawn = (x, y) if kind == RATE else epoch_means(x, y)
        axes.plot(*drawn, lw=1.6, marker=marker, ms=4, markevery=alone(drawn[1]), **look)
    else:
        axes.plot(
            x, y, lw=1.6, marker=marker, ms=4, mec="white", mew=0.5, markevery=max(1, len(x) // 15), **look
        )
        best = curves.best(kind[1], y)
        if kind != VAL_LOSS and best is not None:
            axes.plot(x[best], y[best], ls="", marker="o", ms=9, mfc="none", mec=look["color"], mew=1.3,
                      clip_on=False)  # fmt: skip
    return True


def alone(values: np.ndarray) -> list[int]:
    """Where a number (N,) has no other beside it, of which a line without marks shows nothing."""
    there = np.pad(np.isfinite(values), 1)
    return np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:]).tolist()


def _finish(axes: Axes, kind: Kind, absent: Sequence[str], count: int) -> None:
    title, label = _words(kind)
    finish_axes(axes, "", label, title)
    axes.margins(x=0.03)
    values = log_if_positive(axes) if kind in (LOSS, VAL_LOSS, RATE) else None
    if kind == RATE and values is not None:  # the last steps of a cosine would take half the panel
        axes.set_ylim(bottom=max(0.7 * np.nanmin(values), 1e-4 * np.nanmax(values)))
    if len(absent) == count:
        say_nothing_there(axes, "not logged")
    elif absent:
        listed = ", ".join(absent) if len(absent) < 3 else f"{len(absent)} of {count} runs"
        axes.annotate(f"not logged by {listed}", (1, 0), (-3, 4), "axes fraction", "offset points",
                      ha="right", va="bottom", fontsize=SMALL, color=SOFT)  # fmt: skip


# --- legend ---------------------------------------------------------------------------------------------


def _legend(figure: Figure, texts: Sequence[str], looks: Sequence[Mapping[str, Any]], columns: int) -> None:
    """The runs below the panels, each with its best score; none for a single run without a name."""
    from matplotlib.lines import Line2D

    if any(texts):
        handles = [Line2D([], [], lw=1.6, ms=4, mec="white", mew=0.5, **look) for look in looks]
        legend_below(figure, handles, texts, columns=columns, side="left", handlelength=3)


def _best(name: str, curves: Curves, scores: Sequence[str]) -> str:
    """``name: best AP 53.0 at epoch 7``, for the first score that the run has."""
    for score in scores:
        x, y = _series(("val", score), curves)
        best = curves.best(score, y)
        if best is not None:
            value = f"{y[best]:.1f}" if score_label(score).endswith("%") else f"{y[best]:.4g}"
            text = f"best {leaf(score)} {value} at epoch {x[best]:g}"
            return f"{name}: {text}" if name else text
    return name
