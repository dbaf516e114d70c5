"""ViTPose: the release's numbers, and its weights by the release's, MMPose's and transformers' names."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import reference
import torch
from models import recipe
from safetensors.torch import save_file

from posekit.errors import CheckpointError, ConfigError
from posekit.inference.network import load_network
from posekit.models import HeatmapHead, PoseEstimator, ViTPose, create
from posekit.models.released import load_checkpoint_into
from posekit.models.zoo import ZOO

SIZE = (64, 48)
SMALL = {"depth": 2, "embed_dim": 24, "num_heads": 3}


def _network(variant="b", decoder="simple", size=SIZE, keypoints=5, **settings):
    names = [f"k{i}" for i in range(keypoints)]
    kernel = 3 if decoder == "simple" else 1
    codec, loss = {"type": "udp", "sigma": 2.0}, {"type": "MSELoss"}
    backbone = {"type": ViTPose, "variant": variant, "decoder": decoder, "input_size_hw": size, **settings}
    head = {"type": HeatmapHead, "codec": codec, "loss": loss, "kernel_size": kernel}
    return PoseEstimator(backbone, head, skeleton={"name": "toy", "keypoints": names}, flip_test=False).eval()


def _small(**settings):
    return _network(options=SMALL, **settings)


def _release(model, experts=0):
    """A network's weights as the release names them, with a class token's position apart."""
    random, weights = torch.Generator().manual_seed(0), {}
    for name, tensor in model.state_dict().items():
        new = name.replace("backbone.backbone.norm.", "backbone.last_norm.")
        new = new.replace("backbone.backbone.", "backbone.").replace("backbone.decoder.", "keypoint_head.")
        new = re.sub(r"^head\.", "keypoint_head.", new)
        if new == "backbone.pos_embed":
            token = torch.randn(1, 1, tensor.shape[2], generator=random)
            tensor = torch.cat([token, tensor - token], dim=1)
        if experts and ".mlp.fc2." in new:
            for i in range(experts):
                rows = tensor[-6:] if i == 1 else torch.randn(tensor[-6:].shape, generator=random)
                weights[new.replace(".fc2.", f".experts.{i}.")] = rows
            tensor = tensor[:-6]
        weights[new] = tensor
    return weights


def _mmpose(model):
    renamed = {}
    for name, tensor in model.state_dict().items():
        own = name.replace("backbone.backbone.norm.", "backbone.ln1.").replace(
            "backbone.backbone.", "backbone."
        )
        own = own.replace("backbone.decoder.", "head.").replace(
            "patch_embed.proj.", "patch_embed.projection."
        )
        own = own.replace("backbone.blocks.", "backbone.layers.").replace(".norm1.", ".ln1.")
        own = own.replace(".norm2.", ".ln2.").replace(".mlp.fc1.", ".ffn.layers.0.0.")
        renamed[own.replace(".mlp.fc2.", ".ffn.layers.1.")] = tensor
    return renamed


def _maps(model, size=SIZE):
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.stages(image)[-1]


@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_reference_vitpose_s(decoder):
    name = f"vitpose_s_{decoder}"
    facts, arrays = reference.load_json("networks2.json")[name], reference.load("networks2.npz")
    keys = reference.load_json("networks2_keys.json.gz")[name]
    settings = (facts["salt"], facts["gain"], facts["head_gain"])
    weights = {
        key: torch.from_numpy(np.asarray(recipe.weight(key, tuple(shape), *settings)))
        for key, shape, _ in keys
    }
    model = _network("s", decoder, (256, 192), 17)
    report = load_checkpoint_into(model, {"state_dict": weights}, "vitpose.pth")
    assert report.form == "vitpose"
    assert not report.left_over
    # The class token's position is a row less.
    assert sum(p.numel() for p in model.parameters()) == facts["n_parameters"] - 384
    with torch.no_grad():
        maps = model.stages(recipe.image(name, tuple(facts["input_shape"]), facts["salt"]))[-1]
    tolerance = 10 * facts["float32_vs_float64_max_abs_diff"]
    np.testing.assert_allclose(maps[0], arrays[f"{name}__output_item0"], atol=tolerance)
    np.testing.assert_allclose(maps[1, :, ::2, ::2], arrays[f"{name}__output_item1_every2"], atol=tolerance)


@pytest.mark.parametrize("decoder", ["classic", "simple"])
@pytest.mark.parametrize("naming", [_release, _mmpose])
def test_the_releases_and_mmposes_names(decoder, naming):
    torch.manual_seed(0)
    wanted = _small(decoder=decoder)
    torch.manual_seed(1)
    model = _small(decoder=decoder)
    report = load_checkpoint_into(model, {"state_dict": naming(wanted)}, "file.pth")
    assert report.form == "vitpose"
    assert not report.kept
    torch.testing.assert_close(_maps(model), _maps(wanted))


def test_an_experts_network_is_taken_out_of_a_mixture():
    torch.manual_seed(0)
    wanted = _small()
    file = {"state_dict": _release(wanted, experts=3)}
    for expert in (0, 1):
        model = _small(expert=expert)
        report = load_checkpoint_into(model, file, "plus.pth")
        same = torch.allclose(_maps(model), _maps(wanted), atol=1e-6)
        assert same == (expert == 1)
        assert len(report.left_over) == 2 * 2 * 2  # two other experts, two blocks, weight and bias
    with pytest.raises(CheckpointError, match=r"has the experts \[0, 1, 2\], not 3"):
        load_checkpoint_into(_small(expert=3), file, "plus.pth")


@pytest.mark.parametrize(("simple", "experts"), [(False, 1), (True, 1), (True, 3)])
def test_transformers_class_gives_the_same_maps(simple, experts):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, image_size=list(SIZE), mlp_ratio=4,
        num_experts=experts, part_features=6 if experts > 1 else 256,
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=simple, num_labels=5)
    torch.manual_seed(0)
    theirs = transformers.VitPoseForPoseEstimation(config).eval()
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    model = _small(decoder="simple" if simple else "classic", expert=1 if experts > 1 else 0)
    load_checkpoint_into(model, {"state_dict": theirs.state_dict()}, "model.safetensors")
    image = torch.randn(2, 3, *SIZE)
    extra = {"dataset_index": torch.tensor([1, 1])} if experts > 1 else {}
    with torch.no_grad():
        wanted, found = theirs(image, **extra).heatmaps, model.stages(image)[-1]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize(
    ("name", "experts"), [("vitpose_s_coco_256x192_plus", 6), ("vitpose_b_simple_coco_256x192", 0)]
)
def test_rows_of_the_zoo_come_from_the_hub(name, experts, tmp_path, monkeypatch):
    """By name, of a network with small blocks: the file is fetched once and its first expert taken."""
    row = dataclasses.replace(ZOO[name], backbone={**ZOO[name].backbone, "options": SMALL})
    monkeypatch.setitem(ZOO, name, row)
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path))
    torch.manual_seed(0)
    wanted = create(name)
    weights = _release(wanted, experts)
    for key in [key for key in weights if ".experts.0." in key]:  # the helper's own expert is the second
        other = key.replace(".experts.0.", ".experts.1.")
        weights[key], weights[other] = weights[other], weights[key]
    save_file({key: value.contiguous() for key, value in weights.items()}, tmp_path / "hub.safetensors")
    content, fetched = (tmp_path / "hub.safetensors").read_bytes(), []

    def download(repo, file, *, revision, local_dir):
        fetched.append(f"{repo}/{file}")
        local_dir.mkdir()
        (local_dir / file).write_bytes(content)
        return local_dir / file

    stated = SimpleNamespace(
        etag=hashlib.sha256(content).hexdigest(), commit_hash="a" * 40, size=len(content)
    )
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url: stated)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    image = torch.randn(1, 3, 256, 192)
    with torch.no_grad():
        torch.testing.assert_close(create(name, pretrained=True)(image), wanted(image))
        network = load_network(name, None)  # as Predictor does
        torch.testing.assert_close(network.estimator.stages(image)[-1], wanted(image))
    assert fetched == [f"{row.weights.hub.repo}/model.safetensors"]
    assert network.crop.convention == "udp"


def test_own_checkpoints_load_as_such():
    model = _small()
    report = load_checkpoint_into(_small(), {"state_dict": model.state_dict()}, "own.pth")
    assert report.form == "posekit"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variant": "g"}, "a variant of"),
        ({"decoder": "deconv"}, "a decoder of"),
        ({"input_size_hw": (250, 192)}, "two multiples of 16"),
        ({"expert": -1}, "'expert' must be"),
    ],
)
def test_impossible_settings(settings, words):
    with pytest.raises(ConfigError, match=words):
        ViTPose(**settings)


def test_queries_without_keys():
    weights = _release(_small())
    name = "backbone.encoder.layer.0.attention.attention.query.weight"
    with pytest.raises(CheckpointError, match=r"without 'backbone.encoder.layer.0.attention.attention.key"):
        load_checkpoint_into(_small(), {"state_dict": {**weights, name: torch.zeros(24, 24)}}, "cut.pth")
