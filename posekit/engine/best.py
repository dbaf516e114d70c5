"""The weights that scored best in the validations of a training, by one score or by each of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posekit.engine.checkpoints.files import best_name
from posekit.engine.hooks.scores import LESS, RULES, Scores
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import read_checkpoint

AUTO = "auto"
_WHERE = "checkpoint hook: save_best"


@dataclass
class Best:
    """The best so far by one score; ``score`` is None before there is any."""

    metric: str
    rule: str
    score: float | None = None
    file: Path | None = None

    def beaten_by(self, score: float) -> bool:
        """Whether a score is better; one that is not a number never is."""
        if math.isnan(score) or self.score is None:
            return not math.isnan(score)
        return score < self.score if self.rule == LESS else score > self.score


class BestWeights:
    """Keeps them in ``best_<score>.pth``.

    Args:
        names: Names of validation scores; ``"auto"`` is the first one.
        rules: ``"greater"`` or ``"less"``, of all or of each; None: as the score's evaluator says.

    Raises:
        ConfigError: On an impossible rule, or two names of one file.
    """

    def __init__(
        self, names: str | Sequence[str] | None, rules: str | Sequence[str | None] | None = None
    ) -> None:
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
        self.best: dict[str, Best] = {}

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
            path = Path(runner.work_dir) / best_name(name)
            best = self.best.setdefault(name, Best(name, rule))
            if best.score is None and resumed and path.is_file():
                best.score = _score_of(path, runner.logger)
            score = float(metrics[name])
            if best.beaten_by(score):
                best.score, best.file = score, path
                self._save(runner, best, path)

    def _save(self, runner: Any, best: Best, path: Path) -> None:
        stated = {"metric": best.metric, "rule": best.rule, "score": best.score, "epoch": runner.epoch}
        meta = {"epoch": runner.epoch, "iter": runner.iter, "best": stated}
        runner.save_checkpoint(
            runner.work_dir, path.name, save_optimizer=False, save_param_scheduler=False, meta=meta
        )
        words = f"best so far: {best.metric} {best.score:.4f} at epoch {runner.epoch}"
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
            path = folder / best_name(name)
            score = _score_of(path, runner.logger) if path.is_file() else None
            if Best(name, rule, score).beaten_by(float(scores[name])):
                return False
        return True

    def words(self) -> str:
        """What is kept, and where."""
        kept = [best for best in self.best.values() if best.file is not None]
        return "".join(f"; best {best.metric} {best.score:.4f} in {best.file}" for best in kept)


def _score_of(path: Path, logger: Any) -> float | None:
    """The score that the file of an earlier part of this run was kept for."""
    try:
        return read_checkpoint(path).get("meta", {}).get("best", {}).get("score")
    except CheckpointError as error:
        logger.warning(f"{error}; the next validation replaces it")
        return None
