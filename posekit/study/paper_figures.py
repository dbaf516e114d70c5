"""Figures 1 and 2 of the focal MSE paper (Xu & Feng, Computer Systems & Applications 29(10), 2020).

Everything drawn is computed by posekit's own codecs and losses; no formula is written down here again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from posekit.visualization.figure_style import (
    GRID,
    INK,
    PAGE,
    SMALL,
    Label,
    finish_axes,
    headline,
    label_text,
    legend_below,
    new_figure,
    series_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# As in ``posekit.models.losses``: prediction and target (B, K, h, w) to a scalar mean.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.1)), (0, (5, 1.2, 1, 1.2)), (0, (8, 2)))


def target_map(codec: Any, size: int) -> np.ndarray:
    """The map that a codec draws for a keypoint at the middle cell of a ``size`` x ``size`` map.

    Returns:
        float32 (size, size), the label map alone.
    """
    # Input and map have one size, so that a pixel is a cell.
    point = torch.full((1, 1, 2), float(size // 2))
    maps, _ = codec.encode(point, torch.ones(1, 1), (size, size), (size, size))
    return maps[0, 0].numpy()


def pixel_weights(loss: Loss, target: np.ndarray) -> np.ndarray:
    """What a loss multiplies each pixel's squared error by, relative to the plain mean of squares.

    It is read off the loss' gradient where every prediction is 1 above the target.

    Args:
        loss: Without a part that depends on the prediction beside the squared error.
        target: (h, w).

    Returns:
        float64 (h, w).
    """
    fixed = torch.from_numpy(np.asarray(target, np.float64))[None, None]
    prediction = (fixed + 1).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(prediction, fixed), prediction)
    return gradient[0, 0].numpy() * fixed.numel() / 2


def pixel_losses(loss: Loss, target: float, errors: np.ndarray) -> np.ndarray:
    """What a pixel of the given target adds to a loss (before its mean), for each error y - y'.

    Args:
        loss: See :data:`Loss`.
        target: y.
        errors: (N,): y - y'.

    Returns:
        float64 (N,).
    """
    # A second pixel, predicted without error, gives the batch its highest target, 1: a loss may ask for it.
    truth = torch.tensor([target, 1.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    values = []
    for error in np.asarray(errors, np.float64):
        prediction = torch.tensor([target - error, 1.0], dtype=torch.float64).reshape(1, 1, 1, 2)
        values.append(float(loss(prediction, truth)) * 2)
    return np.array(values)


def heatmap_figure(
    target: np.ndarray, losses: Mapping[Label, Loss], *, peak: float = 1.0, title: str = "", notes: str = ""
) -> Figure:
    """A heatmap, its profile through the peak, and what losses make of it as weights (paper, Fig. 1).

    Args:
        target: (h, w), with one keypoint.
        losses: Label or gamma -> loss; their weights of the pixels are drawn.
        peak: The codec's.
        title: Above the figure.
        notes: A line below the title; by default how many cells are foreground.
    """
    figure = new_figure(PAGE, 3.6)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.3, 1))
    whole, upper, lower = (figure.add_subplot(part) for part in (grid[:, 0], grid[0, 1], grid[1, 1]))
    _draw_map(figure, whole, target, peak)
    row, column = np.unravel_index(int(np.argmax(target)), target.shape)
    cells = np.arange(target.shape[1])
    upper.plot(cells, target[row], color=INK, lw=1.6, marker="o", ms=2.5)
    finish_axes(upper, "", "target y", "Row through the peak")
    for (label, loss), look in zip(losses.items(), line_looks(losses), strict=True):
        lower.plot(cells, pixel_weights(loss, target)[row], label=label_text(label), **look)
    lower.set_yscale("log")
    finish_axes(lower, "cell, x", "weight (log scale)", "What the loss weighs it")
    reach = max(4, round(0.9 * np.count_nonzero(target[row])))
    for axes in (upper, lower):
        axes.set_xlim(max(0, column - reach) - 0.5, min(len(cells) - 1, column + reach) + 0.5)
    upper.tick_params(labelbottom=False)
    legend_below(figure, *lower.get_legend_handles_labels(), columns=5, handlelength=3)
    foreground = int((target > 0).sum())
    headline(
        figure,
        title or "A keypoint's heatmap",
        notes or f"{foreground:,} foreground cells (y > 0), {target.size - foreground:,} background cells",
    )
    return figure


def _draw_map(figure: Figure, axes: Axes, target: np.ndarray, peak: float) -> None:
    """The map in two dimensions with the scale of its colours."""
    shown = axes.imshow(target, cmap="viridis", vmin=0, vmax=peak, interpolation="nearest")
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.03, aspect=25)
    bar.ax.tick_params(labelsize=SMALL, colors=INK)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("target y", fontsize=SMALL, color=INK)
    finish_axes(axes, "cell, x", "cell, y", f"Map, {target.shape[0]} × {target.shape[1]} cells")
    axes.grid(False)


def line_looks(labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Colour and dashes of each line."""
    colours = series_colours(labels)
    return [{"color": c, "ls": _STYLES[i % len(_STYLES)], "lw": 1.7} for i, c in enumerate(colours)]


def losses_figure(
    losses: Mapping[Label, Loss],
    *,
    targets: Sequence[float] = (0.0, 0.1, 0.5, 1.0),
    title: str = "",
    notes: str = "",
) -> Figure:
    """Losses over the error y - y', a panel for each target y (paper, Fig. 2).

    Args:
        losses: Label or gamma -> loss; gamma 0 is plain MSE.
        targets: Values of y.
        title: Above the figure.
        notes: A line below the title.
    """
    columns = min(len(targets), 2)
    rows = -(-len(targets) // columns)
    figure = new_figure(PAGE, 0.9 + 2.15 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    errors = np.linspace(-1, 1, 101)
    for number, (target, axes) in enumerate(zip(targets, panels, strict=False)):
        for (label, loss), look in zip(losses.items(), line_looks(losses), strict=True):
            axes.plot(errors, pixel_losses(loss, target, errors), label=label_text(label), **look)
        below = number + columns >= len(targets)
        words = " (background)" if target == 0 else " (a keypoint's centre)" if target == 1 else ""
        finish_axes(axes, "error y − y′" if below else "", "" if number % columns else "loss of a pixel",
                    f"y = {target:g}{words}")  # fmt: skip
        axes.axvline(0, color=GRID, lw=0.8, zorder=0)
    for axes in panels[len(targets) :]:
        axes.remove()
    legend_below(figure, *panels[0].get_legend_handles_labels(), columns=5, handlelength=3)
    headline(figure, title or "MSE and focal MSE over the error", notes)
    return figure
