"""The bundled models' trunks without timm: its names, its numbers to the last bit, where they may stand."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from posekit.models.mobile import TRUNKS, MobileFeatures, own_network, without_timm
from posekit.models.timm_backbone import TimmBackbone

OPTIONS = [{}, {"out_indices": [1, 2, 3]}, {"out_indices": (4,)}]


def pair(name: str, **settings) -> tuple[TimmBackbone, TimmBackbone]:
    """timm's network and posekit's, with the same weights."""
    torch.manual_seed(0)
    theirs = TimmBackbone(name, **settings)
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(std=0.2)
        for key, buffer in theirs.named_buffers():
            if key.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    with without_timm():
        own = TimmBackbone(name, **settings)
    assert isinstance(own.backbone, MobileFeatures)
    assert not isinstance(theirs.backbone, MobileFeatures)
    assert [(key, value.shape) for key, value in own.state_dict().items()] == [
        (key, value.shape) for key, value in theirs.state_dict().items()
    ]
    own.load_state_dict(theirs.state_dict())
    return theirs, own


@pytest.mark.parametrize("options", OPTIONS, ids=["all", "some", "coarsest"])
@pytest.mark.parametrize("name", TRUNKS)
def test_it_is_timms_network(name, options):
    stride = 32 if options.get("out_indices") == (4,) else 4
    theirs, own = pair(name, options=options, decoder="none" if stride == 32 else "pyramid", stride=stride)
    assert (own.channels, own.strides, own.input_divisor) == (
        theirs.channels,
        theirs.strides,
        theirs.input_divisor,
    )
    image = torch.randn(2, 3, 64, 96)
    for training in (False, True):  # the second pass by the batch's statistics, which it also writes down
        theirs.train(training)
        own.train(training)
        pairs = zip(theirs.features(image), own.features(image), strict=True)
        assert all(torch.equal(expected, found) for expected, found in pairs)
    theirs(image)[0].square().sum().backward()
    own(image)[0].square().sum().backward()
    both = zip(theirs.named_parameters(), own.named_parameters(), strict=True)
    for (name_there, there), (name_here, here) in both:
        assert name_there == name_here
        assert there.requires_grad == here.requires_grad
        assert (there.grad is None and here.grad is None) or torch.equal(there.grad, here.grad)
    assert all(
        torch.equal(value, own.state_dict()[key]) for key, value in theirs.state_dict().items()
    )  # statistics


@pytest.mark.parametrize("sides", [(33, 32), (5, 7), (64, 31)])
def test_odd_sides_are_padded_as_timm_does(sides):
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(0, 1)).eval()
    own = MobileFeatures("tf_efficientnet_lite0", (0, 1)).eval()
    own.load_state_dict({key: value for key, value in theirs.state_dict().items() if key in own.state_dict()})
    image = torch.randn(1, 3, *sides)
    with torch.no_grad():
        assert all(torch.equal(*maps) for maps in zip(theirs(image), own(image), strict=True))


def test_anything_else_is_timms():
    name = "mobilenetv2_100"
    assert own_network(name, {}) is None  # a training's
    with without_timm():
        assert isinstance(own_network(name, {}), MobileFeatures)
        for options in (
            {"drop_path_rate": 0.1},
            {"out_indices": [3, 1]},
            {"out_indices": [1, 3]},
            {"out_indices": [-1]},
            {"out_indices": []},
            {"out_indices": 3},
            {"out_indices": [0, 1, 2, 3, 4, 5]},
        ):
            assert own_network(name, options) is None, options
        assert own_network("mobilenetv2_050", {}) is None
        other = TimmBackbone("mobilenetv2_100", options={"drop_path_rate": 0.1})
    assert not isinstance(other.backbone, MobileFeatures)
    assert own_network(name, {}) is None


def test_weights_of_a_file_load_by_the_same_names(tmp_path):
    whole = timm.create_model("mobilenetv2_100")
    torch.save(whole.state_dict(), tmp_path / "mobilenetv2.pth")
    with without_timm():
        own = TimmBackbone("mobilenetv2_100", pretrained=str(tmp_path / "mobilenetv2.pth"))
    assert isinstance(own.backbone.conv_stem, nn.Conv2d)
    assert torch.equal(own.backbone.conv_stem.weight, whole.conv_stem.weight)
