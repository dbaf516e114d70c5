"""One look at some boxes: crops cut, shown to the network, its points taken back to the images.

A network with a first stage looks twice: the first one's points place the crops that the second one sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from posekit.datasets.bottomup import place_picture
from posekit.datasets.stages import by_names
from posekit.geometry import apply_warp, invert_warp
from posekit.inference.crops import cut_placed
from posekit.inference.network import PoseNetwork
from posekit.inference.scenes import Found
from posekit.models.estimator import PoseEstimator
from posekit.structures import Pose, blank_sample
from posekit.transforms import Placement


def look(network: PoseNetwork, images: Sequence[np.ndarray], owner: np.ndarray, boxes: np.ndarray) -> Found:
    """What a network, in one stage or two, predicts for some boxes, as one batch.

    Args:
        network: On its device.
        images: uint8 (H, W, 3) RGB each.
        owner: int (n,), ascending: the image of each box.
        boxes: (n, 4), xyxy image pixels, finite and with an area.

    Returns:
        Points in image pixels, scores and what else, as the network gives them.
    """
    placements = [network.crop.place(box) for box in boxes]
    if network.first is not None and network.upright is not None:
        first, skeleton = look(network.first, images, owner, boxes), network.estimator.skeleton
        seen = np.concatenate([first.points, first.scores[..., None]], axis=-1)
        seen = by_names(seen, network.first.estimator.skeleton, skeleton, network.upright)
        points, known = seen[..., :2], network.upright.known(seen[..., :2], seen[..., 2])
        placements = [
            network.upright.place(points[i], known[i], skeleton, network.crop, given)
            for i, given in enumerate(placements)
        ]
    return _look_at(network, images, owner, placements)


def _look_at(
    network: PoseNetwork, images: Sequence[np.ndarray], owner: np.ndarray, placements: list[Placement]
) -> Found:
    crop = network.crop
    batch = np.empty((len(placements), 3, *crop.input_size_hw), np.uint8)
    warps = np.empty((len(batch), 2, 3))
    for i in np.unique(owner):  # ascending, and so is owner
        first, last = np.searchsorted(owner, [i, i + 1])
        warps[first:last] = cut_placed(images[i], placements[first:last], crop, batch[first:last])
    found = forward(network.estimator, batch)
    return found._replace(points=apply_warp(found.points, invert_warp(warps)).astype(np.float32))


def look_at_pictures(network: PoseNetwork, images: Sequence[np.ndarray]) -> list[list[Pose]]:
    """The people that a network of whole pictures finds on each image, uint8 (H, W, 3) RGB, as one batch."""
    crop, estimator = network.crop, network.estimator
    batch = np.empty((len(images), 3, *crop.input_size_hw), np.uint8)
    warps = [
        cut_placed(image, [place_picture(crop, image.shape)], crop, place[None])
        for image, place in zip(images, batch, strict=True)
    ]
    with torch.inference_mode():
        image = torch.from_numpy(batch).to(estimator.mean.device)
        sample = blank_sample(image, estimator.skeleton.num_keypoints)
        return estimator.predict(sample._replace(warp=torch.from_numpy(np.concatenate(warps))))


def forward(estimator: PoseEstimator, batch: np.ndarray) -> Found:
    """What is predicted for crops uint8 (n, 3, h, w), points in input pixels."""
    with torch.inference_mode():
        image = torch.from_numpy(batch).to(estimator.mean.device)
        sample = blank_sample(image, estimator.skeleton.num_keypoints)
        prediction = estimator.head.predict(estimator.outputs(estimator.normalise(sample.image)), sample)
        points, scores = prediction.points, prediction.scores
        if points is None:
            points = torch.zeros(len(batch), 0, 2)
        if scores is None:
            scores = torch.ones(points.shape[:2])
        extra = {name: value.cpu().numpy() for name, value in prediction.extra.items()}
        return Found(points.float().cpu().numpy(), scores.float().cpu().numpy(), extra)
