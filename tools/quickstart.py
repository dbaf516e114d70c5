"""The main job on the embedded data set: write the data, train, test on its MPII and its COCO files.

Run by ``tools/quickstart.sh``, which sets up the environment. The steps are the ordinary tools, so that
whatever works here works on your own data; the commands are printed as they run. A finished run is
recognised and only shown again; an interrupted one goes on from its newest checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from posekit.engine.checkpoints.files import best_name
from posekit.engine.configs.config import load_config
from posekit.io.files import write_json
from posekit.metrics.predictions import read_poses
from posekit.registry import DATASETS
from posekit.visualization import prediction_sheet, save_image

ROOT = Path(__file__).resolve().parents[1]
WORK_DIR = ROOT / "work_dirs" / "quickstart"
DATA = ROOT / "data" / "posekit_people"
MPII_CONFIG = ROOT / "configs" / "quickstart" / "people_mpii.py"
COCO_CONFIG = ROOT / "configs" / "quickstart" / "people_coco.py"


def run(title: str, *command: str) -> None:
    """Runs one tool, its output passed on; stops the quickstart with its status if it fails."""
    words = [str(word) for word in command]
    shown = [str(Path(word).relative_to(ROOT)) if word.startswith(str(ROOT)) else word for word in words]
    print(f"\n== {title}\n$ python {' '.join(shown)}", flush=True)
    started = time.monotonic()
    status = subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode
    if status:
        print(f"The step '{title}' ended with status {status}; see above.", file=sys.stderr)
        raise SystemExit(status)
    print(f"   done in {time.monotonic() - started:.0f} s", flush=True)


def train() -> None:
    """Writes the data (nothing to do if they are there) and trains, going on where a run was interrupted."""
    run("Write the data", "-m", "posekit.synthetic", "--out", str(DATA))
    resume = ["--resume"] if list(WORK_DIR.glob("epoch_*.pth")) else []
    run("Train", "tools/train.py", str(MPII_CONFIG), "--work-dir", str(WORK_DIR), *resume)


def test(checkpoint: Path) -> list[str]:
    """Scores the model on both files; returns the tables and writes all numbers to ``metrics.json``."""
    tables, metrics = [], {}
    for title, config in (("PCKh on the MPII files", MPII_CONFIG), ("OKS AP on the COCO files", COCO_CONFIG)):
        out = WORK_DIR / config.stem
        run(f"Test: {title}", "tools/test.py", str(config), str(checkpoint), "--work-dir", str(out))
        tables.append(f"{title}\n{(out / 'table.txt').read_text('utf-8').rstrip()}")
        metrics[config.stem] = json.loads((out / "metrics.json").read_text("utf-8"))
    write_json(WORK_DIR / "metrics.json", metrics)
    return tables


def draw(out: Path) -> None:
    """Draws predictions on the validation photos, from the worst to the best."""
    dataset = DATASETS.build(load_config(MPII_CONFIG).test_dataloader.dataset)
    poses = read_poses(WORK_DIR / MPII_CONFIG.stem / "results.json")
    sheet = prediction_sheet(dataset, poses, count=24, columns=6, title="Validation, from worst to best")
    save_image(out, sheet)


def show(summary: dict[str, Any]) -> None:
    """Prints both tables and where everything lies."""
    for table in summary["tables"]:
        print(f"\n{table}")
    print("\nFiles:")
    for name, path in summary["files"].items():
        print(f"  {name:<12} {path}")
    print(f"\nIt took {summary['seconds'] / 60:.1f} minutes.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--again", action="store_true", help="train again even if a finished run is there")
    args = parser.parse_args()
    os.chdir(ROOT)
    done = WORK_DIR / "quickstart.json"
    if args.again and WORK_DIR.exists():
        shutil.rmtree(WORK_DIR)
    summary = json.loads(done.read_text("utf-8")) if done.exists() else {"files": {}}
    if done.exists() and all((ROOT / path).exists() for path in summary["files"].values()):
        print("The quickstart has run already; --again trains anew.")
        show(summary)
        return
    started = time.monotonic()
    train()
    files = {
        "checkpoint": WORK_DIR / best_name("PCKh@0.5/mean_weighted"),
        "scores": WORK_DIR / "metrics.json",
        "curves": WORK_DIR / "curves.png",
        "predictions": WORK_DIR / "predictions.png",
    }
    tables = test(files["checkpoint"])
    draw(files["predictions"])
    relative = {name: str(path.relative_to(ROOT)) for name, path in files.items()}
    summary = {"tables": tables, "files": relative, "seconds": round(time.monotonic() - started)}
    show(summary)
    write_json(done, summary)


if __name__ == "__main__":
    main()
