"""tools/export.py, and tools/test.py on what it writes: the same scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import reference
import torch
from toy_training import run as run_here

from posekit.engine.configs.config import load_config
from posekit.errors import ConfigError
from posekit.inference.reduced import crops_of_config
from posekit.registry import DATASETS, MODELS
from posekit.synthetic import write_synthetic_people

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")

CONFIG = """
from mmengine.config import read_base

with read_base():
    from posekit.configs.quickstart.people_coco import *

data_root = "{data}"
model["backbone"].update(features=16, depth=2)
model["frozen"] = ("backbone.conv1.",)
"""


def test_the_file_scores_as_the_checkpoint_does(tmp_path):
    data = write_synthetic_people(tmp_path / "people", 8, 6, workers=1, progress=False)
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(data=data))
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "net.pth")
    environment = {**os.environ, "PYTHONPATH": str(reference.ROOT), "OMP_NUM_THREADS": "1"}

    def run(*words):
        command = [sys.executable, *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    tools = reference.ROOT / "tools"
    done = run(tools / "export.py", config, "net.pth", "--out", "net.onnx")
    assert done.returncode == 0, done.stderr
    assert "compared with torch: heatmaps within" in done.stdout
    points = ["--decode", "--out", "points.onnx"]
    assert run_here("export", config, "net.pth", *points, cwd=tmp_path) == 0
    found = []
    for weights in ("net.pth", "net.onnx", "points.onnx"):
        # Of noise as flat as this network's the last digits, which folding changes, may move a point.
        done = run(tools / "test.py", config, weights, "--work-dir", weights[4:], "--backend", "eager")
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(json.loads((tmp_path / weights[4:] / "results.json").read_text()))
    assert len(found[0]) == len(found[1]) == len(found[2]) > 0
    for one, *others in zip(*found, strict=True):
        for other in others:
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)
            assert one["keypoints"] == pytest.approx(other["keypoints"], abs=0.1)
    other = tmp_path / "other.py"
    smaller = "for _loader in (train_dataloader, val_dataloader):\n"
    smaller += "    _loader['dataset']['crop'].update(input_size_hw=(64, 64))\n"
    other.write_text(CONFIG.format(data=data) + smaller + "test_dataloader = val_dataloader\n")
    done = run(tools / "test.py", other, "net.onnx", "--work-dir", "no")
    assert done.returncode == 2
    assert "was exported for (96, 96)" in done.stderr
    other.write_text(other.read_text().replace("input_size_hw=(64, 64)", "padding=1.75"))
    done = run(tools / "test.py", other, "net.onnx", "--work-dir", "no")
    assert done.returncode == 2
    assert "has 1.75 and udp: --cfg-options test_dataloader.dataset.crop.padding=" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--int8"], "needs people to calibrate on: state --calibrate DIR"),
        (
            ["--half", "--calibrate", "nowhere"],
            "nowhere: expected a folder of photos, found none",
        ),
        (["--calibrate", "."], "--calibrate: is for --int8 or --half"),
        (["--int8", "--photo", "a.jpg", "--calibrate", "."], "--photo and --calibrate: state one"),
    ],
)
def test_a_smaller_form_of_nobody(tmp_path, capsys, words, message):
    assert run_here("export", "lite0_coco17_160x128", *words, "--out", "x.onnx", cwd=tmp_path) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_people_of_a_configs_validation_set_and_of_a_folder(tmp_path):
    data = write_synthetic_people(tmp_path / "people", 4, 6, workers=1, progress=False)
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(data=data))
    crops = crops_of_config(config)
    dataset = DATASETS.build(load_config(config).val_dataloader["dataset"])
    assert crops.shape == (len(dataset), 3, 96, 96)
    assert torch.equal(crops[1], torch.as_tensor(dataset[1].image))
    config.write_text(config.read_text() + "val_dataloader = val_evaluator = val_cfg = None\n")
    with pytest.raises(ConfigError, match="has no validation set to calibrate on; state --calibrate DIR"):
        crops_of_config(config)
