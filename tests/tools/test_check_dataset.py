"""tools/check_dataset.py: exit status, text, JSON, sheets, mended copies, and a model's predictions."""

from __future__ import annotations

import json

import cv2
import doctor_cases as cases
import numpy as np
import pytest
import torch
import toy_people
from toy_pose_config import write_config
from toy_training import run

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.registry import MODELS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Thirty clean images of people with gray pictures, and the same people with boxes as corners."""
    folder = tmp_path_factory.mktemp("doctor")
    content = cases.people()
    content["images"] = content["images"][:30]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] <= 30]
    (folder / "images").mkdir()
    for image in content["images"]:
        picture = np.full((image["height"], image["width"], 3), 128, np.uint8)
        cv2.imwrite(str(folder / "images" / image["file_name"]), picture)
    (folder / "clean.json").write_text(json.dumps(content), "utf-8")
    cases.plant(content, cases.corners, 1)
    (folder / "faulty.json").write_text(json.dumps(content), "utf-8")
    return folder


def test_a_clean_file(home, capsys):
    assert run("check_dataset", "clean.json", cwd=home) == 0
    out = capsys.readouterr().out
    assert "30 pictures looked at" in out  # the folder beside the file
    assert out.endswith("nothing found\n")


def test_findings_in_words_and_as_a_sheet(home, capsys):
    assert run("check_dataset", "faulty.json", "--images", "images", "--sheet", "s.png", cwd=home) == 1
    out, err = capsys.readouterr()
    words = " ".join(out.split())
    assert "boxes_as_corners: " in words
    assert "'bbox' holds two corners, x1, y1, x2, y2." in words
    assert "E.g. annotation 1000 (0.jpg)" in words
    assert out.endswith("1 finding\n")
    assert "examples: s.png" in err
    assert cv2.imread(str(home / "s.png")).shape[1] > 6 * 240


def test_findings_for_scripts(home, capsys):
    assert run("check_dataset", "faulty.json", "--json", "--no-decode", cwd=home) == 1
    told = json.loads(capsys.readouterr().out)
    (finding,) = told["findings"]
    assert finding["kind"] == "boxes_as_corners"
    assert finding["mendable"] is True
    assert finding["count"] == finding["of"] == told["looked_at"][0]["people"]
    assert finding["examples"][0] == {"id": 1000, "file_name": "0.jpg"}
    assert told["looked_at"][0]["pictures"] == 30


def test_a_mended_copy(home, capsys):
    before = (home / "faulty.json").read_bytes()
    assert run("check_dataset", "faulty.json", "--fix", "mended.json", cwd=home) == 1
    assert "faulty.json -> mended.json: boxes as x, y, width, height (" in capsys.readouterr().err
    assert run("check_dataset", "mended.json", cwd=home) == 0
    assert (home / "faulty.json").read_bytes() == before
    for taken in ("faulty.json", "mended.json"):
        assert run("check_dataset", "faulty.json", "--fix", taken, cwd=home) == 2
        assert "nothing is overwritten" in capsys.readouterr().err
    assert (home / "faulty.json").read_bytes() == before


def test_copies_of_several_files_go_into_a_folder(home, capsys):
    assert run("check_dataset", "clean.json", "faulty.json", "--fix", "both", cwd=home) == 1
    assert sorted(path.name for path in (home / "both").iterdir()) == ["clean.json", "faulty.json"]
    words = " ".join(capsys.readouterr().out.split())
    assert "faulty.json, people_in_training:" in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.json"], "missing.json"),
        (["missing.py"], "missing.py: no such file"),
        (["clean.json", "--checkpoint", "model.pth"], "go with a config"),
        (
            ["clean.json", "faulty.json", "clean.json", "--images", "a", "b"],
            "expected one folder, or 3, found 2",
        ),
        (["list.json"], "expected an object"),
    ],
)
def test_what_cannot_be_read(home, capsys, words, message):
    (home / "list.json").write_text("[]")
    assert run("check_dataset", *words, cwd=home) == 2
    assert message in capsys.readouterr().err


def test_a_config_and_a_model(tmp_path, capsys):
    toy_people.write_coco(tmp_path)
    config = write_config(tmp_path)
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    write_checkpoint({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "model.pth")
    assert run("check_dataset", config, "--checkpoint", "model.pth", "--json", cwd=tmp_path) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["part"], one["images"]) for one in told["looked_at"]] == [("training", 2), ("validation", 2)]
    kinds = {finding["kind"]: finding for finding in told["findings"]}
    assert (kinds["people_in_training"]["count"], kinds["people_in_training"]["of"]) == (
        4,
        5,
    )  # one unlabelled
    assert "model_too_weak" in kinds  # one without any training


def test_a_config_of_pairs_forgotten(tmp_path, capsys):
    toy_people.write_coco(tmp_path)
    config = write_config(tmp_path)
    words = ["--cfg-options", "skeleton.flip_pairs=[]"]
    assert run("check_dataset", config, *words, cwd=tmp_path) == 1
    assert "left_hand, right_hand: a name with a side, in no flip pair" in " ".join(
        capsys.readouterr().out.split()
    )


def test_people_without_keypoints_or_annotations_are_passed_by(tmp_path, capsys):
    toy_people.write_coco(tmp_path)
    content = toy_people.coco()
    del content["annotations"]
    (tmp_path / "images.json").write_text(json.dumps({"images": content["images"], "categories": []}))
    config = write_config(tmp_path)
    none = "train_dataloader.dataset.source.skeleton=none"
    detected = [
        "val_dataloader.dataset.source.ann_file=images.json",
        "val_dataloader.dataset.source.detections=found.json",
    ]
    run("check_dataset", config, "--cfg-options", *detected, cwd=tmp_path)
    assert capsys.readouterr().out.count("people on") == 1
    assert run("check_dataset", config, "--cfg-options", none, *detected, cwd=tmp_path) == 0
    assert capsys.readouterr().out.strip() == "nothing found"
