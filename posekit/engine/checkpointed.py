"""The runner's checkpoints: plain, atomic, loaded without running code; what a run starts or goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import barrier
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.checkpoints.restore import restore_run
from posekit.engine.checkpoints.resume import Found, find_checkpoint, refuse_own, set_aside
from posekit.engine.checkpoints.state import checkpoint_of
from posekit.engine.start_checks import check_training
from posekit.io.checkpoint import read_checkpoint
from posekit.models.released import load_checkpoint_into
from posekit.parallel import on_main


class CheckpointedRunner(Runner):
    """mmengine's runner with posekit's checkpoints: the base of ``posekit.engine.runner.PoseRunner``."""

    #: What became of the checkpoint's keys, once one is loaded; see :mod:`posekit.models.released`.
    load_report: Any = None
    #: What was resumed from, if anything was.
    resumed_from: Path | None = None
    _found: Found | None = None

    @property
    def bare_model(self) -> nn.Module:
        """The network without the wrapper of several processes."""
        return self.model.module if is_model_wrapper(self.model) else self.model

    @property
    def continues(self) -> bool:
        """Whether this run goes on from a checkpoint of its own work directory."""
        start = self.resumed_from
        return start is not None and start.parent.resolve() == Path(self.work_dir).resolve()

    @property
    def is_training(self) -> bool:
        """Whether this is a training: its loop is built once it has begun."""
        return isinstance(self._train_loop, BaseLoop)

    def load_checkpoint(self, filename: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Loads weights of any form that :mod:`posekit.models.released` knows; every key must fit.

        A training may start from another head's weights: what the file lacks then keeps its random start,
        and a warning says so. Weights are read on the CPU and copied to where the model is, whatever
        mmengine's other arguments say.

        Args:
            filename: A local file.

        Raises:
            CheckpointError: If it is damaged, unsafe or of another architecture.
        """
        return self.adopt(read_checkpoint(filename), filename, allow_head=self.is_training)

    def adopt(
        self, checkpoint: dict[str, Any], source: str | Path, allow_head: bool = False
    ) -> dict[str, Any]:
        """Loads the weights of a checkpoint that has been read.

        Args:
            checkpoint: Of any form that :mod:`posekit.models.released` knows.
            source: Its file.
            allow_head: Whether a head of another size may keep its random start.

        Raises:
            CheckpointError: If it is of another architecture.
        """
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        self.load_report = load_checkpoint_into(self.bare_model, checkpoint, source, allow_head)
        self._has_loaded = True
        self.logger.info(f"weights loaded from {source} ({self.load_report})")
        if self.load_report.random:
            parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in self.load_report.random)
            self.logger.warning(f"{source} does not fit {', '.join(parts)}: which start at random")
        return checkpoint

    def load_or_resume(self) -> None:
        """Loads or resumes what the config names: ``load_from``, ``resume`` or both."""
        if self.is_training:
            check_training(self)
        if not self._has_loaded:
            if self._resume:
                self._resume_found()
            elif self._load_from is not None:
                if self.is_training:
                    refuse_own(self._load_from, self.work_dir)
                self.load_checkpoint(self._load_from)
        if self.is_training and not self._has_loaded and hasattr(self.bare_model, "start"):
            super()._init_model_weights()  # of several processes all have the first one's afterwards
            start: Any = self.bare_model.start
            log = self.logger.warning if start.lacking else self.logger.info
            log(f"the backbone starts from {start.words}")

    def _set_earlier_aside(self) -> None:
        """Clears the way of a run that does not continue the one in its work directory.

        Before the record, by which a job that is begun again knows what is its own.
        """
        if self.continues:
            return
        barrier()  # nobody reads there any more
        moved = on_main(lambda: str(set_aside(self.work_dir) or ""))
        if moved:
            self.logger.warning(
                f"{self.work_dir} held the checkpoints of an earlier run, which --resume would have "
                f"continued; they are in {moved} now"
            )

    def _resume_found(self) -> None:
        """Resumes from what :meth:`from_cfg` has read, and lets go of it."""
        found = self._found or find_checkpoint(self.work_dir, self._load_from)
        self._found = None
        if found is None:
            self.logger.info(f"no checkpoint in {self.work_dir} yet: starting from the beginning")
            return
        for reason in found.passed_over:
            self.logger.warning(f"{reason}; trying the one before")
        self.resumed_from = Path(found.path)
        restore_run(self, found.checkpoint, found.path)

    def resume(self, filename: str | Path) -> None:  # type: ignore[override]
        """Continues the run that wrote a checkpoint ``epoch_N.pth``, with all of its state.

        Raises:
            CheckpointError: As :meth:`load_checkpoint`; also if it holds weights alone.
        """
        self._found = Found(read_checkpoint(filename), str(filename))
        self._resume_found()

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        **_: Any,
    ) -> None:
        """Writes a checkpoint of plain values, atomically; all processes must call it, the first one writes.

        Args:
            out_dir: A local folder.
            filename: Name in it.
            file_client_args: Unused, as are mmengine's others.
            save_optimizer: Add what resuming needs: optimiser, message hub, random state.
            save_param_scheduler: Add the schedulers.
            meta: Added to the meta data; ``epoch``, ``iter`` and ``batches`` (of the epoch that has begun)
                count what is done.
            by_epoch: Called at the end of an epoch, which the loop counts only afterwards.

        Raises:
            CheckpointError: If it cannot be written; an older file of the name is intact.
        """
        # At the end of an epoch the loop has counted the last iteration, but not yet the epoch.
        done = (self.epoch + 1, self.iter) if by_epoch else (self.epoch, self.iter + 1)
        meta = {"epoch": done[0], "iter": done[1], **(meta or {})}
        checkpoint = checkpoint_of(self, meta, save_optimizer, save_param_scheduler)
        if checkpoint is not None:
            self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
            write_checkpoint(checkpoint, Path(out_dir) / filename)
