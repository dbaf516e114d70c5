"""tools/train.py and tools/test.py as a user runs them, on the toy problem."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_training
from toy_training import CONFIG, ROOT, run, write_config

from posekit.io.checkpoint import read_checkpoint
from posekit.io.files import sha256


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    config = write_config(folder)
    assert run("train", config, "--work-dir", folder / "work") == 0
    return folder, config


def test_the_default_work_dir_is_named_after_the_config(tmp_path):
    config = write_config(tmp_path)
    assert run("train", config, "--cfg-options", "train_cfg.max_epochs=1", cwd=tmp_path) == 0
    assert (tmp_path / "work_dirs" / "toy" / "epoch_1.pth").is_file()


def test_seed_options_and_amp(tmp_path):
    config = write_config(tmp_path)
    options = ["train_cfg.max_epochs=1", "model.width=3"]
    words = [config, "--seed", 11, "--amp", "--work-dir", tmp_path / "w", "--cfg-options", *options]
    assert run("train", *words) == 0
    assert json.loads((tmp_path / "w" / "run.json").read_text())["seed"] == 11
    checkpoint = read_checkpoint(tmp_path / "w" / "epoch_1.pth")
    assert checkpoint["meta"]["seed"] == 11
    assert checkpoint["state_dict"]["layers.1.weight"].shape == (3, 108)
    assert "loss_scaler" in checkpoint["optimizer"]
    dumped = (tmp_path / "w" / "toy.py").read_text()
    assert "MixedPrecisionOptimWrapper" in dumped
    assert "randomness = dict(seed=11)" in dumped
    # The dump is a config by itself.
    assert run("train", tmp_path / "w" / "toy.py", "--work-dir", tmp_path / "again") == 0
    again = read_checkpoint(tmp_path / "again" / "epoch_1.pth")["state_dict"]
    assert torch.equal(again["layers.1.weight"], checkpoint["state_dict"]["layers.1.weight"])


def test_resume_with_and_without_a_path(trained, tmp_path):
    folder, config = trained
    more = ["--cfg-options", "train_cfg.max_epochs=4"]
    words = [config, "--work-dir", tmp_path / "a", "--resume", folder / "work" / "epoch_3.pth", *more]
    assert run("train", *words) == 0
    assert {p.name for p in (tmp_path / "a").glob("epoch_*")} == {"epoch_4.pth"}
    words = [config, "--work-dir", tmp_path / "a", "--resume", "--cfg-options", "train_cfg.max_epochs=5"]
    assert run("train", *words) == 0
    assert (tmp_path / "a" / "last_checkpoint").read_text() == "epoch_5.pth"
    log = "".join(path.read_text() for path in sorted((tmp_path / "a").glob("*/*.log")))
    assert "epoch_4.pth: epoch 4, iteration 12" in log


def test_the_end_names_the_best(tmp_path, capsys):
    config = write_config(tmp_path)
    assert run("train", config, "--work-dir", tmp_path / "w") == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "trained 3 epochs" in last
    assert "best toy/accuracy" in last
    assert last.endswith("best_toy_accuracy.pth")


def test_test_states_how_it_scored(trained, tmp_path, capsys):
    folder, config = trained
    checkpoint = folder / "work" / "epoch_3.pth"
    assert run("test", config, checkpoint, "--work-dir", tmp_path / "t", "--no-flip") == 0
    out = tmp_path / "t"
    metrics = json.loads((out / "metrics.json").read_text())
    how = metrics.pop("protocol")
    assert metrics["toy/people"] == 24
    assert 0 < metrics["toy/accuracy"] < 100
    assert how["box_source"] == "ground truth"
    assert how["codec"] == "ToyCodec(side=6)"
    assert how["flip"] == "off"
    assert how["evaluator"] == ["toy metric"]
    assert how["checkpoint"] == str(checkpoint)
    assert how["checkpoint_sha256"] == sha256(checkpoint)
    assert how["config"] == str(config)
    results = json.loads((out / "results.json").read_text())
    assert sorted(r["image_id"] for r in results) == list(range(1000, 1024))
    printed = capsys.readouterr().out
    table = (out / "table.txt").read_text()
    assert table in printed
    stated = ["boxes:     ground truth", "codec:     ToyCodec(side=6)", "flip:      off"]
    for line in [*stated, "evaluator: toy metric"]:
        assert f"  {line}\n" in table


def test_testing_gives_the_score_of_the_validation(trained, tmp_path):
    folder, config = trained
    best = folder / "work" / "best_toy_accuracy.pth"
    assert run("test", config, best, "--work-dir", tmp_path) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["toy/accuracy"] == read_checkpoint(best)["meta"]["best"]["score"]
    assert metrics["protocol"]["flip"] == "average"


def test_testing_leaves_the_trained_config_alone(trained, tmp_path):
    folder, config = trained
    before = (folder / "work" / "toy.py").read_bytes()
    checkpoint = folder / "work" / "epoch_3.pth"
    assert run("test", config, checkpoint, "--work-dir", folder / "work", "--no-flip") == 0
    assert (folder / "work" / "toy.py").read_bytes() == before


@pytest.mark.parametrize(
    ("tool", "words", "message"),
    [
        ("train", ["none.py"], "config none.py: no such file"),
        ("train", ["{config}", "--cfg-options", "train_cgf.max_epochs=1"], "did you mean 'train_cfg'"),
        ("train", ["{config}", "--cfg-options", "novalue"], "expected key=value"),
        ("train", ["{config}", "--resume", "none.pth"], "none.pth: no such file"),
        ("train", ["{config}", "--cfg-options", "load_from=none.pth"], "none.pth: no such file"),
        ("test", ["{config}", "none.pth"], "none.pth: no such file"),
        ("test", ["{config}", "{junk}"], "junk.pth: is a text that begins with 'junk'"),
        ("test", ["{config}", "{good}", "--cfg-options", "model.width=9"], "another architecture"),
    ],
)
def test_mistakes_end_with_a_message_and_status_2(trained, tmp_path, capsys, tool, words, message):
    folder, config = trained
    (tmp_path / "junk.pth").write_bytes(b"junk")
    names = {"config": config, "junk": tmp_path / "junk.pth", "good": folder / "work" / "epoch_3.pth"}
    words = [word.format(**names) for word in words]
    assert run(tool, *words, "--work-dir", tmp_path / "w") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert not list(tmp_path.glob("w/epoch_*"))


def test_nothing_to_train_or_test(tmp_path, capsys):
    config = write_config(
        tmp_path,
        CONFIG + "del test_dataloader, test_evaluator, train_dataloader\n"
        "del optim_wrapper, train_cfg, param_scheduler\n",
    )
    assert run("train", config, "--work-dir", tmp_path / "w") == 2
    assert "nothing to train" in capsys.readouterr().err
    assert run("test", config, tmp_path / "x.pth", "--work-dir", tmp_path / "w") == 2
    assert "nothing to test" in capsys.readouterr().err


def test_from_another_folder_in_a_process_of_its_own(trained, tmp_path):
    folder, config = trained
    toys = Path(toy_training.__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(toys)])}
    words = [str(config), str(folder / "work" / "epoch_3.pth")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "test.py"), *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "work_dirs" / "toy" / "metrics.json").is_file()
    bad = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "train.py"), "no.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (bad.returncode, bad.stderr) == (
        2,
        "error: config no.py: no such file, here or among posekit's configs\n",
    )
