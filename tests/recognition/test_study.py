"""The study of losses: its cells, its report, its figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from reference import ROOT
from tool_runs import caller
from toy_identities import write_identities, write_pairs

from posekit.errors import ConfigError, DataError
from posekit.recognition import study, study_report
from posekit.recognition.files import read_embeddings
from posekit.recognition.plane import PLANE_LOSSES, plane_features
from posekit.recognition.study import LOSSES, begin, finished, kept_rows, settings_of, stated_losses
from posekit.recognition.study_figures import plane_figure
from posekit.recognition.verification import auc, roc, tar_at_far

TWO = ("softmax", 'mine={"losses": {"identification": {"type": "CosFace", "scale": 16.0, "margin": 0.1}}}')
CONFIG = ROOT / "configs" / "recognition" / "study_celeba_64x64.py"
# Eight identities, three of them unseen; a network that starts at random.
OPTIONS = (
    "model.backbone.name=mobilenetv2_035", "model.backbone.pretrained=False", "model.head.classes=5",
    "model.head.dim=8", "train_dataloader.batch_size=8", "train_dataloader.sampler.images=2",
    "train_cfg.max_epochs=2", "train_dataloader.dataset.source.num_test=3",
    "test_dataloader.dataset.source.num_test=3", "val_dataloader.dataset.source.num_test=3",
)  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The command line of a study of a toy data set, without its output folder."""
    folder = write_identities(tmp_path_factory.mktemp("study") / "a")
    pairs = write_pairs(folder)
    given = (CONFIG, "--pairs", pairs, "--points", folder / "labels.csv", "--losses", *TWO)
    return (*given, "--cfg-options", f"data_root={folder}", *OPTIONS)


@pytest.fixture
def run(monkeypatch, capsys):
    return caller("recognition_study", monkeypatch, capsys)


def test_a_study_from_its_cells_to_its_report(words, run, tmp_path):
    words = (*words, "--out", tmp_path, "--seeds", "0", "--frozen", "0")
    status, said = run(*words)
    assert status == 0, said
    assert sorted(path.name for path in (tmp_path / "cells").iterdir()) == ["mine_s0", "softmax_s0"]
    cell = json.loads((tmp_path / "cells" / "mine_s0" / "cell.json").read_text())
    assert cell["head"]["losses"]["identification"]["type"] == "CosFace"
    assert (cell["head"]["learning"], cell["epochs"], cell["seed"]) == (0, 2, 0)
    for name, count in (("unseen", 18), ("seen", 30), ("pairs", 48)):
        assert read_embeddings(tmp_path / "cells" / "mine_s0" / f"{name}.npz")[1].shape == (count, 8)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["losses"]) == ["softmax", "mine"]
    assert (scores["pairs"], scores["identities"], scores["baseline"]) == (48, 3, "softmax")
    assert scores["losses"]["softmax"]["AUC"]["difference_interval"] == [0, 0]
    assert (tmp_path / "scores.md").read_text().count("|") == 4 * 7
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("norms.png", "angles.png"))
    # Finished cells stay; one that is gone comes out the same.
    before = read_embeddings(tmp_path / "cells" / "mine_s0" / "unseen.npz")[1]
    (tmp_path / "cells" / "mine_s0" / "cell.json").unlink()
    kept = (tmp_path / "cells" / "softmax_s0" / "cell.json").stat().st_mtime_ns
    assert run(*words)[0] == 0
    np.testing.assert_array_equal(read_embeddings(tmp_path / "cells" / "mine_s0" / "unseen.npz")[1], before)
    assert (tmp_path / "cells" / "softmax_s0" / "cell.json").stat().st_mtime_ns == kept
    status, said = run("--out", tmp_path, "--report-only")
    assert (status, "scores.json" in said) == (0, True)


def test_a_cell_trained_by_the_engine(words, run, tmp_path):
    status, said = run(*words, "--out", tmp_path, "--losses", "softmax", "--seeds", "3")
    assert status == 0, said
    folder = tmp_path / "cells" / "softmax_s3"
    assert (folder / "epoch_2.pth").exists()
    assert json.loads((folder / "cell.json").read_text())["seed"] == 3
    lengths = np.linalg.norm(read_embeddings(folder / "unseen.npz")[1], axis=1)
    assert lengths.std() > 1e-3  # as the network gives them


@pytest.mark.parametrize(
    ("losses", "error"),
    [
        (["sofmax"], "did you mean 'softmax'"),
        (["softmax", "softmax"], "'softmax' comes twice"),
        (["mine={"], "mine: expected JSON"),
        (["mine=[]"], "an object with 'losses'"),
        (["../x={}"], "a plain name"),
    ],
)
def test_impossible_losses_are_refused(losses, error):
    with pytest.raises(ConfigError, match=error):
        stated_losses(losses)


def test_a_folder_of_another_study_or_loss_is_left_alone(tmp_path):
    begin(tmp_path, "a.py", "pairs.csv", {})
    begin(tmp_path, "a.py", "pairs.csv", {})
    with pytest.raises(ConfigError, match="choose another --out"):
        begin(tmp_path, "b.py", "pairs.csv", {})
    (tmp_path / "cell.json").write_text(json.dumps({"head": settings_of(LOSSES["softmax"])}))
    assert finished(tmp_path, settings_of(LOSSES["softmax"]))
    with pytest.raises(DataError, match="it was trained by"):
        finished(tmp_path, settings_of(LOSSES["cosface"]))
    assert not finished(tmp_path / "none", {})


def test_a_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="file not found"):
        study_report.write_report(tmp_path)


def test_kept_rows():
    assert kept_rows("unseen.npz", 5).tolist() == [0, 1, 2, 3, 4]
    assert len(kept_rows("seen.npz", 5000)) == study._SEEN
    assert kept_rows("seen.npz", 5000)[[0, -1]].tolist() == [0, 4999]


# --- the report's numbers -----------------------------------------------------------------------------------


def test_histograms_give_the_scores_of_all_pairs():
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(6), 5)
    vectors = rng.normal(size=(6, 12))[identity] + rng.normal(size=(30, 12))
    same, different = study_report.cosine_counts(vectors, identity)
    assert same.sum() == 6 * 10
    assert different.sum() == 30 * 29 / 2 - 60
    assert not different[np.tril_indices(6)].any()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(30, 1)
    curve = roc((units @ units.T)[first, second], identity[first] == identity[second])
    found = study_report.curve_scores(same.sum(axis=0), different.sum(axis=(0, 1)))
    assert found[0] == pytest.approx(auc(curve), abs=2e-3)
    assert found[1] == pytest.approx(tar_at_far(curve, study_report.RATE)[0], abs=0.04)


def test_rightly_told_pairs_are_the_fold_accuracy():
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.3, 0.25])
    same = np.array([True, False, True, False, True, False])
    right = study_report.rightly_told(scores, same, np.array([1, 1, 1, 2, 2, 2]))
    # Fold 1 at 0.275, fold 2 at 0.45: the pair of 0.3 is taken for a different one.
    assert right.tolist() == [1, 1, 1, 1, 0, 1]


def facts(loss, seed, right, shift):
    same, different = np.zeros((2, study_report.BINS)), np.zeros((2, 2, study_report.BINS))
    same[:, 600 + shift], different[0, 1, 600] = 10, 10
    norms = {"unseen.npz": np.array([1.0, 3.0]), "seen.npz": np.array([2.0, 2.0])}
    return study_report.CellFacts(loss, seed, np.array(right, float), same, different, norms)


def test_scores_are_means_of_seeds_and_differences_of_the_first_loss():
    cells = [
        facts("softmax", 0, [1, 0, 1, 0], 0), facts("softmax", 1, [1, 1, 1, 0], 0),
        facts("better", 0, [1, 1, 1, 1], 10), facts("better", 1, [1, 1, 1, 1], 10),
    ]  # fmt: skip
    found = study_report.score_cells(cells, resamples=50)
    soft, better = found["losses"]["softmax"], found["losses"]["better"]
    assert soft["accuracy"]["each"] == [0.5, 0.75]
    assert soft["accuracy"]["mean"] == 0.625
    assert (soft["AUC"]["mean"], better["AUC"]["mean"]) == (0.5, 1)  # ties, and all above
    assert better["AUC"]["difference"] == 0.5
    assert better["accuracy"]["interval"] == [1, 1]
    low, high = better["accuracy"]["difference_interval"]
    assert 0 <= low < 0.375 < high <= 1
    assert soft["norms"] == {
        "seen": {"mean": 2, "variation": 0}, "unseen": {"mean": 2, "variation": 0.5}
    }  # fmt: skip
    middle = np.degrees(np.arccos(0.201))
    assert soft["angles"]["within"] == pytest.approx(middle)
    assert better["angles"]["within"] < soft["angles"]["within"]


# --- two dimensions -----------------------------------------------------------------------------------------


def test_features_in_the_plane():
    """Softmax makes the centre's neighbours unsure and the outer ones sure; a margin draws rays together."""
    plain, labels = plane_features("softmax", classes=4, steps=150)
    assert plain.shape == (400, 2)
    np.testing.assert_array_equal(np.bincount(labels), [100] * 4)
    again, _ = plane_features("softmax", classes=4, steps=150)
    np.testing.assert_array_equal(plain, again)
    margin, _ = plane_features("ArcFace", classes=4, steps=150)

    def spread(points):
        units = points / np.linalg.norm(points, axis=1, keepdims=True)
        return np.mean([1 - np.linalg.norm(units[labels == k].mean(axis=0)) for k in range(4)])

    assert spread(margin) < spread(plain)
    figure = plane_figure({"a": (plain, labels), "b": (margin, labels)}, "two")
    assert len(figure.axes) == 2


def test_impossible_planes_are_refused():
    state = torch.random.get_rng_state()
    plane_features("softmax", classes=2, steps=1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert "softmax" in PLANE_LOSSES
    with pytest.raises(ConfigError, match="expected one of softmax, NormFace"):
        plane_features("soft", classes=2)
