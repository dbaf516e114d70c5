"""A toy training that takes its time, for tests that interrupt one."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mmengine.hooks import Hook
from toy_processes import CONFIG

SLOW = CONFIG + 'custom_hooks = [dict(type="toy_slow.Slow")]\n'


class Slow(Hook):
    """Sleeps ``TOY_SECONDS`` (0.2) after each iteration; none once the file ``TOY_HURRY`` is there."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        hurry = os.environ.get("TOY_HURRY")
        if not (hurry and Path(hurry).exists()):
            time.sleep(float(os.environ.get("TOY_SECONDS", "0.2")))
