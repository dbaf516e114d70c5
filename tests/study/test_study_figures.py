"""The study's and the paper's figures: what is drawn is what was given, and equal figures are equal files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.codecs import MSRACodec
from posekit.models import FocalMSELoss, MSELoss, SymmetricFocalMSELoss
from posekit.study.paper_figures import (
    heatmap_figure,
    losses_figure,
    pixel_losses,
    pixel_weights,
    target_map,
)
from posekit.study.study_figures import (
    BETTER,
    EVEN,
    FOREGROUND,
    WORSE,
    accuracy_vs_epoch,
    foreground_curves,
    mean_curve,
    per_joint_difference,
    save_figure,
    score_vs_gamma,
    train_val_pair,
)
from posekit.visualization.figure_style import COLOURS, INK, SMALL, series_colours, series_looks

EPOCHS = [1, 2, 3]
TWO_SEEDS = [(EPOCHS, [10.0, 20.0, 30.0]), (EPOCHS, [14.0, 22.0, 38.0])]


def lines(axes) -> list[tuple[list, list]]:
    """x and y of every line with points."""
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    return [line for line in drawn if len(line[0])]


def texts(figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text")))


def legend(figure) -> list[str]:
    found = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for part in found for text in part.get_texts()]


def test_mean_curve_stops_where_a_seed_does():
    epochs, means = mean_curve([([1, 2, 3], [1.0, 2.0, 9.0]), ([1, 2], [3.0, 4.0])])
    np.testing.assert_array_equal(epochs, [1, 2])
    np.testing.assert_array_equal(means, [2, 3])
    assert [len(part) for part in mean_curve([])] == [0, 0]
    assert [len(part) for part in mean_curve([([1], [1.0]), ([2], [1.0])])] == [0, 0]


def test_accuracy_has_a_thin_line_per_seed_and_a_thick_mean():
    figure = accuracy_vs_epoch({0: TWO_SEEDS, 1: [(EPOCHS, [30.0, 35.0, 36.0])]}, score="PCK, %")
    axes = figure.axes[0]
    expected = [*TWO_SEEDS, (EPOCHS, [12.0, 21.0, 34.0]), (EPOCHS, [30.0, 35.0, 36.0])]
    assert [(list(map(float, x)), y) for x, y in lines(axes)] == [
        (list(map(float, x)), y) for x, y in expected
    ]
    assert [line.get_linewidth() for line in axes.lines] == [0.8, 0.8, 1.7, 1.7]
    assert legend(figure) == ["γ = 0 (MSE), 2 seeds", "γ = 1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "PCK, %")
    assert "thin lines: single seeds" in texts(figure)


def test_a_single_seed_is_said_and_many_lines_leave_the_legend_outside():
    figure = accuracy_vs_epoch({f"loss {i}": [(EPOCHS, [1.0, 2.0, 3.0])] for i in range(9)})
    assert "one seed each" in texts(figure)
    figure.draw_without_rendering()
    box = figure.axes[0].get_legend().get_window_extent()
    assert box.x0 >= figure.axes[0].get_window_extent().x1
    assert box.x1 <= figure.bbox.width
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines]
    assert len(set(looks)) == 9


def test_pair_draws_all_four_quantities_and_says_what_is_missing():
    own = {
        "train_accuracy": [(EPOCHS, [1, 2, 3])],
        "val_accuracy": TWO_SEEDS,
        "train_loss": [(EPOCHS, [4, 3, 2])],
    }
    figure = train_val_pair({"MSE": own, "focal": {"train_loss": [(EPOCHS, [3, 2, 1])]}}, score="AP, %")
    accuracy, val, loss, val_loss = figure.axes
    assert lines(accuracy) == [(EPOCHS, [1, 2, 3])]
    assert lines(val)[2] == (EPOCHS, [12, 21, 34])
    assert [y for _, y in lines(loss)] == [[4, 3, 2], [3, 2, 1]]
    assert loss.get_yscale() == "log"
    assert lines(val_loss) == []
    assert [text.get_text() for text in val_loss.texts] == ["not logged by these runs"]
    assert val.get_ylabel() == "AP, %"
    # A line each, though the numbers of seeds differ from panel to panel.
    assert len(legend(figure)) == 2


def test_a_loss_that_reaches_zero_is_not_drawn_on_a_logarithm():
    figure = train_val_pair({"MSE": {"train_loss": [([1, 2], [1.0, 0.0])]}})
    assert figure.axes[2].get_yscale() == "linear"


def test_score_against_gamma_shows_seeds_means_and_spread():
    reference, points = [50.0, 52.0, 54.0], {1: [40.0, 44.0], 2: [30.0]}
    figure = score_vs_gamma({"": points}, reference=reference, score="PCK, %")
    axes = figure.axes[0]
    drawn = lines(axes)
    assert ([0, 1], [52.0, 52.0]) in drawn  # the reference, over the whole width of the axes
    assert ([0, 0, 0], reference) in drawn
    assert ([1, 1], points[1]) in drawn
    assert ([0, 1, 2], [52.0, 42.0, 30.0]) in drawn
    # The bar at gamma 1: 42 +- the standard deviation of (40, 44) with n - 1; none at gamma 2.
    segments = axes.collections[0].get_segments()
    np.testing.assert_allclose(segments[0], [[1, 42 - 8**0.5], [1, 42 + 8**0.5]])
    assert [len(part) for part in segments[1:]] == [0]
    band = axes.patches[0]
    np.testing.assert_allclose([band.get_y(), band.get_height()], [50, 4])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "2"]
    assert "1 to 3 seeds each" in texts(figure)


def test_series_lie_beside_one_another_and_share_the_reference():
    figure = score_vs_gamma({"δ = 0.1": {1: [5.0]}, "δ = 1": {1: [6.0]}}, reference=[4.0])
    drawn = lines(figure.axes[0])
    assert any(x == [0, 0.985] and y == [4, 5] for x, y in drawn)
    assert any(x == [0, 1.015] and y == [4, 6] for x, y in drawn)
    assert legend(figure) == ["γ = 0 (MSE)", "δ = 0.1", "δ = 1"]
    assert "so no spread is shown" in texts(figure)


@pytest.mark.parametrize("series", [{}, {"a": {}}, {"a": {1: []}}], ids=["none", "empty", "no scores"])
def test_score_against_gamma_without_scores_says_so(series):
    assert "no scores yet" in texts(score_vs_gamma(series))


def test_joints_stand_out_where_zero_lies_outside_the_interval():
    joints = ["left_hip", "knee", "wrist", "neck"]
    figure = per_joint_difference(joints, [2, -2, 1, np.nan], [1, -3, -1, np.nan], [3, -1, 3, np.nan])
    axes = figure.axes[0]
    drawn = lines(axes)[1:]  # the first is the line at 0
    assert drawn[:6] == [
        ([1, 3], [0, 0]), ([2], [0]), ([-3, -1], [1, 1]), ([-2], [1]), ([-1, 3], [2, 2]), ([1], [2])
    ]  # fmt: skip
    assert [line.get_color() for line in axes.lines[1:7:2]] == [BETTER, WORSE, EVEN]
    assert [text.get_text() for text in axes.texts] == [" no value"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["left hip", "knee", "wrist", "neck"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first is at the top
    with pytest.raises(ValueError, match="expected 4 of each number, found 4, 1, 4"):
        per_joint_difference(joints, [0] * 4, [0], [0] * 4)


def test_foreground_shares_are_drawn_in_percent():
    account = {"loss_share": [([1, 2], [0.25, 0.5])], "peak_height": [([1, 2], [0.3, 0.6])]}
    figure = foreground_curves({0: account, 1: {}})
    panels = dict(zip(FOREGROUND, figure.axes, strict=False))
    assert lines(panels["loss_share"]) == [([1, 2], [25, 50])]
    assert lines(panels["peak_height"]) == [([1, 2], [0.3, 0.6])]
    assert [text.get_text() for text in panels["peak_width"].texts] == ["not logged"]


def test_colours_order_gammas_and_leave_black_to_mse():
    colours = series_colours([0, 2, 0.5, 1])
    assert colours[0] == INK
    brightness = [sum(colour[:3]) for colour in (colours[2], colours[3], colours[1])]
    assert brightness == sorted(brightness)
    assert series_colours(["focal", "MSE", "other"]) == [COLOURS[0], INK, COLOURS[1]]
    looks = [(look["color"], str(look["ls"])) for look in series_looks([str(i) for i in range(24)])]
    assert len(set(looks)) == 24


def test_letters_can_be_read_in_print():
    figure = foreground_curves({0: {name: [([1, 2], [0.1, 0.2])] for name in FOREGROUND}})
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(match=lambda a: hasattr(a, "get_fontsize")) if text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= SMALL - 1e-9
    assert SMALL >= 8


def test_files_of_equal_figures_are_equal(tmp_path):
    first, second = (
        save_figure(accuracy_vs_epoch({0: TWO_SEEDS}), tmp_path / name / "γ 0.5") for name in ("a", "b")
    )
    assert [path.name for path in first] == ["γ 0.5.png", "γ 0.5.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    png, svg = (path.read_bytes() for path in first)
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    assert b"<dc:date>" not in svg
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["γ 0.5.png", "γ 0.5.svg"]


# --- the paper's figures --------------------------------------------------------------------------------


def test_heatmap_figure_shows_the_codecs_own_map_and_the_losses_own_weights():
    target = target_map(MSRACodec(sigma=2), 64)
    assert target[32, 32] == 1
    assert int((target > 0).sum()) == 169  # the paper's 13 x 13 window
    figure = heatmap_figure(target, {0: MSELoss(), 2: FocalMSELoss(gamma=2, delta=0.1)})
    whole, row, weights = figure.axes[:3]
    np.testing.assert_array_equal(whole.images[0].get_array(), target)
    np.testing.assert_array_equal(lines(row)[0][1], target[32])
    plain, focal = (np.array(y) for _, y in lines(weights))
    np.testing.assert_allclose(plain, 1)
    np.testing.assert_allclose(focal, (target[32].astype(float) + 0.1) ** 2, rtol=1e-6)
    assert "169 foreground cells (y > 0), 3,927 background cells" in texts(figure)


def test_pixel_weights_see_the_mean_over_all_pixels():
    target = np.array([[0.0, 0.5], [1.0, 0.25]])
    np.testing.assert_allclose(pixel_weights(FocalMSELoss(gamma=1, delta=0.1), target), target + 0.1)


def test_losses_are_those_of_the_real_functions():
    errors = np.array([-1.0, -0.5, 0.0, 1.0])
    np.testing.assert_allclose(pixel_losses(MSELoss(), 0.3, errors), errors**2, atol=1e-12)
    focal = pixel_losses(FocalMSELoss(gamma=2, delta=0.1), 0.3, errors)
    np.testing.assert_allclose(focal, 0.4**2 * errors**2, atol=1e-12)
    # y = 0, y' = 0.5 is a false peak, and counts as such.
    peak = pixel_losses(SymmetricFocalMSELoss(gamma=1, delta=0.1), 0.0, np.array([-0.5]))
    np.testing.assert_allclose(peak, (0.5 + 0.1) * 0.25)


def test_losses_figure_has_a_panel_per_target_with_the_given_losses():
    calls = []

    def spy(prediction, target):
        calls.append(float(target.flatten()[0]))
        return (prediction - target).abs().mean() * 3

    figure = losses_figure({"a loss": spy, 0: MSELoss()}, targets=(0.0, 0.25, 1.0))
    assert set(calls) == {0.0, 0.25, 1.0}
    assert len(figure.axes) == 3
    x, y = lines(figure.axes[1])[0]
    np.testing.assert_allclose(y, 3 * np.abs(x), atol=1e-12)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "y = 0 (background)", "y = 0.25", "y = 1 (a keypoint's centre)"
    ]  # fmt: skip
    assert torch.is_grad_enabled()
