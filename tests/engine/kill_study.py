"""Kills trainings with SIGKILL at random moments, resumes them, and compares every bit of what they end with.

``python tests/engine/kill_study.py --kills 50`` is the full length. One training is left alone. Each of the
others is killed once and resumed: in turn at a random time, at a random step of its dealings with the work
directory (opening, renaming, removing), and after a random number of bytes of a checkpoint. After the kill
every checkpoint must be whole, no process be left, and what is resumed end like the one left alone: weights,
averaged weights, moments of the optimiser, losses, best score.

The trainings are forks of one process, so that torch is imported once; the last line is a JSON record.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import torch  # noqa: E402
from toy_training import build  # noqa: E402

from posekit.engine import checksum  # noqa: E402
from posekit.engine.checkpoint import MARKER, epoch_files, read_checkpoint  # noqa: E402

# Some 4 MB a checkpoint, so that much of the time goes into writing them.
OPTIONS = {
    "train_dataloader.dataset.size": 40,
    "train_dataloader.sampler": {"type": "posekit.datasets.sampler.EpochSampler", "shuffle": True},
    "train_dataloader.num_workers": 1,
    "model.width": 2000,
    "model.dropout": 0.3,
    "optim_wrapper.accumulative_counts": 2,
    "optim_wrapper.clip_grad": {"max_norm": 1.0},
    "default_hooks.ema": {"momentum": 0.1, "warmup": 5},
    "default_hooks.checkpoint.interval_iters": 2,
    "train_cfg.max_epochs": 3,
}
KINDS = ("time", "files", "bytes")
NEVER = 1 << 60


class Place:
    """Where the process kills itself: at the n-th dealing with the folder, or after n bytes written."""

    def __init__(self, folder: Path, kind: str, at: int) -> None:
        self.folder, self.kind, self.at = str(folder), kind, at
        self.counts = {"files": 0, "bytes": 0}
        sys.addaudithook(self.audit)
        write = checksum.HashingFile.write

        def counted(file, data):
            left = self.at - self.counts["bytes"]
            self.counts["bytes"] += len(data)
            if self.kind == "bytes" and left < len(data):
                file.file.write(bytes(data)[: max(0, left)])
                file.file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return write(file, data)

        checksum.HashingFile.write = counted

    def audit(self, event, arguments):
        named = event in ("open", "os.rename", "os.remove", "os.chmod") and str(arguments[0])
        if named and named.startswith(self.folder):
            self.counts["files"] += 1
            if self.kind == "files" and self.counts["files"] > self.at:
                os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, kind: str = "", at: int = NEVER) -> int:
    """Trains in a process of its own group; returns its id."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    handle = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    torch.set_num_threads(1)  # a fork has none of its parent's threads
    try:
        place = Place(folder / "work", kind, at)
        build(folder, OPTIONS, resume=True).train()
        (folder / "counts.json").write_text(json.dumps(place.counts))
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child: int, seconds: float = 1800.0) -> int:
    """Waits for a process; its status, negative for a signal."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    raise TimeoutError(f"training {child} does not end")


def nobody_left(group: int, seconds: float = 20.0) -> bool:
    """Whether all of a group's processes are gone within some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def outcome(work: Path) -> dict:
    """All numbers that a finished training leaves."""
    last = read_checkpoint(work / "epoch_3.pth")
    best = read_checkpoint(work / "best_toy_accuracy.pth")
    return {
        "weights": last["ema"]["weights"],
        "average": last["state_dict"],
        "moments": last["optimizer"]["state"],
        "losses": last["message_hub"]["scalars"]["train/loss"],
        "random": last["rng"]["torch"],
        "best": [best["meta"]["best"], best["state_dict"]],
    }


def differences(first, second, where: str = "") -> list[str]:
    """The places at which two nested values differ in any bit."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [where]
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return [where]
        return [d for key in first for d in differences(first[key], second[key], f"{where}/{key}")]
    if isinstance(first, (list, tuple)) and len(first) == len(second):
        return [
            d
            for i, (a, b) in enumerate(zip(first, second, strict=True))
            for d in differences(a, b, f"{where}/{i}")
        ]
    return [] if first == second else [where]


def faults_after_kill(work: Path) -> list[str]:
    """What is wrong with a work directory: all checkpoints must be whole, and the marked one be there."""
    faults = []
    for path in work.glob("*.pth"):
        try:
            read_checkpoint(path)
        except Exception as error:
            faults.append(str(error))
    marker = work / MARKER
    if marker.is_file() and not (work / marker.read_text()).is_file():
        faults.append(f"{MARKER} names {marker.read_text()}, which is not there")
    if epoch_files(work) and not marker.is_file() and len(list(work.glob("*_*.pth"))) > 1:
        faults.append("checkpoints without a marker")
    return faults


def study(root: Path, kills: int, seed: int) -> dict:
    """Runs it; the record of it."""
    draw = random.Random(seed)
    alone = root / "alone"
    alone.mkdir(parents=True)
    began = time.monotonic()
    if wait(train(alone)) != 0:
        raise RuntimeError((alone / "log.txt").read_text()[-2000:])
    length = time.monotonic() - began
    expected = outcome(alone / "work")
    counts = json.loads((alone / "counts.json").read_text())
    record = {"kills": 0, "missed": 0, "clean": 0, "identical": 0, "lost": 0, "halves": 0, "faults": []}
    while record["kills"] < kills:
        number = record["kills"] + record["missed"]
        folder = root / f"run{number}"
        folder.mkdir()
        kind = KINDS[record["kills"] % len(KINDS)]
        moment = draw.random()
        child = train(folder, kind, int(moment * counts[kind]) if kind in counts else NEVER)
        if kind == "time":
            time.sleep(moment * length)
            os.kill(child, signal.SIGKILL)
        if wait(child) != -signal.SIGKILL:
            record["missed"] += 1  # it had ended by then
            continue
        record["kills"] += 1
        _judge(folder, child, expected, record)
        print(f"{number}: {kind} {moment:.3f}: {record}", flush=True)
    record["seconds"] = round(time.monotonic() - began, 1)
    return record


def _judge(folder: Path, child: int, expected: dict, record: dict) -> None:
    work = folder / "work"
    faults = [] if nobody_left(child) else ["processes are left"]
    damaged = faults_after_kill(work)
    record["lost"] += len(damaged)
    record["halves"] += len(list(work.glob(".*.pth.*.tmp")))
    if wait(train(folder)) != 0:
        faults.append((folder / "log.txt").read_text()[-500:])
    else:
        record["clean"] += 1
        differing = differences(expected, outcome(work))
        record["identical"] += not differing
        left = [path.name for path in work.glob(".*")]
        faults += [f"differs: {where}" for where in differing[:3]] + [f"left: {name}" for name in left]
    record["faults"] += [f"{folder.name}: {fault}" for fault in faults + damaged]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = study(Path(folder), args.kills, args.seed)
    print(json.dumps(record))
    return 0 if record["identical"] == args.kills and not record["faults"] else 1


if __name__ == "__main__":
    sys.exit(main())
