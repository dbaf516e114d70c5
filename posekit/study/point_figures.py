"""Losses of coordinates as curves (Feng et al., "Wing loss", CVPR 2018, Fig. 3 and Fig. 5), and CED curves.

Everything drawn is computed by the losses themselves; no formula is written down here again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from posekit.errors import DataError
from posekit.metrics.nme import CED
from posekit.models.point_losses import PointLoss
from posekit.study.paper_figures import line_looks
from posekit.visualization.figure_style import (
    PAGE,
    add_legend,
    finish_axes,
    headline,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = ("loss", "gradient", "optimal step")


def point_loss_curves(loss: PointLoss, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, gradient and optimal step of one number's loss.

    The optimal step is the way to the minimum over the gradient's magnitude: 1 for
    L2, |x| for L1, x^2 for ln |x|. Of several errors, steps of one size suit those whose optimal step it is.

    Args:
        loss: The loss.
        errors: (N,), prediction - truth, input pixels.

    Returns:
        Three float64 (N,); the step at error 0 is NaN where the gradient is 0 there.
    """
    error = torch.from_numpy(np.asarray(errors, np.float64)).requires_grad_()
    values = loss.curve(error)
    (gradient,) = torch.autograd.grad(values.sum(), error)
    return values.detach().numpy(), gradient.numpy(), (error.detach().abs() / gradient.abs()).numpy()


def point_losses_figure(
    losses: Mapping[str, PointLoss], *, reach: float = 20.0, title: str = "", notes: str = ""
) -> Figure:
    """A panel each for the value, the gradient and the optimal step, with a line for each loss.

    Args:
        losses: Label -> loss.
        reach: The largest error, input pixels.
        title: Above the figure.
        notes: A line below the title.
    """
    figure = new_figure(PAGE, 3.1)
    panels = figure.subplots(1, 3)
    errors = np.linspace(-reach, reach, 400)  # an even number: not 0, where some have a corner
    for (label, loss), look in zip(losses.items(), line_looks(losses), strict=True):
        for axes, values in zip(panels, point_loss_curves(loss, errors), strict=True):
            axes.plot(errors, values, label=label, **look)
    for axes, name in zip(panels, PANELS, strict=True):
        finish_axes(axes, "error, input pixels", "", name)
    # A parabola would hide the others, all of which are lines far out.
    for axes, number in zip(panels, range(3), strict=True):
        others = [point_loss_curves(loss, errors)[number] for loss in losses.values()]
        top = np.median([np.abs(values).max() for values in others])
        axes.set_ylim(-1.3 * top if number == 1 else 0, 1.3 * top)
    legend_below(figure, *panels[0].get_legend_handles_labels(), handlelength=3)
    headline(figure, title or "Losses of coordinates over the error", notes)
    return figure


def ced_of_scores(scores: Mapping[str, Any], file: str) -> np.ndarray:
    """The CED among the scores that ``tools/evaluate.py nme --curve --out`` writes: float64 (G, 2).

    Columns are the NME as a fraction and the share of faces in percent.

    Raises:
        DataError: If there is none.
    """
    found = {name: value for name, value in scores.items() if name.startswith(f"{CED}/")}
    if len(found) < 2 or not all(isinstance(value, (int, float)) for value in found.values()):
        raise DataError(
            f"{file}: expected the scores of tools/evaluate.py nme --curve --out, with {CED}/0 and so on"
        )
    return np.array([(float(name.partition("/")[2]), value) for name, value in found.items()])


def check_one_norm(scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises DataError where NMEs are in different sizes of the face: their curves are no comparison.

    Args:
        scores: File -> what ``tools/evaluate.py nme --out`` wrote there.
    """
    norms = {
        file: name.split("/")[1] for file, own in scores.items() for name in own if name.startswith("NME/")
    }
    if len(set(norms.values())) > 1:
        found = ", ".join(f"{norm} in {file}" for file, norm in norms.items())
        raise DataError(
            f"curves of NMEs: expected one size of the face, found {found}; score all with one --norm of "
            "tools/evaluate.py nme"
        )


def ced_figure(curves: Mapping[str, np.ndarray], *, title: str = "", notes: str = "") -> Figure:
    """Cumulative error distributions of faces side by side.

    Args:
        curves: Label -> (G, 2): NME as a fraction, share of faces in percent.
        title: Above the figure.
        notes: A line below the title.
    """
    figure = new_figure(PAGE, 3.6)
    axes = figure.subplots()
    for (label, curve), look in zip(curves.items(), line_looks(curves), strict=True):
        axes.plot(100 * curve[:, 0], curve[:, 1], label=label, **look)
    axes.set_ylim(0, 100)
    axes.set_xlim(0, 100 * max(curve[-1, 0] for curve in curves.values()))
    finish_axes(axes, "NME, %", "faces, %")
    add_legend(axes)
    headline(figure, title or "Faces with at most this error", notes)
    return figure
