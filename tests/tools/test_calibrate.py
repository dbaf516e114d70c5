"""tools/calibrate.py: what is measured, and what is written."""

from __future__ import annotations

import json

import pytest
import torch
import toy_people
from toy_pose_config import write_config
from toy_training import run

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.inference.calibration import as_calibration
from posekit.registry import MODELS

PEOPLE = 140


@pytest.fixture
def folder(tmp_path):
    """People, a quarter of whose joints are where the network sees all: in the middle of the box."""
    content = toy_people.coco()
    template = content["annotations"][0]
    content["annotations"] = []
    for number in range(PEOPLE):
        middle, corner = [20, 20, 2], [6, 6, 2]
        points = [*(middle if number % 4 == 0 else corner)] * 3
        content["annotations"].append(
            {**template, "id": number + 1, "image_id": 11, "bbox": [5, 5, 30, 30], "keypoints": points}
        )
    toy_people.write_coco(tmp_path, content)
    (tmp_path / "nobody.json").write_text(json.dumps({**content, "annotations": []}))
    torch.manual_seed(0)
    model = MODELS.build(load_config(write_config(tmp_path)).model)
    with torch.no_grad():
        model.backbone.score[0].bias.fill_(0.5)
    write_checkpoint({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "model.pth")
    return tmp_path


def test_it_measures_and_writes(folder, capsys):
    words = ["people.py", "model.pth", "--out", "out", "--within", "0.3"]
    assert run("calibrate", *words, "--background", "nobody.json", "images", "--windows", 3, cwd=folder) == 0
    said = capsys.readouterr().out
    calibration = as_calibration(folder / "out" / "calibration.json")
    facts = calibration.facts
    assert facts["people"] == PEOPLE
    assert facts["labelled joints"] == 3 * PEOPLE
    assert f"right: {facts['right']}" in said
    assert calibration.within == 0.3
    assert calibration.peaks[0] == calibration.right[0] == 0
    assert 0 < facts["right"] <= calibration.right[-1]
    # To a network that was never trained people and background look the same.
    background = facts["background"]
    assert background["windows"] == 6
    assert background["people kept"] >= 0.95
    assert background["taken for a person"] > 0.5
    assert (folder / "out" / "reliability.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "test"], "there is no 'test_dataloader'"),
        (["--kept", "0"], "--kept: expected a share above 0"),
        (["--background", "nowhere.json", "images"], "nowhere.json"),
    ],
)
def test_mistakes_end_with_a_message(folder, capsys, words, message):
    assert run("calibrate", "people.py", "model.pth", "--out", "out", *words, cwd=folder) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out" / "calibration.json").exists()
