"""Kills a real sweep at random moments, goes on with it, and compares its table with an undisturbed one's.

``python tests/study/kill_sweep.py --kills 5`` is the full length: two networks of the quickstart (MSE and
focal MSE) learn 96 rendered people for 3 epochs; some three minutes on two cores. The undisturbed sweep runs
first and says how long one takes; the other is killed with SIGKILL at moments drawn over that length, each
after it has gone on from the one before. Cells that had finished must stay as they are, no process be left,
and every score of every cell, on validation and on test, be that of the undisturbed sweep. The last line is a
JSON record.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "quickstart" / "people_mpii.py"
GRID = ["--gammas", "0", "1", "--deltas", "0.1", "--seeds", "0"]
EPOCHS = 3


def write_people(folder: Path) -> Path:
    """Renders the people who are trained on and tested."""
    words = ["--out", str(folder), "--train", "96", "--val", "32"]
    subprocess.run([sys.executable, "-m", "posekit.synthetic", *words], check=True, cwd=ROOT)
    return folder


def sweep_words(out: Path, data: Path, jobs: int) -> list[str]:
    """The command of the sweep."""
    options = [
        f"data_root={data}",
        f"train_cfg.max_epochs={EPOCHS}",
        f"param_scheduler.0.total_steps={EPOCHS}",
    ]
    tool = [sys.executable, str(ROOT / "tools" / "gamma_sweep.py"), str(CONFIG)]
    return [
        *tool,
        "--out",
        str(out),
        *GRID,
        "--jobs",
        str(jobs),
        "--devices",
        "cpu",
        "--cfg-options",
        *options,
    ]


def begin(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a sweep, its output appended to a log."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "POSEKIT_GUARD_GRACE": "0"}
    with log.open("ab") as file:
        return subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)


def table(out: Path) -> dict[str, Any]:
    """What each finished cell scored."""
    found = {}
    for path in sorted(out.glob("cells/*/cell.json")):
        cell = json.loads(path.read_text("utf-8"))
        found[cell["name"]] = {key: cell[key] for key in ("state", "val", "test", "checkpoint")}
    return found


def finished(out: Path) -> dict[Path, tuple[int, int]]:
    """When the cells that are done were written."""
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in out.glob("cells/*/cell.json")}


def left_over(out: Path) -> list[int]:
    """Processes that name the sweep's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if any(word.startswith(os.fsencode(out)) for word in words):
            found.append(int(path.parent.name))
    return found


def kill_once(words: list[str], out: Path, seconds: float, log: Path) -> dict[str, Any]:
    """Lets the sweep go on for a while and kills it; says where it stood."""
    before, process = finished(out), begin(words, log)
    time.sleep(seconds)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while (left := left_over(out)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if left:
        raise SystemExit(f"processes are left 30 s after the kill: {left}")
    if any(finished(out)[path] != stamp for path, stamp in before.items()):
        raise SystemExit("a finished cell was written again")
    epochs = {p.parent.name: p.name for p in sorted(out.glob("cells/*/epoch_*.pth"))}
    return {"after": round(seconds, 2), "ended": ended, "finished": len(finished(out)), "newest": epochs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder (default: a temporary one)")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    folder = (args.out or Path(tempfile.mkdtemp(prefix="kill_sweep_"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    data, log = write_people(folder / "people"), folder / "log.txt"
    since = time.monotonic()
    if status := begin(sweep_words(folder / "whole", data, args.jobs), log).wait():
        raise SystemExit(f"the undisturbed sweep ended with status {status}; see {log}")
    length = time.monotonic() - since
    words, draw = sweep_words(folder / "killed", data, args.jobs), random.Random(args.seed)
    # What a kill undoes has to be done again, so that five of them fit into one and a half times the whole.
    kills = [
        kill_once(words, folder / "killed", draw.uniform(0.1, 0.6) * length, log) for _ in range(args.kills)
    ]
    if status := begin(words, log).wait():
        raise SystemExit(f"the killed sweep ended with status {status}; see {log}")
    whole, killed = table(folder / "whole"), table(folder / "killed")
    record = {"seed": args.seed, "seconds": round(length), "kills": kills, "same": whole == killed}
    print(json.dumps({**record, "cells": {name: cell["test"] for name, cell in killed.items()}}))
    sys.exit(0 if whole == killed and whole else 1)


if __name__ == "__main__":
    main()
