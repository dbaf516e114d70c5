"""What a backbone starts from: its recipe's file if it is there, told if not, alike for every backbone."""

from __future__ import annotations

import hashlib

import pytest
import torch

from posekit.engine.configs.config import load_config
from posekit.errors import CheckpointError, ConfigError
from posekit.models.estimator import PoseEstimator
from posekit.models.hrnet import HRNet
from posekit.models.pretrained import PretrainedFile, start_backbone, starting_later
from posekit.models.simple_baseline import SimpleBaseline
from posekit.models.timm_backbone import TimmBackbone
from posekit.registry import MODELS

SMALL = {
    "hrnet": {"type": HRNet, "variant": "w8"},
    "simple_baseline": {"type": SimpleBaseline, "depth": 18, "width": 4, "deconv_width": 8},
    "timm": {"type": TimmBackbone, "name": "resnet18", "width": 8},
}
HEAD = {"type": "HeatmapHead", "codec": {"type": "MSRACodec"}, "loss": {"type": "MSELoss"}}
SOURCE = "https://example.org/models/"


@pytest.fixture(params=SMALL)
def small(request):
    """The config of a small backbone."""
    return SMALL[request.param]


def write_file(path, small, seed=5):
    """A file of that network with other weights than a test's; returns them and the file's SHA-256."""
    torch.manual_seed(seed)
    network = MODELS.build(small)
    weights = getattr(network, "backbone", network).state_dict()
    torch.save({key: value.clone() for key, value in weights.items()}, path)
    return weights, hashlib.sha256(path.read_bytes()).hexdigest()


def own_weights(network):
    return dict(getattr(network, "backbone", network).state_dict())


def same(first, second):
    return all(torch.equal(first[key], second[key]) for key in second)


def estimator(small, **pretrained):
    """As the engine builds it."""
    with starting_later():
        return at_once(small, **pretrained)


def at_once(small, **pretrained):
    torch.manual_seed(0)
    backbone = {**small, "pretrained": {"type": PretrainedFile, **pretrained}} if pretrained else small
    return PoseEstimator(backbone, HEAD, "lsp14")


def test_the_file_is_loaded_when_the_training_begins(small, tmp_path):
    weights, digest = write_file(tmp_path / "net.pth", small)
    path = str(tmp_path / "net.pth")
    model = estimator(small, path=path, sha256=digest[:8])
    random = estimator(small).state_dict()
    assert same(model.state_dict(), random)  # building loads nothing and draws the same numbers
    state = torch.get_rng_state()
    model.init_weights()
    assert torch.equal(torch.get_rng_state(), state)
    assert same(own_weights(model.backbone), weights)
    assert model.start == (f"{path} (sha256 {digest})", False)
    # What the file has nothing for keeps the start that it would have had.
    others = [key for key in random if "head." in key or "decoder" in key]
    assert others
    assert same(model.state_dict(), {key: random[key] for key in others})


def test_a_network_of_ones_own_program_starts_when_it_is_built(small, tmp_path):
    weights, _ = write_file(tmp_path / "net.pth", small)
    model = at_once(small, path=str(tmp_path / "net.pth"))
    assert same(own_weights(model.backbone), weights)
    with pytest.warns(UserWarning, match=r"the backbone starts from RANDOM weights: .* gone\.pth"):
        at_once(small, path=str(tmp_path / "gone.pth"))
    with pytest.raises(CheckpointError, match=r"gone\.pth: file not found"):
        at_once(small, path=str(tmp_path / "gone.pth"), strict=True)


def test_a_missing_file_is_told_and_the_start_stays_random(small, tmp_path):
    model = estimator(small, path=str(tmp_path / "net-12345678.pth"), source=SOURCE)
    model.init_weights()
    assert model.start.lacking
    assert model.start.summary == (
        "RANDOM weights: the recipe's net-12345678.pth is not there. Expect a lower score, or train longer."
    )
    assert f"get it from: {SOURCE}" in model.start.words
    assert f"put it here: {tmp_path / 'net-12345678.pth'}" in model.start.words
    assert "--cfg-options model.backbone.pretrained=FILE" in model.start.words
    assert same(model.state_dict(), estimator(small).state_dict())


def test_strict_refuses_to_begin_and_nothing_else(small, tmp_path):
    model = estimator(small, path=str(tmp_path / "net.pth"), source=SOURCE, strict=True)
    with pytest.raises(
        CheckpointError, match=r"net\.pth: file not found(.|\n)*example.org(.|\n)*put it here"
    ):
        model.init_weights()


def test_another_file_than_the_published_one_is_refused(small, tmp_path):
    _, digest = write_file(tmp_path / "net.pth", small)
    model = estimator(small, path=str(tmp_path / "net.pth"), sha256="12345678")
    with pytest.raises(CheckpointError, match=f"beginning with 12345678, found {digest}"):
        model.init_weights()
    assert model.start is None


def test_random_weights_may_be_what_is_meant(small):
    model = estimator(small)
    model.init_weights()
    assert model.start == ("random weights: no file is stated", False)
    model = PoseEstimator({"type": "Hourglass", "stacks": 1, "features": 8, "depth": 1}, HEAD, "lsp14")
    model.init_weights()
    assert model.start == ("the weights that Hourglass is built with", False)


def test_a_backbone_by_itself_starts_at_once(small, tmp_path):
    weights, _ = write_file(tmp_path / "net.pth", small)
    kind, settings = small["type"], {key: value for key, value in small.items() if key != "type"}
    for pretrained in (tmp_path / "net.pth", {"path": str(tmp_path / "net.pth")}):
        assert same(own_weights(kind(**settings, pretrained=pretrained)), weights)
    built = kind(**settings, pretrained=tmp_path / "net.pth")
    head = MODELS.build({**HEAD, "in_channels": built.out_channels, "num_keypoints": 14})
    model = PoseEstimator(built, head, "lsp14")
    model.init_weights()
    assert model.start.words.startswith(f"{tmp_path / 'net.pth'} (sha256 ")
    with pytest.warns(UserWarning, match=r"starts from RANDOM weights: the recipe's gone\.pth is not there"):
        kind(**settings, pretrained=PretrainedFile("gone.pth"))
    with pytest.raises(CheckpointError, match=r"gone\.pth"):
        kind(**settings, pretrained="gone.pth")


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ({"file": "a.pth"}, "'pretrained': .*file"),
        ({}, "'pretrained': .*path"),
        (True, "'pretrained' must be a path, a dict"),
        (3, "'pretrained' must be a path, a dict"),
    ],
)
def test_what_cannot_be_meant_is_told(pretrained, message):
    with pytest.raises(ConfigError, match=f"HRNet: {message}"):
        start_backbone(HRNet("w8"), pretrained)


def test_a_misspelt_setting_is_found_before_anything_is_built(tmp_path):
    config = tmp_path / "a.py"
    config.write_text(
        "from posekit.models.hrnet import HRNet\n"
        "from posekit.models.pretrained import PretrainedFile\n"
        "from posekit.models.estimator import PoseEstimator\n"
        "skeleton = 'lsp14'\n"
        "start = dict(type=PretrainedFile, path='a.pth')\n"
        "model = dict(type=PoseEstimator, head=None, backbone=dict(type=HRNet, pretrained=start))\n"
        "del start\n"
    )
    load_config(config)
    with pytest.raises(ConfigError, match="unknown key 'strct' of PretrainedFile; did you mean 'strict'"):
        load_config(config, {"model.backbone.pretrained.strct": True})


def test_a_start_that_is_no_number_is_refused(tmp_path, small):
    weights, _ = write_file(tmp_path / "start.pth", small)
    key = next(iter(weights))
    torch.save({**weights, key: torch.full_like(weights[key], float("nan"))}, tmp_path / "start.pth")
    with pytest.raises(
        CheckpointError, match=r"start\.pth: expected finite weights, found (\d+) of \1 values"
    ):
        at_once(small, path=str(tmp_path / "start.pth"))
