"""What careless use of tools/train.py and tools/test.py ends in: a message, and nothing spoilt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_training
from toy_training import CONFIG, ROOT, run, write_config

from posekit.io.checkpoint import read_checkpoint


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
    assert (
        "randomness.seed: expected a whole number from 0 to 4294967295, found -1" in capsys.readouterr().err
    )


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
            time.sleep(1)
"""


def start_slow(folder, workers=1):
    """A training in its own group of processes, which crawls once it has said SLOW in its second epoch."""
    (folder / "slow_hook.py").write_text(SLOW)
    config = write_config(folder, CONFIG + 'custom_hooks = [dict(type="slow_hook.Slow")]\n', "slow.py")
    paths = [str(ROOT), str(Path(toy_training.__file__).parent), str(folder)]
    words = [sys.executable, str(ROOT / "tools" / "train.py"), str(config), "--work-dir", str(folder / "w")]
    process = subprocess.Popen(
        [*words, "--cfg-options", f"train_dataloader.num_workers={workers}", "train_cfg.max_epochs=40"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            # On a machine of one core torch warns of two workers; what posekit says is looked at here.
            "PYTHONWARNINGS": "ignore:This DataLoader will create:UserWarning",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert any("SLOW" in line for line in process.stdout)
    return process


def workers_of(process):
    """The ids of a process's children."""
    return [int(n) for n in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def gone(pids, seconds=60.0):
    """Whether processes end within some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@linux
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_to_all_processes_saves_and_leaves_none(tmp_path, number, status):
    process = start_slow(tmp_path, workers=2)
    workers = workers_of(process)
    assert len(workers) >= 2
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=240)
    assert process.returncode == status, err
    assert gone(workers)
    names = {path.name for path in (tmp_path / "w").glob("*.pth")}
    if number == signal.SIGINT:  # whoever presses Ctrl-C wants it to end now
        assert err == "interrupted\n"
        assert "interrupted, 1 of 40 epochs done; the last checkpoint is" in out
        assert names == {"epoch_1.pth", "best_toy_accuracy.pth"}
    else:
        assert re.fullmatch(rf"stopped by {number.name} after iteration \d+, which is saved\n", err)
        assert "the last checkpoint is" in out
        assert (tmp_path / "w" / "last_checkpoint").read_text() not in ("epoch_1.pth", "")
    assert not [path for path in (tmp_path / "w").iterdir() if path.suffix == ".tmp" or path.name == ".lock"]
    plain = write_config(tmp_path)
    words = ["--cfg-options", "train_cfg.max_epochs=4"]
    assert run("train", plain, "--work-dir", tmp_path / "w", "--resume", *words) == 0
    assert run("train", plain, "--work-dir", tmp_path / "whole", *words) == 0
    first, second = (
        read_checkpoint(tmp_path / name / "epoch_4.pth")["state_dict"]["layers.1.weight"]
        for name in ("w", "whole")
    )
    assert torch.equal(first, second)


@linux
def test_a_killed_worker_ends_the_training_with_the_cause(tmp_path):
    """As when the system kills one for its memory."""
    process = start_slow(tmp_path, workers=2)
    workers = workers_of(process)
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2
    assert err.startswith("error: data-loading process ")
    assert f"{workers[0]}" in err
    assert "memory ran out: lower the dataloader's 'num_workers'" in err
    assert "epoch_" in err
    assert "Traceback" not in err
    assert gone(workers)


@linux
def test_workers_die_with_their_training(tmp_path):
    process = start_slow(tmp_path, workers=2)
    workers = workers_of(process)
    process.kill()
    process.wait()
    assert gone(workers)


def test_fifty_kills_in_small():
    """The full length is ``python tests/engine/kill_study.py --kills 50``."""
    script = Path(__file__).parents[1] / "engine" / "kill_study.py"
    few = ["--kills", "3", "--kinds", "bytes", "hook", "files", "--images", "6"]
    words = [sys.executable, str(script), *few]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    record = json.loads(result.stdout.strip().splitlines()[-1])
    assert record["faults"] == [], result.stderr
    assert (record["kills"], record["clean"], record["identical"], record["lost"]) == (3, 3, 3, 0)
    assert result.returncode == 0
