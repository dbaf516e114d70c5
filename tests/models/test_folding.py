"""Batch norms folded into convolutions: the same outputs, wherever the network is what it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from posekit.models.folding import folded
from posekit.models.hourglass import Hourglass
from posekit.models.hrnet import HRNet
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.timm_backbone import TimmBackbone

IMAGE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def lived_in(network: nn.Module) -> nn.Module:
    """With statistics and weights that are not those of the start."""
    generator = torch.Generator().manual_seed(1)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, low in ((part.running_mean, -0.5), (part.running_var, 0.5)):
                values.copy_(torch.rand(values.shape, generator=generator) + low)
            with torch.no_grad():
                part.weight.copy_(torch.rand(part.weight.shape, generator=generator) + 0.5)
                part.bias.copy_(torch.rand(part.bias.shape, generator=generator) - 0.5)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def run(network: nn.Module) -> list[torch.Tensor]:
    outputs = network(IMAGE)
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: TimmBackbone("mobilenetv2_100"), 0),
        (lambda: TimmBackbone("tf_efficientnet_lite0"), 0),
        (lambda: TimmBackbone("resnet18", decoder="deconv", width=16), 0),
        (lambda: SimpleBaseline(18), 0),
        (lambda: HRNet("w8"), 0),
        # Batch norm before the convolution: the first two of a residual's three follow a convolution.
        (lambda: Hourglass(stacks=1, features=8, num_maps=2), None),
    ],
)
def test_networks_give_the_same(build, left):
    network = lived_in(build())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    quick = folded(network, run)
    assert quick is not network
    assert norms(quick) < norms(network) if left is None else norms(quick) == left
    with torch.no_grad():
        for expected, found in zip(run(network), run(quick), strict=True):
            assert (expected - found).abs().max() <= 2e-5 * expected.abs().max()
    # The network itself is what it was.
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert len(before) == len(network.state_dict())


class Shared(nn.Module):
    """What is given to its norm is needed beside it, too."""

    def __init__(self, twice: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.twice = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), twice

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.conv(image)
        return self.norm(self.norm(maps)) if self.twice else self.norm(maps) + maps


@pytest.mark.parametrize("twice", [False, True])
def test_what_cannot_be_folded_stays(twice):
    network = lived_in(Shared(twice))
    assert folded(network, run) is network
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    assert folded(plain, run) is plain


def test_hooks_are_taken_away():
    network = lived_in(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    folded(network, run)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


@pytest.mark.parametrize("size_hw", [(64, 64), (96, 160)])
def test_padding_of_tensorflow_without_a_copy(size_hw):
    network = lived_in(TimmBackbone("tf_efficientnet_lite0"))
    quick = folded(network, run)
    kinds = [type(part).__name__ for part in quick.modules()]
    assert "Conv2dSame" not in kinds
    image = torch.randn(1, 3, *size_hw, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, found = network(image)[0], quick(image)[0]
    assert found.shape == expected.shape
    assert (expected - found).abs().max() <= 2e-5 * expected.abs().max()


def test_what_is_used_twice_stays_and_the_rest_is_folded():
    class Twice(Shared):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            maps = self.before(image)
            return self.norm(self.norm(self.conv(maps)))

    network = lived_in(Twice())
    quick = folded(network, run)
    assert norms(network) == 2
    assert norms(quick) == 1
    torch.testing.assert_close(run(quick)[0], run(network)[0], rtol=0, atol=1e-4)
