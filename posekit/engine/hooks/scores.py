"""Which scores a validation will give, and when each is better; asked before anything is trained.

Whoever gives scores, a metric or a hook, says so by ``score_names()``: a mapping from each score's name to
``"greater"`` or ``"less"``, what it is better when. A metric that does not say, or gives bare names, leaves
that to the config's ``rule``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mmengine.hooks import CheckpointHook, EarlyStoppingHook

from posekit.engine.schedules import map_schedulers
from posekit.errors import ConfigError, did_you_mean

GREATER, LESS = RULES = ("greater", "less")
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
    own = [_names_of(metric, runner.logger) for metric in metrics]
    found: dict[str, str | None] = {}
    for metric, names in zip(metrics, own, strict=True):
        prefix = f"{metric.prefix}/" if metric.prefix else ""
        found.update({f"{prefix}{name}": direction for name, direction in (names or {}).items()})
    for hook in runner.hooks if metrics else ():
        found.update(_names_of(hook, runner.logger) or {})
    return Scores(found, None not in own)


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


# --- what goes by a score, beside the best weights ---------------------------------------------------------


def settle_monitors(scores: Callable[[], Scores], schedulers: Any) -> Any:
    """Schedulers not built yet, where they wait for a plateau with the score's own direction as their rule.

    Args:
        scores: Called if one of them does.
        schedulers: The config's ``param_scheduler``.

    Raises:
        ConfigError: As :meth:`Scores.settle`.
    """

    def settled(one: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        if not getattr(one["type"], "need_val_args", False):
            return one
        return {**one, "rule": scores().settle(one.get("monitor", "loss"), one.get("rule"), where)}

    return map_schedulers(schedulers, settled)


def check_monitors(runner: Any) -> None:
    """Looks whether the hooks that end a training early go by scores that there will be, the right way.

    Raises:
        ConfigError: As :meth:`Scores.settle`.
    """
    for hook in runner.hooks:
        if isinstance(hook, EarlyStoppingHook):
            runner.scores.settle(hook.monitor, hook.rule, "custom_hooks: EarlyStoppingHook: monitor")
