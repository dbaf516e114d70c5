"""tools/browse_dataset.py on a small COCO set: each kind of picture, and what is refused."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
import toy_people
import toy_training
from toy_pose_config import write_config
from toy_training import run

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.registry import MODELS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with data, a config and a checkpoint."""
    folder = tmp_path_factory.mktemp("browse")
    toy_people.write_coco(folder)
    torch.manual_seed(0)
    model = MODELS.build(load_config(write_config(folder)).model)
    with torch.no_grad():
        model.backbone.score[0].bias.fill_(0.5)  # a peak everywhere
    write_checkpoint({"state_dict": model.state_dict(), "meta": {}}, folder / "model.pth")
    return folder


def picture(path) -> np.ndarray:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_samples_are_written_and_counted(home, capsys):
    assert run("browse_dataset", "people.py", "--num", 2, cwd=home) == 0
    out = capsys.readouterr().out
    assert "train: 2 people on 2 images" in out
    assert "targets: 16 x 12 (height x width), UDPOffsetCodec(" in out
    assert "of these 2 crops: " in out
    assert "left_hand" in out
    folder = home / "work_dirs" / "people" / "pictures"
    assert [path.name for path in folder.iterdir()] == ["train_samples_1.png"]
    # A tile is a crop and its target, 224 x 168 each, two apart.
    assert picture(folder / "train_samples_1.png").shape[1] in (8 + 338 + 8, 8 + 2 * (338 + 8))


def test_epoch_and_seed_say_which_crops_are_drawn(home):
    def drawn(*words):
        assert run("browse_dataset", "people.py", "--num", 1, "--out", "drawn", *words, cwd=home) == 0
        return picture(home / "drawn" / "train_samples_1.png")

    first = drawn()
    assert (drawn("--epoch", 0, "--seed", 0) == first).all()
    for other in (drawn("--epoch", 1), drawn("--seed", 5)):
        assert other.shape != first.shape or (other != first).any()


def test_crops_of_a_mixture(home, capsys):
    config = home / "both.py"
    config.write_text(
        (home / "people.py").read_text()
        + "from torch.utils.data import ConcatDataset\n"
        + "_one = train_dataloader['dataset']\n"
        + "train_dataloader['dataset'] = dict(type=ConcatDataset, datasets=[_one, _one])\n"
    )
    assert run("browse_dataset", config.name, "--out", "both", cwd=home) == 0
    out = capsys.readouterr().out
    assert "train: 4 samples of a ConcatDataset" in out
    assert "of these 4 crops: " in out


def test_heatmaps_and_flip_halves(home, capsys):
    words = ["people.py", "--checkpoint", "model.pth", "--out", "maps", "--num", 2, "--joints", 1]
    assert run("browse_dataset", *words, "--split", "val", cwd=home) == 0
    assert run("browse_dataset", *words, "--what", "flip", cwd=home) == 0
    assert "pixels apart (median)" in capsys.readouterr().out
    names = sorted(path.name for path in (home / "maps").iterdir())
    assert [name for name in names if name[-5].isdigit() and "image" not in name] == [
        "train_flip_1.png", "val_heatmaps_1.png"
    ]  # fmt: skip
    assert len([name for name in names if "image" in name]) == 2
    assert all(picture(home / "maps" / name).size for name in names)


def test_worst_and_best_from_a_checkpoint_or_from_results(home, capsys):
    words = ["people.py", "--what", "worst", "--out", "worst"]
    assert run("browse_dataset", *words, "--checkpoint", "model.pth", cwd=home) == 0
    assert "val: 2 people" in capsys.readouterr().out
    assert sorted(path.name for path in (home / "worst").iterdir()) == ["val_best.png", "val_worst.png"]
    keypoints = [10, 5, 0.9, 20, 25, 0.9, 3, 3, 0.1]
    result = {
        "image_id": 5,
        "annotation_id": 101,
        "keypoints": keypoints,
        "box_xywh": [2, 3, 20, 30],
        "score": 1,
    }
    (home / "results.json").write_text(json.dumps([result]))
    assert run("browse_dataset", *words, "--results", "results.json", cwd=home) == 0
    (home / "results.json").write_text(json.dumps([{**result, "annotation_id": 999}]))
    assert run("browse_dataset", *words, "--results", "results.json", cwd=home) == 2
    assert "no pose belongs to a person" in capsys.readouterr().err


def results_of(folder, *poses, **more):
    """A results file without annotation ids: (image id, x and y of the first two joints, score) each."""
    records = [
        {
            "image_id": image,
            "category_id": 1,
            "score": score,
            "keypoints": [*first, 0.9, *second, 0.9, 3, 3, 0.1],
        }
        for image, first, second, score in poses
    ]
    path = folder / "anybodys.json"
    path.write_text(json.dumps([{**record, **more} for record in records]))
    return path.name


TRUE, OFF, FAR = ([10, 5], [20, 25]), ([10, 6], [20, 28]), ([1, 45], [3, 48])


def test_results_that_name_nobody_are_given_to_people(home, capsys):
    """Person 101 gets the surer of two; the other and one far away are nobody's, and 102 gets none."""
    name = results_of(home, (5, *FAR, 0.95), (5, *OFF, 0.7), (5, *TRUE, 0.9))
    words = ["people.py", "--what", "worst", "--results", name, "--out", "given"]
    assert run("browse_dataset", *words, cwd=home) == 0
    said = "1 people have a result (OKS of 0.1 or more), 1 have none; 2 results are nobody's"
    assert said in capsys.readouterr().out
    names = sorted(path.name for path in (home / "given").iterdir())
    assert names == ["val_best.png", "val_missed.png", "val_strays.png", "val_worst.png"]
    assert all(picture(home / "given" / name).size for name in names)


def test_the_results_of_a_test_on_detected_boxes(home, capsys):
    """As tools/test.py writes them; the data set's own rows are then detections, and know no truth."""
    boxes = [
        {"image_id": 5, "category_id": 1, "bbox": [2, 3, 20, 30], "score": 0.9},
        {"image_id": 11, "category_id": 1, "bbox": [10, 5, 30, 30], "score": 0.8},
    ]
    (home / "boxes.json").write_text(json.dumps(boxes))
    options = ["--cfg-options", "val_dataloader.dataset.source.detections=boxes.json"]
    name = results_of(home, (5, *TRUE, 0.9), box_xywh=[2, 3, 20, 30])
    words = ["people.py", "--what", "worst", "--results", name, "--out", "detected"]
    assert run("browse_dataset", *words, *options, cwd=home) == 0
    assert "1 people have a result" in capsys.readouterr().out
    assert {path.name for path in (home / "detected").iterdir()} == {
        "val_best.png", "val_missed.png", "val_worst.png"
    }  # fmt: skip


def test_results_of_which_none_is_anybodys(home, capsys):
    words = ["people.py", "--what", "worst", "--out", "none", "--results"]
    assert run("browse_dataset", *words, results_of(home, (5, *FAR, 0.9)), cwd=home) == 0
    assert "0 people have a result" in capsys.readouterr().out
    assert {path.name for path in (home / "none").iterdir()} == {"val_missed.png", "val_strays.png"}
    assert run("browse_dataset", *words, results_of(home, (77, *TRUE, 0.9)), cwd=home) == 2
    assert "anybodys.json: none of the 1 results is on one of the 2 images" in capsys.readouterr().err
    (home / "two.json").write_text('[{"image_id": 5, "keypoints": [1, 2, 1, 3, 4, 1], "score": 1}]')
    assert run("browse_dataset", *words, "two.json", cwd=home) == 2
    assert "expected 3 keypoints (arm3), found a result of 2" in capsys.readouterr().err


def test_results_that_are_empty_are_told(home, capsys):
    (home / "empty.json").write_text("[]")
    assert run("browse_dataset", "people.py", "--results", "empty.json", cwd=home) == 2
    assert "empty.json: expected keypoint results, found an empty list" in capsys.readouterr().err


def test_the_worst_of_several_sets_is_that_of_one(home, capsys):
    config = home / "joined.py"
    config.write_text(
        (home / "people.py").read_text()
        + "from posekit.datasets.several import JoinedDataset\n"
        + "_one = val_dataloader['dataset']\n"
        + "val_dataloader['dataset'] = dict(type=JoinedDataset, datasets=dict(a=_one, b=_one))\n"
    )
    for words in (["--checkpoint", "model.pth"], ["--results", "r.json"]):
        assert run("browse_dataset", config.name, "--what", "worst", *words, cwd=home) == 2
        said = "expected a data set of one annotation file, found a JoinedDataset of ['a', 'b']; browse each"
        told = capsys.readouterr().err
        assert said in told
        assert "by itself: --set a" in told
    config.write_text(
        config.read_text()
        + "from posekit.metrics.evaluators import OnEachSet, PCKMetric\n"
        + "val_evaluator = [dict(type=OnEachSet, metrics=dict(a=dict(type=PCKMetric, norm='bbox'), b=[]))]\n"
    )
    worst = ["joined.py", "--what", "worst", "--results", results_of(home, (5, *TRUE, 0.9)), "--set"]
    assert run("browse_dataset", *worst, "a", "--out", "a", cwd=home) == 0
    assert (home / "a" / "val_worst.png").exists()
    assert run("browse_dataset", *worst, "c", cwd=home) == 2
    assert "--set c: expected a set of val_dataloader, found ['a', 'b']" in capsys.readouterr().err
    assert run("browse_dataset", "people.py", "--set", "a", cwd=home) == 2
    assert "--set a: expected a set of train_dataloader, found a single data set" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["a.txt", "a.txt/pictures"])
def test_a_place_where_nothing_can_be_written_is_told(home, capsys, out):
    """Before the network is asked; where the user is root nothing else than a file refuses to be a folder."""
    (home / "a.txt").write_text("")
    words = ["people.py", "--what", "worst", "--checkpoint", "missing.pth", "--out", out]
    assert run("browse_dataset", *words, cwd=home) == 2
    assert f"--out: nothing can be written to the folder {out}" in capsys.readouterr().err


def test_other_codecs_are_browsed_too(tmp_path, capsys):
    toy_people.write_coco(tmp_path)
    for codec in ("MSRACodec", "MegviiCodec", "DarkCodec"):
        assert run("browse_dataset", write_config(tmp_path, codec), "--num", 1, cwd=tmp_path) == 0
        assert f"{codec}(" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--what", "flip"], "--what flip: needs --checkpoint"),
        (["--what", "worst"], "needs either --checkpoint PATH or --results PATH"),
        (["--what", "samples", "--checkpoint", "model.pth"], "shows the data alone"),
        (["--what", "flip", "--results", "r.json"], "--results is for '--what worst'"),
        (["--epoch", "-1"], "expected numbers from 0 on"),
        (["--split", "test"], "there is no 'test_dataloader'"),
        (["--checkpoint", "missing.pth"], "missing.pth"),
        (["--cfg-options", "train_dataloader.dataset.crop.padding=-1"], "padding"),
    ],
)
def test_mistakes_end_with_a_message(home, capsys, words, message):
    assert run("browse_dataset", "people.py", *words, cwd=home) == 2
    assert message in capsys.readouterr().err


def test_a_model_without_heatmaps_is_refused(tmp_path, capsys):
    assert run("browse_dataset", toy_training.write_config(tmp_path), cwd=tmp_path) == 2
    assert "is no heatmap network" in capsys.readouterr().err
