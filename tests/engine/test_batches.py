"""The batch that a config's learning rate was made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from posekit.engine.configs.config import load_config

ROOT = Path(__file__).resolve().parents[2]
# Of the batches that are not those of one process: what the releases had, GPUs x people on each.
RELEASED = {"hrnet": 4, "simple_baseline": 4, "crowdpose": 4, "vitpose": 8}


@pytest.mark.parametrize("folder", sorted(p.name for p in (ROOT / "configs").glob("[a-z]*")))
def test_every_config_says_what_batch_its_learning_rate_is_for(folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    for path in sorted((ROOT / "configs" / folder).glob("*.py")):
        cfg = load_config(str(path))
        expected = cfg.train_dataloader.batch_size * RELEASED.get(folder, 1)
        assert cfg.auto_scale_lr.base_batch_size == expected, path.name
