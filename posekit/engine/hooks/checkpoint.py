"""Which checkpoints a training keeps: the newest ones, and the best weights by a validation score."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook

from posekit.engine.checkpoints.files import mark_last, resume_words, saved_files
from posekit.engine.checkpoints.within_epoch import Appointments, agreed
from posekit.engine.hooks.loss import LossLogHook, check_weights
from posekit.engine.hooks.progress import training_epoch
from posekit.engine.hooks.scores import BestWeights
from posekit.engine.processes.signals import Stopped
from posekit.engine.schedules import words_to_go_on
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.registry import HOOKS

_KEPT_WITHIN = 2  # iter_N.pth since the last epoch_N.pth: the newest may turn out damaged


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Keeps the newest checkpoints and the best weights, and ends a training that is asked to by a signal.

    An old checkpoint is deleted only when the new one is complete on disk and ``last_checkpoint`` names it.
    After SIGTERM or SIGUSR1 the step is finished and saved; with several processes, the next step that they
    can agree on. A signal during a validation ends that; resuming makes up for it.

    Args:
        interval: Epochs between checkpoints; the last epoch is always saved.
        max_keep_ckpts: How many ``epoch_N.pth`` to keep; -1 keeps all.
        interval_iters: Iterations between checkpoints within an epoch, ``iter_N.pth``. The two newest are
            kept, until an ``epoch_N.pth`` takes their place.
        every_minutes: Such a checkpoint is also written when there was none of either kind for so long; None
            for never.
        save_best: Name of the validation score by which the best weights are chosen, e.g.
            ``"PCKh@0.5/mean_weighted"``; they are kept in ``best_<score>.pth``. ``"auto"`` is the first
            score, a list of names keeps the best by each of them; None keeps none.
        rule: ``"greater"`` or ``"less"``, or a list of these; needed only for a score whose evaluator does
            not say by ``score_names()`` which way it is better.

    Raises:
        ConfigError: On an impossible value; before training if ``rule`` contradicts the evaluator or nobody
            says which way a score is better; if there is no such score, before training where the evaluators
            say what they give, else after the first validation.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: int = 1,
        max_keep_ckpts: int = 2,
        save_best: str | Sequence[str] | None = None,
        rule: str | Sequence[str | None] | None = None,
        interval_iters: int | None = None,
        every_minutes: float | None = 30.0,
    ) -> None:
        if interval < 1 or max_keep_ckpts == 0:
            raise ConfigError(
                "checkpoint hook: expected interval >= 1 and max_keep_ckpts >= 1 or -1, "
                f"found {interval} and {max_keep_ckpts}"
            )
        self.best = BestWeights(save_best, rule)
        self.appointments = Appointments(interval_iters, every_minutes)
        self.interval, self.max_keep_ckpts = interval, max_keep_ckpts
        self.kept: list[str] = []
        self.resumed = False
        self.began = self.saved_iter = 0

    def before_run(self, runner: Any) -> None:
        """Looks, before anything is trained, whether there will be the scores to go by."""
        if self.best.wanted and runner.is_training:
            if runner.val_loop is not None:
                self.best.settle(runner.scores)
                return
            runner.logger.warning("nothing is validated, so that no best weights can be kept ('save_best')")

    def before_train(self, runner: Any) -> None:
        """Starts afresh, or, when resuming, from what the work directory holds."""
        self.best.best, self.best.files, self.kept = {}, {}, []
        self.resumed = runner.iter > 0
        self.began, self.saved_iter = runner.epoch, runner.iter
        self.appointments.saved()
        folder = Path(runner.work_dir)
        if is_main_process():
            for path in folder.glob(".*.tmp"):  # left by processes that were killed while saving
                if re.fullmatch(r"\..+\.\w{8}\.tmp", path.name):  # as atomic_file names them
                    path.unlink(missing_ok=True)
        if self.resumed:
            self.kept = [path.name for epoch, path in saved_files(folder) if epoch <= runner.epoch]
            self._catch_up(runner)

    def _catch_up(self, runner: Any) -> None:
        """Validates the epoch that is resumed from: its checkpoint was written before that was done.

        Even if it was done: best weights and log have its scores, the checkpoint's own history and the
        schedulers that go by scores have not. A run that is over is only asked for what is missing on disk.
        """
        loop, epoch = runner.train_loop, runner.epoch
        due = epoch > 0 and (epoch % loop.val_interval == 0 or epoch == runner.max_epochs)
        if runner.val_loop is None or epoch < loop.val_begin or not due or getattr(loop, "done", 0):
            return
        done = [epoch >= runner.max_epochs and self._was_concluded(runner, epoch)]
        broadcast_object_list(done)  # all processes or none
        if not done[0]:
            runner.logger.info(f"epoch {epoch} was saved before it was validated: doing that first")
            runner.val_loop.run()

    def _was_concluded(self, runner: Any, epoch: int) -> bool:
        """Whether an epoch was validated, and its weights kept if they were the best so far."""
        from posekit.visualization import read_scalars  # pictures, which few trainings need here

        # The logs that go with the checkpoint: it may have been resumed from another work directory.
        folder = runner.resumed_from.parent
        try:
            logged = [one for one in read_scalars(folder) if "iter" not in one and one["step"] == epoch]
        except DataError:  # there are none, or none that can be read
            return False
        return bool(logged) and self.best.concluded(runner, folder, logged[0])

    def after_train_iter(self, runner: Any, batch_idx: int, *_: Any, **__: Any) -> None:
        if self.end_of_epoch(runner.train_dataloader, batch_idx):
            return  # after_train_epoch follows at once
        due, asked = self.appointments.after_iter(runner)
        if due:
            place = {"iter": runner.iter + 1, "epoch": runner.epoch, "batches": batch_idx + 1}
            self._save(runner, f"iter_{place['iter']}.pth", place)
        self._end_if(runner, asked)

    def after_train_epoch(self, runner: Any) -> None:
        asked = agreed(runner)[1]
        if asked or self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner):
            self._save_epoch(runner, runner.epoch + 1)
        self._end_if(runner, asked)

    def after_val_iter(self, runner: Any, batch_idx: int, *_: Any, **__: Any) -> None:
        asked = self.appointments.after_val_iter(runner, batch_idx) if training_epoch(runner) else 0
        if asked and self.saved_iter < runner.iter:
            self._save_epoch(runner, runner.epoch)
        self._end_if(runner, asked)

    def _end_if(self, runner: Any, asked: int) -> None:
        if asked:
            name = signal.Signals(asked).name
            raise Stopped(asked, f"stopped by {name} after iteration {self.saved_iter}, which is saved")

    def _save_epoch(self, runner: Any, epoch: int) -> None:
        self._save(runner, f"epoch_{epoch}.pth", {"iter": runner.iter, "epoch": epoch, "batches": 0})

    def _save(self, runner: Any, name: str, place: dict[str, int]) -> None:
        """Writes a checkpoint, points the marker at it, and only then removes older ones.

        Raises:
            CheckpointError: If it cannot be written; the message names the last good one.
        """
        for hook in runner.hooks:
            if isinstance(hook, LossLogHook):
                hook.flush(runner)
        check_weights(runner, runner.model.state_dict())
        try:
            runner.save_checkpoint(runner.work_dir, name, meta=place)
            if is_main_process():
                mark_last(runner.work_dir, name)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; {resume_words(runner.work_dir)}") from error
        self.saved_iter = place["iter"]
        self.appointments.saved()
        if is_main_process():
            self._prune(Path(runner.work_dir), name)

    def _prune(self, folder: Path, newest: str) -> None:
        within = [path for _, path in saved_files(folder, "iter")]
        if newest.startswith("iter_"):
            # By time, not number: there may be some of an earlier run.
            within.sort(key=lambda path: (path.name == newest, path.stat().st_mtime))
            within = within[:-_KEPT_WITHIN]
        for path in within:
            path.unlink(missing_ok=True)
        if newest.startswith("epoch_"):
            self.kept = [name for name in self.kept if name != newest] + [newest]
            while 0 < self.max_keep_ckpts < len(self.kept):
                (folder / self.kept.pop(0)).unlink(missing_ok=True)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        if self.best.wanted and training_epoch(runner):
            self.best.after_validation(runner, metrics or {}, self.resumed)

    def after_train(self, runner: Any) -> None:
        """Says in the log's last line what there is."""
        if self.began == runner.epoch >= runner.max_epochs:
            done = f"nothing to train: {runner.epoch} of {runner.max_epochs} epochs are done"
            runner.logger.info(f"{done}. {words_to_go_on(runner)}")
        else:
            runner.logger.info(f"trained {runner.epoch} epochs{self.best.words()}")
