"""posekit.io.files: what can be read is read, what cannot is named; importing it costs nothing."""

from __future__ import annotations

import errno
import gzip
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from posekit.errors import DataError
from posekit.io.files import _is_device, read_json, under, write_json, write_text
from posekit.io.mat import read_mat


def test_json_plain_and_gzipped(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, 2.5]}', "utf-8")
    (tmp_path / "b").write_bytes(gzip.compress(b'{"a": [1, 2.5]}'))  # its bytes tell, not its name
    assert read_json(tmp_path / "a.json") == read_json(str(tmp_path / "b")) == {"a": [1, 2.5]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1, ", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{" + b"1" * 5000 + b"}", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (gzip.compress(b"[1]" * 99, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_other_jsons_are_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; get"),
        (b" \n", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "Git LFS.*'git lfs pull'"),
        (b"\n<!DOCTYPE html><html></html>", r"a web page \(HTML\).*download the file itself"),
        (b"<HTML><body>404", "a web page"),
        (b'{"image_id": 1}\n{"image_id": 2}\n{', r"on each line \(JSON lines\); write them as one list"),
        (b'{"image_id": 1}\n2', "Extra data"),
        (b'{"image_id": 1', "Expecting"),
    ],
)
def test_what_is_there_instead_of_a_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json: is not JSON: .*{message}"):
        read_json(tmp_path / "a.json")


def test_files_that_are_not_there_are_named(tmp_path):
    for read in (read_json, read_mat):
        with pytest.raises(DataError, match="none: file not found"):
            read(tmp_path / "none")
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_json(tmp_path)


def test_mat(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.arange(3)})
    variables = read_mat(tmp_path / "a.mat")
    assert {name: value.tolist() for name, value in variables.items()} == {"x": [[0, 1, 2]]}
    (tmp_path / "b.mat").write_bytes(b"not a mat file, but long enough to be looked at" * 20)
    with pytest.raises(DataError, match=r"b\.mat: not a readable MATLAB file"):
        read_mat(tmp_path / "b.mat")


def test_under():
    assert under("data", "a.json") == "data/a.json"
    assert under("", "a.json") == "a.json"
    assert under("data", "/a.json") == "/a.json"


def test_nothing_heavy_is_imported():
    code = """import sys, posekit.io.files
sys.exit(any(m in sys.modules for m in ('torch', 'scipy', 'mmengine')))"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_disk_that_cannot_sync_a_folder_is_written_to_all_the_same(tmp_path, monkeypatch):
    def sync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "a.txt", "b")
    assert (tmp_path / "a.txt").read_text() == "b"

    def broken(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_text(tmp_path / "c.txt", "d")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_is_written_into_and_stays(tmp_path):
    """Also /dev/null and /dev/stdout: renaming a file over them would take them from everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_json(pipe, {"AP": 1})
    assert json.loads(os.read(reader, 1000)) == {"AP": 1}
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_is_written_into_and_what_is_replaced(tmp_path):
    (tmp_path / "scores.json").touch()
    (tmp_path / "null").symlink_to(os.devnull)
    known = {"scores.json": False, "new.json": False, ".": False, "null": True, os.devnull: True}
    assert {name: _is_device(tmp_path / name) for name in known} == known


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout")
def test_stdout_is_written_into_also_where_it_is_a_file(tmp_path):
    """As in ``> scores.json``; by the predicate alone: a mistake would replace the system's /dev/stdout."""
    words = "from pathlib import Path; from posekit.io.files import _is_device; "
    words += "raise SystemExit(not (_is_device(Path('/dev/stdout')) and Path('/dev/stdout').is_file()))"
    with (tmp_path / "scores.json").open("w") as file:
        assert subprocess.run([sys.executable, "-c", words], stdout=file).returncode == 0
