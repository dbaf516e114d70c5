"""ONNX files in half precision and 8-bit integers, and what these cost."""

from __future__ import annotations

import pytest
import torch
from toy_exports import card_in, network_of, noise_crops

from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.inference.export import export
from posekit.inference.exported import read_exported
from posekit.inference.network import load_network
from posekit.inference.reduced import MOST, Cost, cost_of, shared_out, spread
from posekit.transforms import Crop

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")


def _lively():
    """The toy with activations to speak of in all layers: as it is built, the head's bias is all one sees."""
    network = network_of()
    for layer in network.estimator.backbone.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=0.7 * layer.weight[0].numel() ** -0.5)
    return network


def test_half_precision_inside(tmp_path):
    import onnx

    network, whole, path = _lively(), tmp_path / "whole.onnx", tmp_path / "half.onnx"
    export(network, whole)
    crops = noise_crops(4)
    found = export(network, path, crops=crops, precision="half")
    assert 1e-5 < found["heatmaps"] < 0.02
    card, kinds, _ = card_in(path)
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert card["precision"] == {"type": "half", "cost": found.cost.to_card()}
    assert found.cost.crops == 4
    assert path.stat().st_size < 0.6 * whole.stat().st_size
    # float32 in and out, so that it goes wherever the whole one does.
    one, other = (read_exported(file)[0].stages(crops[:1].float())[-1] for file in (path, whole))
    torch.testing.assert_close(one, other, rtol=0, atol=0.02 * other.abs().max().item())
    # On noise nothing is said of joints.
    points = tmp_path / "points.onnx"
    found = export(network, points, decode=True, precision="half")
    assert found.cost is None
    assert set(found) == {"heatmaps", "points", "scores"}
    assert card_in(points)[2] == ["points", "scores"]


def test_integers_inside(tmp_path, monkeypatch):
    import onnx

    network, path = _lively(), tmp_path / "int8.onnx"
    parts = {"crops": noise_crops(4), "precision": "int8", "calibration": noise_crops(8, 2)}
    monkeypatch.setitem(export.__globals__, "_MOST_MOVE", -1.0)
    with pytest.raises(CheckpointError, match=r"with int8 joints move by .* expected at most -1 on average"):
        export(network, path, flip=False, **parts)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(export.__globals__, "_MOST_MOVE", 2.0)  # noise has no peaks to find again
    found = export(network, path, flip=False, decode=True, **parts)
    assert 1e-4 < found["heatmaps"] < 0.5
    card, kinds, outputs = card_in(path)
    assert card["precision"] == {"type": "int8", "calibrated_on": 8, "cost": found.cost.to_card()}
    # The first layer and the last one are left as they were.
    assert kinds == {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
    graph = onnx.load(str(path)).graph
    whole = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    assert [n for n, node in enumerate(convs) if node.input[1] in whole] == [0, len(convs) - 1]
    assert outputs == ["points", "scores"]


def test_what_a_smaller_form_costs():
    network = load_network(network_of().estimator, None, Crop((100, 60), padding=1.25, convention="udp"))
    points = torch.zeros(2, 3, 2)
    moved = points.clone()
    moved[0, 0], moved[1, 2, 0] = torch.tensor([3.0, 4.0]), 0.4  # of a box of 80 pixels
    found = cost_of(points, moved, network)
    assert found.mean_move == pytest.approx((0.0625 + 0.005) / 6)
    assert found == Cost(found.mean_move, 1 / 6, 2)


def test_impossible_precisions(tmp_path):
    network = network_of()
    for words, precision, form in (
        ("expected a precision of", "int4", "onnx"),
        ("is of the form 'onnx'", "half", "torch_export"),
        ("needs crops to calibrate on", "int8", "onnx"),
    ):
        path = tmp_path / ("pose.onnx" if form == "onnx" else "pose.pt2")
        with pytest.raises(ConfigError, match=words):
            export(network, path, form, precision=precision)
    with pytest.raises(DataError, match="expected at least 8 people to calibrate on, found 7"):
        shared_out(noise_crops(7), "here")
    ours, others = shared_out(torch.arange(9), "here")
    assert (ours.tolist(), others.tolist()) == ([0, 2, 4, 6, 8], [1, 3, 5, 7])
    assert spread(3) == [0, 1, 2]
    assert (len(spread(1000)), spread(1000)[0], spread(1000)[-1]) == (MOST, 0, 999)
