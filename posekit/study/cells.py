"""The cells of a sweep: one loss, one seed each.

A cell is named after what it is: ``focal_g1_d0.001_s0`` has the form ``focal``, gamma 1, delta 0.001 and
seed 0. gamma = 0 makes every form plain MSE whatever the delta, so there is one such cell a seed: ``mse_s0``.
``awing_s0`` has the loss that the sweep's plan states under the name ``awing``, or is the variant of that
name, a config of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from posekit.errors import ConfigError

MSE = "mse"
# What cells differ in beside the seed: dotted keys of the config.
LOSS, SCHEDULE = "model.head.loss", "default_hooks.focal_schedule"
LARGEST_SEED = 2**32 - 1  # numpy's
_CELL = re.compile(r"([^:]*)(?::g([^:]*):d([^:]*))?:s([^:]*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,59}")  # of a stated loss: a part of file names and of cells'


@dataclass(frozen=True)
class Form:
    """A way to weigh a pixel's squared error.

    Attributes:
        loss: The class that configs name.
        normalise: Whether the weights are rescaled to mean 1 over the batch.
        words: For tables and reports.
        fades: Whether gamma falls to 0 over the training, linearly.
    """

    loss: str
    normalise: bool
    words: str
    fades: bool = False


FORMS = {
    "focal": Form("FocalMSELoss", False, "(y + delta)^gamma, the paper's"),
    "focal-norm": Form("FocalMSELoss", True, "(y + delta)^gamma, rescaled to mean 1 over the batch"),
    "focal-max": Form("SymmetricFocalMSELoss", False, "(max(y, prediction) + delta)^gamma"),
    "focal-max-norm": Form(
        "SymmetricFocalMSELoss", True, "(max(y, prediction) + delta)^gamma, rescaled to mean 1 over the batch"
    ),
    "focal-fade": Form(
        "FocalMSELoss", False, "(y + delta)^gamma with a gamma that falls to 0 over the training", fades=True
    ),
}


@dataclass(frozen=True)
class Cell:
    """One training and its test.

    Attributes:
        form: A key of :data:`FORMS`, ``"mse"``, or the name of a loss or variant that the plan states.
        gamma: 0 exactly where the form is ``"mse"``; None for a stated loss.
        delta: None exactly where the form is none of :data:`FORMS`.
        seed: Of the training.
    """

    form: str
    gamma: float | None
    delta: float | None
    seed: int

    @property
    def name(self) -> str:
        """The cell's folder."""
        return f"{self.setting}_s{self.seed}"

    @property
    def setting(self) -> str:
        """The name without the seed."""
        if self.gamma is None or self.delta is None:
            return self.form
        return f"{self.form}_g{number_text(self.gamma)}_d{number_text(self.delta)}"

    @property
    def stated(self) -> bool:
        """Whether it is a loss or a variant that the plan states."""
        return self.gamma is None

    def loss(self, reduction: str | None = None) -> dict[str, Any]:
        """The config of the loss, in plain values; of a stated one only the plan knows it.

        Args:
            reduction: The config's own, which a sweep keeps; None: the loss's default.
        """
        kept = {} if reduction is None else {"reduction": reduction}
        if self.delta is None:
            return {"type": "MSELoss", **kept}
        weight = {"gamma": self.gamma, "delta": self.delta, "normalise": FORMS[self.form].normalise}
        return {"type": FORMS[self.form].loss, **weight, **kept}

    def options(self, reduction: str | None = None) -> dict[str, Any]:
        """All that a cell's config has of its own but the seed, by dotted key; arguments as :meth:`loss`."""
        fades = self.delta is not None and FORMS[self.form].fades
        return {LOSS: self.loss(reduction), **({SCHEDULE: {"gamma": [self.gamma, 0.0]}} if fades else {})}

    def describe(self) -> dict[str, Any]:
        """What ``cell.json`` says of the cell beside its results."""
        normalise = self.delta is not None and FORMS[self.form].normalise
        return {
            "name": self.name,
            "loss": self.form,
            "gamma": self.gamma,
            "delta": self.delta,
            "normalise": normalise,
            "seed": self.seed,
        }


def make_cell(form: str, gamma: float, delta: float, seed: int) -> Cell:
    """A cell, its values checked; gamma = 0 gives the plain MSE.

    Raises:
        ConfigError: On an unknown form or an impossible value.
    """
    if form not in FORMS and form != MSE:
        raise ConfigError(f"loss form: expected one of {', '.join([*FORMS, MSE])}, found '{form}'")
    _check_weight(gamma, delta)
    _check_seed(seed)
    if form == MSE and gamma != 0:
        raise ConfigError(f"loss form '{MSE}' has gamma 0, found gamma {gamma:g}")
    if gamma == 0:
        return Cell(MSE, 0.0, None, seed)
    return Cell(form, float(gamma), float(delta), seed)


def stated_cell(name: str, seed: int) -> Cell:
    """A cell whose loss the plan states.

    Raises:
        ConfigError: On a name that cannot be one, or an impossible seed.
    """
    if name in (*FORMS, MSE) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"loss '{name}': expected a name of letters, digits, '-' and '.' that begins with a letter and "
            f"is none of {', '.join([*FORMS, MSE])}"
        )
    _check_seed(seed)
    return Cell(name, None, None, seed)


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"seed: expected a whole number from 0 to {LARGEST_SEED}, found {seed}")


def _check_weight(gamma: float, delta: float) -> None:
    if not 0 <= delta < math.inf:
        raise ConfigError(f"delta: expected a finite number >= 0, found {delta:g}")
    if delta == 0 and gamma < 0:
        raise ConfigError(
            f"gamma {gamma:g} with delta 0: the background would weigh 0^{gamma:g}, which is infinite; "
            "expected gamma >= 0"
        )
    if not 0 <= gamma < math.inf:
        raise ConfigError(f"gamma: expected a finite number >= 0, found {gamma:g}")


def parse_cell(text: str) -> Cell:
    """Reads a cell from the command line: ``focal:g1:d0.1:s0``, ``mse:s0``, or the name of its folder.

    ``NAME:s0`` is a cell whose loss a plan has to state.

    Raises:
        ConfigError: If it says anything else.
    """
    found = _CELL.fullmatch(text.replace("_", ":"))
    form, gamma, delta, seed = found.groups() if found else (MSE, None, None, "")
    try:
        if gamma is not None and delta is not None:
            return make_cell(form, float(gamma), float(delta), int(seed))
        return make_cell(MSE, 0, 0, int(seed)) if form == MSE else stated_cell(form, int(seed))
    except ConfigError as error:
        raise ConfigError(f"cell '{text}': {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"cell '{text}': expected form:gGAMMA:dDELTA:sSEED, e.g. focal:g1:d0.001:s0, mse:s0, or NAME:s0 "
            "for a loss of --losses"
        ) from error


def plan_cells(
    gammas: Sequence[float],
    deltas: Sequence[float],
    forms: Sequence[str],
    seeds: Sequence[int],
    losses: Iterable[str] = (),
) -> list[Cell]:
    """Every combination, and the stated losses with every seed, in the order they are run.

    First gamma 0 and 1 in the first form and delta, seed by seed, so that the main comparison is there
    soonest; then the others, seed by seed.

    Raises:
        ConfigError: On an empty list, a value that stands twice in one, or an impossible value.
    """
    for name, values in (("gammas", gammas), ("deltas", deltas), ("forms", forms), ("seeds", seeds)):
        check_list(name, values)
    everything: list[Cell] = []
    for seed in seeds:
        grid = product(forms, deltas, gammas)
        everything += [make_cell(form, gamma, delta, seed) for form, delta, gamma in grid]
        everything += [stated_cell(name, seed) for name in losses]
    cells = list(dict.fromkeys(everything))
    first = (forms[0], float(deltas[0]))
    return sorted(cells, key=lambda cell: not _is_main(cell, *first))  # stable: keeps the seeds' order


def stated_cells(names: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """The stated losses and variants with every seed, seed by seed: of heads that learn no heatmaps.

    Raises:
        ConfigError: As :func:`plan_cells`.
    """
    check_list("seeds", seeds)
    return [stated_cell(name, seed) for seed in seeds for name in names]


def _is_main(cell: Cell, form: str, delta: float) -> bool:
    return cell.form == MSE or (cell.gamma == 1 and (cell.form, cell.delta) == (form, delta))


def check_list(name: str, values: Sequence[Any]) -> None:
    """Raises ConfigError if a list is empty or holds a value twice."""
    if not values:
        raise ConfigError(f"--{name}: expected at least one value, found none")
    if doubles := sorted({str(value) for value in values if list(values).count(value) > 1}):
        raise ConfigError(f"--{name}: {', '.join(doubles)} stands there twice")


def number_text(number: float) -> str:
    """A number as names and commands state it: 1, 0.5, 0.001."""
    return format(number, ".12g")


def one_run_each(cells: Iterable[Cell]) -> bool:
    """Whether no loss has several seeds, so that nothing can be said of other trainings."""
    settings = [cell.setting for cell in cells]
    return len(set(settings)) == len(settings)
