"""Folders that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from posekit.errors import ConfigError
from posekit.io.new_folder import new_folder


def test_what_takes_the_place_of_an_empty_folder(tmp_path, monkeypatch):
    for name in ("disk", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path / "here")
    for folder in (Path("../link"), Path(), tmp_path / "deep" / "new"):
        with new_folder(folder) as fresh:
            (fresh / "a").touch()
    assert (tmp_path / "link").is_symlink()
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert [one for one in found if not one.startswith("link")] == ["deep/new/a", "disk/a", "here/a"]
    assert not list(tmp_path.glob(".*"))


def test_a_mount_point_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "mount")
    (tmp_path / "mount").mkdir()
    (tmp_path / "link").symlink_to("mount")
    for name in ("mount", "link"):
        with pytest.raises(ConfigError, match="a file system is mounted there"), new_folder(tmp_path / name):
            pytest.fail("the block was entered")
