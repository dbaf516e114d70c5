"""The model zoo: its rows agree with the configs, the published figures and the networks they build."""

from __future__ import annotations

import hashlib
import re
import runpy
import sys

import numpy as np
import pytest
import reference
import torch
from models import recipe

from posekit.engine.configs.config import load_config
from posekit.errors import CheckpointError, ConfigError
from posekit.models import create, list_models
from posekit.models.summary import count_macs, count_parameters
from posekit.models.zoo import ZOO, ZooRow
from posekit.models.zoo.tables import (
    BEGIN,
    END,
    comparison,
    markdown_table,
    row_details,
    update_markdown,
    zoo_table,
)
from posekit.registry import MODELS

NAMES = sorted(ZOO)
# One row of each network; the others are the same networks with other weights.
NETWORKS = sorted({row.config: name for name, row in reversed(ZOO.items())}.values())
WANTED = [
    *(f"hrnet_{w}_{d}" for w in ("w32", "w48") for d in ("coco_256x192", "coco_384x288", "mpii_256x256")),
    *(f"simplebaseline_{r}_{d}" for r in ("r50", "r101", "r152") for d in ("coco_256x192", "mpii_256x256")),
    *(f"hourglass_{s}_mpii_256x256" for s in ("s1", "s2", "s8")),
    "vitpose_b_simple_coco_256x192",
    "vitpose_b_coco_256x192",
    *(f"vitpose_{s}_coco_256x192_plus" for s in ("s", "l", "h")),
]


def test_the_zoo_has_what_it_must():
    assert sorted(WANTED) == NETWORKS
    assert list_models() == list(ZOO)
    assert list_models("hourglass_*") == [f"hourglass_s{n}_mpii_256x256" for n in (1, 2, 8)]
    assert list_models("*_udp_*") == [name for name in ZOO if "udp" in name]
    assert list_models("nothing") == []


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_stated_in_full(name):
    row, file = ZOO[name], ZOO[name].weights
    assert row.name == name
    assert file.page.startswith("https://")
    assert bool(row.expected) == bool(row.expected_source)
    if file.url is None:
        assert file.sha256 is None
        assert file.checksum == "unverified, by hand"
        assert re.fullmatch(r"pose_(hrnet|resnet)_\w+\.(pth|pth\.tar)", file.name)
    elif file.hub is not None:
        assert file.url == file.hub.url == f"{file.page}/resolve/main/model.safetensors"
        assert file.name == f"{file.hub.repo.removeprefix('usyd-community/')}.safetensors"
        assert file.checksum == "sha256 of the hub"
    else:
        assert file.url.startswith("https://")
        assert file.url.endswith(f"/{file.name}")
        assert re.fullmatch(r"[0-9a-f]{8}", file.sha256)
        # As the publishers write it: before the ending, or before the date.
        assert re.search(rf"-{file.sha256}(_20\d{{6}})?\.pth$", file.name)


def test_no_two_rows_share_a_file():
    files = [row.weights.name for row in ZOO.values()]
    assert len(set(files)) == len(files)
    assert len({file.lower() for file in files}) == len(files)


@pytest.mark.parametrize("name", NAMES)
def test_row_and_config_say_the_same(name):
    """Without the row's options only what the row's weights need may differ from the config."""
    row = ZOO[name]
    cfg = load_config(reference.ROOT / row.config, row.options)
    assert cfg.skeleton == row.skeleton
    # What a training starts from, and drops, is the config's affair.
    training = ("pretrained", "drop_path")
    backbone = {key: value for key, value in cfg.model.backbone.items() if key not in training}
    assert {**backbone, "type": backbone["type"].__name__} == row.backbone
    assert MODELS.build(dict(cfg.model.head.codec)) == MODELS.build(dict(row.codec))
    assert {key: cfg.model.head[key] for key in cfg.model.head if key == "kernel_size"} == row.head
    test = cfg.test_dataloader.dataset
    assert tuple(test.crop.input_size_hw) == row.input_size_hw
    assert test.crop.convention == row.crop
    assert test.crop.get("aspect") is None
    boxes = test.source.get("detections", "ground truth").rpartition("/")[2]
    assert boxes == row.box_source
    plain = load_config(reference.ROOT / row.config)
    if not name.endswith("_mmpose"):
        assert tuple(plain.model.get("mean", (123.675, 116.28, 103.53))) == row.mean
        assert tuple(plain.model.get("std", (58.395, 57.12, 57.375))) == row.std
        assert plain.model.get("channel_order", "rgb") == row.channel_order
        assert MODELS.build(dict(plain.model.head.codec)) == MODELS.build(dict(row.codec))


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_multiply_adds(name):
    row = ZOO[name]
    with torch.device("meta"):
        network = create(name)
    assert count_parameters(network) == row.parameters
    assert count_macs(network, (3, *row.input_size_hw)) == row.macs
    with torch.device("meta"):
        cfg = load_config(reference.ROOT / row.config)
        trained = MODELS.build(cfg.model).state_dict()
    assert {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in trained.items()}


# As printed by the HRNet release: millions of parameters, multiply-adds / 1024^3.
PUBLISHED_SIZES = {
    "hrnet_w32_coco_256x192": (28.5, 7.1),
    "hrnet_w32_coco_384x288": (28.5, 16.0),
    "hrnet_w48_coco_256x192": (63.6, 14.6),
    "hrnet_w48_coco_384x288": (63.6, 32.9),
    "simplebaseline_r50_coco_256x192": (34.0, 8.9),
    "simplebaseline_r101_coco_256x192": (53.0, 12.4),
    "simplebaseline_r152_coco_256x192": (68.6, 15.7),
}


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_sizes_are_the_published_ones(name):
    millions, gflops = PUBLISHED_SIZES[name]
    assert ZOO[name].parameters / 1e6 == pytest.approx(millions, abs=0.051)
    assert ZOO[name].macs / 1024**3 == pytest.approx(gflops, abs=0.1)


@pytest.mark.parametrize(
    ("name", "score", "value"),
    [
        ("hrnet_w32_coco_256x192", "AP", 0.744),
        ("hrnet_w32_coco_384x288", "AP75", 0.825),
        ("hrnet_w48_coco_256x192", "APM", 0.715),
        ("hrnet_w48_coco_384x288", "AR", 0.812),
        ("hrnet_w32_mpii_256x256", "PCKh@0.5/mean_weighted", 90.3),
        ("hrnet_w32_mpii_256x256", "PCKh@0.11/mean_weighted", 37.7),
        ("simplebaseline_r50_coco_256x192", "APL", 0.772),
        ("simplebaseline_r152_mpii_256x256", "PCKh@0.5/mean_weighted", 89.62),
        ("hourglass_s2_mpii_256x256", "PCKh@0.5/mean_plain", 86.76),
        ("hourglass_s8_mpii_256x256", "PCKh@0.5/mean_plain", 88.64),
        ("hrnet_w32_coco_256x192_dark_mmpose", "AP", 0.757),
        ("hrnet_w32_coco_256x192_udp_mmpose", "AR", 0.810),
        ("vitpose_b_simple_coco_256x192", "AP", 0.755),
        ("vitpose_b_coco_256x192_aic_mpii", "AR", 0.822),
        ("vitpose_s_coco_256x192_plus", "AP", 0.758),
        ("vitpose_h_coco_256x192_plus", "AP", 0.794),
    ],
)
def test_published_scores(name, score, value):
    assert ZOO[name].expected[score] == value


def test_conventions_of_each_publisher():
    assert ZOO["hrnet_w32_coco_384x288"].codec["sigma"] == 3
    assert not ZOO["hrnet_w48_mpii_256x256"].expected
    assert ZOO["simplebaseline_r50_coco_256x192"].channel_order == "bgr"
    assert ZOO["simplebaseline_r50_coco_256x192_mmpose"].channel_order == "rgb"
    assert ZOO["hrnet_w48_coco_384x288_udp_mmpose"].crop == "udp"
    assert not ZOO["hourglass_s2_mpii_256x256"].flip_test
    assert ZOO["vitpose_b_coco_256x192"].crop == "udp"
    simple = ZOO["vitpose_b_simple_coco_256x192"]
    assert simple.options["model.head.kernel_size"] == 3
    assert all(row.backbone.get("expert", 0) == 0 for row in ZOO.values())  # ViTPose++'s of COCO


# --- networks ----------------------------------------------------------------------------------------------


def release_file(name: str, path, salt: int = 0, gain: float = 1.0):
    """A file as pytorch-pose writes it, with the recipe's weights; returns those."""
    with torch.device("meta"):
        shapes = create(name).backbone.state_dict()
    weights = {
        key: torch.from_numpy(np.asarray(recipe.weight(key, tuple(value.shape), salt, gain)))
        for key, value in shapes.items()
    }
    wrapped = {f"module.{key}": value for key, value in weights.items()}
    torch.save({"epoch": 9, "state_dict": wrapped, "best_acc": 0.5}, path)
    return weights


@pytest.fixture(scope="module")
def hourglass_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "hg.pth.tar"
    return path, release_file("hourglass_s1_mpii_256x256", path)


def test_forward_gives_the_last_stages_heatmaps(tmp_path):
    network = create("hourglass_s2_mpii_256x256")
    assert not network.training
    image = torch.randn(2, 3, 64, 128)
    with torch.no_grad():
        heatmaps = network(image)
        stages = network.backbone(image)
    assert heatmaps.shape == (2, 16, 16, 32)
    assert torch.equal(heatmaps, stages[1])
    assert not torch.equal(heatmaps, stages[0])
    # Its weights are a posekit checkpoint.
    torch.save(network.state_dict(), tmp_path / "own.pth")
    again = create("hourglass_s2_mpii_256x256", pretrained=tmp_path / "own.pth")
    with torch.no_grad():
        assert torch.equal(again(image), heatmaps)


def test_pretrained_from_a_path(hourglass_file):
    path, weights = hourglass_file
    network = create("hourglass_s1_mpii_256x256", pretrained=str(path))
    own = network.state_dict()
    assert all(torch.equal(own[f"backbone.{key}"], value) for key, value in weights.items())


def test_pretrained_equals_the_reference(tmp_path):
    name, zoo_name = "hg_s1_b1_mpii_256x256", "hourglass_s1_mpii_256x256"
    row = reference.load_json("networks.json")[name]
    release_file(zoo_name, tmp_path / "hg.pth.tar", row["salt"], row["gain"])
    network = create(zoo_name, pretrained=tmp_path / "hg.pth.tar")
    with torch.no_grad():
        heatmaps = network(recipe.image(name, tuple(row["input_shape"]), row["salt"]))
    expected = reference.load("networks.npz")[f"{name}__output_item0"]
    atol = 10 * row["float32_vs_float64_max_abs_diff"]
    np.testing.assert_allclose(heatmaps[0].numpy(), expected, rtol=0, atol=atol)


def test_what_belongs_to_the_network_comes_with_it():
    network = create("hourglass_s1_mpii_256x256")
    assert network.skeleton.name == "mpii16"
    grey = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)
    expected = [(128 / 255) - mean for mean in (0.4404, 0.4440, 0.4327)]  # pytorch-pose's means
    np.testing.assert_allclose(network.normalise(grey)[0, :, 5, 5], expected, atol=1e-6)
    heatmaps = torch.zeros(1, 16, 64, 64)
    heatmaps[0, 3, 20, 30] = 1
    heatmaps[0, 3, 20, 31] = 0.5
    points, scores = network.decode(heatmaps)
    assert points[0, 3].tolist() == [4 * 30.25, 4 * 20.0]
    assert (scores[0, 3], scores[0, 0]) == (1, 0)
    half, _ = network.decode(heatmaps, (128, 128))
    assert half[0, 3].tolist() == [2 * 30.25, 2 * 20.0]


def test_other_keypoints(hourglass_file):
    path, weights = hourglass_file
    skeleton = {"name": "two", "keypoints": ["a", "b"]}
    network = create("hourglass_s1_mpii_256x256", pretrained=path, skeleton=skeleton)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 16, 16)
    assert torch.equal(network.state_dict()["backbone.conv1.weight"], weights["conv1.weight"])
    assert network.skeleton.keypoints == ("a", "b")


def test_unknown_names_are_told_their_neighbours():
    with pytest.raises(
        ConfigError, match=r"no 'hrnet_w32_coco'; the nearest are \['hrnet_w32_coco_256x192', "
    ):
        create("hrnet_w32_coco")
    with pytest.raises(ConfigError, match=r"the nearest are \['simplebaseline_r50_coco_256x192', "):
        create("simple_baseline_r50_coco_256x192")
    with pytest.raises(ConfigError, match=r"no '\?\?'; python tools/test.py --list-zoo shows its names"):
        create("??")


@pytest.mark.parametrize("pretrained", [None, 1, b"hg.pth", ["hg.pth"]])
def test_pretrained_of_another_type(pretrained):
    with pytest.raises(ConfigError, match="expected 'pretrained' to be True, False or a path, found"):
        create("hourglass_s1_mpii_256x256", pretrained=pretrained)


def test_file_of_another_network(hourglass_file):
    with pytest.raises(CheckpointError, match=r"hg\.pth\.tar"):
        create("hourglass_s2_mpii_256x256", pretrained=hourglass_file[0])


# --- weights put there by hand -----------------------------------------------------------------------------


def test_file_by_hand_is_taken_without_a_network(hourglass_file, tmp_path, monkeypatch):
    path, weights = hourglass_file
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path))
    row = ZOO["hourglass_s1_mpii_256x256"]
    (tmp_path / "weights").mkdir()
    placed = tmp_path / "weights" / row.weights.name
    placed.write_bytes(path.read_bytes())
    # It is not the published file, and the published checksum says so.
    with pytest.raises(CheckpointError, match=r"expected a SHA-256 beginning with ce125879.*moved to"):
        create(row.name, pretrained=True)
    assert not placed.exists()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    mine = ZooRow(**{**vars(row), "weights": type(row.weights)(row.weights.name, "-", None, digest[:8])})
    monkeypatch.setitem(ZOO, row.name, mine)
    placed.write_bytes(path.read_bytes())
    network = create(row.name, pretrained=True)
    assert torch.equal(network.state_dict()["backbone.conv1.weight"], weights["conv1.weight"])


def test_what_to_fetch_by_hand_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path))
    with torch.device("meta"), pytest.raises(CheckpointError) as error:
        create("hrnet_w32_coco_256x192", pretrained=True)
    message = str(error.value)
    assert "pose_hrnet_w32_256x192.pth: not there, and to be fetched by hand" in message
    assert "folder pose_coco" in message
    assert f"put it here: {tmp_path / 'weights' / 'pose_hrnet_w32_256x192.pth'}" in message
    assert "hrnet_w32_coco_256x192_mmpose" in message


# --- tables ------------------------------------------------------------------------------------------------


def test_the_page_holds_the_table():
    text = (reference.ROOT / "posekit/docs/zoo.md").read_text("utf-8")
    assert f"{BEGIN}\n\n{markdown_table()}\n\n{END}" in text, (
        "run: python -m posekit.models.zoo posekit/docs/zoo.md"
    )


def test_tables_name_every_row():
    for name, row in ZOO.items():
        assert re.search(rf"^{name}  .*{re.escape(row.weights.checksum)}$", zoo_table(), re.MULTILINE)
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(NETWORKS)
    assert lines[2] == (
        "| `hrnet_w32_coco_256x192` | 28.54 M | 7.65 G | release\\*: AP 0.744, `_mmpose`: AP 0.749, "
        "`_dark_mmpose`: AP 0.757, `_udp_mmpose`: AP 0.762 |"
    )


def test_details_of_a_row():
    text = row_details(ZOO["hrnet_w32_coco_256x192_dark_mmpose"])
    for line in (
        "input:    256x192 (height x width), rgb, coco17",
        "codec:    DarkCodec(alignment='strided', touching='keep', blur_kernel=11, sigma=2)",
        "expected: AP 0.757, AR 0.807 (model tables of MMPose, with flip test)",
        "boxes:    COCO_val2017_detections_AP_H_56_person.json",
        "config:   configs/hrnet/hrnet_w32_coco_256x192.py",
    ):
        assert f"\n  {line}" in text


def test_scores_beside_the_published_ones():
    how = {"people": 5, "box_source": "ground truth", "flip": "off"}
    text = comparison(ZOO["hourglass_s2_mpii_256x256"], {"PCKh@0.5/mean_plain": 87.1}, how)
    assert re.search(r"PCKh@0.5/mean_plain +86.76 +87.10 +\+0.34\n", text)
    assert "\n  expected: README of pytorch-pose; 2,958 people of the validation set, boxes: ground" in text
    assert "\n  obtained: 5 people, boxes: ground truth, flip: off\n" in text
    assert "87.33 for two stacks" in text
    text = comparison(ZOO["hrnet_w32_coco_256x192_mmpose"], {"AP": 0.7484}, how)
    assert re.search(r"AP +0.749 +0.748 +-0.001\n", text)
    assert re.search(r"AR +0.804 +- +-\n", text)
    assert "no score is published" in comparison(ZOO["hourglass_s1_mpii_256x256"], {}, how)


def test_markdown_is_renewed_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update_markdown(page)
    assert page.read_text() == f"before\n{BEGIN}\n\n{markdown_table()}\n\n{END}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(ConfigError, match="expected the lines"):
        update_markdown(page)


def test_module_prints_the_zoo(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["zoo"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("posekit.models.zoo", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out.count("\n  config: ") == len(ZOO)
