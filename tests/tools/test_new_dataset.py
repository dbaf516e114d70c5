"""tools/new_dataset.py on rendered lamps: a folder is made, trains from anywhere, and its network is used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import label_forms
import numpy as np
import pytest
import toy_lamps
from toy_training import run

import posekit
from posekit.engine.configs.config import load_config
from posekit.engine.configs.own_keypoints import BUNDLED, epochs_for
from posekit.geometry import xyxy_to_xywh
from posekit.inference.bundle import bundled_models, plain_config
from posekit.io.files import read_json
from posekit.io.images import read_image
from posekit.registry import DATASETS

BEST = "best_PCK@0.05_mean.pth"


def scores(work_dir: Path, name: str) -> list[float]:
    """A score after each epoch."""
    (log,) = work_dir.glob("*/vis_data/*.json")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return [row[name] for row in rows if name in row]


@pytest.fixture(scope="module")
def lamps(tmp_path_factory):
    """A folder with pictures, what was made of them in another folder, and the training of that."""
    home, elsewhere = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("elsewhere")
    toy_lamps.write_lamps(home / "lamps", 48)
    words = ["lamps/lamps.json", "--images", "lamps/images", "--out", "my", "--input-size", 96, "--epochs", 4]
    assert run("new_dataset", *words, cwd=home) == 0
    assert run("train", home / "my" / "lamp7.py", cwd=elsewhere) == 0
    assert list(elsewhere.iterdir()) == []
    return home


def test_a_training_from_another_folder_learns(lamps):
    rising = scores(lamps / "my" / "work_dir", "PCK@0.2/mean")
    assert len(rising) == 4
    assert rising[-1] > rising[0] + 20


def test_training_starts_from_the_weights_that_come_with_posekit(lamps):
    record = read_json(lamps / "my" / "work_dir" / "run.json")
    assert record["starts_from"] == str(bundled_models()[BUNDLED])
    (log,) = (lamps / "my" / "work_dir").glob("*/*.log")
    text = log.read_text()
    assert "does not fit head.final_layer: which start at random" in text


def test_the_network_is_that_of_the_bundle(lamps):
    cfg = load_config(lamps / "my" / "lamp7.py")
    model = plain_config(cfg.model.to_dict())
    card = read_json(bundled_models()[BUNDLED].with_suffix(".json"))["model"]
    assert model["backbone"].pop("pretrained") is False
    assert model["backbone"] == card["backbone"]
    assert model["head"] == card["head"]


def test_what_it_has_learnt_is_used(lamps, tmp_path):
    config, best = lamps / "my" / "lamp7.py", lamps / "my" / "work_dir" / BEST
    assert run("test", config, best, "--work-dir", tmp_path / "test", cwd=tmp_path) == 0
    metrics = read_json(tmp_path / "test" / "metrics.json")
    assert metrics["PCK@0.05/mean"] == max(scores(lamps / "my" / "work_dir", "PCK@0.05/mean"))
    assert {"PCK@0.2/mean", "AP"} <= set(metrics)
    photo = lamps / "lamps" / "images" / "lamp_000.jpg"
    words = ["--config", config, "--checkpoint", best, "--out", tmp_path / "demo"]
    assert run("demo", photo, *words, cwd=tmp_path) == 0
    (pose,) = read_json(tmp_path / "demo" / "results.json")
    assert len(pose["keypoints"]) == 3 * 7
    predictor = posekit.Predictor(config, checkpoint=best)
    assert predictor.skeleton.keypoints == toy_lamps.NAMES
    (person,) = predictor(read_image(photo))
    assert np.isfinite(person.keypoints).all()


def test_what_was_found_is_told(tmp_path, capsys):
    path = label_forms.coco(tmp_path)
    assert run("new_dataset", path, cwd=tmp_path) == 0
    told = capsys.readouterr().out
    for line in (
        "form:      COCO-form json",
        "pictures:  2 with an object, of 2 in ",
        "objects:   3 of category 'fox'",
        "keypoints: 4: nose, left_ear, right_ear, tail",
        "mirror:    left_ear <-> right_ear, by their names",
        "sigmas:    0.05 each, a default",
        "split:     1 train, 1 val; drawn by picture, seed 0, val share 0.2",
        "check_dataset.py fox4/fox4.py",
        "train.py fox4/fox4.py",
        " --config fox4/fox4.py --checkpoint fox4/work_dir/best_PCK@0.05_mean.pth",
    ):
        assert line in told
    photo, box = re.search(r"demo\.py (.*) --boxes (\S+) --config", told).groups()
    val = read_json(tmp_path / "fox4" / "val.json")
    image, one = val["images"][0], val["annotations"][0]
    assert one["image_id"] == image["id"]
    assert Path(photo).samefile(tmp_path / image["file_name"])
    np.testing.assert_allclose(xyxy_to_xywh([[float(x) for x in box.split(",")]])[0], one["bbox"], atol=0.11)


@pytest.mark.parametrize("form", label_forms.WRITERS)
def test_every_form_makes_a_config_that_loads(form, tmp_path):
    source = label_forms.WRITERS[form](tmp_path / "labels")
    words = ["--out", tmp_path / "my", "--name", "animal", "--seed", 3, "--epochs", 2, "--no-mirror"]
    assert run("new_dataset", source, *words) == 0
    cfg = load_config(tmp_path / "my" / "animal.py")
    assert cfg.skeleton["keypoints"] == list(label_forms.NAMES)
    assert (cfg.train_cfg.max_epochs, cfg.randomness.seed) == (2, 3)
    assert cfg.model.flip_test is False
    assert cfg.train_dataloader.dataset.augment.flip_prob == 0
    everything = read_json(tmp_path / "my" / "annotations.json")["annotations"]
    assert len(everything) == 3
    # What was written is read again, with the same result.
    again = ["--images", tmp_path / "labels", "--out", tmp_path / "again", "--name", "animal", "--seed", 3]
    assert run("new_dataset", tmp_path / "my" / "annotations.json", *again) == 0
    assert read_json(tmp_path / "again" / "annotations.json")["annotations"] == everything
    assert (
        read_json(tmp_path / "again" / "val.json") == read_json(tmp_path / "my" / "val.json")
        or form == "yolo"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input-size", "100"], "--input-size: expected multiples of 32 from 64 on, found (100, 100)"),
        (["--input-size", "64", "64", "64"], "--input-size: expected a side, or height and width, found 3"),
        (["--epochs", "0"], "--epochs: expected at least 1, found 0"),
        (["--val-share", "1.5"], "--val-share: expected a number between 0 and 1, found 1.5"),
        (["--seed", "-1"], "--seed: expected a whole number of at least 0, found -1"),
        (["--name", "a b"], "--name: expected letters, digits, '_' and '-', found 'a b'"),
        (["--flip-pairs", "nose"], "--flip-pairs: expected A,B with names of two keypoints, found 'nose'"),
        (["--flip-pairs", "nose,paw"], "--flip-pairs: expected names of keypoints, found 'paw'"),
        (["--category", "hen"], "--category: expected one of "),
        (["--images", "gone"], "gone: expected the folder of the pictures (--images), found none"),
    ],
)
def test_impossible_settings_are_refused(words, message, tmp_path, capsys):
    path = label_forms.coco(tmp_path)
    assert run("new_dataset", path, *words, "--out", tmp_path / "my") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "my").exists()


def test_a_folder_with_its_pictures_can_be_moved(tmp_path):
    path = label_forms.coco(tmp_path / "here")
    assert run("new_dataset", path, "--out", tmp_path / "here") == 0
    (tmp_path / "here").rename(tmp_path / "there")
    cfg = load_config(tmp_path / "there" / "fox4.py")
    assert cfg.train_dataloader.dataset.source.image_dir == "."
    loaders = (cfg.train_dataloader, cfg.val_dataloader)
    assert sum(len(DATASETS.build(loader.dataset)) for loader in loaders) == 3


@pytest.mark.parametrize("category", ['big "dog"', "a\\b", "{x}", "3d", "'''", '"""', "été", "%s/.."])
def test_any_name_of_a_category_makes_a_config(category, tmp_path):
    path = label_forms.coco(tmp_path)
    content = read_json(path)
    content["categories"][0]["name"] = category
    label_forms.write(path, content)
    assert run("new_dataset", path, "--out", tmp_path / "my 'out'") == 0
    (config,) = (tmp_path / "my 'out'").glob("*.py")
    assert load_config(config).skeleton["keypoints"] == list(label_forms.NAMES)


def test_a_config_that_is_there_is_kept(tmp_path, capsys):
    path, config = label_forms.coco(tmp_path), tmp_path / "my" / "fox4.py"
    words = [path, "--out", tmp_path / "my"]
    assert run("new_dataset", *words) == 0
    config.write_text("# mine")
    assert run("new_dataset", *words) == 2
    assert f"{config}: is there already, maybe with changes of yours" in capsys.readouterr().err
    assert config.read_text() == "# mine"
    assert run("new_dataset", *words, "--overwrite", "--flip-pairs", "none") == 0
    cfg = load_config(config)
    assert cfg.skeleton["flip_pairs"] == []
    assert cfg.model.flip_test is True


def test_small_sets_train_for_more_epochs():
    assert [epochs_for(people) for people in (1, 20, 72, 5000)] == [60, 40, 11, 8]


@pytest.mark.parametrize(("name", "given"), [("annotations", "file"), ("train", "folder"), ("val", "file")])
def test_labels_of_ones_own_are_never_overwritten(name, given, tmp_path, capsys):
    """Neither those that are read nor others that lie where something is to be written."""
    path = label_forms.coco(tmp_path / "data")
    mine = path.rename(path.with_name(f"{name}.json"))
    before = mine.read_bytes()
    source = mine if given == "file" else mine.parent
    for more in ([], ["--overwrite"]):
        assert (
            run("new_dataset", source, "--images", tmp_path / "data", "--out", tmp_path / "data", *more) == 2
        )
        said = capsys.readouterr().err
        assert f"{mine}: is what is read and would be overwritten; give --out another folder" in said
    other = label_forms.coco(tmp_path / "other")
    assert run("new_dataset", other, "--out", tmp_path / "data", "--overwrite") == 2
    assert f"{mine}: is there already and was not written by new_dataset" in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert [file.name for file in (tmp_path / "data").iterdir() if file.suffix in (".json", ".py")] == [
        mine.name
    ]


def test_its_own_files_are_replaced_but_not_where_they_are_read(tmp_path, capsys):
    path, out = label_forms.coco(tmp_path), tmp_path / "my"
    assert run("new_dataset", path, "--out", out) == 0
    assert run("new_dataset", path, "--out", out, "--overwrite", "--seed", 1) == 0
    again = [out / "train.json", "--images", tmp_path, "--out", out, "--overwrite"]
    assert run("new_dataset", *again) == 2
    assert f"{out / 'train.json'}: is what is read and would be overwritten" in capsys.readouterr().err
