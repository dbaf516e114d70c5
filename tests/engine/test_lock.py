"""One training at a time in a work directory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from toy_training import ROOT, build

from posekit.engine.checkpoints.lock import sole_owner
from posekit.errors import ConfigError

HOLD = """
import sys, time
from posekit.engine.checkpoints.lock import sole_owner
with sole_owner(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    (tmp_path / "work").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "work")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def test_the_other_process_is_named_and_nothing_spoilt(holder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        ConfigError, match=rf"another training is at work in it \(process {holder.pid} on .*, since"
    ):
        build(tmp_path).train()
    assert [p for p in sorted(tmp_path.rglob("*")) if p.name != "toy.py"] == before


def test_a_lock_ends_with_its_process(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "work" / ".lock").is_file()
    with sole_owner(tmp_path / "work"):
        assert str(os.getpid()) in (tmp_path / "work" / ".lock").read_text()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyError), sole_owner(tmp_path):
        raise KeyError
    with sole_owner(tmp_path):
        pass


def test_a_lock_that_may_not_be_opened_is_named(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(ConfigError, match=r"\.lock: cannot be opened for writing \(Permission.*--work-dir"),
        sole_owner(tmp_path),
    ):
        pass
