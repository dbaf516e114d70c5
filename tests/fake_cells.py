"""A sweep whose cells are small scripts: ``python fake_cells.py OUT JOBS [BAD CELL]`` runs it as a program.

An epoch of a fake training hashes what the epochs before it left; a cell that was resumed from the wrong
place, or did an epoch twice, ends with another score.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from posekit.engine.cli import run_tool
from posekit.io.files import write_json
from posekit.study.cells import plan_cells
from posekit.study.live import Display
from posekit.study.plan import Plan
from posekit.study.processes import locked
from posekit.study.record import FINISHED, cell_folder
from posekit.study.slots import Slot
from posekit.study.sweep import Sweep, all_finished
from posekit.study.work import Work

EPOCHS = 4
CELLS = plan_cells([0, 1, 2], [1e-3, 0.1], ["focal"], [0, 1])
PLAN = Plan("fake.py", ".", [], "", "", {}, [cell.name for cell in CELLS], EPOCHS, score="score")

SCRIPT = """
import hashlib, json, os, sys, time
from pathlib import Path
stage, folder, epochs, bad = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with (folder / "starts.txt").open("a") as file:
    file.write(f"{stage} {os.getpid()}\\n")
if bad in (folder.name, stage):
    print("it went wrong: " + os.environ.get("FAKE_ERROR", "for a reason"))
    sys.exit(3)
if stage == "diagnosis":
    (folder / "diagnosis.json").write_text(json.dumps({"wrong": len(folder.name)}))
    sys.exit(0)
if stage == "test":
    time.sleep(0.02)
    (folder / "tested.txt").write_text((folder / "state.json").read_text())
    sys.exit(0)
state = folder / "state.json"
epoch, digest = json.loads(state.read_text()) if state.is_file() else (0, folder.name)
while epoch < epochs:
    time.sleep(0.05)
    epoch, digest = epoch + 1, hashlib.sha256(digest.encode()).hexdigest()
    (folder / "new").write_text(json.dumps([epoch, digest]))
    os.replace(folder / "new", state)
    with (folder.parents[1] / "epochs.txt").open("a") as file:
        file.write(f"{folder.name} {epoch}\\n")
    print(f"Epoch(train) [{epoch}][3/3]", flush=True)
"""


class FakeWork(Work):
    def __init__(self, out, bad="", diagnose=False):
        super().__init__(out, PLAN, diagnose)
        self.bad = bad

    def command(self, stage, cell):
        folder = str(cell_folder(self.out, cell.name))
        return [sys.executable, "-I", "-S", "-c", SCRIPT, stage, folder, str(EPOCHS), self.bad]

    def check(self, stage, cell):
        pass

    def finish(self, cell, progress):
        folder = cell_folder(self.out, cell.name)
        _, digest = json.loads((folder / "tested.txt").read_text())
        score = int(digest[:6], 16) / 1000
        seconds = {"train_seconds": 1.0, "test_seconds": 1.0}
        stated = {**cell.describe(), "state": FINISHED, "message": "", **seconds}
        stated.update(val={"epoch": EPOCHS, "scores": {"score": score}}, test={"score": score}, posekit={})
        diagnosis = folder / "diagnosis.json"
        stated["diagnosis"] = json.loads(diagnosis.read_text()) if diagnosis.is_file() else None
        write_json(folder / "cell.json", stated)
        return stated


def expected_score(name):
    digest = name
    for _ in range(EPOCHS):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return int(digest[:6], 16) / 1000


def make_sweep(out, lock, jobs=1, bad="", stream=None, cells=CELLS, live=False, diagnose=False):
    slots = [Slot(f"cpu {i}") for i in range(jobs)]
    display = Display(PLAN, Path(out), stream, live)
    return Sweep(Path(out), cells, slots, FakeWork(out, bad, diagnose), display, lock)


def main():
    out, jobs, bad = Path(sys.argv[1]), int(sys.argv[2]), "".join(sys.argv[3:])
    out.mkdir(exist_ok=True)
    with locked(out) as lock:
        sweep = make_sweep(out, lock, jobs, bad)
        sweep.run()
    return 0 if all_finished(sweep) else 1


if __name__ == "__main__":
    run_tool(main)
