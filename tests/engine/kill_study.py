"""Kills trainings with SIGKILL at random moments, resumes them, and compares every bit of what they end with.

``python tests/engine/kill_study.py --kills 50`` is the full length: some ten minutes on a core. The training
is a real one (``small_training``: rendered people, augmentation, an hourglass, SGD with momentum, schedules,
an average of the weights, clipping, accumulation; a data-loading process in every other run). One is left
alone. Each of the others is killed once and resumed, in turn

* at a random time;
* before a random call of the runner's hooks, which lie between all parts of its steps and validations;
* before a random one of its dealings with the work directory: opening, fsync, chmod, renaming, removing;
* after a random number of bytes of a checkpoint.

Every fifth is killed a second time while it is resumed. After each kill no process may be left, every
checkpoint must be whole, and what is resumed from be no older than the newest that was ever marked.
What is resumed must end like the one left alone, bit for bit: weights, averaged weights, moments, schedules,
losses, scores, random state, best weights, and the curves in the logs.

The trainings are forks of one process, so that torch is imported once; the last line is a JSON record.
"""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

import matplotlib.figure  # noqa: E402, F401 - mmengine's visualizer makes one
import torch  # noqa: E402
import torch._dynamo  # noqa: E402 - its optimisers import it when they are made
from small_training import BEST, build, write_people  # noqa: E402

import posekit.doctor  # noqa: E402, F401 - looked through before a training
from posekit.engine.checkpoints.files import MARKER  # noqa: E402
from posekit.engine.checkpoints.resume import find_checkpoint  # noqa: E402
from posekit.engine.configs.schema import registered  # noqa: E402
from posekit.engine.hooks import checkpoint as checkpoint_hook  # noqa: E402
from posekit.engine.runner import PoseRunner  # noqa: E402
from posekit.io import checksum  # noqa: E402
from posekit.io.checkpoint import read_checkpoint  # noqa: E402
from posekit.visualization import read_scalars  # noqa: E402

OPTIONS = {
    "optim_wrapper.accumulative_counts": 2,
    "optim_wrapper.clip_grad": {"max_norm": 1.0},
    "default_hooks.ema": {"momentum": 0.1, "warmup": 5},
    "default_hooks.checkpoint.interval_iters": 2,
}
KINDS = ("time", "hook", "files", "bytes")
NEVER = 1 << 60
_CLOCK = ("time", "data_time", "eta", "memory")  # what no two runs have alike
_FIELD = 64  # bytes


class Notes:
    """What a process that is killed has last noted: where it is, and which checkpoint it has marked."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 2 * _FIELD)  # shared with the forks

    def write(self, field: int, text: str) -> None:
        self.memory[field * _FIELD : (field + 1) * _FIELD] = text.encode()[:_FIELD].ljust(_FIELD, b"\0")

    def read(self, field: int) -> str:
        return self.memory[field * _FIELD : (field + 1) * _FIELD].rstrip(b"\0").decode()


class Place:
    """Counts what a training does, and kills it before the n-th thing of a kind."""

    def __init__(self, folder: Path, notes: Notes, kind: str, at: int) -> None:
        self.folder, self.notes, self.kind, self.at = str(folder), notes, kind, at
        self.counts = {"hook": 0, "files": 0, "bytes": 0}
        self.process = os.getpid()
        sys.addaudithook(self.audit)
        self._watch_hooks()
        self._watch_sync()
        self._watch_bytes()
        self._watch_marks()

    def pass_by(self, kind: str, where: str) -> None:
        if os.getpid() != self.process:  # a data-loading process
            return
        self.notes.write(0, where)
        self.counts[kind] += 1
        if self.kind == kind and self.counts[kind] > self.at:
            os.kill(self.process, signal.SIGKILL)

    def audit(self, event: str, arguments: tuple) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.chmod"):
            return
        path = str(arguments[1] if event == "os.rename" else arguments[0])
        if path.startswith(self.folder):
            self.pass_by("files", f"{event.removeprefix('os.')} {_group(path)}")

    def _watch_hooks(self) -> None:
        call = PoseRunner.call_hook

        def watched(runner, name, **kwargs):
            self.pass_by("hook", name)
            call(runner, name, **kwargs)

        PoseRunner.call_hook = watched

    def _watch_sync(self) -> None:
        sync = os.fsync

        def watched(handle):
            self.pass_by("files", f"fsync {_group(str(Path(f'/proc/self/fd/{handle}').readlink()))}")
            sync(handle)

        os.fsync = watched

    def _watch_bytes(self) -> None:
        write = checksum.HashingFile.write

        def watched(file, data):
            self.notes.write(0, "bytes of a checkpoint")
            left = self.at - self.counts["bytes"]
            self.counts["bytes"] += len(data)
            if self.kind == "bytes" and left < len(data):
                file.file.write(bytes(data)[: max(0, left)])
                file.file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return write(file, data)

        checksum.HashingFile.write = watched

    def _watch_marks(self) -> None:
        mark = checkpoint_hook.mark_last

        def watched(folder, name):
            mark(folder, name)
            self.notes.write(1, name)

        checkpoint_hook.mark_last = watched


def _group(path: str) -> str:
    """What kind of file it is."""
    name = Path(path).name
    kinds = {
        "checkpoint": r"(epoch|iter)_\d+\.pth",
        "best": r"best_.*\.pth",
        "marker": MARKER,
        "lock": "lock",
    }
    return next((kind for kind, pattern in kinds.items() if re.match(rf"\.?{pattern}", name)), "other file")


def train(folder: Path, people: Path, options: dict, notes: Notes, kind: str = "", at: int = NEVER) -> int:
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
        place = Place(folder / "work", notes, kind, at)
        build(folder, people, options, resume=True).train()
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


# --- what a training ends with ---------------------------------------------------------------------------


def outcome(work: Path) -> dict:
    """All numbers that a finished training leaves."""
    last, best = read_checkpoint(work / "epoch_3.pth"), read_checkpoint(work / BEST)
    scalars = last["message_hub"]["scalars"]
    return {
        "weights": last["ema"]["weights"],
        "average": [last["state_dict"], last["ema"]["steps"]],
        "optimizer": last["optimizer"],
        "schedulers": last["param_schedulers"],
        "losses": {name: scalars[name] for name in scalars if name.rsplit("/", 1)[-1] not in _CLOCK},
        "random": last["rng"],
        "best": [best["meta"]["best"], best["state_dict"]],
        "curves": curves(work),
    }


def curves(work: Path) -> list[dict]:
    """The logged scalars of all of a training's parts, without the times."""
    records = sorted(read_scalars(work), key=lambda record: ("iter" not in record, record["step"]))
    return [{key: value for key, value in record.items() if key not in _CLOCK} for record in records]


def differences(first, second, where: str = "") -> list[str]:
    """The places at which two nested values differ in any bit."""
    if type(first) is not type(second):
        return [where]
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return [where]
        return [d for key in first for d in differences(first[key], second[key], f"{where}/{key}")]
    if isinstance(first, (list, tuple)):
        if len(first) != len(second):
            return [where]
        pairs = enumerate(zip(first, second, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{where}/{i}")]
    return [] if _bits(first) == _bits(second) else [where]


def _bits(value):
    """A value as something that is equal only where all bits are: 0.0 is not -0.0, and nan is nan."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.contiguous().numpy().tobytes()
    return struct.pack("d", value) if isinstance(value, float) else value


# --- what a kill leaves ----------------------------------------------------------------------------------


def faults_after_kill(work: Path, marked: str) -> list[str]:
    """What is wrong with a work directory: all checkpoints must be whole, none that was marked be lost."""
    faults = []
    for path in work.glob("*.pth"):
        try:
            read_checkpoint(path)
        except Exception as error:
            faults.append(str(error))
    marker = work / MARKER
    if marker.is_file() and not (work / marker.read_text()).is_file():
        faults.append(f"{MARKER} names {marker.read_text()}, which is not there")
    if marked:
        found, kind, number = find_checkpoint(work), *marked.removesuffix(".pth").split("_")
        reached = found.checkpoint["meta"]["epoch" if kind == "epoch" else "iter"] if found else -1
        if found is None or found.passed_over or reached < int(number):
            faults.append(f"{marked} was marked, but the training would resume from {found and found.path}")
    return faults


class Study:
    """Trainings killed and resumed, and the record of them."""

    def __init__(self, root: Path, seed: int, kinds: Sequence[str] = KINDS, images: int = 20) -> None:
        self.root, self.kinds, self.draw, self.notes = root, kinds, random.Random(seed), Notes()
        self.people = write_people(root, images)
        registered()  # imports everything, which each fork would have to
        gc.collect()
        gc.freeze()  # and collects what it was born with, again and again
        self.where: Counter[str] = Counter()
        numbers = ("kills", "killed_again", "missed", "clean", "identical", "lost", "halves")
        self.record: dict = {**dict.fromkeys(numbers, 0), "faults": []}
        began = time.monotonic()
        alone = self._folder("alone")
        if wait(self._train(alone, 0)) != 0:
            raise RuntimeError((alone / "log.txt").read_text()[-2000:])
        self.length = time.monotonic() - began
        self.expected = outcome(alone / "work")
        self.counts = json.loads((alone / "counts.json").read_text())

    def run(self, kills: int) -> dict:
        """Kills so many trainings."""
        began = time.monotonic()
        while self.record["kills"] < kills:
            number = self.record["kills"] + self.record["missed"]
            folder, kind = self._folder(f"run{number}"), self.kinds[self.record["kills"] % len(self.kinds)]
            if not self._kill(folder, number, kind):
                self.record["missed"] += 1  # it had ended by then
                continue
            self.record["kills"] += 1
            if number % 5 == 4:
                self.record["killed_again"] += self._kill(folder, number, KINDS[1 + number % 3], 0.2)
            self._resume(folder, number)
            print(f"{number}: {self.record}", flush=True)
        self.record["seconds"] = round(time.monotonic() - began, 1)
        return {**self.record, "before": dict(self.where.most_common())}

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        return folder

    def _train(self, folder: Path, number: int, kind: str = "", at: int = NEVER) -> int:
        options = {**OPTIONS, "train_dataloader.num_workers": number % 2}
        return train(folder, self.people, options, self.notes, kind, at)

    def _kill(self, folder: Path, number: int, kind: str, within: float = 1.0) -> bool:
        """Trains until a kill in so great a first part of a training; whether it came before the end."""
        moment = within * self.draw.random()
        self.notes.write(1, "")
        child = self._train(folder, number, kind, int(moment * self.counts.get(kind, NEVER)))
        if kind == "time":
            time.sleep(moment * self.length)
            os.kill(child, signal.SIGKILL)
        if wait(child) != -signal.SIGKILL:
            return False
        place = self.notes.read(0)
        self.where[place] += 1
        print(f"{number}: killed by {kind} at {moment:.3f}, before '{place}'", flush=True)
        faults = faults_after_kill(folder / "work", self.notes.read(1))
        self.record["lost"] += len(faults)
        self.record["halves"] += len(list((folder / "work").glob(".*.pth.*.tmp")))
        self._blame(folder, faults if nobody_left(child) else [*faults, "processes are left"])
        return True

    def _resume(self, folder: Path, number: int) -> None:
        if wait(self._train(folder, number)) != 0:
            self._blame(folder, [(folder / "log.txt").read_text()[-500:]])
            return
        self.record["clean"] += 1
        differing = differences(self.expected, outcome(folder / "work"))
        self.record["identical"] += not differing
        left = [path.name for path in (folder / "work").glob(".*")]
        self._blame(folder, [f"differs: {at}" for at in differing[:3]] + [f"left: {name}" for name in left])

    def _blame(self, folder: Path, faults: list[str]) -> None:
        self.record["faults"] += [f"{folder.name}: {fault}" for fault in faults]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of kills, in turn")
    parser.add_argument("--images", type=int, default=20, help="pictures to train on")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = Study(Path(folder), args.seed, args.kinds, args.images).run(args.kills)
    print(json.dumps(record))
    return 0 if record["identical"] == args.kills and not record["faults"] else 1


if __name__ == "__main__":
    sys.exit(main())
