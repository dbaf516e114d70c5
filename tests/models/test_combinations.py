"""Every network with every codec and every loss takes a training step, or says why it makes no sense."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from posekit.codecs import DarkCodec, MegviiCodec, MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.errors import ConfigError
from posekit.models import (
    HeatmapHead,
    Hourglass,
    HRNet,
    PoseEstimator,
    RefiningHead,
    SimpleBaseline,
    TimmBackbone,
)
from posekit.models.losses import AdaptiveWingLoss, FocalMSELoss, JointsMSELoss, MSELoss, OHKMMSELoss
from posekit.models.offset_losses import LabelAndOffsetLoss, UDPOffsetLoss
from posekit.structures import Sample

SIDE = 64
SKELETON = {
    "name": "toy",
    "keypoints": ["nose", "left_hand", "right_hand", "tail"],
    "flip_pairs": [["left_hand", "right_hand"]],
}
NETWORKS = {
    "hourglass": {"type": Hourglass, "stacks": 2, "features": 16, "depth": 2},
    "hrnet": {"type": HRNet, "variant": "w8"},
    "simple_baseline": {"type": SimpleBaseline, "depth": 18, "width": 8, "deconv_width": 16},
    "timm-resnet": {
        "type": TimmBackbone,
        "name": "resnet18",
        "decoder": "deconv",
        "width": 16,
        "options": {"zero_init_last": False, "channels": (16, 32, 64, 128)},
    },
    "timm-cnn": {"type": TimmBackbone, "name": "mobilenetv2_050"},
    # Gives maps with the channels last.
    "timm-swin": {
        "type": TimmBackbone,
        "name": "swin_tiny_patch4_window7_224",
        "options": {
            "img_size": (SIDE, SIDE),
            "embed_dim": 24,
            "depths": (1, 1, 1, 1),
            "num_heads": (1, 2, 4, 8),
        },
    },
    "timm-vit": {
        "type": TimmBackbone,
        "name": "vit_tiny_patch16_224",
        "decoder": "simple",
        "options": {"depth": 1, "embed_dim": 48},
    },
}
CODECS = {
    "msra": {"type": MSRACodec, "sigma": 1.5},
    "dark": {"type": DarkCodec, "sigma": 1.5},
    "udp": {"type": UDPCodec, "sigma": 1.5},
    "udp-offset": {"type": UDPOffsetCodec, "radius": 2.0},
    "megvii": {"type": MegviiCodec, "kernel_size": 5},
}
LOSSES = {
    "mse": {"type": MSELoss},
    "focal": {"type": FocalMSELoss},
    "joints": {"type": JointsMSELoss},
    "ohkm": {"type": OHKMMSELoss, "topk": 2},
    "wing": {"type": AdaptiveWingLoss},
    "udp-offset": {"type": UDPOffsetLoss},
}
# What makes no sense, and the words that say so.
SENSELESS = {("megvii", "wing"): "the loss takes targets up to 1, the codec's reach 255"} | {
    (codec, "udp-offset"): "the loss needs offset maps, the codec has none; use UDPOffsetCodec"
    for codec in CODECS
    if codec != "udp-offset"
}
every_network = pytest.mark.parametrize("network", NETWORKS)
every_codec = pytest.mark.parametrize("codec", CODECS)
SENSIBLE = [(codec, loss) for codec in CODECS for loss in LOSSES if (codec, loss) not in SENSELESS]


@pytest.fixture(scope="module")
def backbone():
    """Networks of one map are built once and go on learning; heads, which say how many maps, are new."""
    built = {}

    def get(network):
        if network == "hourglass":
            return NETWORKS[network]
        if network not in built:
            torch.manual_seed(0)
            config = dict(NETWORKS[network])
            built[network] = config.pop("type")(**config)
        return built[network]

    return get


@pytest.fixture(scope="module")
def sample():
    generator = np.random.default_rng(0)
    batch = 2
    return Sample(
        image=torch.from_numpy(generator.integers(0, 256, (batch, 3, SIDE, SIDE), dtype=np.uint8)),
        keypoints=torch.from_numpy(generator.uniform(8, SIDE - 8, (batch, 4, 2)).astype(np.float32)),
        weight=torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, 1]]),
        warp=torch.eye(2, 3, dtype=torch.float64).expand(batch, 2, 3),
        box_xyxy=torch.tensor([[0.0, 0, SIDE, SIDE]]).expand(batch, 4),
        box_score=torch.ones(batch),
        image_id=torch.arange(batch),
        person_id=torch.arange(batch),
    )


def _head(codec, loss):
    # ViTPose's simple decoder leaves the 3 x 3 convolution to the head; it suits the others as well.
    return {"type": HeatmapHead, "codec": CODECS[codec], "loss": LOSSES[loss], "kernel_size": 3}


@every_network
@pytest.mark.parametrize(("codec", "loss"), SENSIBLE)
def test_one_step(network, codec, loss, backbone, sample):
    torch.manual_seed(0)
    model = PoseEstimator(backbone(network), _head(codec, loss), SKELETON).train()
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    before = {name: weight.detach().clone() for name, weight in learning.items()}
    # Adam's steps do not depend on the loss's scale, 1 for a Gaussian and 65,000 for Megvii's peak of 255.
    optimiser = torch.optim.Adam(learning.values(), lr=1e-5)
    report = model(*sample, mode="loss")
    assert 0 < report["loss"].item() < math.inf
    report["loss"].backward()
    optimiser.step()
    assert [name for name, weight in learning.items() if weight.grad is None] == []
    assert [name for name, weight in learning.items() if not weight.isfinite().all()] == []
    moved = [not torch.equal(weight, before[name]) for name, weight in learning.items()]
    # A bias before a batch norm has no gradient but rounding.
    assert np.mean(moved) > 0.9
    assert any(m for m, name in zip(moved, learning, strict=True) if name.startswith("backbone"))
    assert network == "hourglass" or not torch.equal(
        model.head.final_layer.weight, before["head.final_layer.weight"]
    )


@every_network
@every_codec
def test_one_prediction(network, codec, backbone, sample):
    """With flip test: the maps are at a quarter of the input, the points finite, the scores not NaN."""
    model = PoseEstimator(backbone(network), _head(codec, "mse"), SKELETON).eval()
    with torch.no_grad():
        heatmaps = model(sample.image)
        poses = model(*sample, mode="predict")
    maps = model.head.codec.num_maps(4)
    assert [tuple(stage.shape) for stage in heatmaps] == [(2, maps, 16, 16)] * len(heatmaps)
    assert len(heatmaps) == (2 if network == "hourglass" else 1)
    for pose in poses:
        assert np.isfinite(pose.keypoints).all()
        assert np.isfinite(pose.scores).all()


@pytest.mark.parametrize(("codec", "loss"), SENSELESS)
def test_what_makes_no_sense_is_refused(codec, loss):
    names = f"{LOSSES[loss]['type'].__name__} with {CODECS[codec]['type'].__name__}"
    with pytest.raises(ConfigError, match=f"head: {names}: {SENSELESS[codec, loss]}"):
        PoseEstimator(NETWORKS["hrnet"], _head(codec, loss), SKELETON)


def test_more_hard_keypoints_than_keypoints_are_refused():
    head = {"type": HeatmapHead, "codec": CODECS["msra"], "loss": {"type": OHKMMSELoss, "topk": 8}}
    with pytest.raises(ConfigError, match="keeps 8 keypoints, there are 4"):
        PoseEstimator(NETWORKS["hrnet"], head, SKELETON)


def test_a_plain_loss_takes_the_label_maps_of_a_codec_with_offsets():
    model = PoseEstimator(NETWORKS["hrnet"], _head("udp-offset", "wing"), SKELETON)
    assert isinstance(model.head.loss_function, LabelAndOffsetLoss)
    assert isinstance(model.head.loss_function.label_loss, AdaptiveWingLoss)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("simple_baseline", "multiples of 32, found 48 x 64"),
        ("timm-cnn", "multiples of 32, found 48 x 64"),
        ("hrnet", "multiples of 32, found 48 x 64"),
        ("hourglass", "found 40 x 64"),
    ],
)
def test_an_input_that_does_not_divide_is_refused(network, message, backbone):
    model = PoseEstimator(backbone(network), _head("msra", "mse"), SKELETON).eval()
    height = 40 if network == "hourglass" else 48
    with pytest.raises(ConfigError, match=message):
        model(torch.zeros(1, 3, height, 64, dtype=torch.uint8))


FINE = {"type": TimmBackbone, "name": "mobilenetv2_050"}
BINS = {"input_size_hw": (64, 64), "map_size_hw": (16, 16)}
OF_HEATMAPS = {"codec": CODECS["udp"], "loss": {"type": MSELoss}}


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            {"type": "HeatmapHead", **OF_HEATMAPS, "loss": {"type": "AxisKLLoss"}},
            "found AxisKLLoss, which is one of labels over bins and goes with a SimCCHead",
        ),
        (
            {"type": "HeatmapHead", **OF_HEATMAPS, "loss": {"type": "RLELoss"}},
            "found RLELoss, which is one of coordinates and goes with a CoordinateHead",
        ),
        (
            {"type": "RefiningHead", **OF_HEATMAPS, "loss": {"type": "L1Loss"}},
            "such as FocalMSELoss, found L1Loss",
        ),
        (
            {"type": "SimCCHead", **OF_HEATMAPS, "codec": {"type": "simcc"}, **BINS},
            "by an AxisKLLoss, found MSELoss",
        ),
        (
            {"type": "HeatmapHead", **OF_HEATMAPS, "codec": {"type": "simcc"}},
            "expected a codec or its config",
        ),
        (
            {"type": "RefiningHead", **OF_HEATMAPS, "codec": {"type": "simcc"}},
            "a codec of heatmaps, such as UDPCodec, found SimCCCodec",
        ),
        (
            {"type": "TagHead", "codec": {"type": "simcc"}},
            "a codec of heatmaps, such as UDPCodec, found SimCCCodec",
        ),
        ({"type": "PartAffinityHead"}, "need 'limbs', the pairs of keypoints to be joined"),
        ({"type": "CoordinateHead", "loss": {"type": "MSELoss"}}, "takes a loss of coordinates"),
        ({"type": "CascadeHead", "loss": {"type": "AxisKLLoss"}}, "takes a loss of coordinates"),
    ],
)
def test_a_head_and_a_loss_or_codec_of_different_kinds_are_refused(head, words):
    with pytest.raises(ConfigError, match=words):
        PoseEstimator(FINE, head, SKELETON)


@pytest.mark.parametrize("kind", [HeatmapHead, RefiningHead])
def test_a_head_of_heatmaps_alone_refuses_a_codec_of_bins(kind):
    with pytest.raises(ConfigError, match="a codec of heatmaps, such as UDPCodec, found SimCCCodec"):
        kind(4, 3, {"type": "simcc"}, {"type": MSELoss})
