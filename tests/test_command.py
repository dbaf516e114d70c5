"""The command ``posekit``: every tool, found from anywhere, quick to say what there is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
import reference

from posekit.__main__ import COMMANDS, _purpose
from posekit.engine.configs.config import load_config

TOOLS = reference.ROOT / "tools"


def run(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "posekit", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(reference.ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_every_tool_has_a_command():
    assert sorted(COMMANDS.values()) == sorted(path.stem for path in TOOLS.glob("*.py"))


@pytest.mark.parametrize("script", COMMANDS.values())
def test_a_command_says_what_it_is_for(script):
    assert re.fullmatch(r"[A-Z][^`]{10,110}\w|.*[?0-9a-z]", _purpose(script))


def test_help_imports_nothing_heavy(tmp_path):
    code = "import sys; sys.argv = ['posekit']; import posekit.__main__ as m; m.main(); "
    code += "print(sorted({'torch', 'numpy', 'mmengine', 'cv2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(reference.ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("[]\n")
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_a_tool_runs_as_the_command_from_anywhere(tmp_path):
    done = run("evaluate", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: posekit evaluate")
    done = run("train", "configs/quickstart/people_coco.py", "--cfg-options", "nothing=1", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown section 'nothing'" in done.stderr


def test_an_unknown_command(tmp_path):
    done = run("trian", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: posekit has no command 'trian'; did you mean 'train'?\n"
    done = run("new_dataset", cwd=tmp_path)  # the script's name
    assert done.stderr == "error: posekit has no command 'new_dataset'; it is 'posekit new'\n"
    assert run("--version", cwd=tmp_path).stdout.startswith("posekit ")


@pytest.mark.skipif(os.name == "nt", reason="a pipe without a reader is another error there")
def test_a_reader_who_has_had_enough_is_no_crash(tmp_path):
    for words in (["test", "--list-zoo"], ["--help"]):
        command = [sys.executable, "-m", "posekit", *words]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
            tool.stdout.close()
            assert (tool.stderr.read(), tool.wait()) == (b"", 141)


@pytest.mark.skipif(os.name == "nt", reason="a shell closes it")
def test_standard_output_may_be_closed(tmp_path):
    command = f"{shlex.quote(sys.executable)} -m posekit test --list-zoo >&-"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert (done.stderr, done.returncode) == (b"", 0)


def test_another_pipe_that_breaks_is_a_crash():
    code = "from posekit.engine.cli import run_tool\ndef main(): raise BrokenPipeError('a worker died')\n"
    code += "run_tool(main)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a worker died" in done.stderr


def test_posekits_configs_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("configs/quickstart/people_coco.py").train_cfg.max_epochs == 12
