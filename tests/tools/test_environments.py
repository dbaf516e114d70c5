"""tools/quickstart.sh and tests/run.sh clear no environment but their own; wrong words install nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from reference import ROOT

SCRIPTS = {"tools/quickstart.sh": "posekit-installed", "tests/run.sh": "posekit-test-installed"}
# Makes environments whose Python can do nothing, and notes it.
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 0
for folder; do :; done
rm -rf "$folder"
mkdir -p "$folder/bin"
echo "$folder" >>"{log}"
printf '#!/bin/sh\\nexit 7\\n' >"$folder/bin/python"
chmod +x "$folder/bin/python"
"""


def run(script: str, venv: Path, python: object, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "VENV": str(venv), "PYTHON": str(python)}
    command = ["bash", os.path.relpath(ROOT / script, venv.parent), *words]
    return subprocess.run(
        command, cwd=venv.parent, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def python(tmp_path) -> Path:
    path = tmp_path / "python"
    path.write_text(PYTHON.format(log=tmp_path / "made"))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_environment_of_others_is_left_alone(tmp_path, python, script):
    other = next(stamp for name, stamp in SCRIPTS.items() if name != script)
    for name in ("pyvenv.cfg", other):
        venv = tmp_path / name.replace(".", "_")
        (venv / "bin").mkdir(parents=True)
        (venv / name).write_text("mine")
        ended = run(script, venv, python)
        assert ended.returncode == 2
        assert f"VENV={venv} is there, and this script did not make it" in ended.stderr
        assert "Set VENV to a folder that is not there yet" in ended.stderr
        assert (venv / name).read_text() == "mine"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_file_of_that_name_is_left_alone(tmp_path, python, script):
    (tmp_path / "venv").write_text("mine")
    assert run(script, tmp_path / "venv", python).returncode == 2
    assert (tmp_path / "venv").read_text() == "mine"


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_own_environment_that_was_interrupted_is_made_again(tmp_path, python, script):
    venv = tmp_path / "venv"
    venv.mkdir()  # an empty folder is nobody's
    for _ in range(2):
        assert run(script, venv, python).returncode == 7  # its Python cannot install
        assert (venv / SCRIPTS[script]).exists()
    assert (tmp_path / "made").read_text().split() == [str(venv)] * 2


def test_an_own_environment_that_is_whole_is_used_as_it_is(tmp_path, python):
    venv = tmp_path / "venv"
    python.write_text(python.read_text().replace("exit 7", "exit 0"))
    for _ in range(2):
        assert run("tools/quickstart.sh", venv, python).returncode == 0
    assert (venv / "posekit-installed").read_text() == (ROOT / "setup.py").read_text()
    (venv / "posekit-installed").write_text("an older setup.py")
    assert run("tools/quickstart.sh", venv, python).returncode == 0
    assert (tmp_path / "made").read_text().split() == [str(venv)] * 2


@pytest.mark.parametrize("words", [["--agian"], ["--again", "now"], [""]])
def test_a_misspelt_option_is_told_before_anything_is_installed(tmp_path, python, words):
    ended = run("tools/quickstart.sh", tmp_path / "venv", python, *words)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"tools/quickstart.sh takes no '{words[-1]}'; expected nothing, --again or --help.\n"
    )
    assert not (tmp_path / "made").exists()
    assert run("tools/quickstart.sh", tmp_path / "venv", python, "--again").returncode == 7  # begins


@pytest.mark.parametrize("word", ["--help", "-h"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_does_nothing_else(tmp_path, script, word):
    ended = run(script, tmp_path / "venv", sys.executable, "-k", "none", word)
    assert ended.returncode == 0
    assert f"bash {script} [" in ended.stdout
    assert "VENV the environment's" in ended.stdout
    assert "#" not in ended.stdout
    assert list(tmp_path.iterdir()) == []
