import numpy as np
import pytest
import reference
import timm
import torch
from models import plain_networks, recipe, released

from posekit.errors import CheckpointError, ConfigError
from posekit.models.hrnet import VARIANTS, HRNet
from posekit.models.summary import count_macs, count_parameters, unused_parameters
from posekit.registry import MODELS


@pytest.mark.parametrize("name", released.names("hrnet_"))
def test_equals_the_release(name):
    row = released.facts(name)
    with torch.device("meta"):
        backbone = HRNet(name.split("_")[1])
        network = released.WithFinalLayer(backbone, row["output_shapes"][0][1])
    released.check(name, backbone, network)


@pytest.mark.parametrize("name", [name for name in plain_networks.SMALL if name.startswith("hrnet")])
def test_equals_plain_numpy(name):
    network, _ = plain_networks.build(name)
    image = recipe.image(name, (1, 3, *plain_networks.SMALL[name][2]), plain_networks.SALT)
    with torch.no_grad():
        found = torch.cat(network(image)).numpy()
    with np.load(reference.GOLDEN / "networks.npz") as golden:
        np.testing.assert_allclose(found, golden[f"{name}__stacks"], rtol=0, atol=2e-6)


def test_plain_numpy_still_gives_the_golden_file():
    with np.load(reference.GOLDEN / "networks.npz") as golden:
        np.testing.assert_allclose(plain_networks.expected("hrnet_w8"), golden["hrnet_w8__stacks"], atol=1e-6)


# Without a head; multiply-adds at 256x192, in millions.
SIZES = {
    "w32": (28_535_552, 7643),
    "w48": (63_594_912, 15689),
    "w18": (9_317_892, 3187),
    "w18-small": (3_616_352, 1534),
    "w16-small": (1_284_672, 570),
    "w16-tiny": (1_210_400, 378),
    "w8": (314_224, 117),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_sizes_of_the_variants(variant):
    with torch.device("meta"):
        network = HRNet(variant)
    parameters, million_macs = SIZES[variant]
    assert count_parameters(network) == parameters
    assert round(count_macs(network, (3, 256, 192)) / 1e6) == million_macs


@pytest.mark.parametrize("variant", ["w8", "w18-small", "w32"])
def test_every_weight_has_a_gradient(variant):
    network = HRNet(variant)
    assert unused_parameters(network, (3, 32, 32)) == []
    network(torch.randn(2, 3, 64, 64))[0].square().mean().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())


def test_starts_as_the_release():
    network = HRNet("w16-small")
    kernels = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim == 4])
    assert kernels.std().item() == pytest.approx(0.001, rel=0.01)
    assert abs(kernels.mean().item()) < 1e-5
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


def test_one_map_at_a_quarter_of_the_input():
    network = HRNet("w8")
    assert [tuple(maps.shape) for maps in network(torch.zeros(1, 3, 96, 64))] == [(1, 8, 24, 16)]
    assert network.out_channels == 8
    assert not network.emits_heatmaps


def test_input_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="multiples of 32, found 250 x 192"):
        HRNet("w8")(torch.zeros(1, 3, 250, 192))


def test_unknown_variant_is_refused():
    with pytest.raises(ConfigError, match=r"unknown variant 'w33'.*w32"):
        HRNet("w33")


def test_is_built_by_name():
    assert isinstance(MODELS.build({"type": "HRNet", "variant": "w8"}), HRNet)


@pytest.fixture(scope="module")
def classifier():
    """timm's whole ImageNet classifier of the trunk that posekit calls w16-small."""
    torch.manual_seed(1)
    return timm.create_model("hrnet_w18_small")


@pytest.mark.parametrize("form", ["pth", "safetensors", "wrapped"])
def test_starts_from_an_imagenet_file(tmp_path, classifier, form):
    weights = classifier.state_dict()
    path = tmp_path / ("hrnet.safetensors" if form == "safetensors" else "hrnet.pth")
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file(weights, path)
    elif form == "wrapped":
        torch.save({"state_dict": {f"module.{key}": value for key, value in weights.items()}}, path)
    else:
        torch.save(weights, path)
    network = HRNet("w16-small", pretrained=path).eval()
    # timm's own forward is the proof: its finest branch, without the classifier's wide maps.
    features = timm.create_model("hrnet_w18_small", features_only=True, feature_location="", out_indices=(1,))
    features.load_state_dict({key: weights[key] for key in features.state_dict()})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        np.testing.assert_allclose(network(image)[0], features.eval()(image)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "message"),
    [("w8", r"of another shape.*conv1.weight  expected 16x3x3x3, found 64x3x3x3"), ("w18", "missing")],
)
def test_file_of_another_variant_is_refused(tmp_path, classifier, variant, message):
    path = tmp_path / "hrnet.pth"
    torch.save(classifier.state_dict(), path)
    with pytest.raises(CheckpointError, match=f"(?s)hrnet.pth.*{message}"):
        HRNet(variant, pretrained=path)


def test_pose_file_is_taken_without_its_head(tmp_path):
    torch.manual_seed(2)
    source = HRNet("w8")
    weights = {**source.state_dict(), "final_layer.weight": torch.zeros(17, 8, 1, 1)}
    torch.save(weights, tmp_path / "pose.pth")
    network = HRNet("w8", pretrained=tmp_path / "pose.pth")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), source.parameters(), strict=True))
