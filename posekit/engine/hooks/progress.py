"""What a run shows while it goes: lines with the time left, score tables, curves, images that failed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process, master_only
from mmengine.hooks import Hook, IterTimerHook, LoggerHook

from posekit.datasets.overlap import UNKNOWN, compare_sets
from posekit.datasets.table import GROUND_TRUTH, OUTSIDE
from posekit.engine.console import SHOWN
from posekit.engine.hooks.scores import BestWeights
from posekit.io.files import write_text
from posekit.metrics.tables import score_table
from posekit.registry import HOOKS


def training_epoch(runner: Any) -> int:
    """Epochs done, or 0 where nothing is being trained (asking would build the training set)."""
    return runner.epoch if runner.is_training else 0


@HOOKS.register_module()
class TimeLeftHook(IterTimerHook):
    """Estimates the time left from the wall clock, so that validation and saving are counted.

    mmengine's estimate multiplies the training iterations alone.
    """

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        self.started = time.monotonic()

    def _after_iter(self, runner: Any, batch_idx: int, *args: Any, mode: str = "train", **more: Any) -> None:
        super()._after_iter(runner, batch_idx, *args, mode=mode, **more)
        if mode == "train":
            done = runner.iter - self.start_iter + 1
            left = (time.monotonic() - self.started) / done * (runner.max_iters - runner.iter - 1)
            runner.message_hub.update_info("eta", left)


@HOOKS.register_module()
class ProgressHook(LoggerHook):
    """Prints progress with the time left, and scores as a table.

    Args:
        interval: Iterations between lines that are also logged as scalars.
        seconds: A line is printed at the latest after so long, however slow the iterations.
        **kwargs: As :class:`mmengine.hooks.LoggerHook` takes them.
    """

    def __init__(self, interval: int = 50, seconds: float = 10.0, **kwargs: Any) -> None:
        # The experiment's name is the log file's already.
        super().__init__(interval=interval, interval_exp_name=1 << 60, **kwargs)
        self.seconds = seconds
        self.printed = time.monotonic()

    def _before_epoch(self, runner: Any, mode: str = "train") -> None:
        self.printed = time.monotonic()

    # mmengine's hook for logging has its own; these call the one below.
    after_train_iter = Hook.after_train_iter
    after_val_iter = Hook.after_val_iter
    after_test_iter = Hook.after_test_iter

    def _after_iter(self, runner: Any, batch_idx: int, *_: Any, mode: str = "train", **__: Any) -> None:
        last = self.end_of_epoch(getattr(runner, f"{mode}_dataloader"), batch_idx)
        due = mode == "train" and (last or self.every_n_inner_iters(batch_idx, self.interval))
        if due or time.monotonic() - self.printed > self.seconds:
            tag, line = runner.log_processor.get_log_after_iter(runner, batch_idx, mode)
            runner.logger.info(line.rstrip(), extra=SHOWN)
            self.printed = time.monotonic()
            if due:
                runner.visualizer.add_scalars(tag, step=runner.iter + 1)
                runner.loggers.add("train", tag, runner.iter + 1)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        epoch = training_epoch(runner)
        scores = {key: value for key, value in (metrics or {}).items() if isinstance(value, (int, float))}
        runner.visualizer.add_scalars(dict(scores), step=epoch)
        runner.loggers.add("val", scores, runner.iter if runner.is_training else 0)
        runner.logger.info(f"validation after epoch {epoch}\n{score_table(scores)}")

    def after_test_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Nothing: the tool prints the table and writes the file."""


@HOOKS.register_module()
class PeopleHook(Hook):
    """Says, once for each stage, how many people it has and what was left out of the annotation, and why.

    At the start of a training also whether the best weights are chosen by people that are tested later.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()

    @master_only
    def _before_epoch(self, runner: Any, mode: str = "train") -> None:
        metainfo = getattr(getattr(runner, f"{mode}_dataloader").dataset, "metainfo", None) or {}
        if mode not in self.told and "people" in metainfo:
            self.told.add(mode)
            runner.logger.info(f"{mode}: {people_line(metainfo)}")

    @master_only
    def before_train(self, runner: Any) -> None:
        """Warns of a ``save_best`` that goes by people whom tools/test.py scores with this config."""
        kept = [hook.best for hook in runner.hooks if isinstance(getattr(hook, "best", None), BestWeights)]
        score = "', '".join(name for best in kept for name in best.wanted)
        loaders = [runner.cfg.get(f"{stage}_dataloader") for stage in ("val", "test")]
        if not score or not all(isinstance(loader, Mapping) for loader in loaders):
            return
        validation, test = (loader["dataset"] for loader in loaders)
        found = compare_sets(validation, test, getattr(runner.val_dataloader.dataset, "table", None))
        if found.chosen_on_test:
            runner.logger.warning(CHOSEN_ON_TEST.format(score=score, found=found))
        elif found.kind == UNKNOWN:
            runner.logger.info(f"save_best '{score}': {found}")


#: What a training says of best weights that are chosen by people who are tested.
CHOSEN_ON_TEST = (
    "the best weights (save_best '{score}') are chosen by people whom tools/test.py scores: {found}. Their "
    "test score is flattered by the choice. To avoid it, test the last epoch's weights, or validate on "
    "people held back from training: give val_dataloader.dataset the source of train_dataloader.dataset, and "
    "these two subset=dict(type=hashed_split, num_test=0, part='val') and part='train'"
)


def people_line(metainfo: Mapping[str, Any]) -> str:
    """A data set's people and counts in one line.

    Example:
        >>> counts = {"crowd": 3, "keypoints_outside_image": 12}
        >>> people_line({"people": 2400, "ann_file": "x.json", "counts": counts})
        '2,400 people of x.json; left out: 3 crowd; 12 keypoints outside the image carry no weight'
    """
    counts = dict(metainfo["counts"])
    outside = counts.pop(OUTSIDE, 0)
    parts = [f"{metainfo['people']:,} people of {metainfo['ann_file']}"]
    if shares := metainfo.get("shares"):
        own = ", ".join(f"{name} {share:,} of its {size:,}" for name, (share, size) in shares.items())
        parts.append(f"in each epoch: {own}")
    left_out = [f"{number:,} {reason.replace('_', ' ')}" for reason, number in counts.items() if number]
    if left_out:
        parts.append(f"left out: {', '.join(left_out)}")
    if metainfo.get("box_source", GROUND_TRUTH) != GROUND_TRUTH:
        parts.append(f"boxes: {metainfo['box_source']}")
    if outside:
        parts.append(f"{outside:,} keypoints outside the image carry no weight")
    return "; ".join(parts)


@HOOKS.register_module()
class ImageFaultHook(Hook):
    """Reports the images that could not be read, at the end of every epoch that met new ones.

    They are also written to ``faulty_images.txt`` in the work directory, as lines of stage (train, val,
    test), tab and name. A stage replaces its own lines and leaves the others'.
    """

    priority = "LOW"

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def _after_epoch(self, runner: Any, mode: str = "train") -> None:
        self.report(runner, mode, getattr(runner, f"{mode}_dataloader").dataset)

    def report(self, runner: Any, stage: str, dataset: Any) -> None:
        """Logs and writes the faults that all processes met in one data set if their number has grown."""
        mine = list(dataset.faulty_images()) if hasattr(dataset, "faulty_images") else []
        names = list(dict.fromkeys(name for part in all_gather_object(mine) for name in part))
        if not is_main_process() or len(names) == self.seen.get(stage, 0):
            return
        self.seen[stage] = len(names)
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        runner.logger.warning(f"{stage}: {len(names)} image(s) could not be read and were skipped: {shown}")
        path = Path(runner.work_dir) / "faulty_images.txt"
        before = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        others = [line for line in before if not line.startswith(f"{stage}\t")]
        write_text(path, "".join([*others, *(f"{stage}\t{name}\n" for name in names)]))


@HOOKS.register_module()
class CurvesHook(Hook):
    """Redraws ``curves.png`` in the work directory after each validation and at the end.

    Args:
        pause: Seconds that must have passed since the last drawing, so that validations in quick
            succession do not spend their time on pictures. The end always draws.
    """

    priority = "LOW"  # after the log is written

    def __init__(self, pause: float = 20.0) -> None:
        self.pause = pause
        self.drawn = -math.inf

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        if training_epoch(runner) and time.monotonic() - self.drawn > self.pause:
            self.draw(runner)
            self.drawn = time.monotonic()

    def after_train(self, runner: Any) -> None:
        self.draw(runner)

    @master_only
    def draw(self, runner: Any) -> None:
        """Draws what was logged so far; a failure is logged and does not stop the training."""
        from posekit.visualization import plot_curves, read_scalars

        try:
            records = read_scalars(runner.work_dir if runner.continues else runner.log_dir)
            path = Path(runner.work_dir) / "curves.png"
            plot_curves(records, path, directions=runner.scores.directions)
        except Exception as error:  # days of training must not end for a picture
            runner.logger.warning(f"curves.png was not drawn: {type(error).__name__}: {error}")
