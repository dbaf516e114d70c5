"""Auxiliary tasks that end before the main one: task-wise early stopping.

Zhang et al., "Facial landmark detection by deep multi-task learning", ECCV 2014: an auxiliary task
helps the main one at first and, once it has learnt what it can, overfits and harms it. Its loss then
gets the weight 0; what it has taught the shared layers stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, master_only
from mmengine.hooks import Hook
from torch import Tensor

from posekit.datasets.mixture import parts_of
from posekit.engine.hooks.task_measure import stopping_measure
from posekit.errors import ConfigError, is_whole
from posekit.io.files import read_json, write_json
from posekit.models.multihead import MultiHead
from posekit.parallel import gather_rows, on_main
from posekit.registry import HOOKS
from posekit.structures import Sample

MODES = EACH, ALL, OFF = ("each", "all", "off")
_STATE = "task_stopping"  # in the message hub, which checkpoints hold
RECORD = "stopped_tasks"  # in run.json


@HOOKS.register_module()
class TaskStoppingHook(Hook):
    """Stops auxiliary tasks of a :class:`~posekit.models.multihead.MultiHead` by :func:`stopping_measure`.

    Training errors are the means of a task's losses, without their weight, over each epoch as it was trained,
    validation errors those over the validation set after it, without augmentation and mirror images; people
    of unknown label do not count. Both are logged, the latter also as the scores ``task_loss/NAME``. From the
    ``last``-th epoch on, every ``interval`` epochs, each auxiliary task is measured; a stopped task gets the
    weight 0, for good.

    - "each": a task is stopped at the first measure above the threshold.
    - "all": no task is stopped until the measure of every one has been above the threshold, be it at
      different epochs; then all are stopped at once. (Tasks stopped alone lose accuracy while the others
      train.)
    - "off": nothing is stopped; errors and measures are logged.

    What was stopped, when and by which measure stands in the log, in ``run.json`` as ``stopped_tasks`` and in
    checkpoints; a resumed training goes on exactly, also from within an epoch. Off unless a config says e.g.
    ``default_hooks=dict(task_stopping=dict(main="landmarks", threshold=100))``.

    Args:
        main: The name of the head that is never stopped.
        threshold: Epsilon of the paper, which does not state its value.
        mode: "each", "all" or "off".
        last: k, the number of training errors whose trend counts; of fewer than 3, median and mean are one.
        interval: Epochs from one measure to the next. Each takes a pass over the validation set.

    Raises:
        ConfigError: On a setting out of range.
    """

    priority = "ABOVE_NORMAL"  # before checkpoints are written and scores are logged

    def __init__(
        self,
        main: str = "landmarks",
        threshold: float = 100.0,
        mode: str = EACH,
        last: int = 5,
        interval: int = 1,
    ) -> None:
        where = "default_hooks.task_stopping"
        if mode not in MODES:
            raise ConfigError(f"{where}.mode: expected one of {MODES}, found {mode!r}")
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or math.isnan(threshold):
            raise ConfigError(f"{where}.threshold: expected a number, found {threshold!r}")
        for name, number, least in (("last", last, 3), ("interval", interval, 1)):
            if not is_whole(number, least):
                raise ConfigError(
                    f"{where}.{name}: expected a whole number of at least {least}, found {number!r}"
                )
        self.main, self.threshold, self.mode = main, float(threshold), mode
        self.last, self.interval = last, interval
        self.weights: dict[str, float] = {}  # of the auxiliary tasks, as configured
        self.state: dict[str, Any] = {}
        self.waiting: list[Tensor] = []

    # --- start -------------------------------------------------------------------------------------------

    def before_run(self, runner: Any) -> None:
        """Looks at network and validation before anything is written.

        Raises:
            ConfigError: If there are no tasks to stop, or a validation set that is augmented, or none.
        """
        if not runner.is_training:
            return
        head, where = getattr(runner.bare_model, "head", None), "default_hooks.task_stopping"
        if not isinstance(head, MultiHead) or self.main not in head.heads:
            found = sorted(head.heads) if isinstance(head, MultiHead) else type(head).__name__
            raise ConfigError(f"{where}.main: expected a MultiHead with a head {self.main!r}, found {found}")
        self.weights = {name: weight for name, weight in head.weights.items() if name != self.main and weight}
        if not self.weights:
            raise ConfigError(f"{where}: there is no auxiliary task beside {self.main!r} of a weight above 0")
        if runner.val_loop is None:
            raise ConfigError(f"{where}: needs validation errors: state a val_dataloader and val_evaluator")
        for part in parts_of(runner.val_dataloader.dataset):
            if getattr(part, "augment", None) is not None or getattr(part, "pixels", None) is not None:
                raise ConfigError(
                    f"{where}: validation errors are those of pictures as they are, but "
                    "val_dataloader.dataset states 'augment' or 'pixels'; leave them out"
                )

    def before_train(self, runner: Any) -> None:
        """Begins, or goes on with what the checkpoint holds."""
        stored = runner.message_hub.runtime_info.get(_STATE)
        self.waiting = []
        self.state = {
            "sums": dict.fromkeys(self.weights, 0.0),
            "counts": dict.fromkeys(self.weights, 0.0),
            "train": {name: [] for name in self.weights},
            "validation": {},
            "ripe": {},
            "stopped": {},
        }
        if stored is not None and runner.iter:
            if set(stored["train"]) != set(self.weights):
                raise ConfigError(
                    f"default_hooks.task_stopping: the checkpoint is of the tasks {sorted(stored['train'])}, "
                    f"the config of {sorted(self.weights)}; resume with its own config, or start anew with "
                    "load_from"
                )
            self.state = {key: dict(value) for key, value in stored.items()}
            self.state["train"] = {name: list(errors) for name, errors in stored["train"].items()}
        self._apply(runner)

    def _apply(self, runner: Any) -> None:
        """Gives the stopped tasks the weight 0, and says so in the run's record."""
        for name in self.state["stopped"]:
            runner.bare_model.head.weights[name] = 0.0
        runner.message_hub.update_info(_STATE, self.state)
        if self.state["stopped"]:
            self._record(runner)

    @master_only
    def _record(self, runner: Any) -> None:
        for place in dict.fromkeys((Path(runner.work_dir), Path(runner.log_dir))):
            path = place / "run.json"
            record = read_json(path) if path.is_file() else {}
            write_json(path, {**record, RECORD: {n: _plain(one) for n, one in self.state["stopped"].items()}})

    # --- training errors ---------------------------------------------------------------------------------

    @property
    def running(self) -> list[str]:
        """The auxiliary tasks that learn."""
        return [name for name in self.weights if name not in self.state["stopped"]]

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        if not self.running or getattr(runner.optim_wrapper, "left_out", False):
            return
        head, sample, found = runner.bare_model.head, Sample(*data_batch), outputs or {}
        people = len(sample.image)
        sums = [
            people / head.weights[name] * sum(v for key, v in found.items() if _is_loss_of(key, name))
            for name in self.running
        ]
        row = torch.stack([torch.as_tensor(one).detach().float().reshape(()) for one in sums])
        counts = row.new_tensor([_known(head.heads[name], sample) for name in self.running])
        row = torch.cat([row, counts])
        if runner.world_size > 1:
            all_reduce(row)
        self.waiting.append(row)

    def _flush(self) -> None:
        """Adds up what was left on the device, in order, whenever that is done."""
        running, rows = self.running, torch.stack(self.waiting).tolist() if self.waiting else []
        self.waiting = []
        for row in rows:
            for name, value, count in zip(running, row, row[len(running) :], strict=False):
                self.state["sums"][name] += value
                self.state["counts"][name] += count

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        if self.state and "message_hub" in checkpoint:
            self._flush()
            checkpoint["message_hub"]["info"][_STATE] = _copied(self.state)

    # --- decisions ---------------------------------------------------------------------------------------

    def after_train_epoch(self, runner: Any) -> None:
        """Measures, decides, logs; the epoch's checkpoint, written afterwards, holds it all."""
        self._flush()
        running, epoch = self.running, runner.epoch + 1
        for name in running:
            count = self.state["counts"][name]
            if not count:
                raise ConfigError(
                    f"default_hooks.task_stopping: nobody trained on has a label of task {name!r}"
                )
            self.state["train"][name].append(self.state["sums"][name] / count)
            self.state["sums"][name] = self.state["counts"][name] = 0.0
        if not running or epoch % self.interval:
            return
        errors = self._validation_errors(runner, running)
        self.state["validation"] = dict(errors)
        measures = {
            name: stopping_measure(train, errors[name], self.weights[name], self.last)
            for name in running
            if len(train := self.state["train"][name]) >= self.last
        }
        words = [
            f"{name}: training {self.state['train'][name][-1]:.4g}, validation {errors[name]:.4g}"
            + (f", measure {measures[name]:.4g}" if name in measures else "")
            for name in running
        ]
        runner.logger.info(f"tasks after epoch {epoch}: {'; '.join(words)}")
        for name, measure in measures.items():
            if measure > self.threshold:
                self.state["ripe"].setdefault(name, {"epoch": epoch, "measure": measure})
        self._stop(runner, epoch, running)

    def _stop(self, runner: Any, epoch: int, running: Sequence[str]) -> None:
        ripe = [name for name in running if name in self.state["ripe"]]
        if self.mode == OFF or not ripe or (self.mode == ALL and len(ripe) < len(running)):
            return
        for name in ripe:
            own = self.state["ripe"][name]
            self.state["stopped"][name] = {**own, "stopped": epoch}
            runner.logger.info(
                f"task {name} stopped after epoch {epoch}: its measure was {own['measure']:.4g} at epoch "
                f"{own['epoch']}, above {self.threshold:g}"
            )
        self._apply(runner)

    @torch.no_grad()
    def _validation_errors(self, runner: Any, tasks: Sequence[str]) -> dict[str, float]:
        """The mean losses of tasks over the validation set; the training draws as without it."""
        model, state = runner.bare_model, torch.get_rng_state()
        training = model.training
        model.eval()
        rows = [self._batch_errors(model, batch, tasks) for batch in runner.val_dataloader]
        model.train(training)
        torch.set_rng_state(state)
        own = np.array(rows, np.float64).reshape(len(rows), 2 * len(tasks))
        gathered = gather_rows(own) or []

        def means() -> list[float]:  # sums are exact, the same however the batches lie in processes
            sums = [math.fsum(column) for column in np.concatenate(gathered).T]
            pairs = zip(sums, sums[len(tasks) :], strict=False)
            return [total / count if count else math.nan for total, count in pairs]

        found = dict(zip(tasks, on_main(means), strict=True))
        unknown = [name for name, error in found.items() if math.isnan(error)]
        if unknown:
            raise ConfigError(
                f"default_hooks.task_stopping: nobody in the validation set has a label of {unknown}"
            )
        return found

    def _batch_errors(self, model: Any, batch: Any, tasks: Sequence[str]) -> list[float]:
        sample = model.data_preprocessor(batch, True)
        reports = model.head.unweighted(model.stages(model.normalise(sample.image)), sample)
        losses = [sum(v for key, v in reports[name].items() if "loss" in key) for name in tasks]
        sums = [float(loss) * len(sample.image) for loss in losses]
        return sums + [_known(model.head.heads[name], sample) for name in tasks]

    def after_val_epoch(self, runner: Any, metrics: dict[str, Any] | None = None) -> None:
        if runner.is_training and metrics is not None and self.state:
            metrics.update({f"task_loss/{name}": error for name, error in self.state["validation"].items()})


def _is_loss_of(key: str, name: str) -> bool:
    return key.startswith(f"{name}.") and "loss" in key


def _known(head: Any, sample: Sample) -> float:
    """How many people of a batch a task's loss, a mean over all, is of."""
    return float(head.known(sample).sum()) if hasattr(head, "known") else float(len(sample.image))


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state as it is now; what goes on changing is not in it."""
    own = {key: dict(value) for key, value in state.items()}
    own["train"] = {name: list(errors) for name, errors in state["train"].items()}
    return own


def _plain(stopped: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity."""
    measure = stopped["measure"]
    return {**stopped, "measure": measure if math.isfinite(measure) else "infinite"}
