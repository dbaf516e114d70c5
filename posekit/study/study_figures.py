"""The gamma study's figures: plain numbers in, a matplotlib figure out; ``save_figure`` writes it.

A *label* is a series' name, or a number, which is then a gamma (0 is plain MSE). *Seeds* is a list with a
pair (epochs, values) for each seed's run. Scores come in the unit they are drawn in, mostly percent. Runs
not finished yet, NaN and series of different lengths are drawn as far as they go; a mean is taken only over
epochs that every seed has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.visualization.figure_style import (
    COLOURS,
    INK,
    LEGEND,
    PAGE,
    SMALL,
    SOFT,
    Label,
    add_legend,
    finish_axes,
    headline,
    label_text,
    legend_below,
    log_if_positive,
    new_figure,
    save_figure,
    say_nothing_there,
    series_looks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FOREGROUND",
    "accuracy_vs_epoch",
    "foreground_curves",
    "mean_curve",
    "per_joint_difference",
    "save_figure",
    "score_vs_gamma",
    "train_val_pair",
]

Values = Sequence[float] | np.ndarray
Curve = tuple[Values, Values]
Seeds = Sequence[Curve]
BETTER, WORSE, EVEN = COLOURS[0], COLOURS[1], "#8A8A8A"

# The names that the accounting hook logs (after "foreground/"): title and axis label.
FOREGROUND = {
    "loss_share": ("Share of the loss", "foreground's part, %"),
    "gradient_share": ("Share of the gradient", "foreground's part, %"),
    "background_response": ("Background response", "mean predicted value"),
    "peak_height": ("Height of the peaks", "predicted value"),
    "peak_width": ("Width of the peaks", "at half height, cells"),
}


def mean_curve(seeds: Seeds) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds at the epochs that all of them have.

    Returns:
        Epochs float64 (E,), ascending, and means float64 (E,).
    """
    runs = [
        dict(zip(np.asarray(x, np.float64).tolist(), np.asarray(y, np.float64).tolist(), strict=True))
        for x, y in seeds
        if len(x)
    ]
    if not runs:
        return np.empty(0), np.empty(0)
    epochs = sorted(set(runs[0]).intersection(*runs[1:]))
    return np.array(epochs), np.array([np.mean([run[epoch] for run in runs]) for epoch in epochs])


def accuracy_vs_epoch(curves: Mapping[Any, Seeds], *, score: str = "accuracy, %", title: str = "") -> Figure:
    """Accuracy against epoch for each gamma: thin lines are seeds, thick ones their means (paper, Fig. 3).

    Args:
        curves: Label -> seeds.
        score: The axis' label, with its unit.
        title: Above the figure.
    """
    figure = new_figure(PAGE, 4.2)
    axes = figure.subplots()
    several = _plot_seeds(axes, curves)
    finish_axes(axes, "epoch", score)
    add_legend(axes)
    headline(figure, title or "Accuracy against epoch", _lines_note(several))
    return figure


def train_val_pair(
    pair: Mapping[Any, Mapping[str, Seeds]],
    *,
    score: str = "accuracy, %",
    title: str = "",
    notes: str = "",
) -> Figure:
    """Training and validation accuracy and loss of two losses, or more (paper, Figs. 6 and 7).

    Two losses differ in scale (the weight changes it), so the axes of losses are logarithmic: slopes compare,
    heights do not.

    Args:
        pair: Label -> any of "train_accuracy", "val_accuracy", "train_loss", "val_loss" -> seeds. What no run
            has is said in its panel.
        score: The label of the validation accuracy's axis, with its unit.
        title: Above the figure.
        notes: A line below the title; by default what the lines are.
    """
    figure = new_figure(PAGE, 5.6)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    words = {
        "train_accuracy": ("Training accuracy", "acc_pose, %"),
        "val_accuracy": ("Validation accuracy", score),
        "train_loss": ("Training loss, each its own scale", "loss"),
        "val_loss": ("Validation loss, each its own scale", "loss"),
    }
    several = False
    for number, (key, (name, label), axes) in enumerate(zip(words, words.values(), panels, strict=True)):
        several |= _plot_kind(axes, key, pair, "not logged by these runs")
        finish_axes(axes, "epoch" if number > 1 else "", label, name)
        if key.endswith("loss"):
            log_if_positive(axes)
    handles = _first_handles(panels)
    legend_below(figure, handles.values(), handles)
    headline(figure, title or "Training and validation", notes or _lines_note(several))
    return figure


def score_vs_gamma(
    series: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    reference: Sequence[float] = (),
    score: str = "score, %",
    title: str = "",
) -> Figure:
    """Final score against gamma: a mark per seed, the mean, one standard deviation over seeds to either side.

    Args:
        series: Name (e.g. "δ = 0.001", or "" if there is but one) -> gamma -> a score per seed.
        reference: The scores of plain MSE (gamma 0), drawn as a line over the figure with their spread, and
            where each series begins.
        score: The axis' label, with its unit.
        title: Above the figure.
    """
    figure = new_figure(PAGE, 4.2)
    axes = figure.subplots()
    _plot_reference(axes, reference)
    # Small shifts along gamma, so that series do not hide one another; none for a single one.
    offsets = (np.arange(len(series)) - (len(series) - 1) / 2) * 0.03
    for (name, points), look, offset in zip(series.items(), series_looks(series), offsets, strict=True):
        own = {gamma: scores for gamma, scores in sorted(points.items()) if len(scores)}
        _plot_scores(axes, own, reference, name, look, offset)
    gammas = sorted({g for points in series.values() for g in points} | ({0.0} if len(reference) else set()))
    axes.set_xticks(gammas, [f"{g:g}" for g in gammas])
    finish_axes(axes, "γ (0: plain MSE)", score)
    add_legend(axes)
    counts = [len(s) for points in series.values() for s in points.values() if len(s)] + [len(reference)]
    headline(figure, title or "Final score against γ", _scores_note(counts))
    return figure


def per_joint_difference(
    joints: Sequence[str],
    differences: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    title: str = "",
    notes: str = "",
    decided: bool = True,
    lower: bool = False,
) -> Figure:
    """Differences from gamma = 0 per joint, with their intervals; one without 0 in it stands out.

    Args:
        joints: Names, drawn from the top; a row for the mean may be among them.
        differences: One per joint, NaN where there is none.
        low: Lower ends of the intervals.
        high: Upper ends.
        title: Above the figure.
        notes: A line below the title.
        decided: Whether the intervals can tell better from worse, which those over people alone cannot.
        lower: Whether lower is better, as of errors.

    Raises:
        ValueError: If the lengths differ.
    """
    values = [np.asarray(numbers, np.float64) for numbers in (differences, low, high)]
    if {len(numbers) for numbers in values} != {len(joints)}:
        found = ", ".join(str(len(numbers)) for numbers in values)
        raise ValueError(f"per_joint_difference: expected {len(joints)} of each number, found {found}")
    figure = new_figure(PAGE, 1.3 + 0.24 * len(joints))
    axes = figure.subplots()
    axes.axvline(0, color=INK, lw=1)
    for row, (value, least, most) in enumerate(zip(*values, strict=True)):
        filled = decided and (least > 0 or most < 0)
        colour = (BETTER if (least > 0) != lower else WORSE) if filled else EVEN
        axes.plot([least, most], [row, row], color=colour, lw=2.2, solid_capstyle="butt")
        axes.plot(value, row, "o", color=colour, ms=6, mfc=colour if filled else "white", mew=1.5)
        if not np.isfinite(value):
            axes.text(0, row, " no value", va="center", fontsize=SMALL, color=SOFT)
    axes.set_yticks(range(len(joints)), [joint.replace("_", " ") for joint in joints])
    axes.set_ylim(len(joints) - 0.5, -0.5)
    finish_axes(axes, "difference, percentage points", "")
    headline(figure, title, notes)
    return figure


def foreground_curves(curves: Mapping[Any, Mapping[str, Seeds]], *, title: str = "") -> Figure:
    """Where loss and gradient come from, and what the maps look like, over training; a panel per quantity.

    Args:
        curves: Label -> any of :data:`FOREGROUND` -> seeds. Shares are fractions and drawn in percent.
        title: Above the figure.
    """
    figure = new_figure(PAGE, 5.2)
    panels = figure.subplots(2, 3).ravel()
    several = False
    for (key, (name, unit)), axes in zip(FOREGROUND.items(), panels, strict=False):
        share = key.endswith("share")
        several |= _plot_kind(axes, key, curves, "not logged", factor=100 if share else 1)
        finish_axes(axes, "epoch", unit, name)
        axes.set_ylim(bottom=0, top=102 if share else None)
    # The legend in place of the last panel, or, where its lines are too long for it, below all panels.
    handles = _first_handles(panels[:-1])
    panels[-1].axis("off")
    if max(map(len, handles), default=0) > 20:
        legend_below(figure, handles.values(), handles)
    elif handles:
        panels[-1].legend(handles.values(), handles, loc="center left", **LEGEND)
    headline(figure, title or "Foreground and background over training", _lines_note(several))
    return figure


# --- parts ----------------------------------------------------------------------------------------------


def _plot_kind(
    axes: Axes, key: str, curves: Mapping[Any, Mapping[str, Seeds]], missing: str, factor: float = 1
) -> bool:
    """Plots one kind of curves as :func:`_plot_seeds` does, or says that there is none."""
    drawn = {label: kinds[key] for label, kinds in curves.items() if kinds.get(key)}
    drawn = {label: [(x, factor * np.asarray(y)) for x, y in seeds] for label, seeds in drawn.items()}
    if not drawn:
        say_nothing_there(axes, missing)
    return _plot_seeds(axes, drawn, all_labels=list(curves))


def _plot_seeds(axes: Axes, curves: Mapping[Any, Seeds], all_labels: Sequence[Label] = ()) -> bool:
    """Thin lines per seed and a thick one for their mean; whether any label has several seeds."""
    labels = list(all_labels) or list(curves)
    looks = dict(zip(labels, series_looks(labels), strict=True))
    several = False
    for label, seeds in curves.items():
        seeds = [curve for curve in seeds if len(curve[0])]
        look = looks[label]
        several |= len(seeds) > 1
        for x, y in seeds if len(seeds) > 1 else ():
            axes.plot(x, y, color=look["color"], lw=0.8, alpha=0.45)
        x, y = mean_curve(seeds)
        axes.plot(
            x, y, lw=1.7, ms=4.5, mec="white", mew=0.6, markevery=max(1, len(x) // 12), gid=label_text(label),
            label=f"{label_text(label)}{_count(seeds)}", **look,
        )  # fmt: skip
    return several


def _count(seeds: Sequence[Any]) -> str:
    return f", {len(seeds)} seeds" if len(seeds) > 1 else ""


def _lines_note(several: bool) -> str:
    return (
        "thin lines: single seeds; thick: their mean, as far as all of them go"
        if several
        else "one seed each"
    )


def _scores_note(counts: Sequence[int]) -> str:
    counts = [count for count in counts if count]
    if not counts:
        return "no scores yet"
    low, high = min(counts), max(counts)
    seeds = f"{low} to {high} seeds" if low < high else f"{low} seed{'s' if low > 1 else ''}"
    spread = "; bars and band: ± 1 standard deviation over seeds" if high > 1 else ", so no spread is shown"
    return f"{seeds} each (rings and other marks); dashes: means{spread}"


def _plot_reference(axes: Axes, scores: Sequence[float]) -> None:
    """Plain MSE: a dashed line over the whole width, with its spread."""
    if not len(scores):
        return
    mean, spread = float(np.mean(scores)), _spread(scores)
    if spread:
        axes.axhspan(mean - spread, mean + spread, color=INK, alpha=0.08, lw=0)
    axes.axhline(mean, color=INK, lw=1.2, ls=(0, (5, 3)), label=f"γ = 0 (MSE){_count(scores)}")
    axes.plot([0] * len(scores), list(scores), "o", color=INK, ms=5, mfc="none", mew=1)


def _plot_scores(
    axes: Axes,
    points: Mapping[float, Sequence[float]],
    reference: Sequence[float],
    name: str,
    look: Mapping[str, Any],
    offset: float,
) -> None:
    """One series: a mark per seed, means joined by a line from plain MSE on, and bars for the spread."""
    colour = look["color"]
    shape: dict[str, Any] = {**look, "ls": "", "mfc": "none", "mew": 1.3, "ms": 5.5}
    for gamma, scores in points.items():
        axes.plot([gamma + offset] * len(scores), list(scores), **shape)
    if not points:
        return
    gammas = np.array(list(points), np.float64) + offset
    means = np.array([np.mean(scores) for scores in points.values()])
    spreads = np.array([_spread(scores) for scores in points.values()])
    start = [(0.0, float(np.mean(reference)))] if len(reference) else []
    line = [*start, *zip(gammas, means, strict=True)]
    axes.plot([x for x, _ in line], [y for _, y in line], color=colour, ls=look["ls"], lw=1, alpha=0.6)
    axes.errorbar(gammas, means, yerr=np.where(spreads > 0, spreads, np.nan), fmt="_", color=colour, ms=13,
                  mew=2, capsize=3, lw=1.2)  # fmt: skip
    axes.plot([], [], label=name or "focal MSE", **shape)


def _spread(scores: Sequence[float]) -> float:
    """The standard deviation over seeds, with n - 1; 0 for a single one."""
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0


def _first_handles(panels: Iterable[Axes]) -> dict[str, Any]:
    """One line of the legend per series: a panel that knows fewer of its seeds adds none."""
    found: dict[str, tuple[str, Any]] = {}
    for axes in panels:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(handle.get_gid() or text, (text, handle))
    return dict(found.values())
