import numpy as np
import pytest
import reference
import timm
import torch
import torchvision
from torch import nn

from posekit.errors import CheckpointError, ConfigError
from posekit.models.decoders import DeconvDecoder, FeaturePyramid, SimpleDecoder
from posekit.models.summary import count_parameters
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.weights import mobilenet_v2_to_timm, read_state_dict
from posekit.registry import MODELS

# Networks of each kind: inverted residuals, residual, HRNet, convolutions without batch norm, windows (NHWC),
# plain transformers with one and two class tokens.
CASES = {
    "mobilenet": {"name": "mobilenetv2_050"},
    "mobilenet-deconv": {"name": "mobilenetv2_050", "decoder": "deconv", "width": 16},
    "resnet": {"name": "resnet18", "width": 32},
    "hrnet": {"name": "hrnet_w18_small"},
    "hrnet-finest": {"name": "hrnet_w18_small", "decoder": "none"},
    "convnext": {"name": "convnext_atto"},
    "swin": {
        "name": "swin_tiny_patch4_window7_224",
        "options": {"img_size": (64, 96), "depths": (1, 1, 1, 1)},
    },
    "vit-simple": {"name": "vit_tiny_patch16_224", "decoder": "simple", "options": {"depth": 2}},
    "vit-deconv": {"name": "vit_tiny_patch16_224", "decoder": "deconv", "options": {"depth": 2}},
    "deit": {"name": "deit_tiny_distilled_patch16_224", "decoder": "simple", "options": {"depth": 2}},
}


@pytest.mark.parametrize("case", CASES)
def test_gives_one_map_at_stride_4_and_every_learning_weight_a_gradient(case):
    network = MODELS.build(dict(type="TimmBackbone", **CASES[case]))
    maps = network(torch.randn(2, 3, 64, 96))
    assert [tuple(features.shape) for features in maps] == [(2, network.out_channels, 16, 24)]
    assert not network.emits_heatmaps
    maps[0].square().mean().backward()
    learning = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    assert [name for name, weight in learning.items() if weight.grad is None] == []
    # What does not learn is what the finest of HRNet's maps does not depend on.
    frozen = sum(not weight.requires_grad for weight in network.parameters())
    assert frozen == (39 if case == "hrnet-finest" else 0)


def test_hrnet_gives_its_branches_not_the_classifiers_maps():
    assert TimmBackbone("hrnet_w18_small").channels == [16, 32, 64, 128]
    assert TimmBackbone("hrnet_w18_small", decoder="none").out_channels == 16


def test_channels_last_maps_are_turned():
    network = TimmBackbone(**CASES["swin"]).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        own, turned = network.backbone(image), network.features(image)
    assert [tuple(maps.shape[1:]) for maps in own] == [(16, 24, 96), (8, 12, 192), (4, 6, 384), (2, 3, 768)]
    for theirs, ours in zip(own, turned, strict=True):
        assert ours[0, 5, 1, 2] == theirs[0, 1, 2, 5]
        assert tuple(ours.shape) == tuple(np.array(theirs.shape)[[0, 3, 1, 2]])


@pytest.mark.parametrize(("case", "class_tokens"), [("vit-simple", 1), ("deit", 2)])
def test_transformer_tokens_stand_where_their_patches_are(case, class_tokens):
    network = TimmBackbone(**CASES[case]).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        tokens = network.backbone.forward_features(image)  # (1, class tokens + 4 x 6, C), normalised
        (maps,) = network.features(image)
    for row, column in [(0, 0), (1, 2), (3, 5)]:
        patch = tokens[0, class_tokens + 6 * row + column]
        np.testing.assert_allclose(maps[0, :, row, column], patch, atol=1e-5)


# --- decoders ----------------------------------------------------------------------------------------------


def test_simple_decoder_worked_by_hand():
    decoder = SimpleDecoder([1], [8])
    # Half-pixel bilinear, factor 2: weights 3/4 and 1/4 inside, the border repeated; -8 is rectified first.
    (row,) = decoder([torch.tensor([[[[4.0, -8.0, 8.0]]]])])[0, 0, :1]
    np.testing.assert_allclose(row, [4, 3, 1, 2, 6, 8])
    assert SimpleDecoder([5], [16]).scale == 4
    assert SimpleDecoder([5], [16]).out_channels == 5
    assert not list(decoder.parameters())


def test_pyramid_worked_by_hand():
    pyramid = FeaturePyramid([1, 1], [4, 8], width=1).eval()
    for part in pyramid.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.zeros_(part.weight)
            part.weight.data[..., part.kernel_size[0] // 2, part.kernel_size[1] // 2] = 1
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0
    fine = torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, -900]]]])
    coarse = torch.tensor([[[[10.0, 20], [30, -40]]]])
    # relu(fine + the nearest of relu(coarse)); 3 cells out of 2: nearest takes 0, 0, 1.
    expected = [[[[11, 12, 23], [14, 15, 26], [37, 38, 0]]]]
    np.testing.assert_allclose(pyramid([fine, coarse]).detach(), expected)


@pytest.mark.parametrize(("stride", "steps"), [(4, 0), (8, 1), (16, 2), (32, 3)])
def test_deconvolutions_reach_stride_4_from_any_stride(stride, steps):
    decoder = DeconvDecoder([3, 6], [2, stride], width=5)
    kernels = [part for part in decoder.modules() if isinstance(part, nn.ConvTranspose2d)]
    assert len(kernels) == steps
    out = decoder([torch.zeros(1, 3, 9, 9), torch.zeros(1, 6, 2, 3)])
    assert tuple(out.shape) == (1, decoder.out_channels, 2 * 2**steps, 3 * 2**steps)
    assert decoder.out_channels == (5 if steps else 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet19"}, "no network 'resnet19'; similar: .*resnet"),
        ({"name": "resnet18", "decoder": "fpn"}, "unknown decoder 'fpn'; expected one of .*pyramid"),
        ({"name": "resnet18", "decoder": "simple", "width": 8}, "decoder 'simple' has no 'width'; found 8"),
        ({"name": "vit_tiny_patch16_224"}, r"finest map at stride 4, found strides \[16\]"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        TimmBackbone(**arguments)


@pytest.mark.parametrize("decoder", ["simple", "deconv"])
@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("eva02_tiny_patch14_224", {"depth": 1}, (224, 168)),  # stride 14
        ("levit_128s", {}, (224, 224)),  # stride 64, which does not divide its one size
        ("inception_v3", {"out_indices": (1, 2)}, (128, 96)),  # no padding: maps of 29 x 21 at stride 4
    ],
)
def test_every_stride_ends_at_a_quarter(name, options, size, decoder):
    network = TimmBackbone(name, decoder, options=options).eval()
    with torch.no_grad():
        (decoded,) = network(torch.randn(1, 3, *size))
    assert decoded.shape == (1, network.out_channels, size[0] // 4, size[1] // 4)
    assert decoded.std() > 0


def test_where_a_pixel_ends_does_not_depend_on_the_stride():
    """A map resized to a quarter stays in place: its centre of mass moves with the input's."""
    decoder = SimpleDecoder([1], [14])
    ramp = torch.arange(12.0)[None, None, None].expand(1, 1, 16, 12)  # cells of 14 pixels
    decoded = decoder([ramp])
    assert decoded.shape == (1, 1, 56, 42)
    # Cell c of 4 pixels is the middle of pixels 4 c .. 4 c + 3, at (4 c + 2) / 14 - 0.5 of the coarse cells.
    np.testing.assert_allclose(decoded[0, 0, 0, 5:35], (4 * torch.arange(5, 35) + 2) / 14 - 0.5, rtol=1e-5)


def test_a_network_of_one_size_says_how_to_choose_it():
    message = r"hiera_tiny_224 does not take an input of 256 x 192 .*options=dict\(img_size=\(256, 192\)\)"
    with pytest.raises(ConfigError, match=message):
        TimmBackbone("hiera_tiny_224")(torch.zeros(1, 3, 256, 192))


def test_input_of_another_size_is_refused():
    with pytest.raises(ConfigError, match="multiples of 32, found 64 x 100"):
        TimmBackbone("mobilenetv2_050")(torch.zeros(1, 3, 64, 100))


# --- weight files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {}),
        ("convnext_atto", {}),  # its extractor calls "stages.0" "stages_0"
        ("hrnet_w18_small", {}),
        ("vit_tiny_patch16_224", {"depth": 2}),
        ("hiera_tiny_224", {}),  # its extractor puts "model." in front
    ],
)
def test_loads_a_local_file_of_the_whole_classifier(tmp_path, name, options):
    torch.manual_seed(4)
    whole = timm.create_model(name, **options).state_dict()
    torch.save(whole, tmp_path / "whole.pth")
    decoder = "deconv" if name.startswith("vit") else "pyramid"
    network = TimmBackbone(name, decoder=decoder, pretrained=tmp_path / "whole.pth", options=options)
    flat = {key.replace(".", "_"): value for key, value in whole.items()}
    own = network.backbone.state_dict()
    assert len(own) > 20
    for key, value in own.items():
        key = key.removeprefix("model.") if name.startswith("hiera") else key
        assert torch.equal(value, flat[key.replace(".", "_")]), key


def test_file_of_another_network_is_refused(tmp_path):
    torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(CheckpointError, match=r"(?s)resnet34.pth does not fit timm's resnet18.*unexpected"):
        TimmBackbone("resnet18", pretrained=tmp_path / "resnet34.pth")
    with pytest.raises(CheckpointError, match=r"(?s)does not fit timm's resnet50.*missing.*of another shape"):
        TimmBackbone("resnet50", pretrained=tmp_path / "resnet34.pth")


def test_classifier_of_other_classes_or_none_is_fine(tmp_path):
    weights = timm.create_model("resnet18", num_classes=7).state_dict()
    torch.save(weights, tmp_path / "seven.pth")
    network = TimmBackbone("resnet18", pretrained=tmp_path / "seven.pth")
    assert torch.equal(network.backbone.conv1.weight, weights["conv1.weight"])
    torch.save({k: v for k, v in weights.items() if not k.startswith("fc.")}, tmp_path / "none.pth")
    TimmBackbone("resnet18", pretrained=tmp_path / "none.pth")


def test_a_missing_or_wrong_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.pth"):
        TimmBackbone("resnet18", pretrained=tmp_path / "gone.pth")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text.safetensors: damaged"):
        TimmBackbone("resnet18", pretrained=str(tmp_path / "text.safetensors"))


def _assert_same_features(network, source):
    """Whole networks compared by value: each of our maps is one that torchvision's layers give."""
    theirs, image = [], torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        features = image
        for layer in source.eval().features:
            features = layer(features)
            theirs.append(features)
        ours = network.eval().features(image)
    # Table 2 of the paper: strides 4, 8, 16, 32 end with these layers.
    for layer, maps in zip((3, 6, 13, 17), ours, strict=True):
        np.testing.assert_allclose(maps, theirs[layer], rtol=1e-4, atol=1e-4)


def test_torchvisions_mobilenet_loads_into_timms(tmp_path):
    torch.manual_seed(5)
    source = torchvision.models.mobilenet_v2()
    torch.save(source.state_dict(), tmp_path / "mobilenet_v2.pth")
    _assert_same_features(TimmBackbone("mobilenetv2_100", pretrained=tmp_path / "mobilenet_v2.pth"), source)


def test_every_name_of_torchvisions_mobilenet_has_one_of_timms():
    renamed = mobilenet_v2_to_timm(torchvision.models.mobilenet_v2().state_dict())
    expected = timm.create_model("mobilenetv2_100").state_dict()
    assert {key: value.shape for key, value in renamed.items()} == {k: v.shape for k, v in expected.items()}


def test_a_name_that_is_not_torchvisions_is_reported(tmp_path):
    weights = torchvision.models.mobilenet_v2().state_dict()
    weights["features.19.0.weight"] = weights.pop("features.5.conv.0.0.weight")
    torch.save(weights, tmp_path / "odd.pth")
    with pytest.raises(
        CheckpointError, match=r"(?s)missing.*blocks.2.1.conv_pw.weight.*unexpected.*features.19.0.weight"
    ):
        TimmBackbone("mobilenetv2_100", pretrained=tmp_path / "odd.pth")


def test_the_real_mobilenet_file_loads():
    path = reference.path("data/weights/mobilenet_v2-b0353104.pth")
    source = torchvision.models.mobilenet_v2()
    source.load_state_dict(read_state_dict(path))
    _assert_same_features(TimmBackbone("mobilenetv2_100", pretrained=path), source)


def _efficientnet_pytorch_names(blocks: int, squeeze: bool) -> list[str]:
    """The modules of efficientnet_pytorch in their order; the first block does not expand."""
    names = ["_conv_stem", "_bn0"]
    for number in range(blocks):
        parts = ["_expand_conv", "_bn0"] if number else []
        parts += ["_depthwise_conv", "_bn1", *(["_se_reduce", "_se_expand"] if squeeze else [])]
        names += [f"_blocks.{number}.{part}" for part in (*parts, "_project_conv", "_bn2")]
    return [*names, "_conv_head", "_bn1", "_fc"]


@pytest.mark.parametrize(
    ("name", "blocks", "squeeze"), [("tf_efficientnet_lite0", 16, False), ("tf_efficientnet_b0", 16, True)]
)
def test_efficientnets_of_another_package_load_into_timms(tmp_path, name, blocks, squeeze):
    torch.manual_seed(6)
    source = timm.create_model(name)
    for number, tensor in enumerate(source.state_dict().values()):
        if tensor.ndim == 1:  # fresh norms are all alike, and might change places
            tensor.copy_(torch.full_like(tensor, number))
    owners = dict.fromkeys(key.rpartition(".")[0] for key in source.state_dict())
    theirs = dict(zip(owners, _efficientnet_pytorch_names(blocks, squeeze), strict=True))
    renamed = {
        f"{theirs[owner]}.{leaf}": tensor
        for (owner, _, leaf), tensor in ((key.rpartition("."), t) for key, t in source.state_dict().items())
    }
    torch.save(renamed, tmp_path / "theirs.pth")
    ours = TimmBackbone(name, pretrained=tmp_path / "theirs.pth").backbone
    expected = timm.create_model(name, features_only=True)
    kept = {key: value for key, value in source.state_dict().items() if key in expected.state_dict()}
    expected.load_state_dict(kept)
    assert ours.state_dict().keys() == kept.keys()
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in kept.items())

    with pytest.raises(CheckpointError, match=rf"expected TimmBackbone\(name='{name}'\), found"):
        TimmBackbone(name.removeprefix("tf_"), pretrained=tmp_path / "theirs.pth")

    renamed["_blocks.16._bn1.weight"] = renamed.pop("_blocks.5._bn1.weight")
    torch.save(renamed, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"(?s)missing.*blocks.*unexpected.*_blocks.16._bn1.weight"):
        TimmBackbone(name, pretrained=tmp_path / "odd.pth")


def test_timms_weights_that_cannot_be_had_are_told(monkeypatch):
    real = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise OSError("We couldn't connect to the hub\nto load this file")
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    message = r"cannot get its weights of resnet18 \(OSError: We couldn't connect to the hub\).*a local file"
    with pytest.raises(CheckpointError, match=message):
        TimmBackbone("resnet18", pretrained=True)
    assert TimmBackbone("resnet18").out_channels == 64


def test_what_comes_behind_the_last_map_is_left_out():
    whole, part = (
        TimmBackbone("mobilenetv2_100", options=options) for options in (None, {"out_indices": (1, 2, 3)})
    )
    assert part.strides == [4, 8, 16]
    assert count_parameters(part) < 0.4 * count_parameters(whole)
    image = torch.randn(1, 3, 64, 64)
    own = part.backbone.state_dict()
    part.backbone.load_state_dict({k: v for k, v in whole.backbone.state_dict().items() if k in own})
    with torch.no_grad():
        for ours, theirs in zip(part.eval().features(image), whole.eval().features(image), strict=False):
            torch.testing.assert_close(ours, theirs)
