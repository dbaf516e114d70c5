"""From heatmaps' peaks to probabilities: what a score is worth, measured on people a network never saw.

A network's peaks rise with how right it is, but by a curve of its own. Zadrozny & Elkan, "Transforming
Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002, section 3: isotonic regression
finds the rising curve that fits best; here of groups of equal size, with straight lines between them.

A joint is right if it lies within a tenth (``within``) of the person's size of its label, the size being
sqrt(width * height) of the annotated box, image pixels. The score of a person is the mean of the surest
``joints`` joints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import read_json
from posekit.structures import Pose

GROUPS = 25  # of equal size; of 5,000 joints a group's rate is known to 0.035
WITHIN = 0.1
_LEAST = 200  # joints to fit a curve to
_MOST_KNOTS = 200


@dataclass(frozen=True)
class Calibration:
    """A curve from peaks to probabilities, and what tells a person from background.

    Attributes:
        peaks: Rising, from 0.
        right: The shares of right joints there, never falling, 0..1. Between the peaks straight lines, beyond
            the last its value.
        within: How far a right joint may be off, in person's sizes.
        joints: So many of the surest make a person's score.
        person_threshold: A person's score below it is no clear person; 0: everything is one.
        facts: What it was measured on.

    Raises:
        ConfigError: If these are no such numbers.
    """

    peaks: tuple[float, ...]
    right: tuple[float, ...]
    within: float = WITHIN
    joints: int = 3
    person_threshold: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            curve = np.array([self.peaks, self.right], np.float64)
            numbers = np.array([self.within, self.joints, self.person_threshold], np.float64)
        except (TypeError, ValueError):  # texts, None, of different length
            curve, numbers = np.zeros((2, 0)), np.zeros(3)
        if curve.ndim != 2 or not 2 <= curve.shape[1] <= _MOST_KNOTS or not np.isfinite(curve).all():
            raise ConfigError(
                f"calibration: expected from 2 to {_MOST_KNOTS} numbers in 'peaks' and as many in 'right', "
                f"found {shown([self.peaks, self.right])}"
            )
        if (
            (np.diff(curve[0]) <= 0).any()
            or (np.diff(curve[1]) < 0).any()
            or curve[1, 0] < 0
            or curve[1, -1] > 1
        ):
            raise ConfigError(
                "calibration: expected 'peaks' that rise and 'right' that never falls, within 0..1, found "
                f"{shown([self.peaks, self.right])}"
            )
        if not np.isfinite(numbers).all() or self.within <= 0 or self.joints < 1 or self.joints % 1:
            raise ConfigError(
                "calibration: expected 'within' above 0 and 'joints' a whole number above 0, found "
                f"{shown(self.within)} and {shown(self.joints)}"
            )
        if not 0 <= self.person_threshold <= 1:
            raise ConfigError(
                f"calibration: expected 'person_threshold' in 0..1, found {shown(self.person_threshold)}"
            )

    @classmethod
    def from_card(cls, stated: Any) -> Calibration:
        """What a model's card says of it; raises ConfigError if that is no calibration."""
        try:
            return cls(**{**stated, "peaks": tuple(stated["peaks"]), "right": tuple(stated["right"])})
        except (TypeError, KeyError) as error:
            raise ConfigError(f"calibration: expected 'peaks' and 'right', found {shown(stated)}") from error

    def to_card(self) -> dict[str, Any]:
        """As a card holds it: json."""
        return {**asdict(self), "peaks": list(self.peaks), "right": list(self.right)}

    def __call__(self, peaks: np.ndarray) -> np.ndarray:
        """Probabilities, float32, of peaks of any shape."""
        return np.interp(peaks, self.peaks, self.right).astype(np.float32)

    def of_people(self, scores: np.ndarray) -> np.ndarray:
        """The people's scores (n,) of their joints' probabilities (n, K)."""
        surest = np.sort(scores, axis=1)[:, ::-1][:, : int(self.joints)]
        return surest.mean(axis=1) if surest.shape[1] else np.zeros(len(scores), np.float32)


def as_calibration(given: Calibration | str | os.PathLike[str]) -> Calibration:
    """A calibration as it is, or from the file that ``tools/calibrate.py`` writes.

    Raises:
        ConfigError: If the file holds none.
        DataError: If it cannot be read.
    """
    if isinstance(given, Calibration):
        return given
    try:
        return Calibration.from_card(read_json(given))
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(given)}: {error}") from error


def fit_curve(peaks: np.ndarray, right: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The rising curve that fits joints best: its knots' peaks and shares.

    Args:
        peaks: float (n,), of labelled joints.
        right: bool (n,).

    Raises:
        DataError: Of fewer than 200 joints, or where no peak is above 0.
    """
    if len(peaks) < _LEAST:
        raise DataError(f"calibration: expected at least {_LEAST} labelled joints, found {len(peaks)}")
    order = np.argsort(peaks, kind="stable")
    groups = np.array_split(order, GROUPS)
    # Pool adjacent violators: (sum of peaks, sum of right, count) of groups, joined while they fall.
    blocks: list[np.ndarray] = []
    for group in groups:
        blocks.append(np.array([peaks[group].sum(), right[group].sum(), len(group)], np.float64))
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    knots = [(0.0, 0.0)]
    for total, hits, count in blocks:
        if total / count > knots[-1][0]:
            knots.append((total / count, hits / count))
    x, y = zip(*((round(float(a), 5), round(float(b), 5)) for a, b in knots), strict=True)
    if len(x) < 2:
        raise DataError("calibration: expected peaks above 0, found none: the network's maps are flat")
    kept = [0, *(i for i in range(1, len(x)) if x[i] > x[i - 1])]
    return tuple(x[i] for i in kept), tuple(y[i] for i in kept)


def reliability(
    scores: np.ndarray, right: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """How right joints of a score are, in bins of equal width.

    Args:
        scores: float (n,), 0..1.
        right: bool (n,).
        bins: Their number.

    Returns:
        Mean score (bins,), share of right joints (bins,), both NaN in an empty bin; joints (bins,); and the
        expected calibration error (Naeini, Cooper & Hauskrecht, AAAI 2015): the mean over joints of the
        distance between the first two.
    """
    place = np.clip((np.asarray(scores) * bins).astype(int), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        said = np.bincount(place, scores, bins) / count
        found = np.bincount(place, right, bins) / count
    error = float(np.nansum(np.abs(said - found) * count) / max(count.sum(), 1))
    return said, found, count, error


def threshold_of(people: np.ndarray, kept: float = 0.95) -> float:
    """The greatest person score that so many of the people reach."""
    if not len(people):
        raise DataError("calibration: expected at least one person, found none")
    return float(np.sort(people)[int(np.floor((1 - kept) * len(people)))])


class Joints(NamedTuple):
    """Labelled joints of people whose poses are known, n in all.

    Attributes:
        peaks: float64 (n,).
        right: bool (n,).
        person: int64 (n,): the number of each joint's person.
    """

    peaks: np.ndarray
    right: np.ndarray
    person: np.ndarray


def joints_of(people: PersonTable, poses: Sequence[Pose], within: float = WITHIN) -> Joints:
    """How sure a network was of the labelled joints of people, and of which rightly.

    Args:
        people: Whom the poses belong to, row by row.
        poses: One for each.
        within: See the module.
    """
    box = np.asarray(people.boxes_xyxy, np.float64)
    size = np.sqrt(np.clip(box[:, 2] - box[:, 0], 0, None) * np.clip(box[:, 3] - box[:, 1], 0, None))
    points = np.stack([pose.keypoints for pose in poses]).astype(np.float64)
    distance = np.linalg.norm(points - people.keypoints, axis=-1)
    labelled = (people.visible > 0) & (size > 0)[:, None]
    right = distance <= within * size[:, None]
    person = np.repeat(np.arange(len(box))[:, None], labelled.shape[1], axis=1)
    peaks = np.stack([pose.scores for pose in poses]).astype(np.float64)
    return Joints(peaks[labelled], right[labelled], person[labelled])


def cross_fitted(joints: Joints) -> np.ndarray:
    """The probability of each joint by a curve that was fitted to the other half of the people."""
    half = joints.person % 2
    probabilities = np.empty(len(joints.peaks))
    for own in (0, 1):
        curve = fit_curve(joints.peaks[half != own], joints.right[half != own])
        probabilities[half == own] = np.interp(joints.peaks[half == own], *curve)
    return probabilities
