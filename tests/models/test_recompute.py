"""Inner maps that are computed again instead of kept: the same training in less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from posekit.errors import ConfigError
from posekit.models import Hourglass
from posekit.models.recompute import recompute

PARTS = ["hg.0", "hg.1", "res.0", "res.1"]


@pytest.fixture
def hourglass():
    torch.manual_seed(0)
    return Hourglass(3, stacks=2, features=16).train()


@pytest.fixture
def image():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def step(network, image):
    """A forward and a backward; how many numbers are kept in between."""
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = sum((heatmaps**2).mean() for heatmaps in network(image))
    loss.backward()
    return sum(kept)


def assert_same(network, other):
    for (name, own), (_, its) in zip(network.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(own.grad, its.grad), name
    for (name, own), (_, its) in zip(network.named_buffers(), other.named_buffers(), strict=True):
        assert torch.equal(own, its), name


def test_gradients_and_statistics_are_the_same_and_less_is_kept(hourglass, image):
    plain = copy.deepcopy(hourglass)
    assert recompute(hourglass, ["hg.*", "res.*"]) == PARTS
    for _ in range(2):
        assert step(hourglass, image) < 0.6 * step(plain, image)
    assert_same(hourglass, plain)
    assert plain.bn1.num_batches_tracked == hourglass.hg[0].hg[0][0][0].bn1.num_batches_tracked == 2
    assert list(plain.state_dict()) == list(hourglass.state_dict())
    assert isinstance(hourglass.hg[0], type(plain.hg[0]))


def test_lists_of_parts_are_looked_into(hourglass, image):
    plain = copy.deepcopy(hourglass)
    chosen = recompute(hourglass, ["*"])
    assert {"layer1", "hg.0", "hg.1", "res.0", "fc_.0"} <= set(chosen)
    assert not {"hg", "res", "fc", "fc_"} & set(chosen)
    assert step(hourglass, image) < 0.5 * step(plain, image)
    assert_same(hourglass, plain)


def test_a_copy_has_weights_of_its_own(hourglass, image):
    recompute(hourglass, ["hg.*"])
    other = copy.deepcopy(hourglass)
    with torch.no_grad():
        for weight in hourglass.parameters():
            weight.zero_()
    plain = Hourglass(3, stacks=2, features=16)
    plain.load_state_dict(other.state_dict())
    step(other, image)
    step(plain.train(), image)
    assert_same(other, plain)


def test_a_norm_without_momentum_and_mixed_precision_count_once(image):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4, momentum=None), nn.ReLU()))
    again = copy.deepcopy(plain)
    recompute(again, ["1"])
    for network in (plain, again):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for _ in range(3):
                step(network.train(), image)
    assert_same(again, plain)


def test_in_evaluation_nothing_is_computed_again(hourglass, image):
    plain = copy.deepcopy(hourglass)
    recompute(hourglass, ["hg.*"])
    assert step(hourglass.eval(), image) == step(plain.eval(), image)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["hq.*"], "'hq.*': expected the name of a part of the network, such as 'conv1'"),
        (["hg"], "'hg': it is a list of parts; name them: 'hg.*'"),
    ],
)
def test_names_that_mean_nothing_are_refused(hourglass, names, message):
    with pytest.raises(ConfigError) as error:
        recompute(hourglass, names)
    assert message in str(error.value)
