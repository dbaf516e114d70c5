"""The page on parts of one's own: its files, as they are printed, train, and are found again by a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import reference

from posekit.synthetic import write_synthetic_people

PAGE = reference.ROOT / "posekit" / "docs" / "extend.md"


def test_the_files_of_the_page_train_and_test(tmp_path):
    blocks = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 7
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, code in blocks:
        (mine / name).write_text(code)
        if name != "config.py":
            assert len(code.strip().splitlines()) < 20
    write_synthetic_people(tmp_path / "data" / "posekit_people", 24, 8, workers=1, progress=False)
    environment = {**os.environ, "PYTHONPATH": str(reference.ROOT), "OMP_NUM_THREADS": "1"}

    def run(*words):
        words = [sys.executable, *map(str, words)]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tools = reference.ROOT / "tools"
    short = ["--cfg-options", "train_cfg.max_epochs=1", "default_hooks.curves=None"]
    run(tools / "train.py", mine / "config.py", "--work-dir", "work", *short)
    best = tmp_path / "work" / "best_error_mean.pth"
    assert best.is_file()
    # The config that the training left knows where the parts are.
    left = tmp_path / "work" / "config.py"
    run(tools / "test.py", left, best, "--work-dir", "tested")
    scores = json.loads((tmp_path / "tested" / "metrics.json").read_text())
    assert "error/mean" in json.dumps(scores)
