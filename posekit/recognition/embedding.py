"""Embeddings of pictures that are cut already."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike

from posekit.errors import ConfigError
from posekit.geometry import warp_matrix
from posekit.models.estimator import PoseEstimator
from posekit.structures import blank_sample


@torch.inference_mode()
def embed(
    model: PoseEstimator, pictures: np.ndarray, flip: bool | None = None, batch_size: int = 64
) -> np.ndarray:
    """The embeddings of pictures of the network's input size, such as aligned faces.

    Args:
        model: With an :class:`~posekit.recognition.heads.EmbeddingHead`; its mode stays as it is.
        pictures: uint8 (N, H, W, 3), RGB.
        flip: Whether each is averaged with that of the mirror image, before normalising; None: as the model
            is set.
        batch_size: So many at once.

    Returns:
        float32 (N, D).

    Raises:
        ConfigError: If the network gives no embedding.
        ValueError: On other pictures.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or not len(pictures):
        raise ValueError(f"expected uint8 pictures (N, H, W, 3), found {pictures.dtype} {pictures.shape}")
    quiet = copy.copy(model)  # with the caller's weights
    quiet.flip_test = model.flip_test if flip is None else flip
    training, device = model.training, model.mean.device
    model.eval()
    try:
        found = []
        for start in range(0, len(pictures), batch_size):
            image = torch.from_numpy(np.ascontiguousarray(pictures[start : start + batch_size]))
            image = image.to(device).permute(0, 3, 1, 2)
            outputs = quiet.outputs(quiet.normalise(image))
            found.append(quiet.head.predict(outputs, blank_sample(image, quiet.skeleton.num_keypoints)).extra)
    finally:
        model.train(training)
    if "embedding" not in found[0]:
        raise ConfigError(f"the network predicts no 'embedding', only {sorted(found[0])}")
    return torch.cat([extra["embedding"] for extra in found]).cpu().numpy()


def cut(image: np.ndarray, box_xyxy: ArrayLike, size_hw: Sequence[int], padding: float = 1.0) -> np.ndarray:
    """A box as a picture of the network's input size, each side stretched to its own; black outside.

    Args:
        image: uint8 (H, W, 3).
        box_xyxy: (4,), image pixels.
        size_hw: Height h and width w of the result.
        padding: Factor on the box's sides.

    Returns:
        uint8 (h, w, 3).
    """
    box, (height, width) = np.asarray(box_xyxy, np.float64), size_hw
    size_wh = (box[2:] - box[:2]) * padding
    warp = warp_matrix((box[:2] + box[2:]) / 2, size_wh, (height, width))
    return cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR)
