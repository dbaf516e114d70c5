"""Schedules of the learning rate: their lengths follow from the training's, or must fit it.

What a scheduler leaves unstated (``total_steps`` of a one-cycle, ``T_max`` of a cosine, ``end`` of either) is
the length of the training, and milestones may be fractions of it: ``milestones=[3 / 4, 11 / 12]``. So only
``train_cfg.max_epochs`` need be changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.optim.scheduler.param_scheduler import (
    INF,
    CosineAnnealingParamScheduler,
    CosineRestartParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    OneCycleParamScheduler,
    PolyParamScheduler,
    ReduceOnPlateauParamScheduler,
    StepParamScheduler,
)

from posekit.errors import ConfigError

_ANNEALING = (
    OneCycleParamScheduler,
    CosineAnnealingParamScheduler,
    CosineRestartParamScheduler,
    PolyParamScheduler,
)
# These have no length: they go on as long as the training does, also where that is resumed for longer.
_ENDLESS = (
    ExponentialParamScheduler,
    MultiStepParamScheduler,
    ReduceOnPlateauParamScheduler,
    StepParamScheduler,
)
_TO_THE_END = 1e-9  # of an epoch, by which a fraction's product may fall short of a whole one


class Length(NamedTuple):
    """How long a training is, in what its schedulers count; None before that is known."""

    epochs: int
    iterations: int | None = None

    def counted_by(self, scheduler: Mapping[str, Any]) -> tuple[int | None, str]:
        """The length as a scheduler counts it, and the unit's name."""
        by_epoch = scheduler.get("by_epoch", True)
        return (self.epochs, "epochs") if by_epoch else (self.iterations, "iterations")


def map_schedulers(
    schedulers: Any, change: Callable[[Mapping[str, Any], str], Any], where: str = "param_scheduler"
) -> Any:
    """Changes every scheduler of a config that is not built yet.

    Args:
        schedulers: The config's ``param_scheduler``: a scheduler, a list, or a dict of these by optimiser.
        change: From a scheduler's section and its place in the config to what stands there instead.
        where: The place of ``schedulers``.
    """
    if isinstance(schedulers, (list, tuple)):
        return [map_schedulers(one, change, f"{where}.{i}") for i, one in enumerate(schedulers)]
    if not isinstance(schedulers, Mapping):
        return schedulers
    if "type" in schedulers:
        return change(schedulers, where)
    return {name: map_schedulers(one, change, f"{where}.{name}") for name, one in schedulers.items()}


def fit_schedules(schedulers: Any, length: Length, source: str | None = None) -> Any:
    """The schedulers of a config as a training of this length has them.

    Args:
        schedulers: The config's ``param_scheduler``.
        length: Of the training. Schedulers that count in what is not known yet are left alone.
        source: The config's file, for messages.

    Returns:
        The same, with milestones as whole numbers.

    Raises:
        ConfigError: If a stated length does not fit: the schedule would break off, stay at its end, or never
            come there. Milestones beyond the end of the training are a warning.
    """
    every: list[Mapping[str, Any]] = []
    map_schedulers(schedulers, lambda one, where: every.append(one))

    def fitted(one: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        total, unit = length.counted_by(one)
        if total is None:
            return one
        return _Fit(one, f"config {source or '(Python)'}: {where}", total, unit, every).fitted()

    return map_schedulers(schedulers, fitted)


class _Fit:
    """One scheduler, not built yet, held against the length of the training."""

    def __init__(
        self, one: Mapping[str, Any], where: str, total: int, unit: str, every: list[Mapping[str, Any]]
    ) -> None:
        self.stated = {key: value for key, value in one.items() if key != "end" or value is not None}
        self.where, self.total, self.unit, self.every = where, total, unit, every
        self.kind = one["type"] if isinstance(one["type"], type) else object
        self.begin, self.end = self.stated.get("begin", 0), self.stated.get("end", total)
        self.steps = self.end - self.begin

    def fitted(self) -> dict[str, Any]:
        self._check_span()
        if issubclass(self.kind, _ENDLESS):
            return {"end": INF, **self.stated, **self._steps()}
        if issubclass(self.kind, OneCycleParamScheduler):
            self._check_steps("total_steps", self.stated.get("total_steps"))
        elif issubclass(self.kind, CosineAnnealingParamScheduler):
            # One step less has the last one at the minimum itself.
            self._check_steps("T_max", self.stated.get("T_max"), shorter=1)
        elif issubclass(self.kind, CosineRestartParamScheduler):
            self._check_steps("periods", self.stated.get("periods"))
        return self.stated

    def _steps(self) -> dict[str, Any]:
        """When the rate goes down, of a kind that says so."""
        if issubclass(self.kind, MultiStepParamScheduler):
            return {"milestones": list(self._milestones())}
        if issubclass(self.kind, StepParamScheduler) and self.stated["step_size"] >= self.steps:
            self._refuse("step_size", "it would do nothing", f"less than {self.steps}")
        return {}

    def _check_span(self) -> None:
        if self.begin >= self.total:
            self._refuse("begin", "it would do nothing", f"less than {self.total}")
        if self.end > self.total:
            self._refuse("end", "it would not come to its end", f"at most {self.total}, or leave it out")
        if self.end < self.total and anneals(self.kind, self.stated) and not self._has_successor():
            self._refuse(
                "end",
                f"the learning rate would stay at its end for the other {self.total - self.end} {self.unit}",
                f"{self.total}, or leave it out; or let another scheduler begin at {self.end}",
            )

    def _has_successor(self) -> bool:
        """Whether the rest of the training is another scheduler's; what counts otherwise is believed."""
        by_epoch = self.stated.get("by_epoch", True)
        return any(
            other.get("begin", 0) >= (self.end if other.get("by_epoch", True) == by_epoch else 1)
            for other in self.every
        )

    def _check_steps(self, name: str, stated: Any, shorter: int = 0) -> None:
        found = sum(stated) if isinstance(stated, (list, tuple)) else stated
        if not stated or self.steps - shorter <= found <= self.steps:
            return
        short = "it would be over before" if found < self.steps else "it would not come to its end"
        choice = f"{self.steps}" + (" in all" if found is not stated else ", or leave it out")
        self._refuse(name, short, choice)

    def _milestones(self) -> Iterator[int]:
        """Milestones as whole numbers of what the scheduler counts, from where it begins."""
        for stated in self.stated["milestones"]:
            fraction = isinstance(stated, float) and 0 < stated < 1
            place = int(stated * self.total + _TO_THE_END) - self.begin if fraction else stated
            if fraction and place + self.begin == 0:  # of a training too short to have a part before it
                continue
            whole = f"whole numbers from 1 to {self.steps - 1} or " if self.steps > 1 else ""
            fault = f"{stated:g} would do nothing", f"{whole}fractions of the training, such as 0.8"
            if place != int(place) or place <= 0:
                self._refuse("milestones", *fault)
            if place >= self.steps:  # of a training cut short for a try: it goes on at the rate it has
                warnings.warn(self._words("milestones", *fault), stacklevel=2)
            yield int(place)

    def _refuse(self, name: str, why: str, expected: str) -> None:
        raise ConfigError(self._words(name, why, expected))

    def _words(self, name: str, why: str, expected: str) -> str:
        length = f"{self.total} {self.unit}" + (" (train_cfg.max_epochs)" if self.unit == "epochs" else "")
        found = f"{self.kind.__name__} has {self.stated[name]!r}, the training {length}"
        return f"{self.where}.{name}: {found}: {why}; expected {expected}"


def anneals(kind: type, settings: Mapping[str, Any]) -> bool:
    """Whether a scheduler brings the learning rate down until its end, and no further.

    Args:
        kind: Its class.
        settings: Its arguments or, of one that is built, its attributes.
    """
    if issubclass(kind, LinearParamScheduler):
        return settings.get("start_factor", 1 / 3) > settings.get("end_factor", 1.0)
    return issubclass(kind, _ANNEALING)


def over_at_the_end(runner: Any) -> bool:
    """Whether a training's learning rate has come down when it ends, and would only stay there afterwards."""
    return any(
        anneals(type(one), vars(one)) and one.end >= (runner.max_epochs if one.by_epoch else runner.max_iters)
        for one in runner.param_schedulers or []
    )


def learning_rate(runner: Any) -> float:
    """The one that the next step has; where there are several, the first."""
    return next(iter(runner.optim_wrapper.get_lr().values()))[0]


# --- longer than planned -----------------------------------------------------------------------------------


def words_to_go_on(runner: Any) -> str:
    """How a training that is over can be gone on with, and at what learning rate that would be."""
    rate = f"learning rate {learning_rate(runner):.3g}"
    if over_at_the_end(runner):
        return f"Their schedule is over, at {rate}. {new_schedule(runner.resumed_from)}"
    more = f"--resume --cfg-options train_cfg.max_epochs={runner.epoch + 10}, for instance"
    return f"To go on, at {rate}, raise their number: {more}"


def new_schedule(checkpoint: Any) -> str:
    """How to train on from a checkpoint's weights."""
    return (
        "To train on, begin a new schedule from these weights in another folder: --work-dir ANOTHER "
        f"--cfg-options load_from={checkpoint} train_cfg.max_epochs=EPOCHS"
    )
