"""What is done for a cell, stage by stage: the commands, and what is looked at after each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posekit.errors import ConfigError
from posekit.io.files import read_object
from posekit.study.cells import Cell
from posekit.study.plan import Plan
from posekit.study.record import (
    FINISHED,
    Progress,
    cell_folder,
    chosen_checkpoint,
    write_finished,
)
from posekit.study.slots import test_command, train_command

#: The stages without which a cell is not finished.
NEEDED = ("train", "test")


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
        if stage == "test":
            return test_command(self.plan, cell, folder, chosen_checkpoint(folder))
        checkpoint = str(chosen_checkpoint(folder))
        words = [self.plan.config, checkpoint, "--out", str(folder / "diagnosis.json")]
        options = ["--cfg-options", *self.plan.words(cell)]
        return [sys.executable, "-m", "posekit.study.diagnosis", *words, *options]

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
        dumped = folder / Path(self.plan.config).name
        check_cell(self.plan, cell, load_config(dumped), f"the config it was trained with ({dumped})")
        seed = read_object(folder / "run.json").get("seed")
        if seed != cell.seed:
            raise ConfigError(f"cell {cell.name}: it was trained with seed {seed}")

    def finish(self, cell: Cell, progress: Progress) -> dict[str, Any]:
        """Writes ``cell.json``; returns what it says."""
        return write_finished(self.out, cell, progress)
