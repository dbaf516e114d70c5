"""What an installed posekit can do away from its source tree: ``python tests/installed.py FOLDER [PHOTO]``.

Run with the Python that posekit is installed for. Imports every module, draws a pose, trains a bundled config
by its name with two data-loading processes, in one go and interrupted, tests it, and compares: the same bits
and scores. Writes ``installed.json`` into FOLDER and prints it, or fails. Imports nothing of ``tests/``.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

CONFIG = "configs/quickstart/people_mpii.py"
SCORE = "PCKh@0.5/mean_weighted"
_OPTIONS = (
    "data_root=people",
    "model.backbone.features=16",
    "train_dataloader.num_workers=2",
    "train_cfg.max_epochs=2",
    "train_cfg.val_interval=1",
    "default_hooks.checkpoint.max_keep_ckpts=2",
)


def import_all() -> int:
    """Imports every module of posekit; says how many there are."""
    import posekit

    names = [module.name for module in pkgutil.walk_packages(posekit.__path__, "posekit.")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of others, on their own old names
        for name in names:
            importlib.import_module(name)
    return len(names)


def posekit(folder: Path, *words: object) -> None:
    """Runs the command ``posekit`` in a folder."""
    line = [sys.executable, "-m", "posekit", *map(str, words)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")


def train(folder: Path, work_dir: str, *more: str) -> tuple[dict[str, Any], float]:
    """Trains two epochs; the weights, and the score of the last validation."""
    import torch

    posekit(folder, "train", CONFIG, "--work-dir", work_dir, *more, "--cfg-options", *_OPTIONS)
    weights = torch.load(folder / work_dir / "epoch_2.pth", weights_only=True)["state_dict"]
    (log,) = (folder / work_dir).glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return weights, [row[SCORE] for row in rows if SCORE in row][-1]


def main() -> None:
    """Does all that, or ends with what went wrong."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    began = time.monotonic()
    facts: dict[str, Any] = {"platform": platform.platform(), "python": platform.python_version()}
    for name in ("posekit", "torch", "torchvision", "timm", "mmengine", "numpy", "cv2"):
        facts[name] = importlib.import_module(name).__version__
    facts["where"] = str(Path(sys.modules["posekit"].__file__ or "").parent)
    facts["modules"] = import_all()

    import torch

    from posekit.synthetic import write_synthetic_people

    write_synthetic_people(folder / "people", 240, 8, workers=2, progress=False)
    # The second: in the first the finder finds a box, and in it the model nobody who is clear.
    photo = Path(sys.argv[2]) if len(sys.argv) > 2 else sorted((folder / "people/images/val").iterdir())[1]
    posekit(folder, "demo", photo, "--out", "drawn")
    facts["poses"] = len(json.loads((folder / "drawn/results.json").read_text("utf-8")))

    weights, score = train(folder, "straight")
    resumed, again = train(folder, "resumed", "--resume", "straight/epoch_1.pth")
    unequal = [name for name, value in weights.items() if not torch.equal(value, resumed[name])]
    posekit(
        folder, "test", CONFIG, "straight/epoch_2.pth", "--work-dir", "tested", "--cfg-options", *_OPTIONS
    )
    tested = json.loads((folder / "tested/metrics.json").read_text("utf-8"))
    facts["scores"] = [score, again, tested[SCORE]]
    facts["seconds"] = round(time.monotonic() - began)
    (folder / "installed.json").write_text(json.dumps(facts, indent=1), "utf-8")
    print(json.dumps(facts))
    if unequal or len(set(facts["scores"])) > 1 or not facts["poses"]:
        raise SystemExit(f"expected equal weights and scores, and a pose; found {facts}, unequal: {unequal}")


if __name__ == "__main__":
    main()
