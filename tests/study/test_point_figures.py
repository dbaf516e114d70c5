"""Losses of coordinates as curves: the gradients and optimal steps that the wing-loss paper states."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.errors import DataError
from posekit.models.point_losses import L1Loss, L2Loss, SmoothL1Loss, WingLoss
from posekit.study.point_figures import ced_figure, ced_of_scores, point_loss_curves, point_losses_figure

ERRORS = np.array([-12.0, -3.0, -0.5, 0.25, 2.0, 15.0])
SIZES = np.abs(ERRORS)


@pytest.mark.parametrize(
    ("loss", "gradients", "steps"),
    [
        (L1Loss(), np.ones(6), SIZES),
        (L2Loss(), SIZES, np.ones(6)),
        (SmoothL1Loss(), np.minimum(SIZES, 1), np.maximum(SIZES, 1)),
        # omega / (epsilon + |x|) below omega, 1 from there on.
        (WingLoss(10, 2), [1, 2, 4, 10 / 2.25, 2.5, 1], [12, 1.5, 0.125, 0.225 * 0.25, 0.8, 15]),
    ],
)
def test_gradients_and_steps_are_the_papers(loss, gradients, steps):
    _, found, optimal = point_loss_curves(loss, ERRORS)
    np.testing.assert_allclose(found, np.sign(ERRORS) * gradients, rtol=1e-12)
    np.testing.assert_allclose(optimal, steps, rtol=1e-12)


def test_the_figure_draws_them():
    losses = {"L2": L2Loss(), "wing": WingLoss()}
    figure = point_losses_figure(losses, reach=20)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "gradient", "optimal step"]
    for number, axes in enumerate(figure.axes):
        drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
        for name, loss in losses.items():
            errors = drawn[name][:, 0]
            np.testing.assert_array_equal(drawn[name][:, 1], point_loss_curves(loss, errors)[number])
            assert (errors[0], errors[-1], len(errors)) == (-20, 20, 400)


def test_a_ced_is_drawn_as_it_was_counted():
    scores = {"NME/box_diagonal": 3.0, "CED/0": 0.0, "CED/0.05": 40.0, "CED/0.1": 60.0}
    curve = ced_of_scores(scores, "m.json")
    np.testing.assert_array_equal(curve, [[0, 0], [0.05, 40], [0.1, 60]])
    (line,) = ced_figure({"wing": curve}).axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 0], [5, 40], [10, 60]])
    for wrong in ({"NME": 3.0}, {"CED/0": None, "CED/0.1": 1.0}):
        with pytest.raises(
            DataError, match=r"m\.json: expected the scores of tools/evaluate\.py nme --curve"
        ):
            ced_of_scores(wrong, "m.json")
