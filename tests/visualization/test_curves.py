"""Learning curves: records of any runs, and the pictures made of them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from posekit.errors import DataError
from posekit.visualization import (
    plot_curves,
    read_scalars,
)
from posekit.visualization.curves import alone, curves_figure, missing
from posekit.visualization.records import (
    as_percent,
    collect,
    epoch_means,
    find_score,
    headline_scores,
    read_curves,
)


def records(epochs: int = 4, per_epoch: int = 37, interval: int = 10):
    """The records of a run as mmengine logs them: every tenth iteration, none at an epoch's end."""
    for epoch in range(1, epochs + 1):
        for i in range(interval, per_epoch, interval):
            step = (epoch - 1) * per_epoch + i
            yield {
                "lr": 1e-3,
                "loss": 1 / step,
                "acc_pose": step / 1000,
                "epoch": epoch,
                "iter": step,
                "step": step,
            }
        yield {"AP": 0.1 * epoch, "PCKh@0.5/mean_weighted": 10.0 * epoch, "step": epoch}


def test_collect_puts_training_records_at_fractions_of_an_epoch():
    curves = collect(records(epochs=40))
    # 37 iterations an epoch are found from the steps alone.
    np.testing.assert_allclose(curves.train_epoch[:4], np.array([10, 20, 30, 47]) / 37)
    np.testing.assert_allclose(curves.train["loss"][:2], [0.1, 0.05])
    epochs, values = curves.val["AP"]
    np.testing.assert_allclose(epochs[:3], [1, 2, 3])
    np.testing.assert_allclose(values[:3], [0.1, 0.2, 0.3])


def test_an_epoch_that_ends_with_a_record_says_how_long_it_is():
    # The first record comes late, at step 50 of 99: the steps alone would allow epochs of up to 106.
    steps = [(e - 1) * 99 + i for e in range(1, 9) for i in (50, 99)]
    found = collect({"lr": 1, "step": step, "epoch": -(-step // 99)} for step in steps)
    np.testing.assert_allclose(found.train_epoch, np.array(steps) / 99)


def test_a_run_begun_anew_leaves_the_earlier_one_out(tmp_path):
    """The work directory was used before: of the first run, three epochs long, nothing may be left."""
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    write_scalars(first, list(records(epochs=3)))
    write_scalars(second, [{**record, "new": True} for record in records(epochs=1)])
    found = read_scalars(tmp_path)
    assert [record["step"] for record in found if "lr" in record] == [10, 20, 30]
    assert all(record["new"] for record in found)


def test_a_run_resumed_from_epoch_two_goes_on_from_there(tmp_path):
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    write_scalars(first, list(records(epochs=3)))
    later = [{**record, "new": True} for record in records(epochs=3) if record.get("epoch", 3) == 3]
    write_scalars(second, [record for record in later if "lr" in record or record["step"] == 3])
    found = read_scalars(tmp_path)
    assert [record["step"] for record in found if "lr" in record] == [10, 20, 30, 47, 57, 67, 84, 94, 104]
    assert ["new" in record for record in found if "lr" in record] == [False] * 6 + [True] * 3
    assert [record["step"] for record in found if "AP" in record] == [1, 2, 3]


def test_scores_are_shown_in_percent():
    assert as_percent("AP", np.array([0.5])) == 50
    assert as_percent("mpii/PCKh@0.5/mean_weighted", np.array([50.0])) == 50
    assert as_percent("pixels", np.array([7.0])) == 7


@pytest.mark.parametrize(
    ("have", "drawn"),
    [
        (["AP50", "AP", "AR"], ["AP"]),
        (["coco/AP", "mpii/PCKh@0.5/mean_weighted"], ["coco/AP", "mpii/PCKh@0.5/mean_weighted"]),
        (["PCK@0.2/neck", "PCK@0.2/mean", "PCK@0.2/mean12"], ["PCK@0.2/mean12"]),
        (["PCK@0.2/nose", "PCK@0.2/mean"], ["PCK@0.2/mean"]),
        (["loss", "x", "y", "z"], ["x", "y"]),
    ],
)
def test_headline_scores(have, drawn):
    assert headline_scores(have) == drawn


def test_a_score_is_found_by_its_end_and_a_misspelt_one_is_told_from_its_like():
    names = ["coco/AP", "coco/AR", "loss"]
    assert find_score(names, "AR", "run") == "coco/AR"
    with pytest.raises(DataError, match=r"run: there is no score 'coco/AQ'; did you mean 'coco/A[PR]'"):
        find_score(names, "coco/AQ", "run")
    with pytest.raises(DataError, match="no score has been logged yet"):
        find_score([], "AP", "run")


def test_epoch_means_lie_amid_their_epoch():
    epochs, values = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0]), np.array([1.0, 3, 5, np.nan, 2, 4])
    x, y = epoch_means(epochs, values)
    np.testing.assert_allclose(x, [0.75, 1.75, 2.75])
    np.testing.assert_allclose(y, [2, np.nan, 3])
    np.testing.assert_allclose(epoch_means(epochs[:4], values[:4])[0], epochs[:4])


def write_scalars(path, lines):
    """Strings are written as they are, records as a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    path.write_text("".join(texts), "utf-8")


def test_read_scalars_joins_a_resumed_run_and_forgives_a_killed_ones_last_line(tmp_path):
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    step = {"lr": 1, "loss": 3, "epoch": 1, "step": 1}
    write_scalars(first, [step, {**step, "loss": 2, "step": 2}, {"AP": 0.1, "step": 1}, '{"lr": 1, "lo'])
    write_scalars(second, [{**step, "loss": 9, "step": 2}, {"AR": 0.2, "step": 1}])
    found = read_scalars(tmp_path)
    assert [r["loss"] for r in found if "lr" in r] == [3, 9]
    assert [r for r in found if "lr" not in r] == [{"AP": 0.1, "AR": 0.2, "step": 1}]


def test_read_scalars_names_the_faulty_line_and_the_missing_file(tmp_path):
    write_scalars(tmp_path / "scalars.json", ['{"lr": 1}\n', "garbage\n", '{"lr": 1}\n'])
    with pytest.raises(DataError, match=r"scalars\.json, line 2: not a JSON object"):
        read_scalars(tmp_path / "scalars.json")
    write_scalars(tmp_path / "scalars.json", ["[1]\n", "{}\n"])
    with pytest.raises(DataError, match="line 1: expected a JSON object, found list"):
        read_scalars(tmp_path / "scalars.json")
    with pytest.raises(DataError, match="nothing: no such file or folder"):
        read_scalars(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no scalars\.json"):
        read_scalars(tmp_path / "empty")


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(list(records()), id="a run"),
        pytest.param({"MSE": list(records()), "focal MSE": list(records(2))}, id="two runs"),
        pytest.param([], id="nothing yet"),
        pytest.param([{"AP": 0.5, "step": 1}], id="validation alone"),
        pytest.param(
            [{"lr": 1e-3, "loss": float("nan"), "epoch": 1, "step": 1}], id="a loss that is not a number"
        ),
        pytest.param([{"other": -1.0, "step": 1}, {"other": -2.0, "step": 2}], id="an unknown score"),
    ],
)
def test_plot_curves_writes_a_picture_of_any_run(tmp_path, runs):
    path = plot_curves(runs, tmp_path / "görbék.png", title="A run")
    assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR).shape[2] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["görbék.png"]


def test_curves_of_runs_side_by_side_are_those_of_the_records():
    long, short = collect(records(epochs=4)), collect([r for r in records(epochs=2) if "lr" in r])
    figure = curves_figure({"long": long, "short": short}, ["AP"])
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["Training loss", "Training accuracy", "Validation AP", "Learning rate"]
    loss = panels["Training loss"].lines
    np.testing.assert_allclose(loss[0].get_ydata(), long.train["loss"])
    np.testing.assert_allclose(loss[1].get_ydata(), long.train["loss"].reshape(4, 3).mean(axis=1))
    np.testing.assert_allclose(loss[2].get_xdata(), short.train_epoch)
    score, best = panels["Validation AP"].lines
    np.testing.assert_allclose(score.get_xydata(), [[1, 10], [2, 20], [3, 30], [4, 40]])
    np.testing.assert_allclose(best.get_xydata(), [[4, 40]])
    assert [text.get_text() for text in panels["Validation AP"].texts] == ["not logged by short"]
    assert missing({"long": long, "short": short}, ["AP"]) == {"Validation AP": ["short"]}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "long: best AP 40.0 at epoch 4", "short"
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"long, short: there is no score 'APP'; did you mean 'AP'"):
        curves_figure({"long": long, "short": short}, ["APP"])


def test_the_best_of_a_score_that_is_better_when_lower_is_the_lowest(tmp_path):
    """As the run.json beside a log says."""
    errors = [0.5, 0.04, float("nan"), 0.3]
    logged = [{"NME": value, "step": epoch} for epoch, value in enumerate(errors, 1)]
    write_scalars(tmp_path / "20260101" / "vis_data" / "scalars.json", logged)
    for place in (tmp_path, tmp_path / "20260101"):
        (place / "run.json").write_text(json.dumps({"scores": {"NME": "less", "AP": "greater"}}))
    for run in (tmp_path, tmp_path / "20260101" / "vis_data" / "scalars.json"):
        figure = curves_figure({"a run": read_curves(run)}, ["NME"])
        panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "Validation NME")
        np.testing.assert_allclose(panel.lines[1].get_xydata(), [[2, 0.04]])
        assert figure.legends[0].get_texts()[0].get_text() == "a run: best NME 0.04 at epoch 2"
    (tmp_path / "run.json").write_text("cut off")
    assert read_curves(tmp_path).lower == frozenset()


def test_the_legend_of_many_runs_lies_within_the_picture_and_off_the_panels():
    runs = {f"a run with a rather long name, number {i}": collect(records(epochs=3)) for i in range(24)}
    figure = curves_figure(runs, title="Many")
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= min(axes.get_window_extent().y0 for axes in figure.axes)
    looks = [
        (line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.legends[0].get_lines()
    ]
    assert len(set(looks)) == 24


def test_plot_curves_reads_a_work_directory(tmp_path):
    write_scalars(tmp_path / "20260101" / "vis_data" / "scalars.json", list(records()))
    assert plot_curves(tmp_path, tmp_path / "curves.pdf", metrics=["AP"]).read_bytes().startswith(b"%PDF")


def test_a_point_without_neighbours_has_a_mark():
    nan = float("nan")
    assert alone(np.array([1.0])) == [0]
    assert alone(np.array([1, nan, 2, 3, nan, 4])) == [0, 5]
    assert alone(np.array([1.0, 2])) == alone(np.array([nan])) == []
    step = {"lr": 0.1, "loss": 0.5, "acc_pose": 0.3, "epoch": 1, "iter": 10, "step": 10}
    figure = curves_figure({"": collect([step])})
    for axes in figure.axes:
        assert [line.get_markevery() for line in axes.lines if line.get_marker() == "o"] == [[0]]
