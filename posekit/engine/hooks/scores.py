"""Which scores a validation will give, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posekit.engine.hooks.loss import ValidationLossHook


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
