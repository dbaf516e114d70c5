"""Where a person's crop lies by points that are known of it already: turned upright, in a box around them.

The second of two stages. Feng et al., "Wing loss for robust facial landmark localisation", CVPR 2018, section
on two-stage localisation: a coarse network's points tell a face's rotation in the picture's plane and its
box, both are corrected, a second network sees the corrected crop. Nothing in it is about faces. The crop is
still one warp of the original picture, never a crop of a crop.

A rotation is in degrees, as everywhere: positive turns the content counter-clockwise on the screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from posekit.errors import ConfigError, did_you_mean, shown
from posekit.io.files import read_json
from posekit.registry import DATASETS
from posekit.structures import Skeleton
from posekit.transforms.crop import Crop, Placement
from posekit.transforms.similarity import rotation_matrix, similarity_warp

# Of the given box's longer side: points closer together, or farther apart, than this are no person.
_NEAREST, _FARTHEST = 0.05, 4.0


class Turn(Protocol):
    """How points tell which way up a person is."""

    @property
    def names(self) -> tuple[str, ...]:
        """The keypoints that it goes by."""

    def rotation(self, points: np.ndarray, counted: np.ndarray, skeleton: Skeleton) -> float:
        """Degrees by which the content is to be turned; NaN where the points do not tell.

        Args:
            points: float64 (K, 2), image pixels.
            counted: bool (K,): those that are known.
            skeleton: What the K keypoints are.
        """


@DATASETS.register_module()
@dataclass(frozen=True)
class Line:
    """Upright is who has a line between two groups of keypoints as it should be.

    Attributes:
        start: Names of keypoints; those that are known are averaged.
        end: Likewise.
        degrees: Where the line from start to end points in who is upright, counter-clockwise on the screen:
            0 to the right (from a face's right eye to its left one), 90 upwards (from the hips to the neck).

    Raises:
        ConfigError: If a group is empty, or ``degrees`` is no finite number.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    degrees: float = 0.0

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, _names(getattr(self, name), f"Line: '{name}'"))
        if not _is_number(self.degrees):
            raise ConfigError(f"Line: 'degrees' must be a finite number, found {shown(self.degrees)}")

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.start, *self.end)

    def rotation(self, points: np.ndarray, counted: np.ndarray, skeleton: Skeleton) -> float:
        ends = []
        for names in (self.start, self.end):
            known = [k for k in _places(names, skeleton) if counted[k]]
            if not known:
                return math.nan
            ends.append(points[known].mean(axis=0))
        right, down = ends[1] - ends[0]
        return _wrapped(self.degrees + math.degrees(math.atan2(down, right))) if right or down else math.nan


@DATASETS.register_module()
class Shape:
    """Upright is who lies nearest to a reference shape.

    The rotation is that of the similarity that takes the known points nearest to the shape's (Procrustes
    analysis; least squares, :func:`~posekit.transforms.similarity.similarity_warp`).

    Args:
        points: Keypoint's name -> (x, y) of a person who is upright, in any unit and place, y downwards; or
            the path of a json file of such, as of :func:`~posekit.datasets.stages.mean_shape`.

    Raises:
        ConfigError: If these are not two different points or more.
        DataError: If the file cannot be read.
    """

    def __init__(self, points: Mapping[str, Sequence[float]] | str) -> None:
        stated: Any = read_json(points) if isinstance(points, str) else points
        fits = isinstance(stated, Mapping) and all(_is_point(point) for point in stated.values())
        array = np.array(list(stated.values()) if fits else [], np.float64).reshape(-1, 2)
        if len(array) < 2 or not np.ptp(array, axis=0).any():
            where = f"{points}: " if isinstance(points, str) else ""
            raise ConfigError(
                f"{where}Shape: 'points' must give two different places or more, name -> (x, y), found "
                f"{shown(stated)}"
            )
        self.points, self._array = stated, array

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.points)

    def rotation(self, points: np.ndarray, counted: np.ndarray, skeleton: Skeleton) -> float:
        places = _places(self.names, skeleton)
        known = counted[places]
        if known.sum() < 2:
            return math.nan
        linear = similarity_warp(points[places][known], self._array[known])[:, :2]
        return math.degrees(math.atan2(linear[0, 1], linear[0, 0])) if np.isfinite(linear).all() else math.nan


@DATASETS.register_module()
class Upright:
    """Places crops by points: the rotation corrected, the box, or both.

    Where the points tell nothing (fewer than two known, all in one place, farther apart than any person in
    the given box can be, or none of those that the turn goes by), the crop is the given box's, not turned.

    Args:
        turn: :class:`Line`, :class:`Shape` or the settings of one; None: crops are not turned.
        box: Whether the crop is cut around the points, by their tight box in the turned frame; False: the
            given box's place and size stay.
        keypoints: Those that the box is put around; None: all. State some where the first network does not
            know the others.
        margin: Share of that box's longer side that is added on all four sides. The crop's own padding
            comes on top.
        min_score: Points of a first network scored below it are not known; those scored 0 never are.

    Raises:
        ConfigError: If there is nothing to correct, or on a number out of range.
    """

    def __init__(
        self,
        turn: Turn | Mapping[str, Any] | None = None,
        box: bool = True,
        keypoints: Sequence[str] | None = None,
        margin: float = 0.0,
        min_score: float = 0.0,
    ) -> None:
        self.turn: Turn | None = _build_turn(turn)
        if self.turn is None and not box:
            raise ConfigError("Upright: nothing is corrected: state a 'turn' or box=True")
        for name, value in (("margin", margin), ("min_score", min_score)):
            if not _is_number(value) or value < 0:
                raise ConfigError(
                    f"Upright: '{name}' must be a finite number of at least 0, found {shown(value)}"
                )
        self.box, self.margin, self.min_score = bool(box), float(margin), float(min_score)
        self.keypoints = None if keypoints is None else _names(keypoints, "Upright: 'keypoints'")

    def check_skeleton(self, skeleton: Skeleton, whose: str = "the data set's") -> None:
        """Raises ConfigError unless a skeleton has all keypoints that are named."""
        turn = () if self.turn is None else self.turn.names
        for name in (*turn, *(self.keypoints or ())):
            if name not in skeleton.keypoints:
                hint = did_you_mean(name, skeleton.keypoints)
                raise ConfigError(
                    f"Upright: {name!r} is not among {whose} keypoints ('{skeleton.name}'){hint}"
                )

    def known(self, points: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Which points (..., K, 2) of a first network, scored (..., K), are known: bool (..., K)."""
        return np.isfinite(points).all(axis=-1) & (scores > 0) & (scores >= self.min_score)

    def place(
        self, points: np.ndarray, known: np.ndarray, skeleton: Skeleton, crop: Crop, given: Placement
    ) -> Placement:
        """The crop of a person.

        Args:
            points: (K, 2), image pixels.
            known: bool (K,): the points that count; others may hold anything.
            skeleton: What the K keypoints are.
            crop: What a box becomes.
            given: The crop of the given box.

        Returns:
            The corrected crop; ``given`` itself where the points do not tell.
        """
        known = np.asarray(known, bool)
        points = np.where(known[:, None], points, 0).astype(np.float64)
        rotation = 0.0 if self.turn is None else self.turn.rotation(points, known, skeleton)
        boxed = known if self.keypoints is None else known & np.isin(skeleton.keypoints, self.keypoints)
        side = max(given.size_wh) / crop.padding
        if not math.isfinite(rotation) or not _are_a_person(points[boxed], side):
            return given
        if not self.box:
            return replace(given, rotation_deg=rotation)
        turned = points[boxed] @ rotation_matrix(rotation).T
        low, high = turned.min(axis=0), turned.max(axis=0)
        grown = self.margin * (high - low).max()
        placed = crop.place(np.concatenate([low - grown, high + grown]))
        return Placement(placed.center @ rotation_matrix(rotation), placed.size_wh, rotation)

    def describe(self) -> str:
        """What is corrected, in words."""
        words = {Line: "line", Shape: "shape"}
        turn = None if self.turn is None else words.get(type(self.turn), type(self.turn).__name__)
        parts = [f"rotation (by {turn})"] if turn else []
        return " and ".join([*parts, *(["box"] if self.box else [])]) + " corrected"


def _are_a_person(points: np.ndarray, side: float) -> bool:
    """Whether points (n, 2) lie as far apart as somebody's in a box of that longer side can."""
    if len(points) < 2:
        return False
    extent = float(np.ptp(points, axis=0).max())
    return bool(_NEAREST * side <= extent <= _FARTHEST * side)


def _build_turn(stated: Any) -> Any:
    if not isinstance(stated, Mapping):
        if stated is not None and not hasattr(stated, "rotation"):
            raise ConfigError(
                f"Upright: 'turn' must be Line, Shape or the settings of one, found {shown(stated)}"
            )
        return stated
    settings = dict(stated)
    kind = settings.pop("type", None)
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not callable(kind) or not hasattr(kind, "rotation"):
        raise ConfigError(f"Upright: 'turn' needs a 'type', Line or Shape, found {shown(stated.get('type'))}")
    try:
        return kind(**settings)
    except TypeError as error:
        raise ConfigError(f"Upright: 'turn': {getattr(kind, '__name__', kind)}: {error}") from error


def _names(stated: Any, where: str) -> tuple[str, ...]:
    names = [stated] if isinstance(stated, str) else stated
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(f"{where} must be names of keypoints, found {shown(stated)}")
    return tuple(names)


def _places(names: Sequence[str], skeleton: Skeleton) -> list[int]:
    return [skeleton.keypoints.index(name) for name in names]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_point(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and len(value) == 2 and all(map(_is_number, value))


def _wrapped(degrees: float) -> float:
    """The same angle within -180 (left out) and 180."""
    return degrees if -180 < degrees <= 180 else 180.0 - (180.0 - degrees) % 360.0
