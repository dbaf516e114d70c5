"""What several of the engine's tests look at."""

from __future__ import annotations

import pytest
from toy_training import build


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three epochs of the toy, left alone: their folder and runner."""
    folder = tmp_path_factory.mktemp("trained")
    runner = build(folder, {"default_hooks.curves": {}})
    runner.train()
    return folder, runner
