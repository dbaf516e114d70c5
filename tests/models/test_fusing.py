"""Convolutions that take their activations along: the same outputs, wherever the network is what it was."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest
import torch
from models.test_folding import IMAGE, lived_in, run
from torch import nn

from posekit.models import fusing
from posekit.models.folding import folded
from posekit.models.fusing import FusedConv2d, fused
from posekit.models.hrnet import HRNet
from posekit.models.timm_backbone import TimmBackbone

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN: convolutions stay as they are"
)


def layers(network: nn.Module) -> list[FusedConv2d]:
    return [part for part in network.modules() if isinstance(part, FusedConv2d)]


def quick(network: nn.Module) -> nn.Module:
    return fused(network, run)


def small(*behind: nn.Module, padding_mode: str = "zeros") -> nn.Sequential:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 3, 2, padding=1, padding_mode=padding_mode)
    return nn.Sequential(layer, *behind, nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)).eval()


@pytest.mark.parametrize(
    ("build", "activations"),
    [
        (lambda: TimmBackbone("mobilenetv2_100"), 42),
        (lambda: HRNet("w8"), 5),  # a block's one activation stands at several places, and stays
    ],
)
def test_networks_give_the_same(build, activations):
    network = folded(lived_in(build()), run)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    faster = quick(network)
    found = layers(faster)
    assert len(found) == sum(isinstance(part, nn.Conv2d) for part in network.modules())
    taken = sum(part.activation is not None for part in found)
    assert taken == activations
    assert not layers(network)
    with torch.no_grad():
        for size in ((2, 64, 64), (1, 64, 64), (3, 96, 64)):
            image = torch.randn(size[0], 3, *size[1:]).contiguous(memory_format=torch.channels_last)
            for one, other in zip(network(image), faster(image), strict=True):
                assert (one - other).abs().max() <= 2e-5 * one.abs().max()
    for name, value in faster.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6(), nn.Hardswish()])
def test_an_activation_is_taken_along(activation):
    network = small(activation)
    network[0].bias.data.add_(5)  # above 6, and below 0, there is something
    faster = quick(network)
    assert isinstance(faster[1], nn.Identity)
    with torch.no_grad():
        first = activation(network[0](IMAGE))
        assert first.max() > 6 or isinstance(activation, nn.ReLU6)
        torch.testing.assert_close(faster[0](IMAGE), first, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(faster(IMAGE), network(IMAGE), rtol=1e-5, atol=1e-5)


class Shared(nn.Module):
    """One activation behind two convolutions, and one map that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.three = (nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(3))
        self.shared, self.own = nn.ReLU(), nn.ReLU()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.shared(self.two(self.shared(self.one(image))))
        both = self.three(maps)
        return self.own(both) - both


def test_what_is_used_twice_stays():
    """The second is a fault that only the outputs show: then nothing is changed."""
    network = Shared().eval()
    assert quick(network) is network
    with torch.no_grad():
        assert (network(IMAGE) > 0).any()


class Doubled(nn.Module):
    """What a convolution gives is doubled in place before ReLU6, which noise does not reach at 6."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.activation = nn.Conv2d(3, 4, 3), nn.ReLU6()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.activation(self.layer(image).mul_(2))


class ByName(Doubled):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.activation(input=self.layer(image))


@pytest.mark.parametrize("kind", [Doubled, ByName])
def test_what_is_changed_in_between_stays(kind):
    network = kind().eval()
    faster = quick(network)
    with torch.no_grad():
        expected = network(10 * IMAGE)
        assert expected.max() == 6
        torch.testing.assert_close(faster(10 * IMAGE), expected, rtol=1e-5, atol=1e-5)


def test_other_activations_and_paddings_stay():
    faster = quick(small(nn.GELU()))
    assert isinstance(faster[1], nn.GELU)
    assert [part.activation for part in layers(faster)] == [None, None]
    assert len(layers(quick(small(nn.ReLU(), padding_mode="reflect")))) == 1


def test_with_gradients_and_in_double_precision_it_is_an_ordinary_layer():
    network = small(nn.ReLU())
    faster = quick(network)
    expected, found = network(IMAGE), faster(IMAGE)
    assert torch.equal(expected, found)
    found.sum().backward()
    assert faster[0].weight.grad is not None
    assert network[0].weight.grad is None  # the copy's weights are its own
    with torch.no_grad():
        torch.testing.assert_close(faster.double()(IMAGE.double()), network.double()(IMAGE.double()))


def test_copies_and_files_of_it_work():
    faster = quick(small(nn.ReLU6()))
    with torch.no_grad():
        expected = faster(IMAGE)
        for other in (copy.deepcopy(faster), pickle.loads(pickle.dumps(faster))):
            assert torch.equal(other(IMAGE), expected)


def test_weights_that_were_loaded_or_changed_are_those_computed_with():
    network = small(nn.ReLU())
    faster = quick(network)
    with torch.no_grad():
        faster(IMAGE)
        for change in (
            lambda: faster.load_state_dict({k: 2 * v for k, v in network.state_dict().items()}),
            lambda: faster[0].weight.add_(1),
            lambda: setattr(faster[0], "weight", nn.Parameter(torch.ones_like(faster[0].weight))),
        ):
            change()
            found = faster(IMAGE)
            assert torch.equal(found, copy.deepcopy(faster)(IMAGE))
            assert not torch.equal(found, network(IMAGE))


def test_weights_are_ordered_once_for_any_number_of_maps(monkeypatch):
    """Photos and frames have now one person, now another number."""
    reorder, seen = torch._C._nn.mkldnn_reorder_conv2d_weight, []
    monkeypatch.setattr(
        fusing.torch._C._nn, "mkldnn_reorder_conv2d_weight", lambda *of: (seen.append(1), reorder(*of))[1]
    )
    network = small(nn.ReLU())
    faster = quick(network)
    with torch.no_grad():
        for size in (1, 2, 5, 1, 9, 0, 3):
            image = torch.randn(size, 3, 40, 24)
            torch.testing.assert_close(faster(image), network(image), rtol=1e-5, atol=1e-5)
    assert len(seen) <= 2 * len(layers(faster))  # for the trial, and for these


def test_weights_of_inference_mode():
    network = small(nn.ReLU())
    faster = quick(network)
    with torch.inference_mode():
        faster.half().float()
        network.half().float()
        torch.testing.assert_close(faster(IMAGE), network(IMAGE))
    with torch.no_grad():
        torch.testing.assert_close(faster(IMAGE), network(IMAGE))


def test_parts_with_hooks_stay():
    """Also those whose weights are made by one."""
    network, seen = small(nn.ReLU()), []
    network[1].register_forward_hook(lambda *_: seen.append("activation"))
    network[2].register_forward_hook(lambda *_: seen.append("layer"))
    faster = quick(network)
    assert [type(part) for part in faster] == [FusedConv2d, nn.ReLU, nn.Conv2d]
    seen.clear()
    with torch.no_grad():
        faster(IMAGE)
    assert seen == ["activation", "layer"]
    network = small(nn.BatchNorm2d(8), nn.ReLU())
    nn.utils.spectral_norm(network[0])
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(quick(folded(network, run))(IMAGE), network(IMAGE))


def test_maps_without_a_batch_go_through():
    network = small(nn.ReLU())
    with torch.no_grad():
        torch.testing.assert_close(quick(network)(IMAGE[0]), network(IMAGE[0]))


def test_an_operation_that_fails_leaves_the_network(monkeypatch):
    def refuse(*_: object) -> None:
        raise RuntimeError("could not create a primitive")

    network = small(nn.ReLU())
    monkeypatch.setattr(fusing.torch._C._nn, "mkldnn_reorder_conv2d_weight", refuse)
    assert quick(network) is network


def test_a_torch_without_the_operation_leaves_the_network(monkeypatch):
    monkeypatch.setattr(fusing.torch.ops, "mkldnn", SimpleNamespace(), raising=False)
    network = small(nn.ReLU())
    assert quick(network) is network
