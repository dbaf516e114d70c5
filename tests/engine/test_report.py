"""Reports: tables, protocol lines and the facts of a run."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from posekit.engine import report


def test_metrics_json_has_null_for_nan(tmp_path):
    checkpoint = tmp_path / "c.pth"
    checkpoint.write_bytes(b"abc")
    report.write_metrics(
        tmp_path / "m.json", {"AP": 0.5, "AR": math.nan}, {"flip": "off"}, checkpoint, "c.py"
    )
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["AP"] == 0.5
    assert found["AR"] is None
    assert found["protocol"]["flip"] == "off"
    assert found["protocol"]["checkpoint_sha256"].startswith("ba7816bf")


def test_git_revision_of_a_repository_and_of_none(tmp_path):
    assert report.git_revision(tmp_path) == {}
    if subprocess.run(["git", "init", "-q", str(tmp_path)], check=False).returncode:
        pytest.skip("git is not installed")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    (tmp_path / "f").write_text("1")
    for words in (["add", "f"], [*identity, "commit", "-qm", "m"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    clean = report.git_revision(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "f").write_text("2")
    assert report.git_revision(tmp_path) == {**clean, "dirty": True}


def test_importing_posekit_and_its_engine_is_light():
    code = "import sys, posekit, posekit.engine; print('torch' in sys.modules, 'mmengine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
