"""The wheel and the sdist: whole, and enough without the source tree."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import reference
from other_machine import environment

ROOT = reference.ROOT
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
pytestmark = pytest.mark.slow


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs a checkout, whose files git lists")
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist of a copy of the tree, and the wheel made of nothing but that sdist."""
    pytest.importorskip("setuptools")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    build(copy, "build_sdist", out)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "unpacked", filter="data")
    (unpacked,) = (out / "unpacked").iterdir()
    build(unpacked, "build_wheel", out)
    (wheel,) = out.glob("*.whl")
    return unpacked, wheel


def build(folder, what, out):
    done = subprocess.run(
        [sys.executable, "-c", BUILD, what, str(out)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_sdist_holds_every_file(built):
    unpacked, _ = built
    assert [name for name in tracked() if not (unpacked / name).is_file()] == []


def test_the_wheel_holds_code_configs_tools_and_models(built):
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = [name for name in tracked() if name.startswith("posekit/")]
    wanted += [f"posekit/{name}" for name in tracked() if name.startswith(("configs/", "tools/"))]
    assert [name for name in wanted if name not in names] == []
    assert not [name for name in names if name.startswith(("tests/", "configs/", "tools/"))]


def test_what_is_installed_works_away_from_the_tree_and_elsewhere(built, tmp_path):
    """``installed.py`` imports, predicts, trains, resumes, tests, and compares weights and scores itself.

    Away from the checkout; torch and the like are those of this environment. The machine lacks what Windows
    and macOS lack (``test_elsewhere.py``), so that every process is spawned.
    """
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = shutil.copyfile(ROOT / "tests" / "installed.py", tmp_path / "installed.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "made")],
        env=environment(tmp_path, tmp_path / "site"),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "made" / "installed.json").read_text("utf-8"))
    assert facts["where"] == str(tmp_path / "site" / "posekit")
    assert facts["modules"] > 300
    assert facts["poses"] == 1
    processes = (tmp_path / "processes.txt").read_text("utf-8").splitlines()
    assert "posekit train" in " ".join(processes)
    # Two for the pictures, and two for the batches of each of two trainings.
    assert sum("spawn" in line for line in processes) >= 2 + 2 * 2
