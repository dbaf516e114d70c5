"""tools/crop_dataset.py: a config's people, a file's people, and results on the way back."""

from __future__ import annotations

import json

import pytest
import toy_people
from toy_pose_config import write_config
from toy_training import run

from posekit.datasets import load_coco

AT = "train_dataloader.dataset.source"


@pytest.fixture
def home(tmp_path):
    toy_people.write_coco(tmp_path)
    write_config(tmp_path)
    return tmp_path


def test_a_config_reads_what_was_written(home, capsys):
    assert run("crop_dataset", "people.py", "--out", "crops", "--max-size", "20", cwd=home) == 0
    out = capsys.readouterr().out
    assert "2 crops of 2 photos, " in out
    assert "no crop: box_outside_image 1, crowd 1, no_area 1, no_labelled_keypoint 1, other_category 1" in out
    options = out[out.index("--cfg-options") :].split()
    assert options[1:] == [
        f"{AT}.ann_file={home}/crops/annotations.json",
        f"{AT}.image_dir={home}/crops/images",
    ]
    assert run("browse_dataset", "people.py", "--num", "2", "--out", "seen", *options, cwd=home) == 0
    assert "2 people" in capsys.readouterr().out
    assert (home / "seen" / "train_samples_1.png").exists()
    people = load_coco("annotations.json", "images", toy_people.SKELETON, data_root=str(home / "crops"))
    assert people.image_ids.tolist() == people.person_ids.tolist() == [102, 101]


def test_a_file_and_the_way_back(home, capsys):
    words = ("people.json", "--images", "images", "--out", "crops", "--format", "png", "--workers", "2")
    assert run("crop_dataset", *words, cwd=home) == 0
    frame = json.loads((home / "crops" / "annotations.json").read_text())["images"][0]["crop"]
    result = {"image_id": 102, "category_id": 1, "keypoints": [1, 2, 0.5], "score": 1, "center": [1, 1]}
    (home / "results.json").write_text(json.dumps([result]))
    back = ("--back", "results.json", "--crops", "crops", "--out")
    assert run("crop_dataset", *back, "photos.json", cwd=home) == 0
    assert "left out, since it is not known whether they are in pixels: center" in capsys.readouterr().out
    (made,) = json.loads((home / "photos.json").read_text())
    assert made["image_id"] == frame["image_id"] == 11
    assert made["keypoints"] == [1 + frame["x"], 2 + frame["y"], 0.5]
    assert run("crop_dataset", *back, "results.json", cwd=home) == 2
    assert "nothing is overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["people.json"], "state the folder of its photos"),
        (["people.json", "--images", "images", "--set", "a"], "go with a config"),
        (["people.json", "--images", "images", "--max-size", "auto"], "goes with a config"),
        (["people.json", "--images", "images", "--max-size", "1.5"], "expected a number of pixels or 'auto'"),
        (["people.json", "--images", "images", "--padding", "0.5"], "--padding: expected a number from 1 on"),
        (["people.json", "--images", "images", "--category", "cow"], "no category 'cow'"),
        (["people.py", "--images", "images"], "a config names its own photos"),
        (["people.py", "--set", "a"], "--set: expected one of no sets, found 'a'"),
        (["people.py", "--split", "test"], "there is no 'test_dataloader'"),
        (["people.py", "--workers", "0"], "--workers: expected at least 1"),
        (["--crops", "a"], "state a CONFIG"),
        (["--back", "results.json"], "--back goes with --crops"),
    ],
)
def test_what_cannot_be_done(home, capsys, words, said):
    assert run("crop_dataset", *words, "--out", "crops", cwd=home) == 2
    assert said in capsys.readouterr().err
    assert not (home / "crops").exists()


def test_nothing_is_overwritten(home, capsys):
    (home / "crops").mkdir()
    (home / "crops" / "mine").touch()
    assert run("crop_dataset", "people.py", "--out", "crops", cwd=home) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
