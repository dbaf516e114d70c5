"""A toy network to be exported, and a photo of two people for it."""

from __future__ import annotations

import json

import numpy as np
import torch

from posekit.inference.network import load_network
from posekit.models import PoseEstimator
from posekit.transforms import Crop

SKELETON = {
    "name": "toy",
    "keypoints": ["nose", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
}
SIZE = (64, 64)


def network_of(codec="udp", order="rgb", **settings):
    torch.manual_seed(0)
    head = {"type": "HeatmapHead", "codec": {"type": codec, **settings}, "loss": {"type": "MSELoss"}}
    backbone = {"type": "HRNet", "variant": "w8"}
    model = PoseEstimator(backbone, head, skeleton=SKELETON, channel_order=order).eval()
    for weight in model.head.parameters():  # heatmaps to speak of
        torch.nn.init.normal_(weight, std=0.5)
    return load_network(model, None, Crop(SIZE, convention="udp"))


def photo(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (90, 70, 3)).astype(np.uint8)


BOXES = [[5, 5, 60, 80], [20, 10, 50, 60]]


def both(network, path):
    """What a predictor of a file, and of the network that it was made of, is made from."""
    return (path, {}), (network.estimator, {"crop": network.crop, "exact": True})


def card_in(path):
    import onnx

    model = onnx.load(str(path))
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
    return json.loads(model.metadata_props[0].value), kinds, [output.name for output in model.graph.output]


def noise_crops(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)
