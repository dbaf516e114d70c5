"""A network of recognition as what a tracker knows people by, see :mod:`posekit.inference.appearance`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.models.estimator import PoseEstimator
from posekit.recognition.embedding import cut, embed
from posekit.structures import Pose


class CropEmbedder:
    """Embeds each person's box: ``Appearance(CropEmbedder(model, (256, 128)))``.

    Args:
        model: With an :class:`~posekit.recognition.heads.EmbeddingHead`.
        size_hw: Of its input, pixels; the box is stretched to it.
        padding: The box is widened by this factor first.
    """

    def __init__(self, model: PoseEstimator, size_hw: tuple[int, int], padding: float = 1.0) -> None:
        self.model, self.size_hw, self.padding = model, size_hw, padding

    def __call__(self, image: np.ndarray, poses: Sequence[Pose]) -> np.ndarray:
        """float32 (n, D); NaN of a box without area or outside the picture.

        Args:
            image: uint8 (H, W, 3), RGB; nothing of it is kept.
            poses: In its pixels.

        Raises:
            ConfigError: If the network gives no embedding.
        """
        limit = np.array([image.shape[1], image.shape[0]])
        boxes = np.array([pose.box_xyxy for pose in poses], np.float64).reshape(-1, 4)
        with np.errstate(invalid="ignore"):
            inside = (np.minimum(boxes[:, 2:], limit) - np.maximum(boxes[:, :2], 0) >= 1).all(axis=1)
        usable = np.isfinite(boxes).all(axis=1) & inside
        if not usable.any():
            return np.full((len(poses), 1), np.nan, np.float32)
        found = embed(
            self.model, np.stack([cut(image, box, self.size_hw, self.padding) for box in boxes[usable]])
        )
        vectors = np.full((len(poses), found.shape[1]), np.nan, np.float32)
        vectors[usable] = found
        return vectors
