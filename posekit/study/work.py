"""What is done for a cell, stage by stage: the commands, and what is looked at after each.

And where a sweep stands, which :mod:`posekit.study.sweep` changes and :mod:`posekit.study.live` shows.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posekit.errors import ConfigError
from posekit.io.files import read_object
from posekit.study.cells import Cell
from posekit.study.plan import Plan
from posekit.study.record import FINISHED, Progress, cell_folder, chosen_checkpoint, write_cell
from posekit.study.slots import Slot

TOOLS = Path(__file__).resolve().parents[2] / "tools"
#: The stages without which a cell is not finished.
NEEDED = ("train", "test")


@dataclass
class Job:
    """A stage of a cell that is running."""

    cell: Cell
    slot: Slot
    stage: str
    process: subprocess.Popen[bytes]
    progress: Progress
    started: float
    offset: int  # bytes that its log had before


class Standing:
    """Where a sweep stands.

    Attributes:
        cells: All of them, in the order they are to be run.
        records: By name, what is known of those that are finished or failed.
        waiting: Those to be run yet.
        free: The slots that nothing runs on.
        jobs: What is running.
    """

    cells: Sequence[Cell]
    records: dict[str, dict[str, Any] | None]
    waiting: list[Cell]
    free: list[Slot]
    jobs: list[Job]

    def count(self, state: str) -> int:
        """How many cells are ``"finished"`` or ``"failed"``."""
        return sum(1 for record in self.records.values() if record and record["state"] == state)


class Work:
    """The work on a cell: train, test and, if asked for, diagnose; a process each.

    Attributes:
        out: The sweep's folder.
        plan: The sweep.
        stages: Their names, in order; a stage's output goes to ``<stage>.log`` in the cell's folder.
    """

    def __init__(self, out: Path, plan: Plan, diagnose: bool = False) -> None:
        self.out, self.plan = Path(out), plan
        self.stages = (*NEEDED, "diagnosis") if diagnose else NEEDED

    def remains(self, record: Mapping[str, Any] | None) -> bool:
        """Whether there is something to be done for a cell; a diagnosis may be asked for later.

        Args:
            record: Its ``cell.json``, or None.
        """
        if record is None:
            return True
        return record["state"] == FINISHED and "diagnosis" in self.stages and not record.get("diagnosis")

    def command(self, stage: str, cell: Cell) -> list[str]:
        """The command of a stage.

        Raises:
            CheckpointError: If there are no weights to be tested.
        """
        from posekit.engine.checkpoints.files import resume_candidates

        folder = cell_folder(self.out, cell.name)
        if stage == "train":
            # Only where there is something to resume: a config's `load_from` is for the first start.
            return train_command(self.plan, cell, folder, any(True for _ in resume_candidates(folder)))
        checkpoint = chosen_checkpoint(folder)
        if stage == "test":
            return test_command(self.plan, cell, folder, checkpoint)
        words = [self.plan.config_of(cell), str(checkpoint), "--out", str(folder / "diagnosis.json")]
        return [sys.executable, "-m", "posekit.study.diagnosis", *words, *_options(self.plan, cell)]

    def check(self, stage: str, cell: Cell) -> None:
        """Compares what a stage left with what it should have done.

        Raises:
            ConfigError: If the training had another config, loss or seed.
        """
        if stage != "train":
            return
        from posekit.engine.configs.config import load_config
        from posekit.study.prepare import check_cell

        folder = cell_folder(self.out, cell.name)
        dumped = folder / Path(self.plan.config_of(cell)).name
        check_cell(self.plan, cell, load_config(dumped), f"the config it was trained with ({dumped})")
        seed = read_object(folder / "run.json").get("seed")
        if seed != cell.seed:
            raise ConfigError(f"cell {cell.name}: it was trained with seed {seed}")

    def finish(self, cell: Cell, progress: Progress) -> dict[str, Any]:
        """Writes ``cell.json``; returns what it says."""
        return write_cell(self.out, cell, progress)


# --- commands --------------------------------------------------------------------------------------------


def train_command(plan: Plan, cell: Cell, work_dir: Path, resume: bool) -> list[str]:
    """The command that trains a cell."""
    words = ["--work-dir", str(work_dir), "--seed", str(cell.seed), *(["--resume"] if resume else [])]
    return _tool("train.py", plan, cell, words)


def test_command(plan: Plan, cell: Cell, work_dir: Path, checkpoint: Path) -> list[str]:
    """The command that tests a cell."""
    return _tool("test.py", plan, cell, [str(checkpoint), "--work-dir", str(work_dir / "test")])


def _tool(name: str, plan: Plan, cell: Cell, words: Sequence[str]) -> list[str]:
    shared = ["--launcher", plan.launcher, *_options(plan, cell)]
    return [*_started(plan), str(TOOLS / name), plan.config_of(cell), *words, *shared]


def _options(plan: Plan, cell: Cell) -> list[str]:
    """None where a variant's config says all: the option wants at least one word."""
    words = plan.words(cell)
    return ["--cfg-options", *words] if words else []


def _started(plan: Plan) -> list[str]:
    """How the processes of a cell are started; a port of its own, since several cells may run at once."""
    number = plan.processes_per_cell
    if plan.launcher == "pytorch":
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={number}"]
    if plan.launcher == "slurm":
        # From the environment as in tools/slurm_train.sh; SRUN_ARGS: partition, time and the like.
        gres = os.environ.get("GRES") or f"gpu:{number}"
        asked = [f"--ntasks={number}", f"--gres={gres}", "--kill-on-bad-exit=1"]
        if gres == "none":  # a partition of CPUs
            del asked[1]
        if cores := os.environ.get("CPUS_PER_TASK"):
            asked.append(f"--cpus-per-task={cores}")
        extra = shlex.split(os.environ.get("SRUN_ARGS", ""))
        return ["srun", *asked, f"--export=ALL,MASTER_PORT={free_port()}", *extra, sys.executable, "-u"]
    return [sys.executable]


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
