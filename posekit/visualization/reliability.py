"""The reliability diagram: how often joints of a score are right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from posekit.visualization.figure_style import (
    COLOURS,
    GRID,
    INK,
    LEGEND,
    MARKERS,
    SMALL,
    headline,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Mean score, share of right joints, joints of each bin; expected calibration error.
Reliability = tuple[np.ndarray, np.ndarray, np.ndarray, float]


def plot_reliability(curves: Mapping[str, Reliability], title: str = "", notes: str = "") -> Figure:
    """Draws reliability curves by name, and below them how many joints have which score.

    Args:
        curves: As :func:`posekit.inference.calibration.reliability` gives them.
        title: Above.
        notes: Below the title.
    """
    figure = new_figure(height=4.6)
    headline(figure, title, notes)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color=GRID, lw=1, zorder=0)
    for number, (name, (said, found, count, error)) in enumerate(curves.items()):
        colour, filled = COLOURS[number % len(COLOURS)], count > 0
        axes.plot(
            said[filled],
            found[filled],
            marker=MARKERS[number % len(MARKERS)],
            ms=4,
            color=colour,
            label=f"{name}: off by {error:.3f} on the mean",
        )
        edges = np.linspace(0, 1, len(count) + 1)
        below.stairs(count / max(count.sum(), 1), edges, color=colour)
    axes.set_ylabel("share of right joints", fontsize=SMALL, color=INK)
    below.set_ylabel("joints", fontsize=SMALL, color=INK)
    below.set_xlabel("score", fontsize=SMALL, color=INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(loc="upper left", **LEGEND)
    for one in (axes, below):
        one.tick_params(labelsize=SMALL)
        one.spines[["top", "right"]].set_visible(False)
    return figure
