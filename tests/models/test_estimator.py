"""The estimator's parts: what is missing or of another kind is named by its place in the config."""

from __future__ import annotations

import pytest
import torch

from posekit.codecs import MSRACodec
from posekit.errors import ConfigError
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss
from posekit.structures import Sample

BACKBONE = {"type": Hourglass, "stacks": 1, "features": 8}
HEAD = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
DOT = {"name": "dot", "keypoints": ["a", "b"]}


def build(backbone=None, head=None, **settings):
    return PoseEstimator({**BACKBONE, **(backbone or {})}, {**HEAD, **(head or {})}, DOT, **settings)


def test_parts_as_configs_or_built():
    for codec in (MSRACodec(), {"type": "MSRACodec"}):
        estimator = build(head={"codec": codec})
        assert isinstance(estimator.head.codec, MSRACodec)
        assert estimator(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))[0].shape == (2, 2, 16, 16)


@pytest.mark.parametrize(
    ("backbone", "head", "message"),
    [
        ({"type": None}, {}, r"model\.backbone\.type: is missing"),
        ({}, {"type": None}, r"model\.head\.type: is missing"),
        ({}, {"codec": None}, r"model\.head\.codec: is missing; expected e\.g\. dict\(type=MSRACodec\)"),
        ({}, {"codec": {"sigma": 2}}, r"model\.head\.codec\.type: is missing.*found \{'sigma': 2\}"),
        ({}, {"codec": 3}, r"model\.head\.codec: expected a codec or its config, found 3"),
        ({}, {"loss": None}, r"model\.head\.loss: is missing"),
        ({}, {"loss": {}}, r"model\.head\.loss\.type: is missing"),
    ],
)
def test_missing_parts_are_named(backbone, head, message):
    with pytest.raises(ConfigError, match=message):
        build(backbone, head)


@pytest.mark.parametrize("value", [[0.5], [1, 2, 3, 4], 128.0, ["a", "b", "c"], None, [[1, 2, 3]]])
@pytest.mark.parametrize("name", ["mean", "std"])
def test_mean_and_std_are_three_numbers(name, value):
    with pytest.raises(ConfigError, match=rf"model\.{name}: expected three numbers"):
        build(**{name: value})


def test_predicting_keeps_no_gradient():
    model = build().eval()
    enabled = []
    model.backbone.register_forward_hook(lambda *_: enabled.append(torch.is_grad_enabled()))
    image = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    sample = Sample(image, *[torch.zeros(2)] * 2, torch.eye(2, 3).expand(2, 2, 3), *[torch.zeros(2)] * 4)
    model(*sample, mode="predict")
    assert enabled == [False, False]  # the crop and its mirror image
    assert model.heatmaps(model.normalise(image)).requires_grad


def test_channels_in_the_order_of_the_release():
    """Of SimpleBaseline: blue first, and the first of the means taken from it."""
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    image[0] = torch.tensor([200, 100, 50], dtype=torch.uint8)[:, None, None]  # red, green, blue
    settings = {"mean": [10, 20, 30], "std": [2, 4, 5]}
    rgb, bgr = (build(channel_order=order, **settings).normalise(image) for order in ("rgb", "bgr"))
    assert rgb[0, :, 0, 0].tolist() == [95, 20, 4]
    assert bgr[0, :, 0, 0].tolist() == [20, 20, 34]
    with pytest.raises(ConfigError, match=r"model\.channel_order: expected one of .* found 'gbr'"):
        build(channel_order="gbr")


def test_what_is_frozen_does_not_learn():
    frozen = build(frozen=("backbone.conv1.", "backbone.bn1.")).train()
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    optimizer = torch.optim.SGD(frozen.parameters(), lr=0.1)
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for _ in range(2):
        sum(stage.square().mean() for stage in frozen(image)).backward()
        optimizer.step()
    changed = {name for name, value in frozen.state_dict().items() if not torch.equal(before[name], value)}
    own = [name for name in before if name.startswith(("backbone.conv1.", "backbone.bn1."))]
    assert own
    assert not changed.intersection(own)
    assert "backbone.layer1.0.bn1.running_mean" in changed
    assert "backbone.layer1.0.conv1.weight" in changed
    with pytest.raises(ConfigError, match=r"model\.frozen: nothing .* begins with 'steam'"):
        build(frozen=("steam",))


def test_a_few_crops_share_a_batch_with_their_mirror_images():
    model = build().eval()
    sizes = []
    model.backbone.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    image = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        apart = model.outputs(image)
        model.flip_together = 3
        together = model.outputs(image)
        model.flip_together = 2
        model.outputs(image)
    assert sizes == [3, 3, 6, 3, 3]
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)
