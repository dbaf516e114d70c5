"""Networks as ONNX files: the same heatmaps, poses and scores, and what cannot be written is not."""

from __future__ import annotations

import re
import sys

import cv2
import numpy as np
import pytest
import reference
import torch
from toy_exports import BOXES, SIZE, SKELETON, both, network_of, photo

from posekit.errors import CheckpointError, ConfigError
from posekit.inference import Predictor
from posekit.inference.export import export
from posekit.inference.exported import read_exported
from posekit.inference.network import load_network
from posekit.models import PoseEstimator
from posekit.transforms import Crop

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")


@pytest.mark.parametrize(
    ("codec", "flip", "order"), [("udp", True, "rgb"), ("msra", True, "bgr"), ("dark", False, "rgb")]
)
def test_a_predictor_of_the_file_gives_the_same(tmp_path, codec, flip, order):
    network, path = network_of(codec, order), tmp_path / "pose.onnx"
    found = export(network, path, flip=flip)
    assert found["heatmaps"] < 1e-4
    poses = Predictor(path)(photo(), BOXES)
    wanted = Predictor(network.estimator, crop=network.crop, exact=True)(photo(), BOXES)
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
        np.testing.assert_allclose(pose.scores, other.scores, atol=1e-4)
    # With the mirror image inside it is not asked for again.
    assert read_exported(path)[0].flip_test == (not flip)


@pytest.mark.parametrize("codec", ["udp", "msra", "dark"])
def test_points_inside(tmp_path, codec):
    network, path = network_of(codec), tmp_path / "points.onnx"
    found = export(network, path, decode=True)
    assert found["points"] < 1e-4 * 64
    assert found["scores"] < 1e-4
    poses, wanted = (Predictor(of, **how)(photo(), BOXES) for of, how in both(network, path))
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
        np.testing.assert_allclose(pose.scores, other.scores, atol=1e-4)


def test_a_program_of_torch(tmp_path):
    network, path = network_of(), tmp_path / "pose.pt2"
    assert export(network, path, "torch_export")["heatmaps"] < 1e-4
    images = torch.rand(1, 3, *SIZE) * 255
    program = torch.export.load(str(path)).module()
    assert program(images).shape == (1, 3, 16, 16)


def test_the_example_of_the_page(tmp_path, monkeypatch, capsys):
    page = (reference.ROOT / "posekit/docs/export.md").read_text("utf-8")
    code = re.search(r"^```python\n(.*?)^```$", page, re.M | re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    assert "posekit" not in re.findall(r"^import (\w+)", code, re.M)
    network = network_of()
    export(network, tmp_path / "points.onnx", decode=True)
    cv2.imwrite(str(tmp_path / "photo.png"), photo())
    names: dict = {"__name__": "example"}
    exec(code, names)
    box = [5, 5, 60, 80]
    keypoints, points, scores = names["find"](str(tmp_path / "points.onnx"), str(tmp_path / "photo.png"), box)
    assert keypoints == SKELETON["keypoints"]
    (pose,) = Predictor(network.estimator, crop=network.crop)(photo()[..., ::-1].copy(), [box])
    np.testing.assert_allclose(points, pose.keypoints, atol=0.5)
    np.testing.assert_allclose(scores, pose.scores, atol=0.01)
    monkeypatch.setattr(
        sys, "argv", ["example.py", str(tmp_path / "points.onnx"), str(tmp_path / "photo.png")]
    )
    exec(code, {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("nose ")


def test_what_cannot_be_written_is_not(tmp_path, monkeypatch):
    network = network_of()
    with pytest.raises(ConfigError, match=r"expected the suffix '.onnx'"):
        export(network, tmp_path / "pose.pt2")
    with pytest.raises(ConfigError, match="expected a form of"):
        export(network, tmp_path / "pose.onnx", "tflite")
    run = export.__globals__["_run_onnx"]
    monkeypatch.setitem(export.__globals__, "_run_onnx", lambda *of: [maps * 1.001 for maps in run(*of)])
    with pytest.raises(CheckpointError, match=r"heatmaps differ by .* from torch's"):
        export(network, tmp_path / "pose.onnx")
    assert list(tmp_path.iterdir()) == []
    head = {"type": "CoordinateHead", "loss": {"type": "L1Loss"}}
    points = PoseEstimator({"type": "FaceCNN"}, head, skeleton=SKELETON)
    with pytest.raises(ConfigError, match=r"for heads of heatmaps alone, .* a CoordinateHead makes none"):
        export(load_network(points, None, Crop((64, 64))), tmp_path / "pose.onnx", precision="half")
    points.whole_pictures = True
    with pytest.raises(ConfigError, match="one with a CoordinateHead cannot be exported"):
        export(load_network(points, None, Crop((64, 64))), tmp_path / "pose.onnx")


def test_a_program_compared_on_one_crop(tmp_path):
    crops = torch.randint(0, 256, (1, 3, *SIZE), dtype=torch.uint8)
    assert export(network_of(), tmp_path / "one.pt2", "torch_export", crops=crops)["heatmaps"] < 1e-4


def test_weights_beside_a_network_that_has_them():
    with pytest.raises(ConfigError, match=r"has its weights; weights.pth has no place beside it"):
        load_network(network_of(), "weights.pth")
