"""tools/plot.py: every command writes its figures, and says what it cannot draw."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
import toy_people
from toy_pose_config import write_config
from toy_training import run

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.io.files import write_json
from posekit.registry import MODELS
from posekit.study.sweep_figures import by_gamma, groups_of, read_sweep, sweep_figures

SCORE = "PCK@0.2/mean12"


def write_run(folder, scores, *, name=SCORE, foreground=None):
    """A work directory with a validation per epoch, each epoch having two records."""
    lines = []
    for epoch, score in enumerate(scores, 1):
        for step in (2 * epoch - 1, 2 * epoch):
            logged = {"lr": 1e-3, "loss": 1 / step, "acc_pose": 0.1}
            lines.append({**logged, "epoch": epoch, "iter": step, "step": step})
        if foreground is not None:
            lines[-1]["foreground/loss_share"] = foreground
        lines.append({name: score, "step": epoch})
    path = folder / "20260101_000000" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


def write_cell(sweep, name, scores, test=None, state="finished", **options):
    """A cell of a sweep; without ``test`` it is still in training."""
    folder = write_run(sweep / "cells" / name, scores, **options)
    if test is not None or state == "failed":
        write_json(folder / "cell.json", {"name": name, "state": state, "test": {SCORE: test}})


@pytest.fixture
def sweep(tmp_path):
    folder = tmp_path / "sweep"
    for seed, test in enumerate((50.0, 54.0)):
        write_cell(folder, f"mse_s{seed}", [10.0 + seed, 20.0, 19.0], test, foreground=0.1)
    write_cell(folder, "focal_g1_d0.001_s0", [30.0, 31.0, 32.0], 40.0, foreground=0.8)
    write_cell(folder, "focal_g2_d0.001_s0", [5.0, 6.0])
    write_cell(folder, "focal-max_g1_d0.001_s0", [1.0, 2.0, 3.0], 60.0)
    write_cell(folder, "focal_g3_d0.001_s0", [7.0], state="failed")
    return folder


def picture(path):
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def points(axes):
    return [line.get_xydata().tolist() for line in axes.lines if len(line.get_xydata())]


def line_ends(figure):
    """The last y of every line; bars of single seeds have none."""
    ends = [line[-1][1] for line in points(figure.axes[0])]
    return {end for end in ends if np.isfinite(end)}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["heatmap", "--codec", "dark", "--sigma", 1.5, "--size", 32, "--gammas", 1], "heatmap"),
        (["heatmap", "--codec", "megvii"], "heatmap"),
        (["losses"], "losses"),
        (["losses", "--symmetric", "--gammas", 1, "--targets", 0, 0.3, 1], "losses"),
    ],
)
def test_the_papers_figures_are_written_in_two_forms(tmp_path, words, name):
    assert run("plot", *words, "--out", "figures", cwd=tmp_path) == 0
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [f"{name}.png", f"{name}.svg"]
    assert picture(tmp_path / "figures" / f"{name}.png").shape[1] == 1260
    assert "<svg" in (tmp_path / "figures" / f"{name}.svg").read_text("utf-8")


def test_losses_of_coordinates_are_drawn_twice(tmp_path):
    assert run("plot", "point-losses", "--omegas", 5, 10, "--out", "figures", cwd=tmp_path) == 0
    for name in ("point_losses", "wing_settings"):
        assert picture(tmp_path / "figures" / f"{name}.png").shape[1] == 1260


def test_features_in_the_plane_are_drawn(tmp_path, capsys):
    assert run("plot", "plane", "--classes", 2, "--steps", 2, "--out", "plane.png", cwd=tmp_path) == 0
    assert picture(tmp_path / "plane.png").shape[1] > 600
    assert run("plot", "plane", "--classes", 1, cwd=tmp_path) == 2
    assert "2 or more classes" in capsys.readouterr().err


def test_ced_draws_what_evaluate_wrote(tmp_path, capsys):
    for name, shares in (("a", (0, 20, 90)), ("b", (0, 10, 80))):
        write_json(tmp_path / f"{name}.json", {f"CED/{x / 20:g}": share for x, share in enumerate(shares)})
    assert (
        run("plot", "ced", "a.json", "b.json", "--names", "wing", "L2", "--out", "ced.png", cwd=tmp_path) == 0
    )
    assert picture(tmp_path / "ced.png").size
    for name, norm in (("a", "inter_ocular"), ("b", "box_diagonal")):
        scores = {f"NME/{norm}": 3, f"NME/{norm}/pose=1": 4, "CED/0": 0, "CED/0.1": 90}
        write_json(tmp_path / f"{name}.json", scores)
    assert run("plot", "ced", "a.json", "a.json", "--names", "x", "y", "--out", "c.png", cwd=tmp_path) == 0
    assert run("plot", "ced", "a.json", "b.json", cwd=tmp_path) == 2
    said = "expected one size of the face, found inter_ocular in a.json, box_diagonal in b.json"
    assert said in capsys.readouterr().err
    write_json(tmp_path / "a.json", {"NME/inter_ocular": 3})
    assert run("plot", "ced", "a.json", cwd=tmp_path) == 2
    assert "a.json: expected the scores of tools/evaluate.py nme --curve" in capsys.readouterr().err


def test_out_may_be_a_file(tmp_path, capsys):
    assert run("plot", "losses", "--out", tmp_path / "own" / "fig2.pdf") == 0
    assert (tmp_path / "own" / "fig2.pdf").read_bytes().startswith(b"%PDF")
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["fig2.pdf"]
    assert str(tmp_path / "own" / "fig2.pdf") in capsys.readouterr().out


def test_curves_of_runs_that_differ_in_all(tmp_path, capsys):
    """Work directories and a file, of different lengths and scores; what one lacks is said."""
    write_run(tmp_path / "a" / "run", [1.0, 2.0, 3.0])
    other = write_run(tmp_path / "b" / "run", [0.1], name="AP")
    file = other / "20260101_000000" / "vis_data" / "scalars.json"
    assert run("plot", "curves", "a/run", file, "--out", "figures", cwd=tmp_path) == 0
    out = capsys.readouterr().out
    assert f"Validation {SCORE}: not logged by run/20260101_000000" in out
    assert "Validation AP: not logged by run\n" in out
    assert picture(tmp_path / "figures" / "curves.png").size
    assert (
        run("plot", "curves", "a/run", "b/run", "--names", "one", "two", "--scores", "AP", cwd=tmp_path) == 0
    )
    assert "Validation AP: not logged by one" in capsys.readouterr().out


def test_compare_draws_two_losses(tmp_path):
    write_run(tmp_path / "a", [1.0, 2.0, 3.0])
    write_run(tmp_path / "b", [1.5, 2.5, 3.5])
    assert run("plot", "compare", "a", "b", "--out", "pair.png", cwd=tmp_path) == 0
    assert picture(tmp_path / "pair.png").size


def test_sweep_figures_hold_the_cells_own_numbers(sweep):
    cells = read_sweep(sweep)
    figures = sweep_figures(cells, SCORE)
    assert list(figures) == [
        "accuracy_vs_epoch_focal_d0.001",
        "accuracy_vs_epoch_all",
        "score_vs_gamma_test",
        "score_vs_gamma_val",
        "foreground",
    ]
    drawn = points(figures["accuracy_vs_epoch_focal_d0.001"].axes[0])
    assert drawn == [
        [[1, 10], [2, 20], [3, 19]], [[1, 11], [2, 20], [3, 19]], [[1, 10.5], [2, 20], [3, 19]],
        [[1, 30], [2, 31], [3, 32]], [[1, 5], [2, 6]], [[1, 7]],
    ]  # fmt: skip
    # Test scores: MSE 50 and 54, focal 40, focal-max 60; the unfinished and the failed cell have none.
    assert line_ends(figures["score_vs_gamma_test"]) == {52, 54, 40, 60}
    # Best validations, where the test scores are left aside.
    assert line_ends(figures["score_vs_gamma_val"]) == {20, 32, 3}
    shares = points(figures["foreground"].axes[0])
    np.testing.assert_allclose(shares[0], [[1, 10], [2, 10], [3, 10]])
    np.testing.assert_allclose(shares[-1], [[1, 80], [2, 80], [3, 80]])


def test_groups_are_forms_and_deltas_with_mse_in_each(sweep):
    cells = read_sweep(sweep)
    assert groups_of(cells) == [("focal", 0.001), ("focal-max", 0.001)]
    assert {gamma: len(own) for gamma, own in by_gamma(cells, ("focal-max", 0.001)).items()} == {0: 2, 1: 1}
    assert [records.state for records in cells].count("not finished") == 1


def test_gamma_writes_a_sweeps_figures(sweep, tmp_path, capsys):
    assert run("plot", "gamma", sweep, "--out", tmp_path / "figures") == 0
    out = capsys.readouterr().out
    assert "4 cells finished" in out
    assert "1 cells not finished" in out
    assert "1 cells failed" in out
    assert len(list((tmp_path / "figures").iterdir())) == 10
    assert run("plot", "gamma", sweep, "--out", tmp_path / "one.png") == 2
    assert "expected a folder for 5 figures" in capsys.readouterr().err


def test_predictions_are_drawn_on_photos(tmp_path, capsys):
    toy_people.write_coco(tmp_path)
    config = write_config(tmp_path)
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    with torch.no_grad():
        model.backbone.score[0].bias.fill_(0.5)  # a peak everywhere
    write_checkpoint({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "model.pth")
    words = ["predictions", "people.py", "model.pth", "--out", "figures"]
    for which in ("spread", "worst"):
        assert run("plot", *words, "--num", 2, "--which", which, cwd=tmp_path) == 0
        assert picture(tmp_path / "figures" / "predictions.png").shape[1] == 8 + 2 * (256 + 8)
    assert run("plot", *words, "--split", "test", cwd=tmp_path) == 2
    assert "there is no 'test_dataloader'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["curves", "nowhere"], "nowhere: no such file or folder"),
        (["curves", "void"], "void: no scalars.json"),
        (["curves", "run", "--scores", "PCK@0.2/mean21"], "did you mean 'PCK@0.2/mean12'"),
        (["curves", "run", "run"], "named twice"),
        (["curves", "run", "--names", "a", "b"], "--names: expected 1 different names"),
        (["compare", "run"], "expected two runs or more, found 1"),
        (["gamma", "nowhere"], "nowhere: no such folder"),
        (["gamma", "void"], "no cell in void"),
        (["heatmap", "--codec", "nonsense"], "there is no 'nonsense'"),
        (["heatmap", "--codec", "megvii", "--sigma", "2"], "has no setting 'sigma'"),
        (["heatmap", "--size", "0"], "--size: expected 8 to 1024 cells, found 0"),
        (["heatmap", "--gammas", "nan"], "'gamma' must be a finite number >= 0"),
        (["losses", "--delta", "-1"], "'delta' must be a finite number >= 0"),
        (["point-losses", "--omegas", "0"], "'omega' must be a positive number"),
        (["point-losses", "--reach", "-1"], "--reach: expected a number above 0"),
        (["losses", "--targets", "nan"], "--targets: expected finite numbers"),
        (["losses", "--out", "file.txt"], "expected a folder, or a file that ends in"),
    ],
)
def test_mistakes_end_with_a_message(tmp_path, capsys, words, message):
    (tmp_path / "void").mkdir()
    (tmp_path / "file.txt").touch()
    write_run(tmp_path / "run", [1.0])
    assert run("plot", *words, cwd=tmp_path) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("out", ["a.txt/figures", "a.txt/losses.png"])
def test_a_place_where_nothing_can_be_written_is_told(tmp_path, capsys, out):
    """A folder below a file: where the user is root nothing else is refused."""
    (tmp_path / "a.txt").write_text("")
    run_folder = write_run(tmp_path / "run", [1.0, 2.0])
    assert run("plot", "curves", run_folder, "--out", tmp_path / out) == 2
    assert "--out: nothing can be written to the folder" in capsys.readouterr().err
