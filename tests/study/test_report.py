"""The report's numbers, worked out again by plain loops; its page, whole and safe."""

from __future__ import annotations

import csv
import html
import json
import math
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
from study.fake_sweep import PEOPLE, SCORE, make_errors, write_cell, write_failed, write_plan

from posekit.errors import ConfigError, DataError
from posekit.metrics.errors import read_errors, write_errors
from posekit.study import report
from posekit.study.report import write_report
from posekit.visualization.figure_style import COLOURS

MSE_CELLS = [f"mse_s{seed}" for seed in range(3)]
FOCAL = [f"focal_g1_d0.001_s{seed}" for seed in range(3)]
# As posekit.study.diagnosis writes it: the joints are too many numbers for a page.
DIAGNOSIS = {
    "split": "val", "people": 60, "right": 66.7,
    "overall": {"labelled": 700, "wrong": 33.3, "inverted": 31.5},
    "joints": {"left_wrist": {"labelled": 50, "wrong": 12.345}},
}  # fmt: skip
HOSTILE = 'it failed: </td><script>alert(1)</script> & "quoted"'


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Three seeds of MSE and of gamma 1, one of gamma 2; a failed, an interrupted and an absent cell."""
    out = tmp_path_factory.mktemp("sweep")
    planned = [*MSE_CELLS, *FOCAL, "focal_g2_d0.001_s0", *(f"focal_g3_d0.001_s{s}" for s in range(3))]
    write_plan(out, planned)
    for name in MSE_CELLS:
        write_cell(out, name, 20.0)
    for name in FOCAL:
        write_cell(out, name, 30.0)
    write_cell(out, "focal_g2_d0.001_s0", 20.2, diagnosis=DIAGNOSIS)
    write_failed(out, "focal_g3_d0.001_s0", HOSTILE)
    (out / "cells" / "focal_g3_d0.001_s1").mkdir()
    write_report(out, resamples=400)
    return out


@pytest.fixture(scope="module")
def found(sweep):
    return json.loads((sweep / "sweep.json").read_text("utf-8"))


@pytest.fixture
def undrawn(monkeypatch):
    """For tests of the numbers alone, of sweeps whose like is drawn in others: figures take seconds."""
    monkeypatch.setattr(report, "sweep_pictures", lambda table, found: {})


def loop_scores(errors, people=None):
    """PCK per joint and mean12, from distances, one at a time."""
    per_joint = []
    for joint in range(len(errors.joints)):
        right = total = 0
        for person in range(len(errors.norm)) if people is None else people:
            if errors.valid[person, joint]:
                dx, dy = errors.predicted[person, joint] - errors.truth[person, joint]
                right += math.sqrt(dx * dx + dy * dy) / errors.norm[person] <= errors.threshold
                total += 1
        per_joint.append(100 * right / total)
    twelve = [v for v, name in zip(per_joint, errors.joints, strict=True) if name not in ("neck", "head_top")]
    return [*per_joint, sum(twelve) / 12]


def errors_of(sweep, name):
    return read_errors(sweep / "cells" / name / "test" / "errors.npz")


def compared(found, setting):
    return next(c for c in found["comparisons"] if c["setting"] == setting)


def test_scores_and_differences_are_those_of_plain_loops(sweep, found):
    mse = np.mean([loop_scores(errors_of(sweep, name)) for name in MSE_CELLS], axis=0)
    focal = np.mean([loop_scores(errors_of(sweep, name)) for name in FOCAL], axis=0)
    stated = compared(found, "focal_g1_d0.001")
    lines = [*stated["joints"], stated["headline"]]
    np.testing.assert_allclose([line["mse"] for line in lines], mse, atol=1e-9)
    np.testing.assert_allclose([line["value"] for line in lines], focal, atol=1e-9)
    np.testing.assert_allclose([line["difference"] for line in lines], focal - mse, atol=1e-9)
    assert lines[-1]["joint"] == SCORE
    assert stated["headline"]["difference"] < -5


def test_the_interval_over_people_is_that_of_a_bootstrap_by_loops(sweep, found):
    """The same draws of images, every score from distances again; two people stand on each image."""
    focal, mse = errors_of(sweep, "focal_g2_d0.001_s0"), [errors_of(sweep, name) for name in MSE_CELLS]
    rng = np.random.default_rng(0)
    draws = rng.integers(PEOPLE // 2, size=(400, PEOPLE // 2))[:40]
    differences = []
    for draw in draws:
        people = [person for image in draw for person in (2 * image, 2 * image + 1)]
        base = np.mean([loop_scores(errors, people)[-1] for errors in mse])
        differences.append(loop_scores(focal, people)[-1] - base)
    names = ["focal_g2_d0.001_s0", *MSE_CELLS]
    right = np.stack([errors_of(sweep, name).right() for name in names])
    from posekit.study.statistics import ScoreForm, resampled_scores

    form = ScoreForm(focal.weights)
    drawn = resampled_scores(right, focal.valid, focal.image_id, form, 400, 0)[..., -1]
    apart = drawn[:, 0] - drawn[:, 1:].mean(axis=1)
    np.testing.assert_allclose(apart[:40], differences, atol=1e-9)
    stated = compared(found, "focal_g2_d0.001")["headline"]
    assert [stated["people_low"], stated["people_high"]] == pytest.approx(
        np.quantile(apart, [0.025, 0.975]), abs=1e-9
    )


def test_the_interval_with_seeds_by_hand(sweep, found):
    """s^2 and e^2 of three runs each, Welch-Satterthwaite's freedom, t by bisection of its density."""
    from posekit.study.statistics import ScoreForm, resampled_scores

    sides = [FOCAL, MSE_CELLS]
    errors = {name: errors_of(sweep, name) for name in [*FOCAL, *MSE_CELLS]}
    form, one = ScoreForm(errors["mse_s0"].weights), errors["mse_s0"]
    right = np.stack([errors[name].right() for name in errors])
    drawn = resampled_scores(right, one.valid, one.image_id, form, 400, 0)[..., -1]
    seen = [np.array([loop_scores(errors[name])[-1] for name in side]) for side in sides]
    people = (drawn[:, :3].mean(1) - drawn[:, 3:].mean(1)).var(ddof=1)
    total, below = people, people**2 / (PEOPLE // 2 - 1)
    for values, own in zip(seen, (drawn[:, :3], drawn[:, 3:]), strict=True):
        shared = sum((own[:, s] - own.mean(1)).var(ddof=1) for s in range(3)) / 2
        total += max(values.var(ddof=1) - shared, 0) / 3
        below += (values.var(ddof=1) / 3) ** 2 / 2
    half = t_quantile(0.975, total**2 / below) * math.sqrt(total)
    stated = compared(found, "focal_g1_d0.001")["headline"]
    middle = seen[0].mean() - seen[1].mean()
    assert stated["seeds_low"] == pytest.approx(middle - half, abs=1e-3)
    assert stated["seeds_high"] == pytest.approx(middle + half, abs=1e-3)
    assert stated["low"] == min(stated["seeds_low"], stated["people_low"])


def t_quantile(probability, freedom):
    """Student's t by adding up its density."""
    grid = np.linspace(0, 60, 600_001)
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(log - (freedom + 1) / 2 * np.log1p(grid**2 / freedom))
    area = 0.5 + np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * (grid[1] - grid[0]))])
    return float(grid[np.searchsorted(area, probability)])


def test_means_and_spread_over_seeds(found, sweep):
    scores = [loop_scores(errors_of(sweep, name))[-1] for name in MSE_CELLS]
    mse = next(s for s in found["settings"] if s["setting"] == "mse")
    mean = sum(scores) / 3
    sd = math.sqrt(sum((s - mean) ** 2 for s in scores) / 2)
    expected = {"n": 3, "mean": mean, "sd": sd, "min": min(scores), "max": max(scores)}
    assert mse["test"] == pytest.approx(expected, abs=1e-9)
    assert (mse["seeds"], mse["planned_seeds"]) == ([0, 1, 2], [0, 1, 2])
    assert mse["train_seconds"]["mean"] == pytest.approx(101.0)
    assert next(s for s in found["settings"] if s["setting"] == "focal_g3_d0.001")["test"] is None


def test_verdicts(found):
    worse, even = compared(found, "focal_g1_d0.001"), compared(found, "focal_g2_d0.001")
    assert worse["outcome"] == "worse"
    assert re.match(
        r"focal, γ = 1, δ = 0.001 is worse than plain MSE: −\d+\.\d\d percentage points of", worse["sentence"]
    )
    assert "interval over people and seeds" in worse["sentence"]
    assert "3 and 3 seeds" in worse["sentence"]
    assert even["outcome"] == "not distinguishable"
    assert "interval over people and seeds" in even["sentence"]
    assert even["borrowed"]
    assert not worse["borrowed"]
    assert (
        "1 against 3 runs; how much other seeds of focal, γ = 2, δ = 0.001 would differ is taken from the "
        "losses that have several runs." in even["sentence"]
    )
    assert found["verdict"]["sentence"] == (
        "Of 2 settings compared with plain MSE, 1 is worse (focal, γ = 1, δ = 0.001) and 1 is not "
        "distinguishable (focal, γ = 2, δ = 0.001, a single run)."
    )
    p_values = sorted(c["headline"]["p_value"] for c in found["comparisons"])
    assert sorted(c["p_holm"] for c in found["comparisons"]) == pytest.approx(
        [min(1, 2 * p_values[0]), max(2 * p_values[0], p_values[1])]
    )


@pytest.mark.parametrize(("rule", "chosen"), [("greater", "mse"), ("less", "focal_g1_d0.001"), (None, "mse")])
@pytest.mark.usefixtures("undrawn")
def test_the_setting_that_validation_chooses_is_the_best_in_the_scores_direction(tmp_path, rule, chosen):
    for name, score in (("mse_s0", 20.0), ("focal_g1_d0.001_s0", 12.0)):
        val = {"epoch": 3, "metric": SCORE, "rule": rule, "score": score, "scores": {SCORE: score}}
        write_cell(tmp_path, name, 20.0, val=val)
    write_report(tmp_path, resamples=50)
    verdict = json.loads((tmp_path / "sweep.json").read_text("utf-8"))["verdict"]
    assert verdict["chosen"] == chosen


def test_one_seed_each_is_said(tmp_path):
    write_cell(tmp_path, "mse_s0", 20.0)
    write_cell(tmp_path, "focal_g1_d0.001_s0", 12.0)
    write_report(tmp_path, resamples=200)
    found = json.loads((tmp_path / "sweep.json").read_text())
    sentence, compared = found["verdict"]["sentence"], found["comparisons"][0]
    assert sentence.startswith("focal, γ = 1, δ = 0.001 against plain MSE is undecided: +")
    assert "95 % interval over people only +" in sentence
    assert "One run each; add --seeds: the interval holds of these very runs" in sentence
    assert compared["headline"]["low"] > 0
    assert compared["headline"]["seeds_low"] is compared["p_holm"] is None
    assert {row["outcome"] for row in [compared, compared["headline"], *compared["joints"]]} == {"undecided"}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<div class="verdict undecided">' in page
    assert 'class="better"' not in page
    assert "interval over people only; ▲ better" in page
    svg = (tmp_path / "figures" / "per_joint_focal_g1_d0.001.svg").read_text("utf-8")
    assert COLOURS[0].lower() not in svg.lower()
    assert "is undecided against plain MSE, see above" not in page


@pytest.mark.usefixtures("undrawn")
def test_several_settings_of_one_run_each_are_all_undecided(tmp_path):
    for name, noise in (("mse_s0", 20.0), ("focal_g1_d0.001_s0", 12.0), ("focal_g2_d0.001_s0", 40.0)):
        write_cell(tmp_path, name, noise)
    write_report(tmp_path, resamples=200)
    verdict = json.loads((tmp_path / "sweep.json").read_text())["verdict"]
    assert verdict["sentence"] == (
        "Of 2 settings compared with plain MSE, 2 are undecided (focal, γ = 1, δ = 0.001, a single run; "
        "focal, γ = 2, δ = 0.001, a single run). One run each; add --seeds."
    )
    assert verdict["chosen_sentence"].endswith(
        "On the test people it is undecided against plain MSE, see above."
    )


def test_what_is_said_of_a_plan_without_people(tmp_path):
    write_cell(tmp_path, "mse_s0")
    write_report(tmp_path, resamples=50)
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert any("no plan.json" in note for note in found["notes"])
    not_known = "Whether the test people are those by whom checkpoints are chosen is not known."
    assert found["verdict"]["selection"] == not_known
    assert not_known in (tmp_path / "report.html").read_text("utf-8")


def test_the_csv_reads_back(sweep, found):
    with (sweep / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    states = {row["name"]: row["state"] for row in rows}
    assert states == {
        **dict.fromkeys([*MSE_CELLS, *FOCAL, "focal_g2_d0.001_s0"], "finished"),
        "focal_g3_d0.001_s0": "failed",
        "focal_g3_d0.001_s1": "not finished",
        "focal_g3_d0.001_s2": "not run",
    }
    by_name = {row["name"]: row for row in rows}
    for name in FOCAL:
        expected = loop_scores(errors_of(sweep, name))
        assert float(by_name[name]["test"]) == pytest.approx(expected[-1], abs=1e-9)
        assert float(by_name[name]["test/PCK@0.2/left_wrist"]) == pytest.approx(expected[11], abs=1e-9)
    assert by_name["focal_g3_d0.001_s0"]["message"] == HOSTILE
    assert by_name["mse_s0"]["delta"] == by_name["focal_g3_d0.001_s2"]["test"] == ""
    assert (by_name["mse_s1"]["train_seconds"], by_name["mse_s1"]["epoch"]) == ("101.0", "3")
    assert [row["name"] for row in found["rows"]] == list(by_name)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text, self.sources = set(), [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_safe(sweep, found):
    text = (sweep / "report.html").read_text("utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert "script" not in page.tags
    assert "<script" not in text.lower()
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) >= 5
    said = " ".join(page.text)
    assert HOSTILE in said
    for sentence in (found["verdict"]["sentence"], *(c["sentence"] for c in found["comparisons"])):
        assert sentence in said
    assert not re.search(r"12\.3[45]", said.partition("Why it errs")[2].partition("What to know")[0])
    wrist = compared(found, "focal_g1_d0.001")["joints"][11]
    assert f"{wrist['difference']:+.2f}".replace("-", "−") in said
    assert found["verdict"]["selection"] == "It is said of the people."
    assert found["plan"]["people"]["kind"] == "same"
    assert "It is said of the people." in said
    for needed in ("not run", "a note of the plan", "not normalised", "inverted", "31.5", "Of the val people",
                   "Holm", "3 epochs",
                   "tools/train.py c.py --seed 2", "--cfg-options train_cfg.max_epochs=3"):  # fmt: skip
        assert needed in said
    assert text.index(found["verdict"]["sentence"]) < text.index("<h2>")


def test_figures_are_written_in_both_forms(sweep):
    names = {path.stem for path in (sweep / "figures").glob("*.svg")}
    assert names == {path.stem for path in (sweep / "figures").glob("*.png")}
    assert {"accuracy_vs_epoch", "training_and_validation", "score_vs_gamma_test"} <= names
    assert {"per_joint_focal_g1_d0.001", "per_joint_focal_g2_d0.001"} <= names


def test_without_errors_the_table_stands_and_no_verdict(tmp_path):
    write_plan(tmp_path, ["mse_s0", "focal_g1_d0.001_s0"])
    write_cell(tmp_path, "mse_s0", errors=False)
    write_cell(tmp_path, "focal_g1_d0.001_s0", errors=False)
    write_report(tmp_path, resamples=50)
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert found["verdict"]["sentence"].startswith("No verdict: no finished cell has a readable errors.npz")
    assert found["rows"][0]["test"] == pytest.approx(loop_scores(make_errors(200, 20.0))[-1])
    assert sum("errors.npz: file not found" in note for note in found["notes"]) == 2


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "no cell has finished yet"),
        (["mse_s0"], "only plain MSE has finished"),
        (["focal_g1_d0.001_s0"], "no cell with gamma 0 (plain MSE) can be compared with"),
    ],
)
def test_partial_sweeps(tmp_path, names, why):
    write_plan(tmp_path, ["mse_s0", "focal_g1_d0.001_s0"])
    for name in names:
        write_cell(tmp_path, name)
    path = write_report(tmp_path, resamples=50)
    assert f"No verdict: {why}." in path.read_text("utf-8")
    rows = json.loads((tmp_path / "sweep.json").read_text())["rows"]
    assert [row["state"] for row in rows].count("not run") == 2 - len(names)


def test_errors_that_do_not_fit_are_left_out(tmp_path):
    """Other people, and joints that do not make the score that metrics.json states."""
    for name in ("mse_s0", "focal_g1_d0.001_s0", "focal_g2_d0.001_s0", "focal_g3_d0.001_s0"):
        write_cell(tmp_path, name)
    cells = tmp_path / "cells"
    write_errors(cells / "focal_g2_d0.001_s0/test/errors.npz", make_errors(1, 5.0, people=30))
    write_errors(cells / "focal_g3_d0.001_s0/test/errors.npz", make_errors(1, 5.0))
    (cells / "focal_g1_d0.001_s0/cell.json").write_text("{")
    write_report(tmp_path, resamples=50)
    found = json.loads((tmp_path / "sweep.json").read_text())
    notes = "\n".join(found["notes"])
    assert (
        "focal_g2_d0.001_s0 is left out of all comparisons: errors.npz has other people than mse_s0" in notes
    )
    assert re.search(
        r"focal_g3_d0.001_s0 is left out .* gives PCK@0.2/mean12 [\d.]+, metrics.json states", notes
    )
    damaged = next(row for row in found["rows"] if row["name"] == "focal_g1_d0.001_s0")
    assert damaged["state"] == "damaged"
    assert "is not JSON" in damaged["message"]


def test_what_is_no_sweep_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no such folder"):
        write_report(tmp_path / "none")
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    with pytest.raises(DataError, match=r"expected plan\.json or folders in cells/"):
        report.main()
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path), "--resamples", "0"])
    with pytest.raises(ConfigError, match="--resamples: expected a whole number of at least 2, found 0"):
        report.main()


@pytest.mark.usefixtures("undrawn")
def test_a_verdict_on_part_of_the_cells_says_so(sweep, found, tmp_path):
    assert found["verdict"]["standing"].startswith("So far 7 of 10 cells have finished: this may change")
    assert found["verdict"]["standing"] in (sweep / "report.html").read_text("utf-8")
    write_plan(tmp_path, ["mse_s0", "focal_g1_d0.001_s0"])
    for name in ("mse_s0", "focal_g1_d0.001_s0"):
        write_cell(tmp_path, name)
    write_report(tmp_path, resamples=50)
    assert json.loads((tmp_path / "sweep.json").read_text())["verdict"]["standing"] == ""


@pytest.mark.usefixtures("undrawn")
def test_cells_of_different_devices_or_code_are_noted(tmp_path, found):
    assert not any("different values" in note for note in found["notes"])
    for name in ("mse_s0", "focal_g1_d0.001_s0"):
        write_cell(tmp_path, name)
    run = {"device": "a GPU", "versions": {"torch": "2"}, "git": {"commit": "abc", "dirty": True}}
    (tmp_path / "cells" / "focal_g1_d0.001_s0" / "run.json").write_text(json.dumps(run))
    write_report(tmp_path, resamples=50)
    notes = json.loads((tmp_path / "sweep.json").read_text())["notes"]
    assert "the cells were trained with different values of device: CPU | a GPU" in notes
    assert not any("of torch:" in note for note in notes)


def test_one_damaged_cell_costs_the_others_no_curves_and_old_figures_go(tmp_path):
    for name in ("mse_s0", "focal_g1_d0.001_s0", "focal_g2_d0.001_s0"):
        write_cell(tmp_path, name)
    scalars = next((tmp_path / "cells/focal_g2_d0.001_s0").glob("*/vis_data/scalars.json"))
    scalars.write_text("{\n" + scalars.read_text())
    (tmp_path / "figures").mkdir()
    for name in ("accuracy_vs_epoch_all.png", "mine.png", "accuracy_vs_epoch.txt"):
        (tmp_path / "figures" / name).touch()
    write_report(tmp_path, resamples=50)
    notes = json.loads((tmp_path / "sweep.json").read_text())["notes"]
    assert any(note.startswith("without its curves: ") and "line 1: not a JSON" in note for note in notes)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"accuracy_vs_epoch.png", "training_and_validation.svg", "mine.png"} <= names
    assert "accuracy_vs_epoch_all.png" not in names
    assert "accuracy_vs_epoch.txt" in names


def test_a_stated_loss_stands_in_table_report_and_figures(tmp_path):
    loss = {"type": "AdaptiveWingLoss", "omega": 14}
    for seed in (0, 1):
        write_cell(tmp_path, f"mse_s{seed}", 20.0)
        write_cell(tmp_path, f"awing_s{seed}", 40.0)
    write_cell(tmp_path, "unknown_s0", 20.0)
    write_plan(tmp_path, ["mse_s0", "mse_s1", "awing_s0", "awing_s1"], losses={"awing": loss})
    said = html.unescape(write_report(tmp_path, resamples=200).read_text("utf-8"))
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert found["forms"]["awing"] == str(loss)
    assert [row["name"] for row in found["rows"]][2:] == ["awing_s0", "awing_s1", "unknown_s0"]
    assert compared(found, "awing")["sentence"].startswith("awing is worse than plain MSE: −")
    for words in (
        f"Loss awing: {loss}.",
        "Loss unknown: not stated by the plan.",
        f"awing={json.dumps(loss)}",
    ):
        assert words in said or shlex.quote(words) in said
    with (tmp_path / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert (rows["awing_s1"]["gamma"], rows["awing_s1"]["delta"], rows["awing_s1"]["loss"]) == (
        "",
        "",
        "awing",
    )
    figures = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert {"accuracy_vs_epoch_all", "per_joint_awing", "training_and_validation"} <= figures
    assert 'id="awing"' in (tmp_path / "figures" / "accuracy_vs_epoch_all.svg").read_text("utf-8")
