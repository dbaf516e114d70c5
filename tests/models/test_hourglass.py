import numpy as np
import pytest
import reference
import torch
from models import plain_networks, recipe, released

from posekit.errors import ConfigError
from posekit.models.hourglass import Hourglass, PreActBottleneck
from posekit.models.summary import count_parameters, unused_parameters
from posekit.registry import MODELS

SMALL = {"features": 16, "depth": 2}


@pytest.mark.parametrize("name", released.names("hg_"))
def test_equals_the_release(name):
    row = released.facts(name)
    stacks, blocks = (int(part[1:]) for part in name.split("_")[1:3])
    with torch.device("meta"):
        network = Hourglass(row["output_shapes"][0][1], stacks=stacks, blocks=blocks)
    released.check(name, network)


@pytest.mark.parametrize("name", [name for name in plain_networks.SMALL if name.startswith("hourglass")])
def test_equals_plain_numpy(name):
    network, _ = plain_networks.build(name)
    image = recipe.image(name, (1, 3, *plain_networks.SMALL[name][2]), plain_networks.SALT)
    with torch.no_grad():
        found = torch.cat(network(image)).numpy()
    with np.load(reference.GOLDEN / "networks.npz") as golden:
        np.testing.assert_allclose(found, golden[f"{name}__stacks"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found, plain_networks.expected(name), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("stacks", "parameters"), [(1, 3_586_960), (2, 6_730_912), (4, 13_018_816), (8, 25_594_624)]
)
def test_parameter_counts(stacks, parameters):
    with torch.device("meta"):
        assert count_parameters(Hourglass(16, stacks=stacks)) == parameters


def test_each_stack_gets_the_features_and_heatmaps_of_the_one_before():
    torch.manual_seed(0)
    network = Hourglass(2, stacks=3, **SMALL).eval()
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = network(image)
        network.score_[1].bias += 1  # feeds stack 2 only
        after = network(image)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert not torch.allclose(before[2], after[2])


def test_bottleneck_without_weights_passes_its_input_on():
    block = PreActBottleneck(8, 4).eval()
    torch.nn.init.zeros_(block.conv3.weight)
    torch.nn.init.constant_(block.conv3.bias, 2.0)
    features = torch.randn(1, 8, 3, 3)
    assert torch.equal(block(features), features + 2.0)
    assert PreActBottleneck(4, 4).downsample is not None


@pytest.mark.parametrize("stacks", [1, 2, 4])
@pytest.mark.parametrize("blocks", [1, 2])
def test_every_weight_has_a_gradient(stacks, blocks):
    network = Hourglass(2, stacks=stacks, blocks=blocks, **SMALL)
    assert unused_parameters(network, (3, 32, 32)) == []
    sum(heatmaps.square().mean() for heatmaps in network(torch.randn(2, 3, 32, 32))).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())


def test_heatmaps_are_a_quarter_of_any_input_that_halves_evenly():
    network = Hourglass(7, stacks=2, features=8)
    heatmaps = network(torch.zeros(1, 3, 128, 192))
    assert [tuple(maps.shape) for maps in heatmaps] == [(1, 7, 32, 48)] * 2
    assert network.emits_heatmaps
    assert network.out_channels == 7


def test_input_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="multiples of 64, found 256 x 200"):
        Hourglass(2, stacks=1, features=8)(torch.zeros(1, 3, 256, 200))
    with pytest.raises(ConfigError, match="multiples of 16, found 24 x 32"):
        Hourglass(2, stacks=1, **SMALL)(torch.zeros(1, 3, 24, 32))


@pytest.mark.parametrize("wrong", [{"stacks": 0}, {"blocks": -1}, {"features": 30}, {"num_maps": 0}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
        Hourglass(**{"num_maps": 2, **wrong})


def test_is_built_by_name():
    assert isinstance(
        MODELS.build({"type": "Hourglass", "num_maps": 2, "stacks": 1, "features": 8}), Hourglass
    )
