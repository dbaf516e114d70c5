"""tools/crop_dataset.py: a config's people, a file's people, and results on the way back."""

from __future__ import annotations

import json
import shlex

import pytest
import toy_people
from toy_pose_config import write_config
from toy_training import run

from posekit.datasets import TopDownDataset, load_coco
from posekit.engine.configs.config import load_config, parse_options

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
    points = [1, 2, 0.5, 0, 0, 0.1, 0, 0, 0.1]
    result = {"image_id": 102, "category_id": 1, "keypoints": points, "score": 1, "center": [1, 1]}
    (home / "results.json").write_text(json.dumps([result]))
    back = ("--back", "results.json", "--crops", "crops", "--out")
    assert run("crop_dataset", *back, "photos.json", cwd=home) == 0
    assert "left out, since it is not known whether they are in pixels: center" in capsys.readouterr().out
    (made,) = json.loads((home / "photos.json").read_text())
    assert made["image_id"] == frame["image_id"] == 11
    assert made["keypoints"][:3] == [1 + frame["x"], 2 + frame["y"], 0.5]
    assert run("crop_dataset", *back, "results.json", cwd=home) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert run("crop_dataset", *back, "images", cwd=home) == 2
    assert "expected a file to write, found a folder" in capsys.readouterr().err


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
        (["people.py", "--set", "a"], "has one data set, which has no name; drop --set a"),
        (["people.py", "--on-bad-record", "skip"], "--on-bad-record goes with an annotation file"),
        (["people.json", "--images", "images", "--split", "val"], "--split go with a config"),
        (["people.json", "--images", "images", "--padding", "100"], "from 1 on and below 100, found 100"),
        (["--back", "a", "--crops", "b", "--max-size", "9", "--format", "png"], "drop --max-size, --format"),
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


def with_settings(home, settings):
    """A config of which the training set has further settings."""
    plain = "dataset=dict(augment=dict(type=Augment), **_dataset)"
    text = (home / "people.py").read_text()
    assert plain in text
    (home / "own.py").write_text(text.replace(plain, f"dataset={{**_dataset, **dict({settings})}}"))


def read_by(config, capsys):
    """The training set that a config gives with the options that were printed."""
    out = capsys.readouterr().out
    words = shlex.split(out[out.index("--cfg-options") :])
    settings = dict(load_config(str(config), parse_options(words[1:]))["train_dataloader"]["dataset"])
    settings.pop("type")
    return TopDownDataset(**settings)


def test_the_printed_options_read_everybody(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    found = [{"image_id": 11, "category_id": 1, "bbox": [10, 5, 30, 30], "score": 0.9}]
    (home / "found.json").write_text(json.dumps(found))
    # With the subset left on, a set of one crop would have no row 1.
    with_settings(
        home, "subset=[1], source=dict(_dataset['source'], detections='found.json', boxes='matched')"
    )
    assert run("crop_dataset", "own.py", "--out", "my crops", cwd=home) == 0
    dataset = read_by(home / "own.py", capsys)
    assert dataset.table.person_ids.tolist() == [101]
    assert dataset.table.box_source == "ground truth"
    assert dataset[0].image.shape == (3, 64, 48)


def test_a_config_with_a_map_of_keypoints(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    text = (home / "people.py").read_text()
    both = {"name": "hands2", "keypoints": ["right_hand", "left_hand"], "sigmas": [0.1, 0.1]}
    both["flip_pairs"] = [both["keypoints"]]
    own = f"skeleton={toy_people.SKELETON}, ann_file"
    text = text.replace(f"skeleton = {toy_people.SKELETON}", f"skeleton = {both}").replace("ann_file", own)
    text = text.replace("    crop=dict", "    keypoint_map='names', crop=dict")
    (home / "mapped.py").write_text(text.replace("type=Augment", "type=Augment, half_body_prob=0"))
    assert run("crop_dataset", "mapped.py", "--out", "crops", cwd=home) == 0
    dataset = read_by(home / "mapped.py", capsys)
    assert dataset.table.skeleton.keypoints == tuple(both["keypoints"])
    assert dataset.table.person_ids.tolist() == [102, 101]


def test_photos_that_cannot_be_read(home, capsys):
    (home / "images" / "b.png").unlink()
    skip = ("--on-bad-image", "skip")
    with_settings(home, "on_bad_image='skip'")
    for number, (words, code) in enumerate(
        [
            (["people.py"], 2),
            (["people.py", *skip], 0),
            (["own.py"], 0),
            (["own.py", "--on-bad-image", "error"], 2),
            (["people.json", "--images", "images"], 2),
            (["people.json", "--images", "images", *skip], 0),
        ]
    ):
        assert run("crop_dataset", *words, "--out", f"crops{number}", cwd=home) == code, words
        said = capsys.readouterr()
        assert "b.png" in said.err if code else "unreadable_photo 1" in said.out


def test_folders_that_are_there(home, capsys, monkeypatch):
    (home / "disk").mkdir()
    (home / "link").symlink_to("disk")
    words = ("people.json", "--images", str(home / "images"), "--out")
    assert run("crop_dataset", *words, "link", cwd=home) == 0
    assert (home / "link").is_symlink()
    assert (home / "disk" / "annotations.json").exists()
    (home / "here").mkdir()
    assert run("crop_dataset", str(home / "people.json"), *words[1:], ".", cwd=home / "here") == 0
    assert len(list((home / "here" / "images").iterdir())) == 2
    (home / "mount").mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: str(path) == str(home / "mount"))
    capsys.readouterr()
    assert run("crop_dataset", *words, "mount", cwd=home) == 2
    assert "a file system is mounted there" in capsys.readouterr().err
