"""Finds the reference vectors beside the checkout; a test skips, with its reason, where they are absent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden"


def path(name: str) -> Path:
    """The file ``name`` of the shared folder, e.g. ``reference/crop.npz``; skips the test if absent."""
    found = SHARED / name
    if not found.exists():
        pytest.skip(f"needs {name} of the shared folder, which is not beside this checkout")
    return found


def load(name: str) -> dict[str, np.ndarray]:
    """The arrays of ``reference/name``."""
    with np.load(path(f"reference/{name}")) as arrays:
        return {key: arrays[key] for key in arrays.files}


def load_json(name: str) -> Any:
    """The contents of ``reference/name``, gzipped or not."""
    found = path(f"reference/{name}")
    if found.suffix == ".gz":
        with gzip.open(found, "rt", encoding="utf-8") as file:
            return json.load(file)
    return json.loads(found.read_text("utf-8"))
