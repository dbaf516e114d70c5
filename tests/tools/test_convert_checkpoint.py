"""tools/convert_checkpoint.py as a user runs it."""

from __future__ import annotations

import json
import runpy
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from models import plain_networks, release_files

from posekit.io.checkpoint import read_checkpoint
from posekit.io.files import sha256

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
from posekit.codecs import MSRACodec
from posekit.models import HeatmapHead, HRNet, MSELoss, PoseEstimator

skeleton = dict(name="dots", keypoints={keypoints})
model = dict(
    type=PoseEstimator,
    backbone=dict(type=HRNet, variant="w8"),
    head=dict(type=HeatmapHead, codec=dict(type=MSRACodec), loss=dict(type=MSELoss)),
)
"""


def convert(*words):
    """Runs the tool in this process; returns its exit status."""
    argv = sys.argv
    sys.argv = ["convert_checkpoint.py", *map(str, words)]
    try:
        runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"), run_name="__main__")
    except SystemExit as exit_:
        return exit_.code
    finally:
        sys.argv = argv
    return 0


def weights_of(name):
    values = plain_networks.build(name)[1]
    return {key: torch.from_numpy(np.asarray(value)) for key, value in values.items()}


def config(folder, keypoints=("a", "b", "c")):
    (folder / "config.py").write_text(CONFIG.format(keypoints=list(keypoints)))
    return folder / "config.py"


@pytest.mark.parametrize("name", ["hrnet_w8", "simple_r18"])
@pytest.mark.parametrize(
    "write", [release_files.hrnet_training, release_files.mmpose_0, release_files.mmpose_1]
)
def test_there_and_back_is_bit_equal(tmp_path, name, write, capsys):
    weights = weights_of(name)
    weights["bn1.weight"][0] = float("nan")  # even this keeps its bits
    weights["bn1.bias"][:2] = torch.tensor([-0.0, 1e-45])
    write(weights, tmp_path / "in.pth")
    assert convert(tmp_path / "in.pth", tmp_path / "posekit.pth") == 0
    assert "with 3 heatmaps" in capsys.readouterr().out
    assert convert(tmp_path / "posekit.pth", tmp_path / "back.pth", "--to", "hrnet-release") == 0
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert list(back) == list(weights)
    for key, tensor in weights.items():
        assert back[key].numpy().tobytes() == tensor.numpy().tobytes(), key
        assert back[key].dtype == tensor.dtype


def test_the_posekit_form_says_where_it_comes_from(tmp_path, capsys):
    weights = weights_of("hrnet_w8")
    release_files.mmpose_1(weights, tmp_path / "in.pth")
    assert convert(tmp_path / "in.pth", tmp_path / "out.pth", "--config", config(tmp_path)) == 0
    written = read_checkpoint(tmp_path / "out.pth")
    assert sorted(written) == ["meta", "state_dict"]
    assert written["meta"]["source"] == {
        "file": "in.pth",
        "sha256": sha256(tmp_path / "in.pth"),
        "form": "mmpose 1.x",
        "left_over": ["data_preprocessor.mean", "data_preprocessor.std"],
    }
    assert torch.equal(written["state_dict"]["backbone.conv1.weight"], weights["conv1.weight"])
    assert "2 left over: data_preprocessor.mean data_preprocessor.std" in capsys.readouterr().out


def test_a_name_of_the_zoo_must_fit(tmp_path, capsys):
    release_files.hrnet_release(weights_of("hrnet_w8"), tmp_path / "in.pth")
    words = [tmp_path / "in.pth", tmp_path / "out.pth", "--name", "hourglass_s1_mpii_256x256"]
    assert convert(*words) == 2
    assert "expected an Hourglass (1 stack, 1 block, 256 features) with 16" in capsys.readouterr().err


def test_missing_counters_are_added_and_named(tmp_path, capsys):
    weights = weights_of("simple_r18")
    release_files.simple_baseline_release(weights, tmp_path / "in.pth.tar")
    assert convert(tmp_path / "in.pth.tar", tmp_path / "out.pth") == 0
    assert "23 added, 0: backbone.bn1.num_batches_tracked" in capsys.readouterr().out
    found = read_checkpoint(tmp_path / "out.pth")["state_dict"]
    assert len(found) == len(weights)
    assert found["backbone.bn1.num_batches_tracked"].dtype == torch.int64


def test_an_existing_file_is_replaced_by_force_alone(tmp_path, capsys):
    release_files.hrnet_release(weights_of("hrnet_w8"), tmp_path / "in.pth")
    (tmp_path / "out.pth").write_bytes(b"precious")
    assert convert(tmp_path / "in.pth", tmp_path / "out.pth") == 2
    assert "out.pth: exists; --force replaces it" in capsys.readouterr().err
    assert (tmp_path / "out.pth").read_bytes() == b"precious"
    assert convert(tmp_path / "in.pth", tmp_path / "out.pth", "--force") == 0
    assert len(read_checkpoint(tmp_path / "out.pth")["state_dict"]) == 350


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, capsys):
    release_files.hrnet_release(weights_of("hrnet_w8"), tmp_path / "in.pth")
    (tmp_path / "out.pth").write_bytes(b"precious")

    def full_disk(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    assert convert(tmp_path / "in.pth", tmp_path / "out.pth", "--force") == 2
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / "out.pth").read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pth", "out.pth"]


def test_what_cannot_be_converted_is_said(tmp_path, capsys):
    release_files.hrnet_release(weights_of("hrnet_w8"), tmp_path / "w8.pth")
    release_files.pytorch_pose(weights_of("hourglass_s2"), tmp_path / "hg.pth")
    trunk = {key: value for key, value in weights_of("simple_r18").items() if key[0] in "cbl"}
    torch.save(OrderedDict(trunk), tmp_path / "r18.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "unknown.pth")
    wrong = config(tmp_path, "abcd")
    cases = [
        (
            "w8.pth",
            ["--config", wrong],
            "an HRNet-W8 with 3 heatmaps (hrnet release), expected an HRNet-W8 with 4",
        ),
        (
            "hg.pth",
            ["--to", "hrnet-release"],
            "has no names for an Hourglass (2 stacks, 1 block, 16 features)",
        ),
        ("r18.pth", [], "a trunk alone (torchvision); give it to a backbone as 'pretrained'"),
        ("unknown.pth", [], "a network unknown to posekit ('a' ...)"),
        ("none.pth", [], "none.pth: no such file"),
    ]
    for name, options, message in cases:
        assert convert(tmp_path / name, tmp_path / "out.pth", *options) == 2, name
        assert message in capsys.readouterr().err, name
        assert not (tmp_path / "out.pth").exists()


def test_posekits_own_meta_data_stay(tmp_path):
    release_files.posekit(weights_of("hrnet_w8"), tmp_path / "own.pth")
    assert convert(tmp_path / "own.pth", tmp_path / "out.pth") == 0
    meta = read_checkpoint(tmp_path / "out.pth")["meta"]
    assert meta["epoch"] == 3
    assert meta["source"]["form"] == "posekit"
    json.dumps(meta)  # plain values alone
