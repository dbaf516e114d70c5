"""Which scores a validation will give, when each is better, and the weights that scored best.

Whoever gives scores, a metric or a hook, says so before anything is trained by ``score_names()``: a mapping
from each score's name to ``"greater"`` or ``"less"``, what it is better when. A metric that does not say, or
gives bare names, leaves that to the config's ``rule``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.hooks import CheckpointHook, EarlyStoppingHook

from posekit.engine.checkpoints.files import best_name
from posekit.engine.schedules import map_schedulers
from posekit.errors import CheckpointError, ConfigError, did_you_mean
from posekit.io.checkpoint import read_checkpoint

GREATER, LESS = RULES = ("greater", "less")
AUTO = "auto"
_WHERE = "checkpoint hook: save_best"
_WORSE_WHEN_GREATER = (*CheckpointHook._default_less_keys, "error")


class Scores(NamedTuple):
    """What is known of a validation's scores beforehand.

    Attributes:
        directions: Name -> :data:`GREATER` or :data:`LESS`; None where nobody has said.
        complete: Whether there are no others: every evaluator has said what it gives.
    """

    directions: dict[str, str | None]
    complete: bool = True

    def settle(self, name: str, rule: str | None, where: str) -> str:
        """The direction of a score that something goes by, noted for all that ask after it.

        Args:
            name: The score's.
            rule: What the config states; None: nothing.
            where: The part of the config that goes by it, for messages.

        Raises:
            ConfigError: If there is no such score, ``rule`` contradicts its evaluator, or nobody knows.
        """
        if self.complete and name not in self.directions:
            raise ConfigError(f"{where}: there is no score '{name}'{did_you_mean(name, self.directions)}")
        own = self.directions.get(name)
        if own and rule and own != rule:
            raise ConfigError(
                f"{where}: '{name}' is better when {own}, as what computes it says: "
                f"expected rule='{own}' or none, found {rule!r}"
            )
        found = own or rule or known_direction(name)
        if found is None:
            raise ConfigError(
                f"{where}: nobody says whether '{name}' is better when greater or less: state rule='greater' "
                "or rule='less' beside it, or let the evaluator's score_names() return {name: direction}"
            )
        self.directions[name] = found
        return found


def known_direction(name: str) -> str | None:
    """The direction of a score by its name alone, of those that mmengine knows; else None.

    Its table is compared with the beginning of the name's last part: "top" is no word for a head's top.
    """
    leaf = name.rpartition("/")[2].lower()
    if any(word in leaf for word in _WORSE_WHEN_GREATER):
        return LESS
    known = "|".join(re.escape(key.lower()) for key in CheckpointHook._default_greater_keys)
    return GREATER if re.match(known, leaf) else None


def announced_scores(runner: Any) -> Scores:
    """The scores that a runner's validation will give, its metrics' first, in their order.

    Raises:
        ConfigError: If an evaluator states another direction than there is.
    """
    metrics = [] if runner.val_loop is None else runner.val_evaluator.metrics
    own = [_scores_of(metric, runner.logger) for metric in metrics]
    found: dict[str, str | None] = {}
    for names in own:
        found.update(names or {})
    for hook in runner.hooks if metrics else ():
        found.update(_names_of(hook, runner.logger) or {})
    return Scores(found, None not in own)


def check_score_names(metrics: Sequence[Any], where: str, logger: Any) -> None:
    """Looks whether two evaluators will give a score of one name, of which one would be lost.

    Args:
        metrics: Of one evaluation, which know their data set.
        where: The part of the config that states them, for messages.
        logger: Is told of names that cannot be had beforehand.

    Raises:
        ConfigError: If so.
    """
    givers: dict[str, str] = {}
    for metric in metrics if len(metrics) > 1 else ():
        own = type(metric).__name__
        for name in _scores_of(metric, logger) or ():
            if name in givers:
                raise ConfigError(
                    f"{where}: {givers[name]} and {own} both give a score '{name}'; give one of them a "
                    "prefix: dict(type=..., prefix='second')"
                )
            givers[name] = own


def _scores_of(metric: Any, logger: Any) -> dict[str, str | None] | None:
    """An evaluator's scores under their whole names."""
    names = _names_of(metric, logger)
    prefix = f"{metric.prefix}/" if metric.prefix else ""
    return None if names is None else {f"{prefix}{name}": way for name, way in names.items()}


def _names_of(giver: Any, logger: Any) -> Mapping[str, str | None] | None:
    if not hasattr(giver, "score_names"):
        return None
    name = f"{type(giver).__name__}.score_names()"
    try:
        stated = giver.score_names()
        found = dict(stated) if isinstance(stated, Mapping) else dict.fromkeys(stated)
    except Exception as error:  # a user's that cannot score nobody; that need not stop a training
        logger.warning(f"{name}: {type(error).__name__}: {error}; 'save_best' is not checked beforehand")
        return None
    wrong = next((score for score, direction in found.items() if direction not in (*RULES, None)), None)
    if wrong is not None:
        raise ConfigError(f"{name}: '{wrong}': expected 'greater' or 'less', found {found[wrong]!r}")
    return found


def settle_monitors(runner: Any, schedulers: Any) -> Any:
    """Schedulers not built yet, where they wait for a plateau with the score's own direction as their rule.

    Args:
        runner: Its ``scores`` are looked at if one of them does.
        schedulers: The config's ``param_scheduler``.

    Raises:
        ConfigError: As :meth:`Scores.settle`.
    """

    def settled(one: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        if not getattr(one["type"], "need_val_args", False):
            return one
        return {**one, "rule": runner.scores.settle(one.get("monitor", "loss"), one.get("rule"), where)}

    return map_schedulers(schedulers, settled)


def check_monitors(runner: Any) -> None:
    """Looks whether the hooks that end a training early go by scores that there will be, the right way.

    Raises:
        ConfigError: As :meth:`Scores.settle`.
    """
    for hook in runner.hooks:
        if isinstance(hook, EarlyStoppingHook):
            runner.scores.settle(hook.monitor, hook.rule, "custom_hooks: EarlyStoppingHook: monitor")


def is_better(score: float, best: float | None, rule: str) -> bool:
    """Whether a score is better than the best so far, if there is one; what is not a number never is."""
    if math.isnan(score) or best is None:
        return not math.isnan(score)
    return score < best if rule == LESS else score > best


class BestWeights:
    """Keeps them in ``best_<score>.pth``.

    Args:
        names: Names of validation scores; ``"auto"`` is the first one.
        rules: ``"greater"`` or ``"less"``, of all or of each; None: as the score's evaluator says.

    Raises:
        ConfigError: On an impossible rule, or two names of one file.
    """

    def __init__(self, names: str | Sequence[str] | None, rules: str | Sequence[str | None] | None) -> None:
        names = [names] if isinstance(names, str) else list(names or ())
        stated = [rules] * len(names) if rules is None or isinstance(rules, str) else list(rules)
        wrong = [rule for rule in (rules, *stated) if isinstance(rule, str) and rule not in RULES]
        if wrong or len(stated) != len(names):
            raise ConfigError(
                f"checkpoint hook: rule: expected 'greater' or 'less', or one for each of {names}, "
                f"found {rules!r}"
            )
        if len({best_name(name) for name in names}) < len(names):
            raise ConfigError(f"{_WHERE}: expected names of different files, found {names}")
        self.wanted: dict[str, str | None] = dict(zip(names, stated, strict=True))
        self.best: dict[str, float | None] = {}
        self.files: dict[str, str] = {}  # of those that this training has written: the score, and where

    def settle(self, scores: Scores) -> None:
        """Looks, before anything is trained, whether there will be these scores, and which way they go.

        Raises:
            ConfigError: If there will not be one of the name, or nobody says which way it goes.
        """
        for name, rule in self.wanted.items():
            if name != AUTO:
                scores.settle(name, rule, _WHERE)
            elif scores.complete:
                scores.settle(next(iter(scores.directions), AUTO), rule, _WHERE)
            elif rule is None:
                raise ConfigError(
                    f"{_WHERE}: 'auto' is the first score, which an evaluator does not announce, nor which "
                    "way it is better: name the score, or state rule='greater' or rule='less'"
                )

    def after_validation(self, runner: Any, metrics: Mapping[str, Any], resumed: bool) -> None:
        """Keeps the weights of a validation that is the best so far.

        Args:
            runner: Of the training.
            metrics: The validation's scores.
            resumed: Whether what the work directory holds is this run's.

        Raises:
            ConfigError: If there is no score of the name.
        """
        for name, rule in self._present(runner, metrics):
            path, score = Path(runner.work_dir) / best_name(name), float(metrics[name])
            if name not in self.best:
                self.best[name] = _score_of(path, runner.logger) if resumed else None
            if is_better(score, self.best[name], rule):
                self.best[name], self.files[name] = score, f"{_shown(score)} in {path}"
                stated = {"metric": name, "rule": rule, "score": score, "epoch": runner.epoch}
                meta = {"epoch": runner.epoch, "iter": runner.iter, "best": stated}
                runner.save_checkpoint(
                    runner.work_dir, path.name, save_optimizer=False, save_param_scheduler=False, meta=meta
                )
                words = f"best so far: {name} {_shown(score)} at epoch {runner.epoch}"
                runner.logger.info(f"{words}, kept as {path.name}")

    def _present(self, runner: Any, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Name and direction of each score that the best go by, of a validation's."""
        there = Scores({name: runner.scores.directions.get(name) for name in metrics})
        names = {next(iter(metrics), AUTO) if n == AUTO else n: rule for n, rule in self.wanted.items()}
        return [(name, there.settle(name, rule, _WHERE)) for name, rule in names.items()]

    def concluded(self, runner: Any, folder: Path, scores: Mapping[str, Any]) -> bool:
        """Whether the weights of an epoch with these scores were kept, where they were the best so far.

        The scores are logged first: the process may have been killed before the weights were kept.
        """
        for name, rule in self._present(runner, scores):
            kept = _score_of(folder / best_name(name), runner.logger)
            if is_better(float(scores[name]), kept, rule):
                return False
        return True

    def words(self) -> str:
        """What is kept, and where."""
        return "".join(f"; best {name} {words}" for name, words in self.files.items())


def _shown(score: float) -> str:
    """Four decimals; where these say little, as of heatmaps' losses, four digits."""
    return f"{score:.4f}" if abs(score) >= 0.1 else f"{score:.4g}"


def _score_of(path: Path, logger: Any) -> float | None:
    """The score that the file of an earlier part of this run was kept for, if there is one."""
    if not path.is_file():
        return None
    try:
        return read_checkpoint(path).get("meta", {}).get("best", {}).get("score")
    except CheckpointError as error:
        logger.warning(f"{error}; the next validation replaces it")
        return None
