"""Learning curves: a run's records in, a picture out.

mmengine writes one JSON object a line into ``<work dir>/<time>/vis_data/scalars.json``: of training
``{"lr": .., "loss": .., "epoch": .., "iter": .., "step": iteration}``, of validation
``{"AP": .., "step": epoch}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.files import atomic_file

Record = Mapping[str, Any]
# A record's own bookkeeping, none of it a score.
NOT_SCORES = {"step", "epoch", "iter", "lr", "base_lr", "time", "data_time", "memory"}
# Drawn by default: the first of each group that a run has. They are compared with the end of a score's name.
HEADLINES = (("AP",), ("PCKh@0.5/mean_weighted",), ("PCK@0.2/mean12", "PCK@0.2/mean"))
# Okabe and Ito's palette, in an order whose neighbours differ most; a run has one colour in all panels.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, GRID = "#333333", "#DDDDDD"


@dataclass
class Curves:
    """One run's records as arrays; x is in epochs.

    Attributes:
        train: name -> float64 (T,) over ``train_epoch``.
        train_epoch: float64 (T,): the epochs done, with fractions.
        val: name -> (epochs (V,), values (V,)).
    """

    train_epoch: np.ndarray
    train: dict[str, np.ndarray] = field(default_factory=dict)
    val: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def read_scalars(run: str | Path) -> list[dict[str, Any]]:
    """Reads the records of a ``scalars.json``, or of all of them under a work directory, in order of time.

    A run that was resumed has several files; of two records of the same step the later one stays. The last
    line of a file may be cut off, as a killed run leaves it.

    Raises:
        DataError: If there is no such file, or another line is not JSON.
    """
    run = Path(run)
    files = [run] if run.is_file() else sorted(run.glob("**/vis_data/scalars.json"))
    if not files:
        raise DataError(f"{run}: no scalars.json, nor a work directory with '<time>/vis_data/scalars.json'")
    merged: dict[tuple[bool, int], dict[str, Any]] = {}
    for file in files:
        for record in _read_lines(file):
            key = (_is_train(record), int(record.get("step", 0)))
            merged[key] = {**merged.get(key, {}), **record} if not key[0] else record
    return list(merged.values())


def _read_lines(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text("utf-8").splitlines()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{file}, line {number}: not a JSON object ({error})") from error
        if not isinstance(record, dict):
            raise DataError(f"{file}, line {number}: expected a JSON object, found {type(record).__name__}")
        records.append(record)
    return records


def _is_train(record: Record) -> bool:
    return "lr" in record or "iter" in record


def collect(records: Iterable[Record]) -> Curves:
    """Sorts a run's records into curves over epochs."""
    records = list(records)
    train = sorted((r for r in records if _is_train(r)), key=lambda r: r["step"])
    steps = np.array([r["step"] for r in train], dtype=np.float64)
    epochs = np.array([r.get("epoch", 0) for r in train], dtype=np.float64)
    curves = Curves(steps / _steps_per_epoch(steps, epochs))
    for name in {key for r in train for key in r} - (NOT_SCORES - {"lr"}):
        curves.train[name] = np.array([_number(r.get(name)) for r in train])
    for record in sorted((r for r in records if not _is_train(r)), key=lambda r: r["step"]):
        for name in set(record) - NOT_SCORES:
            x, y = curves.val.get(name, (np.empty(0), np.empty(0)))
            curves.val[name] = np.append(x, record["step"]), np.append(y, _number(record[name]))
    return curves


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _steps_per_epoch(steps: np.ndarray, epochs: np.ndarray) -> float:
    """The iterations of an epoch, from records that need not hold an epoch's last.

    (epoch - 1) n < step <= epoch n bounds n from both sides; the upper bound is the tight one, because an
    epoch's first record comes soon after its start.
    """
    if not len(steps) or epochs.max() < 1:
        return 1.0
    lower = float(np.ceil((steps / epochs.clip(1)).max()))
    later = epochs > 1
    if not later.any():
        return lower
    return max(lower, float(np.floor(((steps[later] - 1) / (epochs[later] - 1)).min())))


def plot_curves(
    runs: str | Path | Sequence[Record] | Mapping[str, Any],
    path: str | Path,
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Draws loss, accuracy and learning rate over the epochs of one run or several.

    The accuracy panel holds the training accuracy of the crops (``acc_pose``, dashed) and the validation
    scores (solid, with a mark per validation and the best one named). Fractions are shown in percent.

    Args:
        runs: A work directory, a ``scalars.json``, a list of records, or a mapping from a run's name to any
            of these.
        path: The picture to write (its suffix says the form, e.g. ``.png`` or ``.pdf``).
        metrics: Names of the validation scores, or their ends; by default a run's headline scores.
        title: Above the picture.

    Raises:
        DataError: If a run's records cannot be read.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    named = runs if isinstance(runs, Mapping) else {"": runs}
    curves = {
        name: collect(read_scalars(run) if isinstance(run, (str, Path)) else run)
        for name, run in named.items()
    }
    figure = Figure(figsize=(8, 9), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    for (name, run_curves), colour in zip(curves.items(), _cycle(len(curves)), strict=True):
        _plot_loss(panels[0], run_curves, name, colour)
        _plot_accuracy(panels[1], run_curves, name, colour, metrics)
        panels[2].plot(
            run_curves.train_epoch,
            run_curves.train.get("lr", []),
            color=colour,
            lw=1.5,
            drawstyle="steps-post",
        )
    _finish(figure, panels, title)
    with atomic_file(path) as file:
        figure.savefig(file, format=Path(path).suffix.lstrip(".") or "png")
    return Path(path)


def _cycle(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _label(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _plot_loss(axes: Any, curves: Curves, name: str, colour: str) -> None:
    loss = curves.train.get("loss")
    if loss is None:
        return
    axes.plot(curves.train_epoch, loss, color=colour, lw=0.8, alpha=0.3)
    axes.plot(*_epoch_means(curves.train_epoch, loss), color=colour, lw=2, label=_label(name, "training"))
    for key, (x, y) in curves.val.items():
        if _leaf(key) == "loss":
            axes.plot(x, y, color=colour, lw=1.5, ls="--", marker="o", ms=3, label=_label(name, "validation"))
    if np.nanmin(loss, initial=np.inf) > 0:
        axes.set_yscale("log")


def _plot_accuracy(axes: Any, curves: Curves, name: str, colour: str, metrics: Sequence[str] | None) -> None:
    if "acc_pose" in curves.train:
        x, y = _epoch_means(curves.train_epoch, curves.train["acc_pose"])
        axes.plot(x, 100 * y, color=colour, lw=1.3, ls=(0, (4, 2)), label=_label(name, "training, acc_pose"))
    for (key, marker), shade in zip(
        zip(_chosen(curves.val, metrics), "os^Dv", strict=False), (1.0, 0.6, 0.45, 0.35, 0.3), strict=False
    ):
        x, y = curves.val[key]
        y = as_percent(key, y)
        axes.plot(x, y, color=colour, lw=2, marker=marker, ms=4, alpha=shade)
        best = int(np.nanargmax(y)) if np.isfinite(y).any() else 0
        axes.plot(
            x[best],
            y[best],
            color=colour,
            marker=marker,
            ms=8,
            mec="white",
            mew=1.5,
            alpha=shade,
            label=_label(name, f"validation, {key}, best {y[best]:.1f} at epoch {x[best]:g}"),
        )


def _chosen(val: Mapping[str, Any], metrics: Sequence[str] | None) -> list[str]:
    """The validation scores to draw, at most five."""
    if metrics is not None:
        return [key for name in metrics for key in _named(val, name)][:5]
    found = [[key for name in group for key in _named(val, name)] for group in HEADLINES]
    headlines = [keys[0] for keys in found if keys]
    return headlines or [key for key in val if _leaf(key) != "loss"][:2]


def _named(val: Mapping[str, Any], name: str) -> list[str]:
    return [key for key in val if key == name or key.endswith("/" + name)]


def _leaf(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def as_percent(name: str, values: np.ndarray) -> np.ndarray:
    """Scores in percent: PCK and PCKh are already, AP, AR and the like are fractions."""
    return values if "PCK" in name or "AUC" in name else 100 * values


def _epoch_means(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over each epoch, of the values and of their places; a run of one or two epochs stays as it is."""
    number = np.ceil(epochs - 1e-9).astype(int)
    if len(np.unique(number)) < 3:
        return epochs, values
    # A NaN must show as a gap, and does: the mean over its epoch is NaN.
    parts = [number == epoch for epoch in np.unique(number)]
    return np.array([epochs[part].mean() for part in parts]), np.array(
        [values[part].mean() for part in parts]
    )


def _finish(figure: Any, panels: Sequence[Any], title: str) -> None:
    for axes, label in zip(panels, ("Loss", "Accuracy, %", "Learning rate"), strict=True):
        axes.set_ylabel(label, color=INK)
        axes.grid(True, color=GRID, lw=0.6)
        axes.tick_params(which="both", colors=INK, labelsize=9)
        axes.margins(x=0.01)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
    panels[1].set_ylim(bottom=0)
    if any(np.any(np.asarray(line.get_ydata()) > 0) for line in panels[2].lines):
        panels[2].set_yscale("log")
    panels[2].set_xlabel("Epoch", color=INK)
    if title:
        figure.suptitle(title, color=INK, fontsize=12)
