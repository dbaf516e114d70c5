"""What a run was and what it scored, in words and as JSON: environment, score tables, protocol."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch

import posekit
from posekit.io.files import sha256, write_json


@lru_cache(maxsize=1)
def source_revision() -> dict[str, Any]:
    """The revision of the posekit that this process imported."""
    return git_revision(Path(posekit.__file__).parent)


def git_revision(folder: str | Path) -> dict[str, Any]:
    """The git commit of a source folder and whether it has changes; empty if it is not in a repository."""
    where = str(folder)
    commit = _git(where, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(where, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)}


def _git(where: str, *arguments: str) -> str | None:
    words = ["git", "-C", where, *arguments]
    try:  # no git, or no repository, is a normal answer
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Versions of posekit and of what it computes with."""
    import cv2

    return {
        "posekit": posekit.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mmengine": mmengine.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def environment(seed: int | None = None, config: str | None = None) -> dict[str, Any]:
    """Everything that a reader of the run will want to know about its making."""
    cuda = torch.cuda.is_available()
    gpus = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}" if cuda else ""
    return {
        "command": shlex.join(sys.argv),
        "config": config,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": seed,
        "git": source_revision(),
        "versions": versions(),
        "device": gpus or f"CPU ({platform.machine()}, {os.cpu_count()} cores)",
        "torch_threads": torch.get_num_threads(),
        "host": platform.node(),
        "platform": platform.platform(),
    }


def protocol(runner: Any) -> dict[str, Any]:
    """How the test scores of a runner came about: boxes, crops, codec, flip, scales and evaluator.

    An evaluator with an ``out_dir`` writes and does not score; it is left out.
    """
    model, described = runner.bare_model, runner.tested
    if described is None:
        described = model.describe() if hasattr(model, "describe") else {}
    metrics = [metric for metric in runner.test_evaluator.metrics if not hasattr(metric, "out_dir")]
    dataset = runner.test_dataloader.dataset
    metainfo = getattr(dataset, "metainfo", None) or {}
    return {
        "box_source": metainfo.get("box_source", "not stated"),
        **({"crops": metainfo["crops"]} if "crops" in metainfo else {}),
        **{name: described.get(name, "not stated") for name in ("codec", "flip", "scales")},
        **({"backend": described["backend"]} if "backend" in described else {}),
        "evaluator": [str(m.describe()) if hasattr(m, "describe") else type(m).__name__ for m in metrics],
        "annotations": metainfo.get("ann_file", "not stated"),
        "people": len(dataset),
    }


def protocol_text(how: Mapping[str, Any]) -> str:
    """The protocol as lines, to stand under every score table."""
    names = [name for name in ("crops", "codec", "flip", "scales", "backend") if name in how]
    rows = {"boxes": how["box_source"], **{name: how[name] for name in names}}
    rows["evaluator"] = "; ".join(how["evaluator"])
    return "".join(f"  {name + ':':<11}{value}\n" for name, value in rows.items())


def write_metrics(
    path: str | Path, scores: Mapping[str, Any], how: Mapping[str, Any], checkpoint: str | Path, config: str
) -> None:
    """Writes ``metrics.json``: the scores flat, beside a ``protocol`` object.

    Args:
        path: The file.
        scores: name -> number.
        how: As from :func:`protocol`.
        checkpoint: The weights' file; stated with its SHA-256.
        config: The config's path.
    """
    checkpoint = Path(checkpoint).resolve()
    weights = {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256(checkpoint)}
    stated = {**how, **weights, "config": config, "versions": versions()}
    numbers = {key: float(value) for key, value in scores.items() if isinstance(value, (int, float))}
    # JSON has no NaN; a score that does not exist is null.
    flat = {key: (value if value == value else None) for key, value in numbers.items()}
    write_json(path, {**flat, "protocol": stated})
