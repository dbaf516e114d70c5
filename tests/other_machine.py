"""The environment of a machine that lacks what Windows and macOS lack: see ``elsewhere/sitecustomize.py``."""

from __future__ import annotations

import os
from pathlib import Path

from reference import ROOT

ELSEWHERE = ROOT / "tests" / "elsewhere"


def environment(folder: Path, packages: Path = ROOT) -> dict[str, str]:
    """Of that machine, which finds posekit in ``packages``; its text is not UTF-8 either."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ELSEWHERE}{os.pathsep}{packages}",
        "PYTHONIOENCODING": "cp1252",
        "POSEKIT_ELSEWHERE_LOG": str(folder / "processes.txt"),
        "OMP_NUM_THREADS": "1",
    }
