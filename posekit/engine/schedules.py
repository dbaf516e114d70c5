"""Schedules of the learning rate: their lengths follow from the training's, or must fit it.

What a scheduler leaves unstated (``total_steps`` of a one-cycle, ``T_max`` of a cosine, ``end`` of either) is
the length of the training, and milestones may be fractions of it: ``milestones=[3 / 4, 11 / 12]``. So only
``train_cfg.max_epochs`` need be changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.optim.scheduler import param_scheduler as kinds

from posekit.errors import ConfigError

_ANNEALING = (
    kinds.OneCycleParamScheduler,
    kinds.CosineAnnealingParamScheduler,
    kinds.CosineRestartParamScheduler,
    kinds.PolyParamScheduler,
)
# These have no length: they go on as long as the training does, also where that is resumed for longer.
_ENDLESS = (
    kinds.ExponentialParamScheduler,
    kinds.MultiStepParamScheduler,
    kinds.ReduceOnPlateauParamScheduler,
    kinds.StepParamScheduler,
)
# The argument that states a kind's length, and how much shorter it may be: a cosine's last step is at the
# minimum itself then.
_STATED_LENGTHS: dict[type, tuple[str, int]] = {
    kinds.OneCycleParamScheduler: ("total_steps", 0),
    kinds.CosineAnnealingParamScheduler: ("T_max", 1),
    kinds.CosineRestartParamScheduler: ("periods", 0),
}
_TO_THE_END = 1e-9  # of an epoch, by which a fraction's product may fall short of a whole one


class Length(NamedTuple):
    """How long a training is, in what its schedulers count; None before that is known."""

    epochs: int
    iterations: int | None = None


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
        unit = "epochs" if one.get("by_epoch", True) else "iterations"
        total = getattr(length, unit)
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
        for kind, (name, shorter) in _STATED_LENGTHS.items():
            if issubclass(self.kind, kind):
                self._check_length(name, shorter)
        if issubclass(self.kind, kinds.StepParamScheduler) and self.stated["step_size"] >= self.steps:
            self._refuse("step_size", "it would do nothing", f"less than {self.steps}")
        endless = {"end": kinds.INF} if issubclass(self.kind, _ENDLESS) else {}
        steps = issubclass(self.kind, kinds.MultiStepParamScheduler)
        return {**endless, **self.stated, **({"milestones": list(self._milestones())} if steps else {})}

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

    def _check_length(self, name: str, shorter: int) -> None:
        stated = self.stated.get(name)
        found = sum(stated) if isinstance(stated, (list, tuple)) else stated
        if stated and not self.steps - shorter <= found <= self.steps:
            short = "it would be over before" if found < self.steps else "it would not come to its end"
            more = " in all" if found is not stated else ", or leave it out"
            self._refuse(name, short, f"{self.steps}{more}")

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
    if issubclass(kind, kinds.LinearParamScheduler):
        return settings.get("start_factor", 1 / 3) > settings.get("end_factor", 1.0)
    return issubclass(kind, _ANNEALING)


def learning_rate(runner: Any) -> float:
    """The one that the next step has; where there are several, the first."""
    return next(iter(runner.optim_wrapper.get_lr().values()))[0]


def words_to_go_on(runner: Any) -> str:
    """How a training that is over can be gone on with, and at what learning rate that would be."""
    rate = f"learning rate {learning_rate(runner):.3g}"
    ends = {True: runner.max_epochs, False: runner.max_iters}
    if any(anneals(type(s), vars(s)) and s.end >= ends[s.by_epoch] for s in runner.param_schedulers or ()):
        return f"Their schedule is over, at {rate}. {new_schedule(runner.resumed_from)}"
    more = f"--resume --cfg-options train_cfg.max_epochs={runner.epoch + 10}, for instance"
    return f"To go on, at {rate}, raise their number: {more}"


def new_schedule(checkpoint: Any) -> str:
    """How to train on from a checkpoint's weights."""
    return (
        "To train on, begin a new schedule from these weights in another folder: --work-dir ANOTHER "
        f"--cfg-options load_from={checkpoint} train_cfg.max_epochs=EPOCHS"
    )
