"""A run's records read from its files and sorted into curves over epochs.

mmengine writes one JSON object a line into ``<work dir>/<time>/vis_data/scalars.json``: of training
``{"lr": .., "loss": .., "epoch": .., "iter": .., "step": iteration}``, of validation
``{"AP": .., "step": epoch}``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.io.files import read_bytes, read_object
from posekit.metrics.nme import NORMS

Record = Mapping[str, Any]
# A record's own bookkeeping, none of it a score.
NOT_SCORES = {"step", "epoch", "iter", "lr", "base_lr", "time", "data_time", "memory"}
_LARGEST_STEP = 1e15  # beyond it, real numbers do not count
# Drawn by default: the first of each group that a run has. They are compared with the end of a score's name.
HEADLINES = (
    ("AP",),
    ("PCKh@0.5/mean_weighted",),
    ("PCK@0.2/mean12", "PCK@0.2/mean"),
    tuple(f"NME/{norm}" for norm in NORMS),
)


@dataclass
class Curves:
    """One run's records as arrays; x is in epochs.

    Attributes:
        train: name -> float64 (T,) over ``train_epoch``, NaN in a record without it.
        train_epoch: float64 (T,): the epochs done, with fractions.
        val: name -> (epochs (V,), values (V,)).
        lower: Names of the scores that are better when lower.
    """

    train_epoch: np.ndarray
    train: dict[str, np.ndarray] = field(default_factory=dict)
    val: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    lower: frozenset[str] = frozenset()

    def best(self, score: str, values: np.ndarray) -> int | None:
        """Where the best of a score's validations stands; None if none is a number."""
        if not np.isfinite(values).any():
            return None
        return int(np.nanargmin(values) if named(self.lower, score) else np.nanargmax(values))


def read_scalars(run: str | Path) -> list[dict[str, Any]]:
    """Reads the records of a ``scalars.json``, or of all of them under a work directory, in order of time.

    A run that was resumed, or begun anew, has several files. From the step on where a later file begins, the
    earlier ones no longer count; validations of one epoch are joined. The last line of a file may be cut off,
    as a killed run leaves it.

    Raises:
        DataError: If there is no such file, or another line is not JSON.
    """
    run = Path(run)
    if not run.exists():
        raise DataError(f"{run}: no such file or folder; expected a work directory or a scalars.json")
    files = [run] if run.is_file() else _logs_under(run)
    if not files:
        raise DataError(f"{run}: no scalars.json, nor a work directory with '<time>/vis_data/scalars.json'")
    merged: dict[tuple[bool, int], dict[str, Any]] = {}
    for file in files:
        records = _read_lines(file)
        merged = _before(merged, records)
        for record in records:
            key = (_is_train(record), int(record.get("step", 0)))
            merged[key] = {**merged.get(key, {}), **record} if not key[0] else record
    return list(merged.values())


def _logs_under(folder: Path) -> list[Path]:
    """A work directory's own logs; what lies deeper may be of other runs, and counts where there are none."""
    own = [*folder.glob("vis_data/scalars.json"), *folder.glob("*/vis_data/scalars.json")]
    return sorted(own or folder.glob("**/vis_data/scalars.json"))


def _read_lines(file: Path) -> list[dict[str, Any]]:
    lines = read_bytes(file).decode("utf-8", errors="replace").splitlines()  # no text is no JSON either
    records = []
    for number, line in enumerate(lines, 1):
        where = f"{file}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise DataError(f"{where}: not a JSON object ({error})") from error
        records.append(_checked(record, where))
    return records


def _checked(record: Any, where: str) -> dict[str, Any]:
    """The record of a line, if it says to which step it belongs."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(record).__name__}")
    step, epoch = record.get("step", 0), record.get("epoch", 0)
    for name, value in (("step", step), ("epoch", epoch)):
        if not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST_STEP:
            raise DataError(f"{where}, field '{name}': expected a number from 0 on, found {shown(value)}")
    return {**record, "step": step}


def _before(
    merged: dict[tuple[bool, int], dict[str, Any]], later: Sequence[Record]
) -> dict[tuple[bool, int], dict[str, Any]]:
    """What earlier files tell of the time before a later one begins."""
    first = min((r for r in later if _is_train(r)), key=lambda r: r.get("step", 0), default=None)
    if first is None:
        return merged
    step, epoch = first.get("step", 0), first.get("epoch", 0)
    return {key: record for key, record in merged.items() if (key[1] < step if key[0] else key[1] <= epoch)}


def _is_train(record: Record) -> bool:
    return "lr" in record or "iter" in record


def collect(records: Iterable[Record], directions: Mapping[str, Any] | None = None) -> Curves:
    """Sorts a run's records into curves over epochs.

    Args:
        records: As from :func:`read_scalars`.
        directions: Score -> what it is better when, ``"greater"`` or ``"less"``; others: "greater".
    """
    records = list(records)
    train = sorted((r for r in records if _is_train(r)), key=lambda r: r["step"])
    steps = np.array([r["step"] for r in train], dtype=np.float64)
    epochs = np.array([r.get("epoch", 0) for r in train], dtype=np.float64)
    curves = Curves(steps / _steps_per_epoch(steps, epochs))
    curves.lower = frozenset(name for name, way in (directions or {}).items() if way == "less")
    for name in sorted({key for r in train for key in r} - (NOT_SCORES - {"lr"})):
        curves.train[name] = np.array([_number(r.get(name)) for r in train])
    for record in sorted((r for r in records if not _is_train(r)), key=lambda r: r["step"]):
        for name in (key for key in record if key not in NOT_SCORES):
            x, y = curves.val.get(name, (np.empty(0), np.empty(0)))
            curves.val[name] = np.append(x, record["step"]), np.append(y, _number(record[name]))
    return curves


def read_curves(run: str | Path) -> Curves:
    """A run's curves, from its work directory or its ``scalars.json``.

    Raises:
        DataError: If it has no records, or damaged ones.
    """
    records = read_scalars(run)
    if not records:
        raise DataError(f"{run}: its scalars.json is empty; the run has logged nothing yet")
    return collect(records, read_directions(run))


def read_directions(run: str | Path) -> dict[str, Any]:
    """Which way the scores of a run are better, as the ``run.json`` beside its log says; where it says."""
    run = Path(run)
    file = (run.parent.parent if run.is_file() else run) / "run.json"
    try:
        scores = read_object(file).get("scores") if file.is_file() else None
    except DataError:  # its curves can be drawn all the same
        scores = None
    return scores if isinstance(scores, dict) else {}


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else float("nan")
    except OverflowError:  # an integer of hundreds of digits
        return float("nan")


def _steps_per_epoch(steps: np.ndarray, epochs: np.ndarray) -> float:
    """The iterations of an epoch, from records that need not hold an epoch's last.

    (epoch - 1) n < step <= epoch n bounds n from both sides; the upper bound is the tight one, because an
    epoch's first record comes soon after its start.
    """
    if not len(steps) or epochs.max() < 1 or steps.max() <= 0:
        return 1.0
    lower = float(np.ceil((steps / epochs.clip(1)).max()))
    later = epochs > 1
    # Where the newest epoch but one ended with a record, and so did all before it, that record says it all.
    ends = {epoch: steps[epochs == epoch].max() / max(epoch, 1) for epoch in np.unique(epochs)[:-1]}
    if not later.any() or (len(ends) > 1 and set(ends.values()) == {lower}):
        return lower
    return max(lower, float(np.floor(((steps[later] - 1) / (epochs[later] - 1)).min())))


def epoch_means(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over each epoch, of the values and of their places; a run of one or two epochs stays as it is."""
    number = np.ceil(epochs - 1e-9).astype(int)
    if len(np.unique(number)) < 3:
        return epochs, values
    # A NaN must show as a gap, and does: the mean over its epoch is NaN.
    parts = [number == epoch for epoch in np.unique(number)]
    return np.array([epochs[part].mean() for part in parts]), np.array(
        [values[part].mean() for part in parts]
    )


def train_series(curves: Curves, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What training logged under a name, where it did: epochs (N,) and values (N,)."""
    values = curves.train.get(name, np.full(len(curves.train_epoch), np.nan))
    there = np.isfinite(values)
    return curves.train_epoch[there], values[there]


def train_and_val(curves: Curves, score: str) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """One run's curves as :func:`~posekit.study.study_figures.train_val_pair` takes them."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for kind, key, factor in (("train_accuracy", "acc_pose", 100), ("train_loss", "loss", 1)):
        if key in curves.train:
            found[kind] = [epoch_means(curves.train_epoch, factor * curves.train[key])]
    if score in curves.val:
        found["val_accuracy"] = [(curves.val[score][0], as_percent(score, curves.val[score][1]))]
    if losses := named(curves.val, "loss"):
        found["val_loss"] = [curves.val[losses[0]]]
    return found


# --- scores ---------------------------------------------------------------------------------------------


def headline_scores(names: Iterable[str]) -> list[str]:
    """The scores to draw when nobody says which: a run's headlines, else the first two."""
    names = list(names)
    found = [[key for name in group for key in named(names, name)] for group in HEADLINES]
    headlines = [keys[0] for keys in found if keys]
    return headlines or [key for key in names if leaf(key) != "loss"][:2]


def find_score(names: Iterable[str], wanted: str, where: str) -> str:
    """The one score that is called ``wanted`` or ends in it.

    Raises:
        DataError: If there is none; the message has those that sound alike.
    """
    names = list(names)
    found = named(names, wanted)
    if found:
        return found[0]
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    if near:
        hint = "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    else:
        hint = f"there are {', '.join(names)}" if names else "no score has been logged yet"
    raise DataError(f"{where}: there is no score '{wanted}'; {hint}")


def named(names: Iterable[str], name: str) -> list[str]:
    """The names that are ``name``, or end in it after a slash."""
    return [key for key in names if key == name or key.endswith("/" + name)]


def leaf(key: str) -> str:
    """The last part of a score's name."""
    return key.rsplit("/", 1)[-1]


def as_percent(name: str, values: np.ndarray) -> np.ndarray:
    """Scores in percent: AP and AR are fractions, PCK and PCKh are not; others stay as they are."""
    return 100 * values if _is_fraction(name) else values


def score_label(name: str) -> str:
    """A score's name with the unit that :func:`as_percent` gives it."""
    percent = _is_fraction(name) or any(word in name for word in ("PCK", "AUC", "NME/", "FR@"))
    return f"{name}, %" if percent else name


def _is_fraction(name: str) -> bool:
    return leaf(name)[:2] in ("AP", "AR") or "AUC@" in name
