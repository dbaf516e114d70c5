"""What careless use of tools/train.py and tools/test.py ends in: a message, and nothing spoilt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_training
from toy_training import CONFIG, ROOT, run, write_config

from posekit.engine.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    config = write_config(folder)
    words = ["--seed", 11, "--work-dir", folder / "work"]
    assert run("train", config, *words, "--cfg-options", "train_cfg.max_epochs=2") == 0
    return folder, config


def contents(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "train_dataloader.batch_size=0",
            "train_dataloader.batch_size: expected a whole number of at least 1",
        ),
        ("optim_wrapper.optimizer.lr=-1e-3", "optim_wrapper.optimizer.lr: expected a finite number >= 0"),
        ("train_cfg.max_epochs=0", "train_cfg.max_epochs: expected a whole number of at least 1, found 0"),
        ("train_cfg.val_interval=-2", "train_cfg.val_interval: expected a whole number of at least 1"),
        (
            "val_dataloader.num_workers=-1",
            "val_dataloader.num_workers: expected a whole number of at least 0",
        ),
        ("default_hooks.checkpoint.save_best=toy/acuracy", "did you mean 'toy/accuracy'"),
        ("optim_wrapper.optimizer.eps=-1", "optim_wrapper: "),
    ],
)
def test_impossible_options_end_before_training(tmp_path, capsys, option, message):
    words = ["--work-dir", tmp_path / "a" / "w", "--cfg-options", option]
    assert run("train", write_config(tmp_path), *words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert "Epoch(train)" not in printed.out
    assert not (tmp_path / "a").exists()


def test_an_impossible_seed(tmp_path, capsys):
    assert run("train", write_config(tmp_path), "--seed", -1, "--work-dir", tmp_path / "w") == 2
    assert "randomness.seed: expected a whole number of at least 0, found -1" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["train", "test"])
@pytest.mark.parametrize("below", ["", "w"])
def test_a_work_dir_that_is_a_file(trained, tmp_path, capsys, tool, below):
    (tmp_path / "file").write_text("mine")
    words = [trained[0] / "work" / "epoch_2.pth"] if tool == "test" else []
    assert run(tool, trained[1], *words, "--work-dir", tmp_path / "file" / below) == 2
    assert "file is a file, expected a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("checkpoint", "options"),
    [
        ("none.pth", []),
        ("junk.pth", []),
        ("good", ["model.width=9"]),
        ("good", ["test_dataloader.batch_size=0"]),
        ("good", ["test_dataloader.timeout=-1"]),
    ],
)
def test_a_test_that_cannot_start_leaves_nothing(trained, tmp_path, capsys, checkpoint, options):
    (tmp_path / "junk.pth").write_bytes(b"junk")
    path = trained[0] / "work" / "epoch_2.pth" if checkpoint == "good" else tmp_path / checkpoint
    before = contents(tmp_path)
    words = [path, "--work-dir", tmp_path / "deep" / "out"]
    assert run("test", trained[1], *words, *(["--cfg-options", *options] if options else [])) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert contents(tmp_path) == before
    assert not (tmp_path / "deep").exists()


def test_resume_adopts_the_seed_unless_one_is_given(trained, tmp_path, capsys):
    path = trained[0] / "work" / "epoch_2.pth"
    for name, words, seed in (("a", [], 11), ("b", ["--seed", 3], 3)):
        work = tmp_path / name
        assert run("train", trained[1], "--work-dir", work, "--resume", path, *words) == 0
        assert json.loads((work / "run.json").read_text())["seed"] == seed
        assert read_checkpoint(work / "epoch_3.pth")["meta"]["seed"] == seed
        warned = "was trained with seed 11, this run has 3" in capsys.readouterr().out
        assert warned is (seed == 3)
    words = ["--resume", path, "--cfg-options", "randomness.seed=4"]
    assert run("train", trained[1], "--work-dir", tmp_path / "c", *words) == 0
    assert json.loads((tmp_path / "c" / "run.json").read_text())["seed"] == 4


def test_a_finished_run_is_resumed_with_a_plain_word(trained, capsys):
    work = trained[0] / "work"
    before = {path: path.read_bytes() for path in work.iterdir() if path.is_file()}
    words = ["--work-dir", work, "--resume", "--cfg-options", "train_cfg.max_epochs=2"]
    assert run("train", trained[1], *words) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "nothing to train: 2 of 2 epochs are done" in last
    assert "--cfg-options train_cfg.max_epochs=" in last
    assert {path: path.read_bytes() for path in work.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("option", ["model.width=9", "optim_wrapper.optimizer.type=SGD"])
def test_a_resume_with_another_config_spoils_nothing(trained, tmp_path, capsys, option):
    before = contents(trained[0])
    words = ["--work-dir", trained[0] / "work", "--resume", "--cfg-options", "train_cfg.max_epochs=5", option]
    assert run("train", trained[1], *words) == 2
    assert "epoch_2.pth" in capsys.readouterr().err
    assert contents(trained[0]) == before


SLOW = """
import time
from mmengine.hooks import Hook
class Slow(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter >= 4:
            print("SLOW", flush=True)
            time.sleep(60)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_within_an_epoch_loses_no_more_than_it(tmp_path, number, status):
    (tmp_path / "slow_hook.py").write_text(SLOW)
    config = write_config(tmp_path, CONFIG + 'custom_hooks = [dict(type="slow_hook.Slow")]\n', "slow.py")
    paths = [str(ROOT), str(Path(toy_training.__file__).parent), str(tmp_path)]
    words = [sys.executable, str(ROOT / "tools" / "train.py"), str(config), "--work-dir", str(tmp_path / "w")]
    process = subprocess.Popen(
        [*words, "--cfg-options", "train_dataloader.num_workers=1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("SLOW" in line for line in process.stdout)
    process.send_signal(number)
    started = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 20
    assert (process.returncode, err) == (status, "interrupted\n")
    assert "interrupted, 1 of 3 epochs done; the last checkpoint is" in out
    assert {path.name for path in (tmp_path / "w").glob("*.pth")} == {"epoch_1.pth", "best_toy_accuracy.pth"}
    assert not list((tmp_path / "w").rglob("*.tmp"))
    plain = write_config(tmp_path)
    assert run("train", plain, "--work-dir", tmp_path / "w", "--resume") == 0
    assert run("train", plain, "--work-dir", tmp_path / "whole") == 0
    first, second = (
        read_checkpoint(tmp_path / name / "epoch_3.pth")["state_dict"]["layers.1.weight"]
        for name in ("w", "whole")
    )
    assert torch.equal(first, second)
