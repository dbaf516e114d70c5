"""Networks of heads of other kinds as ONNX files: the same points, scores and labels."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from toy_exports import BOXES, SIZE, SKELETON, both, photo

from posekit.errors import ConfigError
from posekit.inference import Predictor
from posekit.inference.export import export
from posekit.inference.exported import read_exported
from posekit.inference.network import load_network
from posekit.models import PoseEstimator
from posekit.transforms import Crop

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")


HEADS = {
    "coordinates": {"type": "CoordinateHead", "loss": {"type": "L1Loss"}, "pool": 2},
    "likelihood": {"type": "CoordinateHead", "loss": {"type": "RLELoss"}},
    "means": {"type": "IntegralHead", "loss": {"type": "L1Loss"}},
    "bins": {
        "type": "SimCCHead",
        "loss": {"type": "AxisKLLoss"},
        "codec": {"type": "SimCCCodec", "sigma": 3.0},
        "input_size_hw": SIZE,
        "map_size_hw": (16, 16),
    },
    "cascade": {"type": "CascadeHead", "loss": {"type": "L1Loss"}, "cells": 3, "width": 8},
    "refined": {
        "type": "RefiningHead",
        "loss": {"type": "MSELoss"},
        "codec": {"type": "udp", "sigma": 1.0},
        "window": 7,
    },
    "with labels": {
        "type": "MultiHead",
        "heads": {
            "landmarks": {"type": "CoordinateHead", "loss": {"type": "L1Loss"}},
            "smile": {"type": "AttributeHead", "column": "smile", "classes": 3},
        },
    },
}


def _of_head(name, **settings):
    torch.manual_seed(0)
    backbone = {"type": "TimmBackbone", "name": "mobilenetv2_050", "pretrained": False}
    model = PoseEstimator(backbone, HEADS[name], skeleton=SKELETON, **settings).eval()
    with torch.no_grad():
        for parameter in model.head.parameters():  # answers to speak of, that differ from crop to crop
            parameter.add_(0.02 * torch.randn(parameter.shape))
    return load_network(model, None, Crop(SIZE, convention="udp"))


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_other_kinds(tmp_path, name):
    network, path = _of_head(name), tmp_path / "points.onnx"
    found = export(network, path)
    assert found["points"] < 1e-4 * 64
    assert found["scores"] < 1e-4
    file, model = (Predictor(of, **how) for of, how in both(network, path))
    poses, wanted = file(photo(), BOXES), model(photo(), BOXES)
    assert np.abs(wanted[0].keypoints - wanted[1].keypoints).max() > 1
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
        np.testing.assert_allclose(pose.scores, other.scores, atol=1e-4)
        assert sorted(pose.extra) == sorted(other.extra)
        for label, values in pose.extra.items():
            np.testing.assert_allclose(values, other.extra[label], atol=1e-4)
    assert file.describe()["codec"] == f"inside the file: {model.describe()['codec']}"


@pytest.mark.parametrize("name", ["coordinates", "bins", "cascade", "refined"])
def test_a_program_of_a_head_of_another_kind(tmp_path, name):
    assert export(_of_head(name), tmp_path / "points.pt2", "torch_export")["points"] < 1e-4 * 64


def test_points_without_the_mirror_image(tmp_path):
    """It is in the file or nowhere: the outputs that it averages stay inside."""
    network, path = _of_head("bins"), tmp_path / "points.onnx"
    export(network, path, flip=False)
    network.estimator.flip_test = False
    poses, wanted = (Predictor(of, **how)(photo(), BOXES) for of, how in both(network, path))
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
    estimator = read_exported(path)[0]
    estimator.flip_test = True
    with pytest.raises(ConfigError, match=r"model\.flip_test: .* export the network anew without --no-flip"):
        estimator.outputs(torch.zeros(1, 3, *SIZE))
    with pytest.raises(ConfigError, match="does not learn"):
        estimator.head.loss([], None)


@pytest.mark.parametrize("column", ["points", "scores", "images"])
def test_labels_by_a_name_that_files_have_are_refused(tmp_path, column):
    head = copy.deepcopy(HEADS["with labels"])
    head["heads"]["smile"]["column"] = column
    model = PoseEstimator({"type": "FaceCNN"}, head, skeleton=SKELETON)
    with pytest.raises(ConfigError, match=f"predicts something called '{column}'"):
        export(load_network(model, None, Crop(SIZE)), tmp_path / "points.onnx")
