"""The types that flow through posekit, and no algorithms.

One image goes file -> :class:`PersonRecord` -> :class:`Sample` -> network -> :class:`Pose` -> metric.
A :class:`Skeleton` says what the keypoints are; it is stated once, in a config's ``skeleton``. What a task
knows of people beside keypoints (attributes, identities, whatever a head predicts) rides along by name in
``extra``.

Coordinates are (x, y), 0-based, an integer being a pixel's centre. ``*_image`` are pixels of the image
file, ``*_input`` pixels of the network's input. Boxes are ``xyxy`` with x2 = x1 + width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from posekit.errors import ConfigError


@dataclass(frozen=True)
class Skeleton:
    """What the K keypoints of a data set are.

    Attributes:
        name: Short name, e.g. ``"coco17"``.
        keypoints: The K keypoint names, in the order of the annotation. Only the skeleton named "none" has
            none: for people whose keypoints no task asks for.
        flip_pairs: Pairs of names that change places in a mirrored image.
        limbs: Pairs of names joined by a line in pictures.
        sigmas: K OKS constants, s.t. the OKS of a keypoint at distance d is
            exp(-d^2 / (2 area (2 sigma)^2)), as in COCO. Empty: OKS cannot be computed.
        upper_body: Names that half-body augmentation counts as the upper body. Empty: no half-body.

    Raises:
        ConfigError: On a field of another kind, a repeated or unknown name, a keypoint in two flip pairs,
            or a wrong number of sigmas.
    """

    name: str
    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...] = ()
    limbs: tuple[tuple[str, str], ...] = ()
    sigmas: tuple[float, ...] = ()
    upper_body: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(f"skeleton: 'name' must be a text, found {self.name!r}")
        # A config carries lists; the class keeps tuples, so that it can be compared and hashed.
        for name in ("keypoints", "upper_body"):
            object.__setattr__(self, name, self._tuple(name, getattr(self, name), str, "names"))
        for name in ("flip_pairs", "limbs"):
            pairs = self._tuple(name, getattr(self, name), object, "pairs of names")
            pairs = tuple(self._tuple(name, pair, str, "pairs of names") for pair in pairs)
            object.__setattr__(self, name, pairs)
        sigmas = self._tuple("sigmas", self.sigmas, Real, "numbers")
        object.__setattr__(self, "sigmas", tuple(float(sigma) for sigma in sigmas))
        self._check()

    def _tuple(self, field: str, values: Any, kind: type, wanted: str) -> tuple[Any, ...]:
        """A list as a tuple, None as an empty one."""
        values = () if values is None else values
        sequence = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, (str, bytes))
        if not sequence or not all(isinstance(v, kind) and not isinstance(v, bool) for v in values):
            raise ConfigError(
                f"skeleton '{self.name}': '{field}' must be a list of {wanted}, found {values!r}"
            )
        return tuple(values)

    def _check(self) -> None:
        where = f"skeleton '{self.name}'"
        if not self.keypoints and self.name != "none":
            raise ConfigError(
                f"{where}: 'keypoints' is empty; expected at least one name (people without keypoints: the "
                "skeleton named 'none')"
            )
        if len(set(self.keypoints)) != len(self.keypoints):
            repeated = sorted({k for k in self.keypoints if self.keypoints.count(k) > 1})
            raise ConfigError(f"{where}: 'keypoints' repeats {repeated}")
        for name in ("flip_pairs", "limbs"):
            for pair in getattr(self, name):
                if len(pair) != 2 or pair[0] == pair[1]:
                    raise ConfigError(f"{where}: '{name}' holds {pair}; expected two different names")
                self._check_names(name, pair)
        self._check_names("upper_body", self.upper_body)
        flipped = [name for pair in self.flip_pairs for name in pair]
        if len(set(flipped)) != len(flipped):
            raise ConfigError(f"{where}: a keypoint stands in two of 'flip_pairs'")
        if self.sigmas and len(self.sigmas) != len(self.keypoints):
            raise ConfigError(f"{where}: expected {len(self.keypoints)} 'sigmas', found {len(self.sigmas)}")
        if not all(np.isfinite(s) and s > 0 for s in self.sigmas):
            raise ConfigError(f"{where}: 'sigmas' must be positive, found {self.sigmas}")

    def _check_names(self, field: str, names: tuple[str, ...]) -> None:
        unknown = [name for name in names if name not in self.keypoints]
        if unknown:
            raise ConfigError(f"skeleton '{self.name}': '{field}' names {unknown}, not among the keypoints")

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> Skeleton:
        """Builds a skeleton from a config's dict; unknown keys are an error."""
        known = {known.name for known in fields(cls)}
        unknown = sorted(set(spec) - known)
        if unknown:
            raise ConfigError(f"skeleton: unknown key(s) {unknown}; expected some of {sorted(known)}")
        missing = sorted({"name", "keypoints"} - set(spec))
        if missing:
            raise ConfigError(f"skeleton: missing key(s) {missing}")
        return cls(**spec)

    def to_dict(self) -> dict[str, Any]:
        """The skeleton as plain lists and strings, as ``from_dict`` takes it."""
        return {
            "name": self.name,
            "keypoints": list(self.keypoints),
            "flip_pairs": [list(pair) for pair in self.flip_pairs],
            "limbs": [list(pair) for pair in self.limbs],
            "sigmas": list(self.sigmas),
            "upper_body": list(self.upper_body),
        }

    @property
    def num_keypoints(self) -> int:
        return len(self.keypoints)

    @cached_property
    def flip_index(self) -> np.ndarray:
        """The mirror order, int64 (K,): keypoint k of a mirrored image is the image's ``flip_index[k]``."""
        index = np.arange(self.num_keypoints)
        for a, b in self.flip_pairs:
            i, j = self.keypoints.index(a), self.keypoints.index(b)
            index[i], index[j] = j, i
        return index

    @cached_property
    def limb_index(self) -> np.ndarray:
        """The limbs as keypoint numbers, int64 (L, 2)."""
        pairs = [[self.keypoints.index(a), self.keypoints.index(b)] for a, b in self.limbs]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def upper_body_mask(self) -> np.ndarray:
        """The keypoints of the upper body, bool (K,)."""
        return np.array([name in self.upper_body for name in self.keypoints], dtype=bool)


@dataclass(frozen=True, eq=False)
class PersonRecord:
    """One annotated or detected person, in image pixels; made on access by a ``PersonTable``.

    Attributes:
        image_path: The image file.
        image_id: Its id in the annotation.
        person_id: The annotation's id (COCO) or the person's row in the file (MPII, LSP).
        box_xyxy: float32 (4,).
        box_score: 1 for a ground-truth box, the detector's score otherwise.
        keypoints: float32 (K, 2); zeros where not labelled.
        visible: uint8 (K,), as COCO: 0 not labelled, 1 labelled but hidden, 2 labelled and visible.
        head_size: MPII's 0.6 x head-box diagonal in pixels; NaN where unknown.
        extra: Further columns of the table, by name: numbers or arrays.
    """

    image_path: str
    image_id: int
    person_id: int
    box_xyxy: np.ndarray
    box_score: float
    keypoints: np.ndarray
    visible: np.ndarray
    head_size: float = float("nan")
    extra: Mapping[str, Any] = field(default_factory=dict)


class Sample(NamedTuple):
    """One crop as the network is fed it; ``default_collate`` puts a batch axis B in front.

    A NamedTuple, because torch's ``default_collate`` and mmengine's ``cast_data`` carry it and do not
    carry a dataclass. The dtypes below are those of one item (numpy) and of a batch (torch).

    Attributes:
        image: uint8 (3, H, W), RGB; normalised on the device.
        keypoints: float32 (K, 2), input pixels; zeros where there is no ground truth.
        weight: float32 (K,), 0 = no loss.
        warp: float64 (2, 3), image -> input pixels, flip included.
        box_xyxy: float32 (4,), image pixels.
        box_score: float32 (), 1 if ground truth.
        image_id: int64 ().
        person_id: int64 ().
        extra: Further columns of the table, by name, each () or (...): labels that a head learns from.
    """

    image: Any
    keypoints: Any
    weight: Any
    warp: Any
    box_xyxy: Any
    box_score: Any
    image_id: Any
    person_id: Any
    extra: Any = {}  # noqa: RUF012 - default_collate rebuilds it, nobody writes to it

    @property
    def input_size_hw(self) -> tuple[int, int]:
        """Height and width of the network's input, pixels."""
        return int(self.image.shape[-2]), int(self.image.shape[-1])


def blank_sample(image: Any, num_keypoints: int) -> Sample:
    """A batch of crops of which nothing else is known, as a head predicts from.

    Args:
        image: Tensor uint8 (B, 3, H, W).
        num_keypoints: K.
    """
    nothing = image.new_zeros(len(image)).float()
    return Sample(
        image=image,
        keypoints=nothing.new_zeros(len(image), num_keypoints, 2),
        weight=nothing.new_zeros(len(image), num_keypoints),
        warp=nothing.new_zeros(len(image), 2, 3),
        box_xyxy=nothing.new_zeros(len(image), 4),
        box_score=nothing,
        image_id=nothing.long(),
        person_id=nothing.long(),
    )


@dataclass(frozen=True, eq=False)
class Pose:
    """One person's predicted keypoints, in image pixels.

    A dataclass, because mmengine's ``BaseMetric`` flattens a NamedTuple and leaves a dataclass alone.

    Attributes:
        keypoints: float32 (K, 2).
        scores: float32 (K,): the heatmaps' peaks; 0 where a map has none.
        box_xyxy: float32 (4,): the box the crop was cut from.
        box_score: As in :class:`PersonRecord`.
        image_id: As in :class:`PersonRecord`.
        person_id: As in :class:`PersonRecord`.
        extra: What else was predicted, by name: arrays.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    box_xyxy: np.ndarray
    box_score: float = 1.0
    image_id: int = 0
    person_id: int = 0
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
