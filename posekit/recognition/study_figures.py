"""Figures of embeddings: their lengths, their angles, and what losses make of two dimensions. No pictures.

Cells are those of :class:`posekit.recognition.study_report.CellFacts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITHIN, BETWEEN = "#0072b2", "#d55e00"


def norms_figure(cells: Sequence[Any]) -> Figure:
    """The lengths of embeddings by loss, over their mean: seen and unseen pictures."""
    from matplotlib.figure import Figure

    losses = list(dict.fromkeys(cell.loss for cell in cells))
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, name, words in zip(
        axes, ("seen.npz", "unseen.npz"), ("seen people", "unseen people"), strict=True
    ):
        rows = [
            np.concatenate([c.norms[name] / c.norms[name].mean() for c in cells if c.loss == loss])
            for loss in losses
        ]
        axis.boxplot(rows, whis=(5, 95), showfliers=False, orientation="horizontal", tick_labels=losses)
        axis.set_title(words, fontsize=10)
        axis.set_xlabel("length / mean length")
    return figure


def angles_figure(cells: Sequence[Any]) -> Figure:
    """The angles of unseen people's pictures by loss: within an identity and between two."""
    from matplotlib.figure import Figure

    losses = list(dict.fromkeys(cell.loss for cell in cells))
    columns = min(4, len(losses))
    rows = -(-len(losses) // columns)
    figure = Figure(figsize=(2.2 * columns, 1.7 * rows + 0.4), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, sharex=True, squeeze=False))
    for axis in axes[len(losses) :]:
        axis.set_visible(False)
    for axis, loss in zip(axes, losses, strict=False):
        own = [cell for cell in cells if cell.loss == loss]
        same = np.sum([cell.same.sum(axis=0) for cell in own], axis=0)
        different = np.sum([cell.different.sum(axis=(0, 1)) for cell in own], axis=0)
        angles = np.degrees(np.arccos((np.arange(len(same)) + 0.5) / len(same) * 2 - 1))
        for counts, colour, words in ((same, WITHIN, "one identity"), (different, BETWEEN, "two identities")):
            shares, edges = np.histogram(angles, np.arange(0, 181, 4), weights=counts / counts.sum())
            axis.stairs(shares, edges, color=colour, fill=True, alpha=0.5, label=words)
        axis.set_title(loss, fontsize=9)
        axis.set_yticks([])
        axis.set_xticks([0, 60, 120, 180])
    axes[0].legend(fontsize=7)
    figure.supxlabel("degrees", fontsize=9)
    return figure


def plane_figure(features: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "") -> Figure:
    """Features (N, 2) and their classes (N,), one panel for each loss, all of their own scale."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.3 * len(features), 2.7), layout="constrained")
    axes: Any = np.ravel(figure.subplots(1, len(features), squeeze=False))
    for axis, (name, (points, labels)) in zip(axes, features.items(), strict=True):
        axis.scatter(*points.T, s=2, c=colormaps["tab10"](labels % 10), linewidths=0)
        axis.plot(0, 0, "k+", markersize=8)
        reach = 1.05 * float(np.abs(points).max())
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=6)
    figure.suptitle(title, fontsize=10)
    return figure
