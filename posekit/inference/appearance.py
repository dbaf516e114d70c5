"""What people look like, so that a tracker knows them again after they were hidden.

An embedder is a function of a frame uint8 (H, W, 3) and its n poses that gives float (n, D): a vector of any
length per person, compared by the cosine; a row with NaN says nothing. :class:`TorsoColours` needs no
training (:mod:`posekit.inference.torso_colours`); :mod:`posekit.recognition.appearance` takes a network. A
network that predicts an embedding with the keypoints needs neither: its poses have it among their ``extra``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.structures import Pose

Embedder = Callable[[np.ndarray, Sequence[Pose]], np.ndarray]


@dataclass(frozen=True)
class Appearance:
    """How :class:`~posekit.inference.tracking.OKSTracker` uses what people look like.

    Attributes:
        embed: An embedder, or the name of the poses' ``extra`` that holds their embedding (D,).
        weight: w of similarity = (1 - w) OKS + w max(cosine, 0), where both are known.
        threshold: Who was not found where they were is known again by a cosine of at least this.
        max_lost: Seconds that a person may be out of sight for that.
        max_lost_frames: Frames likewise, where frames come without times.
        momentum: How much of a new embedding a person's running mean takes.
        max_overlap: Whose box is covered by another's by more than this share is not learnt from: the
            picture there is of both. Nor is such a person taken for somebody who was lost.
        patience: Seconds for which somebody new, whose looks cannot be told yet, may wait for a number while
            somebody is lost: who comes from behind a pillar shows an arm first.
        patience_frames: Frames likewise, where frames come without times.

    Raises:
        ConfigError: On a setting out of range.
    """

    embed: Embedder | str
    weight: float = 0.5
    threshold: float = 0.7
    max_lost: float = 30.0
    max_lost_frames: int = 900
    momentum: float = 0.1
    max_overlap: float = 0.3
    patience: float = 0.5
    patience_frames: int = 12

    def __post_init__(self) -> None:
        for name in ("weight", "threshold", "momentum", "max_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"appearance: '{name}' must be in 0..1, found {getattr(self, name)!r}")
        for name in ("max_lost", "max_lost_frames", "patience", "patience_frames"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"appearance: '{name}' must be at least 0, found {getattr(self, name)!r}")
        if not callable(self.embed) and not isinstance(self.embed, str):
            raise ConfigError(f"appearance: 'embed' must be a function or a name, found {self.embed!r:.60}")

    def vectors(self, image: np.ndarray | None, poses: Sequence[Pose]) -> np.ndarray:
        """The poses' embeddings of length 1, float64 (n, D); NaN where nothing is known.

        Raises:
            ConfigError: If the embedder needs the frame, or the poses lack the named embedding.
            DataError: If the embedder gives something else than (n, D).
        """
        if not poses:
            return np.zeros((0, 0))
        if isinstance(self.embed, str):
            if any(self.embed not in pose.extra for pose in poses):
                raise ConfigError(
                    f"appearance: expected poses with an extra '{self.embed}', found {sorted(poses[0].extra)}"
                )
            found = np.stack([np.ravel(pose.extra[self.embed]) for pose in poses])
        elif image is None:
            raise ConfigError("appearance: its embedder looks at the frame: call the tracker with image=...")
        else:
            found = np.asarray(self.embed(image, poses))
        if found.ndim != 2 or len(found) != len(poses) or found.dtype.kind not in "fiu":
            raise DataError(
                f"appearance: expected embeddings ({len(poses)}, D) of {len(poses)} poses, found "
                f"{found.dtype} {found.shape}"
            )
        vectors = found.astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where((lengths > 0) & np.isfinite(lengths), vectors / lengths, np.nan)

    def learnt(self, mean: np.ndarray | None, vector: np.ndarray) -> np.ndarray | None:
        """The running mean of a person, of length 1, after one more embedding (D,)."""
        if np.isnan(vector).any():
            return mean
        if mean is None:
            return vector
        moved = mean + self.momentum * (vector - mean)
        length = np.linalg.norm(moved)
        return moved / length if length > 0 else mean


def cosines(means: Sequence[np.ndarray | None], vectors: np.ndarray) -> np.ndarray:
    """The cosine of every known person to every new pose, float64 (k, n); NaN where one is unknown."""
    width = vectors.shape[1] if vectors.ndim == 2 else 0
    known = [np.full(width, np.nan) if mean is None or not width else mean for mean in means]
    if not len(known) or not len(vectors):
        return np.zeros((len(known), len(vectors)))
    return np.stack(known) @ vectors.T


def covered_shares(poses: Sequence[Pose]) -> np.ndarray:
    """How much of each pose's box the other box that covers it most covers: float64 (n,), in 0..1."""
    boxes = np.array([pose.box_xyxy for pose in poses], np.float64).reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    np.fill_diagonal(shared, 0)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return shared.max(axis=1, initial=0) / np.maximum(areas, np.spacing(1))
