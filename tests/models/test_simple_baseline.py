import numpy as np
import pytest
import reference
import torch
import torchvision
from models import plain_networks, recipe, released

from posekit.errors import CheckpointError, ConfigError
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.summary import unused_parameters
from posekit.registry import MODELS


@pytest.mark.parametrize("name", released.names("simple_"))
def test_equals_the_release(name):
    row = released.facts(name)
    with torch.device("meta"):
        backbone = SimpleBaseline(int(name.split("_")[1][1:]))
        network = released.WithFinalLayer(backbone, row["output_shapes"][0][1])
    released.check(name, backbone, network)


@pytest.mark.parametrize("name", [name for name in plain_networks.SMALL if name.startswith("simple")])
def test_equals_plain_numpy(name):
    network, _ = plain_networks.build(name)
    image = recipe.image(name, (1, 3, *plain_networks.SMALL[name][2]), plain_networks.SALT)
    with torch.no_grad():
        found = torch.cat(network(image)).numpy()
    with np.load(reference.GOLDEN / "networks.npz") as golden:
        np.testing.assert_allclose(found, golden[f"{name}__stacks"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("depth", [18, 50])
def test_every_weight_has_a_gradient(depth):
    network = SimpleBaseline(depth, width=4, deconv_width=8)
    assert unused_parameters(network, (3, 32, 32)) == []
    network(torch.randn(2, 3, 64, 64))[0].square().mean().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(3)
    return torchvision.models.resnet18()


def test_starts_from_torchvisions_file(tmp_path, resnet18):
    torch.save(resnet18.state_dict(), tmp_path / "resnet18.pth")
    network = SimpleBaseline(18, pretrained=tmp_path / "resnet18.pth").eval()
    coarse = []
    network.layer4.register_forward_hook(lambda layer, inputs, output: coarse.append(output))
    whole = torchvision.models.feature_extraction.create_feature_extractor(resnet18.eval(), ["layer4"])
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        network(image)
        np.testing.assert_allclose(coarse[0], whole(image)["layer4"], atol=1e-4)


def test_file_with_part_of_the_deconvolutions_is_refused(tmp_path):
    weights = SimpleBaseline(18, width=4, deconv_width=8).state_dict()
    del weights["deconv_layers.3.weight"]
    torch.save(weights, tmp_path / "part.pth")
    with pytest.raises(CheckpointError, match=r"(?s)part.pth.*missing.*deconv_layers.3.weight  8x8x4x4"):
        SimpleBaseline(18, width=4, deconv_width=8, pretrained=tmp_path / "part.pth")


def test_map_size_and_refusals():
    network = MODELS.build({"type": "SimpleBaseline", "depth": 18, "width": 4, "deconv_width": 8})
    assert [tuple(maps.shape) for maps in network(torch.zeros(1, 3, 96, 64))] == [(1, 8, 24, 16)]
    assert network.out_channels == 8
    assert not network.emits_heatmaps
    with pytest.raises(ConfigError, match="multiples of 32, found 100 x 64"):
        network(torch.zeros(1, 3, 100, 64))
    with pytest.raises(ConfigError, match="unknown depth 20"):
        SimpleBaseline(20)
