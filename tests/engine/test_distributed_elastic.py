"""A job of two torchrun agents survives the death of one."""

from __future__ import annotations

import sys

import pytest
from two_agents import rehearse


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_an_agent_is_killed_and_replaced(tmp_path):
    assert any("epoch 2" in line or "epoch 3" in line for line in rehearse(tmp_path, processes=1, epochs=5))
