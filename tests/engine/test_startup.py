"""Starts: work directories that cannot be used, failed starts, warnings, interruptions."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import time
import warnings

import pytest
import torch
from mmengine.hooks import Hook
from toy_training import ToyDataset, ToyModel, build

from posekit.engine import cli, startup
from posekit.errors import ConfigError


def test_a_work_dir_is_made_and_its_new_folders_named(tmp_path):
    made = startup.make_work_dir(tmp_path / "a" / "b")
    assert made == [tmp_path / "a" / "b", tmp_path / "a"]
    assert startup.make_work_dir(tmp_path / "a" / "b") == []
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("below", ["", "sub/folder"])
def test_a_file_is_no_work_dir(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"work directory .*: .*file is a file, expected a folder"):
        startup.make_work_dir(tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_work_dir_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def read_only(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(ConfigError, match=r"work directory .*cannot be written: Read-only file system"):
        build(tmp_path, work_dir="a/b")
    assert not (tmp_path / "a").exists()


def test_a_work_dir_without_permission_is_refused(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    for work_dir in ("locked", "locked/below"):
        with pytest.raises(ConfigError, match="cannot be written: Permission denied"):
            build(tmp_path, work_dir=work_dir)


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written: File name too long"):
        build(tmp_path, work_dir="x" * 300)


class Picky(ToyModel):
    def __init__(self, **kwargs):
        raise ConfigError("Picky: likes nothing")


def test_a_failed_start_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="likes nothing"):
        build(tmp_path, model={"type": Picky}, work_dir="a/work")
    assert not (tmp_path / "a").exists()


def test_a_failed_start_leaves_what_was_there(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="likes nothing"):
        build(tmp_path, model={"type": Picky})
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["mine.txt"]


class Gappy(ToyDataset):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        warnings.warn("2 of 24 images not found", stacklevel=2)
        warnings.warn("old style", DeprecationWarning, stacklevel=2)


def test_warnings_of_data_sets_go_to_the_log(tmp_path, capsys):
    runner = build(tmp_path, {"train_cfg.max_epochs": 1})
    runner._train_dataloader["dataset"]["type"] = Gappy
    with pytest.warns(DeprecationWarning, match="old style") as seen:
        runner.train()
    assert not [w for w in seen if "images not found" in str(w.message)]
    log = next((tmp_path / "work").glob("*/*.log")).read_text()
    assert log.count("WARNING - 2 of 24 images not found") == 1
    assert "UserWarning" not in capsys.readouterr().err


@pytest.mark.parametrize("key", ["train_dataloader", "val_dataloader"])
def test_workers_can_be_taken_from_a_config_that_keeps_them_alive(tmp_path, key):
    stated = {"num_workers": 2, "persistent_workers": True, "prefetch_factor": 4}
    options = {f"{key}.{name}": value for name, value in stated.items()}
    runner = build(tmp_path, {**options, f"{key}.num_workers": 0, "train_cfg.max_epochs": 1})
    runner.train()
    loader = getattr(runner, key)
    assert (loader.num_workers, loader.persistent_workers) == (0, False)


# --- interruptions ---------------------------------------------------------------------------------------


class Interrupt(Hook):
    def __init__(self, at, error):
        self.at, self.error = at, error

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.at:
            raise self.error


def test_an_interrupted_run_says_what_is_left(tmp_path):
    runner = build(tmp_path)
    runner.register_hook(Interrupt(4, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    last = next((tmp_path / "work").glob("*/*.log")).read_text().strip().splitlines()[-1]
    assert "interrupted, 1 of 3 epochs done; the last checkpoint is" in last
    assert last.endswith("epoch_1.pth, --resume goes on from there")


def test_a_full_gpu_is_told_with_its_remedy(tmp_path):
    runner = build(tmp_path)
    full = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")
    runner.register_hook(Interrupt(4, full))
    with pytest.raises(
        ConfigError, match=r"memory does not suffice: lower .*batch_size.*CUDA out of memory\)"
    ):
        runner.train()
    assert (tmp_path / "work" / "epoch_1.pth").is_file()


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    for name in (".epoch_7.pth.abc_1234.tmp", ".last_checkpoint.defg5678.tmp", ".notes.tmp"):
        (work / name).write_bytes(b"half")
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()
    assert {path.name for path in work.glob(".*")} == {".notes.tmp"}


def ended(main, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.run_tool(main)
    return caught.value.code, capsys.readouterr().err


def test_sigterm_unwinds(tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)
    unwound = []

    def main():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            unwound.append(True)

    assert ended(main, capsys) == (143, "interrupted\n")
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_full_disk_is_no_bug(capsys):
    def main():
        raise OSError(errno.ENOSPC, "No space left on device", "w/scalars.json")

    assert ended(main, capsys) == (2, "error: w/scalars.json: cannot be written: No space left on device\n")

    def buggy():
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    with pytest.raises(FileNotFoundError):
        cli.run_tool(buggy)
