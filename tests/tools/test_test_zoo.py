"""tools/test.py with the model zoo and with released files, on a few rendered people."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest
import torch
from models import recipe
from toy_training import ROOT, run

from posekit.io.downloads import WeightFile
from posekit.models import create
from posekit.models.zoo import ZOO
from posekit.synthetic import write_synthetic_people

NAME = "hourglass_s2_mpii_256x256"
CONFIG = str(ROOT / "configs/hourglass/hourglass_s2_mpii_256x256.py")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The --cfg-options that put three rendered people in the place of MPII."""
    folder = tmp_path_factory.mktemp("people") / "set"
    write_synthetic_people(folder, num_train=1, num_val=2, workers=1, progress=False)
    source = "test_dataloader.dataset.source"
    return [
        "--cfg-options",
        f"data_root={folder}",
        f"{source}.ann_file=annotations/mpii_valid.json",
        f"{source}.image_dir=images/val",
        f"{source}.head_boxes=annotations/gt_valid.mat",
        "test_dataloader.num_workers=0",
        "test_dataloader.batch_size=2",
    ]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file in pytorch-pose's form."""
    path = tmp_path_factory.mktemp("weights") / "model_best.pth.tar"
    with torch.device("meta"):
        shapes = create(NAME).backbone.state_dict()
    values = {
        f"module.{key}": torch.from_numpy(np.asarray(recipe.weight(key, tuple(value.shape), 0, 1.0)))
        for key, value in shapes.items()
    }
    torch.save({"epoch": 90, "arch": "hg", "state_dict": values, "best_acc": 0.86}, path)
    return path


def read(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics.pop("protocol"), metrics


def test_a_row_with_its_own_weights(people, weights, tmp_path, monkeypatch, capsys):
    """The file lies where it would have been downloaded to; codec, colours and flip test are the row's."""
    home = tmp_path / "home"
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "hg2.pth").write_bytes(weights.read_bytes())
    monkeypatch.setenv("POSEKIT_HOME", str(home))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    file = WeightFile("hg2.pth", "https://example.org", "https://example.org/hg2.pth", digest[:8])
    monkeypatch.setitem(ZOO, NAME, dataclasses.replace(ZOO[NAME], weights=file))
    assert run("test", "--zoo", NAME, "--work-dir", tmp_path / "zoo", *people) == 0

    how, scores = read(tmp_path / "zoo")
    assert (how["flip"], how["box_source"], how["people"]) == ("off", "ground truth", 2)
    assert how["codec"].startswith("MSRACodec(sigma=1, ")
    assert how["checkpoint"] == str(home / "weights" / "hg2.pth")
    assert how["checkpoint_form"] == "pytorch-pose hourglass"
    assert how["zoo"]["expected"] == {"PCKh@0.5/mean_plain": 86.76}
    table = (tmp_path / "zoo" / "table.txt").read_text()
    assert table in capsys.readouterr().out
    found = scores["PCKh@0.5/mean_plain"]
    assert re.search(rf"PCKh@0.5/mean_plain +86.76 +{found:.2f} +-", table)
    assert "weights:   " in table
    assert "hg2.pth (pytorch-pose hourglass form, " in table

    # The same, stated one by one.
    assert run("test", CONFIG, weights, "--no-flip", "--work-dir", tmp_path / "config", *people) == 0
    how, again = read(tmp_path / "config")
    assert again == scores
    assert "zoo" not in how
    words = ["--zoo", NAME, "--checkpoint", weights, "--work-dir", tmp_path / "other", *people]
    capsys.readouterr()
    assert run("test", *words, "--json") == 0
    assert read(tmp_path / "other")[1] == scores
    assert capsys.readouterr().out == (tmp_path / "other" / "metrics.json").read_text()  # and nothing else

    # The row's network and weights on the data of another config, whose own network is another one.
    other = str(ROOT / "configs/hourglass/hourglass_s1_mpii_256x256.py")
    words = [other, "--zoo", NAME, "--work-dir", tmp_path / "data", *people]
    assert run("test", *words) == 0
    how, again = read(tmp_path / "data")
    assert again == scores
    assert "zoo" not in how
    assert "expected" not in (tmp_path / "data" / "table.txt").read_text()
    # Weights that the config itself names.
    words = [CONFIG, "--no-flip", "--work-dir", tmp_path / "own", *people, f"load_from={weights}"]
    assert run("test", *words) == 0
    assert read(tmp_path / "own")[1] == scores

    # With the flip test, which an option given by hand restores, the maps are others.
    words = ["--zoo", NAME, "--work-dir", tmp_path / "flip", *people, "model.flip_test=True"]
    assert run("test", *words) == 0
    assert read(tmp_path / "flip")[0]["flip"] == "average of the crop and its mirror image"


def test_list_zoo(capsys):
    assert run("test", "--list-zoo") == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[1:]] == list(ZOO)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to test: state CONFIG CHECKPOINT, or --zoo NAME"),
        ([CONFIG], f"CHECKPOINT is missing: expected a file after the config {CONFIG}, or its 'load_from'"),
        (
            [CONFIG, "a.pth", "--checkpoint", "b.pth"],
            "stated twice: a.pth and --checkpoint b",
        ),
        (["--checkpoint", "b.pth"], "nothing to test"),
        (
            ["--zoo", NAME, "a.pth"],
            "a.pth beside it is no config (.py); for other weights write --checkpoint a",
        ),
        ([CONFIG, "a.pth", "--zoo", NAME], f"the weights are stated twice: a.pth and --zoo {NAME}"),
        (["--zoo", "hrnet_w32"], "there is no 'hrnet_w32'; the nearest are ['hrnet_w32_"),
        (["--zoo", NAME, "--checkpoint", "none.pth"], "none.pth: no such file"),
        (
            ["--zoo", "hrnet_w32_coco_256x192"],
            "pose_hrnet_w32_256x192.pth: not there, and to be fetched by hand",
        ),
        (["--zoo", "hrnet_w32_mpii_256x256", "--checkpoint", "{weights}"], "hourglass"),
    ],
)
def test_wrong_words_end_with_a_message(words, message, people, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path / "home"))
    words = [str(weights) if word == "{weights}" else word for word in words]
    assert run("test", *words, "--work-dir", tmp_path / "work", *people) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert not (tmp_path / "work" / "metrics.json").exists()
