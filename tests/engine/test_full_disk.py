"""A disk that is full: what was there stays, and the training says so."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import pytest
from mmengine.hooks import Hook
from toy_training import ROOT, build, runner_log, write_config

from posekit.engine.checkpoints import files as ck
from posekit.errors import CheckpointError


class LimitAt(Hook):
    """Lets no file grow beyond some bytes, once an iteration is done."""

    def __init__(self, iteration, size):
        self.iteration, self.size = iteration, size

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, hard))


def test_a_checkpoint_that_finds_no_room_ends_the_training_and_names_the_last_good_one(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    runner = build(tmp_path, {"model.width": 400})  # 0.6 MB a checkpoint
    runner.register_hook(LimitAt(5, 200_000))
    try:
        with pytest.raises(CheckpointError) as caught:
            runner.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    message = str(caught.value)
    assert "epoch_2.pth: cannot be written (OSError: [Errno 27] File too large)" in message
    assert f"the last checkpoint is {tmp_path / 'work' / 'epoch_1.pth'}, --resume goes on" in message
    names = {path.name for path in (tmp_path / "work").iterdir() if path.is_file()}
    assert {name for name in names if "epoch" in name or name.startswith(".")} == {"epoch_1.pth"}
    assert (tmp_path / "work" / ck.MARKER).read_text() == "epoch_1.pth"
    rest = build(tmp_path, {"model.width": 400}, resume=True)
    rest.train()
    assert rest.epoch == 3


def test_a_marker_that_finds_no_room_stays_where_it_is(tmp_path, monkeypatch):
    ck.mark_last(tmp_path, "epoch_1.pth")

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ck, "write_text", full)
    with pytest.raises(
        CheckpointError, match=r"last_checkpoint: cannot be written .*No space.*before epoch_2\.pth still"
    ):
        ck.mark_last(tmp_path, "epoch_2.pth")
    assert (tmp_path / ck.MARKER).read_text() == "epoch_1.pth"


def test_a_log_that_finds_no_room_says_what_is_left(tmp_path):
    class Full(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 4:
                raise OSError(28, "No space left on device", "scalars.json")

    runner = build(tmp_path)
    runner.register_hook(Full())
    with pytest.raises(OSError, match="No space left"):
        runner.train()
    last = next(runner_log(runner).glob("*.log")).read_text().strip().splitlines()[-1]
    assert "No space left on device; the last checkpoint is" in last
    assert "epoch_1.pth, --resume goes on from there" in last


SMALL_DISK = 'mount -t tmpfs -o size=200k none "$0" && exec "$@"'


def own_mounts():
    """Whether this process may mount things that it alone sees."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


TRAIN = """
import sys
from pathlib import Path
from toy_training import build, run
folder, config = Path(sys.argv[1]), sys.argv[2]
options = ["model.width=60", "train_cfg.max_epochs=9", "default_hooks.checkpoint.max_keep_ckpts=-1"]
status = run("train", config, "--work-dir", folder / "w", "--cfg-options", *options)
print("STATUS", status, sorted(path.name for path in (folder / "w").glob("*.pth")))
import os
from posekit.engine.checkpoints.resume import find_checkpoint
found = find_checkpoint(folder / "w")
print("GOOD", Path(found.path).name, found.passed_over, [p.name for p in (folder / "w").glob(".*")])
"""


def test_a_disk_of_200_kB(tmp_path):
    if not own_mounts():
        pytest.skip("no file system can be mounted here (unshare -rm mount)")
    disk = tmp_path / "disk"
    disk.mkdir()
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    words = [sys.executable, "-c", TRAIN, str(disk), str(write_config(tmp_path))]
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SMALL_DISK, str(disk), *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "STATUS 2 ['best_toy_accuracy.pth', 'epoch_1.pth']" in result.stdout, result.stderr
    assert "GOOD epoch_1.pth () []" in result.stdout
    assert "epoch_2.pth: cannot be written (OSError: [Errno 28] No space left on device)" in result.stderr
    assert "the last checkpoint is" in result.stderr
    assert "Traceback" not in result.stderr
