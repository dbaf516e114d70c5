"""Which checkpoints a training keeps: the newest ones, and the best weights by a validation score."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner.base_loop import BaseLoop

from posekit.engine.checkpoint import best_name, epoch_files, mark_last, read_checkpoint
from posekit.engine.loss_hooks import ValidationLossHook, check_weights
from posekit.engine.progress_hooks import training_epoch, was_validated
from posekit.engine.schema import did_you_mean
from posekit.errors import CheckpointError, ConfigError
from posekit.registry import HOOKS

_LEFT_OVER = 3600.0  # seconds


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Keeps the newest checkpoints and the best weights.

    An old checkpoint is deleted only when the new one is complete on disk and ``last_checkpoint`` names it.

    Args:
        interval: Epochs between checkpoints; the last epoch is always saved.
        max_keep_ckpts: How many ``epoch_N.pth`` to keep; -1 keeps all.
        save_best: Name of the validation score by which the best weights are chosen, e.g.
            ``"PCKh@0.5/mean_weighted"``; they are kept in ``best_<score>.pth``. ``"auto"`` is the first
            score; None keeps none.
        rule: ``"greater"`` or ``"less"``; default: "less" for a name with "loss" or "error" in it.

    Raises:
        ConfigError: On an impossible value; if there is no such score, before training where the evaluators
            say by ``score_names()`` what they give, else after the first validation.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        interval: int = 1,
        max_keep_ckpts: int = 2,
        save_best: str | None = None,
        rule: str | None = None,
    ) -> None:
        if interval < 1 or max_keep_ckpts == 0:
            raise ConfigError(
                "checkpoint hook: expected interval >= 1 and max_keep_ckpts >= 1 or -1, "
                f"found {interval} and {max_keep_ckpts}"
            )
        if rule not in (None, "greater", "less"):
            raise ConfigError(f"checkpoint hook: rule: expected 'greater' or 'less', found {rule!r}")
        self.interval = interval
        self.max_keep_ckpts = max_keep_ckpts
        self.save_best = save_best
        less = rule == "less" or (
            rule is None and any(w in (save_best or "").lower() for w in ("loss", "error"))
        )
        self.sign = -1.0 if less else 1.0
        self.best: float | None = None
        self.kept: list[str] = []
        self.resumed = False
        self.began = 0
        self.best_file: Path | None = None
        self.best_name = ""

    def before_run(self, runner: Any) -> None:
        """Looks, before anything is trained, whether there will be a score of that name."""
        if not self.save_best or not isinstance(runner._train_loop, BaseLoop):
            return
        if runner.val_loop is None:
            runner.logger.warning("nothing is validated, so that no best weights can be kept ('save_best')")
            return
        names = score_names(runner) if self.save_best != "auto" else None
        if names is not None:
            self._score_name(dict.fromkeys(names))

    def before_train(self, runner: Any) -> None:
        """Starts afresh, or, when resuming, from what the work directory holds."""
        self.best, self.kept, self.resumed = None, [], runner.epoch > 0
        self.began = runner.epoch
        folder = Path(runner.work_dir)
        if is_main_process():
            _remove_leftovers(folder)
        if self.resumed:
            self.kept = [path.name for epoch, path in epoch_files(folder) if epoch <= runner.epoch]
            self._catch_up(runner)
        else:
            if epoch_files(folder):
                runner.logger.warning(
                    f"{folder} holds checkpoints of an earlier run, which this one will overwrite; "
                    "--resume would continue it"
                )

    def _catch_up(self, runner: Any) -> None:
        """Validates the epoch that is resumed from, if the run was interrupted after saving it."""
        loop, epoch = runner.train_loop, runner.epoch
        due = epoch % loop.val_interval == 0 or epoch == runner.max_epochs
        if runner.val_loop is None or epoch < loop.val_begin or not due:
            return
        # The logs that go with the checkpoint: it may have been resumed from another work directory.
        done = [was_validated(runner.resumed_from.parent, epoch)]
        broadcast_object_list(done)  # all processes or none
        if not done[0]:
            runner.logger.info(f"epoch {epoch} was saved but not validated: doing that first")
            runner.val_loop.run()

    def after_train_epoch(self, runner: Any) -> None:
        if not (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            return
        name = f"epoch_{runner.epoch + 1}.pth"
        check_weights(runner, runner.model.state_dict())
        runner.save_checkpoint(runner.work_dir, name)
        if is_main_process():
            mark_last(runner.work_dir, name)
            self._prune(Path(runner.work_dir), name)

    def _prune(self, folder: Path, newest: str) -> None:
        self.kept = [name for name in self.kept if name != newest] + [newest]
        while 0 < self.max_keep_ckpts < len(self.kept):
            (folder / self.kept.pop(0)).unlink(missing_ok=True)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        if not self.save_best or not training_epoch(runner):
            return
        name = self._score_name(metrics or {})
        path = Path(runner.work_dir) / best_name(name)
        if self.best is None and self.resumed and path.is_file():
            self.best = _score_of(path, runner)
        score = float((metrics or {})[name])
        if math.isnan(score) or (self.best is not None and self.sign * score <= self.sign * self.best):
            return
        self.best = score
        self.best_file, self.best_name, best = (
            path,
            name,
            {"metric": name, "score": score, "epoch": runner.epoch},
        )
        meta = {"epoch": runner.epoch, "iter": runner.iter, "best": best}
        runner.save_checkpoint(
            runner.work_dir, path.name, save_optimizer=False, save_param_scheduler=False, meta=meta
        )
        runner.logger.info(f"best so far: {name} {score:.4f} at epoch {runner.epoch}, kept as {path.name}")

    def after_train(self, runner: Any) -> None:
        """Says in the log's last line what there is."""
        if self.began == runner.epoch >= runner.max_epochs:
            runner.logger.info(
                f"nothing to train: {runner.epoch} of {runner.max_epochs} epochs are done. To go on, raise "
                f"their number: --resume --cfg-options train_cfg.max_epochs={runner.epoch + 10}, for instance"
            )
            return
        words = f"trained {runner.epoch} epochs"
        if self.best_file is not None and self.best is not None:
            words += f"; best {self.best_name} {self.best:.4f} in {self.best_file}"
        runner.logger.info(words)

    def _score_name(self, metrics: Mapping[str, Any]) -> str:
        if self.save_best == "auto" and metrics:
            return next(iter(metrics))
        if self.save_best not in metrics:
            raise ConfigError(
                f"checkpoint hook: save_best: there is no score '{self.save_best}'"
                f"{did_you_mean(str(self.save_best), metrics)}"
            )
        return str(self.save_best)


def score_names(runner: Any) -> list[str] | None:
    """The scores that a validation will give; None if an evaluator does not say (``score_names()``)."""
    names = ["loss"] if any(isinstance(hook, ValidationLossHook) for hook in runner.hooks) else []
    for metric in runner.val_evaluator.metrics:
        own = _names_of(metric, runner.logger)
        if own is None:
            return None
        names += [f"{metric.prefix}/{name}" if metric.prefix else name for name in own]
    return names


def _names_of(metric: Any, logger: Any) -> Sequence[str] | None:
    if not hasattr(metric, "score_names"):
        return None
    try:
        return metric.score_names()
    except (
        Exception
    ) as error:  # an evaluator of the user's that cannot score nobody; that need not stop a training
        name = f"{type(metric).__name__}.score_names()"
        logger.warning(f"{name}: {type(error).__name__}: {error}; 'save_best' is not checked beforehand")
        return None


def _remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed while saving have left; a recent file may be in use."""
    for path in folder.glob(".*.pth.*.tmp"):
        if time.time() - path.stat().st_mtime > _LEFT_OVER:
            path.unlink(missing_ok=True)


def _score_of(path: Path, runner: Any) -> float | None:
    """The score that the file of an earlier part of this run was kept for."""
    try:
        return read_checkpoint(path).get("meta", {}).get("best", {}).get("score")
    except CheckpointError as error:
        runner.logger.warning(f"{error}; the next validation replaces it")
        return None
