"""posekit on a machine that is neither Linux nor like it: see ``elsewhere/sitecustomize.py``.

What holds here is what Windows and macOS are known to lack; neither system itself is tried. Trainings there
are in ``test_packages.py``.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import reference
from other_machine import environment

ROOT = reference.ROOT
LOCKED = """
import contextlib, io, sys
from pathlib import Path
from posekit.engine.checkpoints.lock import sole_owner
from posekit.errors import ConfigError
from posekit.io.downloads import _locked
from posekit.study.processes import locked

folder = Path(sys.argv[1])
for hold in (sole_owner, locked):
    with hold(folder):
        try:
            with hold(folder):
                print("held twice")
        except ConfigError as error:
            print(error)
    with hold(folder):  # it was given back
        pass
with _locked(folder / "weights.pth"):
    pass
"""
HIDDEN = """
import os, posekit
code = compile("import os, signal, sys\\n"
    "for module in ('fcntl', 'resource', 'pwd'):\\n"
    "    try: exec('import ' + module); print(module)\\n"
    "    except ModuleNotFoundError: pass\\n"
    "for name in ('fork', 'O_DIRECTORY', 'sched_getaffinity', 'killpg'): assert not hasattr(os, name)\\n"
    "for name in ('SIGUSR1', 'SIGKILL', 'SIGALRM'): assert not hasattr(signal, name)\\n"
    "assert sys.platform == 'elsewhere' and os.path.sep\\n", "x.py", "exec")
exec(code, {"__name__": "posekit.x", "__file__": "/lib/posekit/x.py", "__builtins__": __builtins__})
with open("file", "w") as file:
    try: os.replace("file", "other"); print("replaced what is open")
    except PermissionError: pass
os.replace("file", "other")
print("hidden")
"""


def run(folder, *words):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )


def test_the_machine_lacks_what_it_should(tmp_path):
    done = run(tmp_path, "-c", HIDDEN)
    assert (done.stdout, done.returncode) == ("hidden\n", 0), done.stderr


def test_locks_hold_and_are_given_back(tmp_path):
    done = run(tmp_path, "-c", LOCKED, tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "another training is at work in it; wait for its end" in first
    assert second.endswith("another sweep is at work there")


@pytest.mark.slow
def test_a_sweep_runs_there(tmp_path):
    """What it starts ends with it, and its cells are finished."""
    done = run(tmp_path, ROOT / "tests" / "fake_cells.py", tmp_path / "sweep", "1")
    assert done.returncode == 0, done.stdout + done.stderr
