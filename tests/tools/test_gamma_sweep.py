"""tools/gamma_sweep.py as a user runs it, on the toy problem."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from toy_sweep import SWEPT, write_swept
from toy_training import ROOT, run, write_config
from two_agents import pids_of

from posekit.io.checkpoint import read_checkpoint

PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests")])


def start(*words, cwd=None):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "gamma_sweep.py"), *map(str, words)],
        env={**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1", "POSEKIT_GUARD_GRACE": "2"},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(path, process):
    deadline = time.monotonic() + 300
    while not path.is_file():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_in_a_training_and_resumed_it_scores_as_undisturbed_trainings(tmp_path, monkeypatch, capsys):
    """Real cells: SIGKILL after the first epoch, gone on with from another folder, from plan.json alone."""
    gate, out = tmp_path / "gate", tmp_path / "out"
    monkeypatch.setenv("TOY_GATE", str(gate))
    config = write_swept(tmp_path, "custom_hooks = [dict(type=GateHook)]\n")
    grid = ["--gammas", 0, 1, "--deltas", 0.1, "--seeds", 3, "--jobs", 2, "--devices", "cpu"]
    grid += ["--losses", 'own={"type": "FocalMSELoss", "gamma": 3}']
    first = start(config.name, "--out", out, *grid, "--cfg-options", "model.width=6", cwd=tmp_path)
    for name in ("mse_s3", "focal_g1_d0.1_s3"):
        wait_for(out / "cells" / name / "epoch_1.pth", first)
    first.kill()
    first.wait()
    gate.touch()
    second = start("--out", out, "--devices", "cpu", "--jobs", 2)
    printed, _ = second.communicate(timeout=600)
    assert second.returncode == 0, printed
    plain = write_swept(tmp_path, name="plain.py")
    losses = {
        "mse_s3": {"type": "MSELoss"},
        "focal_g1_d0.1_s3": {"type": "FocalMSELoss", "gamma": 1.0, "delta": 0.1},
        "own_s3": {"type": "FocalMSELoss", "gamma": 3},
    }
    for name, loss in losses.items():
        stated = json.loads((out / "cells" / name / "cell.json").read_text())
        assert stated["state"] == "finished"
        words = ["model.width=6", f"model.head.loss={loss}"]
        work = tmp_path / "alone" / name
        assert run("train", plain, "--work-dir", work, "--seed", 3, "--cfg-options", *words) == 0
        best = read_checkpoint(work / "best_toy_accuracy.pth")["meta"]["best"]
        assert stated["val"]["score"] == best["score"]
        assert stated["val"]["epoch"] == best["epoch"]
        assert stated["val"]["scores"]["toy/accuracy"] == best["score"]
        assert stated["test"]["toy/accuracy"] == best["score"]  # its test people are its validation people
        assert stated["seed"] == json.loads((out / "cells" / name / "run.json").read_text())["seed"] == 3
        log = (out / "cells" / name / "train.log").read_text()
        assert ("resum" in log) == (name != "own_s3")
    scores = [json.loads(path.read_text())["test"] for path in sorted(out.glob("cells/*/cell.json"))]
    assert len({score["toy/accuracy"] for score in scores}) == 3
    capsys.readouterr()
    # Nothing is left to do, and nothing is done.
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/**/*")}
    assert (
        run("gamma_sweep", config, "--out", out, *grid, "--cfg-options", "model.width=6", cwd=tmp_path) == 0
    )
    assert "3 cells in" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.glob("cells/**/*")} == before
    # With anything else it does not go on.
    assert (
        run("gamma_sweep", config, "--out", out, *grid, "--cfg-options", "model.width=7", cwd=tmp_path) == 2
    )
    assert "width=6" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_cell_of_two_processes_is_killed_resumed_and_scores_as_one_process(tmp_path, monkeypatch):
    gate, out = tmp_path / "gate", tmp_path / "out"
    monkeypatch.setenv("TOY_GATE", str(gate))
    text = SWEPT.replace("from mmengine.dataset import", "from posekit.datasets.sampler import")
    text = text.replace("DefaultSampler", "EpochSampler") + "custom_hooks = [dict(type=GateHook)]\n"
    config = write_config(tmp_path, text, "swept.py")
    cell = ["--cells", "mse:s3", "--launcher", "pytorch", "--processes-per-cell", 2, "--devices", "cpu"]
    shared = ["model.dropout=0", "optim_wrapper.optimizer={'type': 'SGD', 'lr': 0.05}"]
    options = ["--cfg-options", *shared, "train_dataloader.batch_size=2"]
    first = start(config, "--out", out, *cell, *options, cwd=tmp_path)
    folder = out / "cells" / "mse_s3"
    wait_for(folder / "epoch_1.pth", first)
    assert len(pids_of(folder)) >= 3  # guard and torchrun, and of the two that train at least one
    first.kill()
    first.wait()
    deadline = time.monotonic() + 60
    while pids_of(out):
        assert time.monotonic() < deadline, pids_of(out)
        time.sleep(0.02)
    gate.touch()
    monkeypatch.setenv("PYTHONPATH", PATHS)
    assert run("gamma_sweep", "--out", out, "--devices", "cpu") == 0
    assert "resumed from" in (folder / "train.log").read_text()
    assert json.loads((folder / "run.json").read_text())["processes"] == 2
    words = [*shared, "train_dataloader.batch_size=4", "model.head.loss={'type': 'MSELoss'}"]
    assert run("train", config, "--work-dir", tmp_path / "one", "--seed", 3, "--cfg-options", *words) == 0
    ours, theirs = (read_checkpoint(path / "best_toy_accuracy.pth") for path in (folder, tmp_path / "one"))
    for name, value in theirs["state_dict"].items():
        assert (ours["state_dict"][name] - value).abs().max() < 1e-5, name
    stated = json.loads((folder / "cell.json").read_text())
    assert stated["test"]["toy/accuracy"] == pytest.approx(theirs["meta"]["best"]["score"], abs=1e-3)
    assert stated["test"]["toy/people"] == 24


def test_a_cell_that_cannot_train_fails_and_the_status_is_1(tmp_path, capsys):
    broken = 'train_dataloader["dataset"].update(poison=[0, 1, 2, 3])\n'
    words = ["--out", tmp_path / "out", "--cells", "mse:s0", "--devices", "cpu"]
    process = start(write_swept(tmp_path, broken), *words)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 1, printed
    assert "note: every loss has one run, so that the verdict will be 'undecided'; add --seeds" in printed
    assert "so that test scores are flattered by the choice" in printed
    stated = json.loads((tmp_path / "out" / "cells" / "mse_s0" / "cell.json").read_text())
    assert stated["state"] == "failed"
    assert "train ended with status 2" in stated["message"]
    assert "1 of 1 cells failed; --retry-failed tries them again" in printed
    assert "mse_s0: FAILED: train ended with status 2" in printed
    assert run("gamma_sweep", "--report-only", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'out' / 'report.html'} (1 failed)\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to sweep: state CONFIG"),
        (["none.py"], "config none.py: no such file"),
        (["{config}", "--gammas", "-1"], "gamma: expected a finite number >= 0, found -1"),
        (["{config}", "--gammas", "nan"], "gamma: expected a finite number >= 0, found nan"),
        (["{config}", "--deltas", "nan"], "delta: expected a finite number >= 0, found nan"),
        (["{config}", "--gammas", "-1", "--deltas", "0"], "which is infinite"),
        (["{config}", "--gammas"], "--gammas: expected at least one value, found none"),
        (["{config}", "--cells"], "--cells: expected at least one value, found none"),
        (["{config}", "--seeds", "1", "1"], "--seeds: 1 stands there twice"),
        (["{config}", "--forms", "foacl"], "loss form: expected one of focal"),
        (["{config}", "--cells", "foacl:s0"], "cell foacl_s0: expected a loss of --losses or one of focal"),
        (["{config}", "--losses", "a=1"], "--losses a: expected a config file (.py) or plain values"),
        (["{config}", "--losses"], "--losses: expected at least one value, found none"),
        (["{config}", "--cells", "mse:s0", "--seeds", "1"], "not both"),
        (["{config}", "--cfg-options", "modle.width=3"], "did you mean 'model'"),
        (["{config}", "--cfg-options", "model.head.loss.delta=3"], "the sweep sets it"),
        (["{config}", "--devices", "cuda:7"], "there is no such device"),
        (["{config}", "--jobs", "0"], "--jobs: expected a whole number of at least 1"),
        (["--report-only"], "--report-only: state --out"),
        (["{config}", "--quick"], "--quick: it has a config of its own"),
        (["--out", "out"], "holds no sweep (plan.json); state CONFIG"),
    ],
)
def test_mistakes_end_with_a_message_and_status_2(tmp_path, capsys, words, message):
    config = write_swept(tmp_path)
    words = [word.format(config=config) for word in words]
    assert run("gamma_sweep", *words, cwd=tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert [path.name for path in tmp_path.iterdir()] == ["swept.py"]
