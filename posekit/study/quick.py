"""The quick demonstration: a sweep on the embedded data set, of nothing but posekit, in under 20 minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from posekit.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "quickstart" / "people_mpii.py"
DATA = ROOT / "data" / "posekit_people"
OUT = Path("work_dirs") / "gamma_quick"
# Sized for two CPU cores: 9 cells of some three minutes, two at a time.
GAMMAS, DELTAS, SEEDS, EPOCHS = (0.0, 1.0), (1e-3, 1e-1), (0, 1, 2), 5


def quick_options() -> list[str]:
    """The ``--cfg-options`` of the demonstration: where its data lie, and fewer epochs."""
    return [f"data_root={DATA}", f"train_cfg.max_epochs={EPOCHS}", "train_cfg.val_interval=1"]


def write_data() -> None:
    """Writes the embedded data set; there is nothing to do if it is there.

    Raises:
        DataError: If it could not be written.
    """
    command = [sys.executable, "-m", "posekit.synthetic", "--out", str(DATA)]
    if status := subprocess.run(command, check=False).returncode:
        raise DataError(f"the embedded data set was not written to {DATA}: see above (status {status})")
