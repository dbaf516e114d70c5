"""Networks as ONNX files: the same heatmaps, poses and scores, and what cannot be written is not."""

from __future__ import annotations

import copy
import json
import re
import sys

import cv2
import numpy as np
import pytest
import reference
import torch
from mmengine.config import Config

from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.inference import Predictor
from posekit.inference.export import export, write_card
from posekit.inference.exported import put_into_config, read_exported
from posekit.inference.network import load_network
from posekit.inference.reduced import MOST, Cost, cost_of, shared_out, spread
from posekit.models import OnnxHeatmaps, OnnxPoints, PointsOfFile, PoseEstimator
from posekit.transforms import Crop

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")

SKELETON = {
    "name": "toy",
    "keypoints": ["nose", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
}
SIZE = (64, 64)


def _network(codec="udp", order="rgb", **settings):
    torch.manual_seed(0)
    head = {"type": "HeatmapHead", "codec": {"type": codec, **settings}, "loss": {"type": "MSELoss"}}
    backbone = {"type": "HRNet", "variant": "w8"}
    model = PoseEstimator(backbone, head, skeleton=SKELETON, channel_order=order).eval()
    for weight in model.head.parameters():  # heatmaps to speak of
        torch.nn.init.normal_(weight, std=0.5)
    return load_network(model, None, Crop(SIZE, convention="udp"))


def _photo(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (90, 70, 3)).astype(np.uint8)


BOXES = [[5, 5, 60, 80], [20, 10, 50, 60]]


@pytest.mark.parametrize(
    ("codec", "flip", "order"), [("udp", True, "rgb"), ("msra", True, "bgr"), ("dark", False, "rgb")]
)
def test_a_predictor_of_the_file_gives_the_same(tmp_path, codec, flip, order):
    network, path = _network(codec, order), tmp_path / "pose.onnx"
    found = export(network, path, flip=flip)
    assert found["heatmaps"] < 1e-4
    poses = Predictor(path)(_photo(), BOXES)
    wanted = Predictor(network.estimator, crop=network.crop, exact=True)(_photo(), BOXES)
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
        np.testing.assert_allclose(pose.scores, other.scores, atol=1e-4)
    # With the mirror image inside it is not asked for again.
    assert read_exported(path)[0].flip_test == (not flip)


@pytest.mark.parametrize("codec", ["udp", "msra", "dark"])
def test_points_inside(tmp_path, codec):
    network, path = _network(codec), tmp_path / "points.onnx"
    found = export(network, path, decode=True)
    assert found["points"] < 1e-4 * 64
    assert found["scores"] < 1e-4
    poses, wanted = (Predictor(of, **how)(_photo(), BOXES) for of, how in _both(network, path))
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
        np.testing.assert_allclose(pose.scores, other.scores, atol=1e-4)


def _both(network, path):
    """What a predictor of a file, and of the network that it was made of, is made from."""
    return (path, {}), (network.estimator, {"crop": network.crop, "exact": True})


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
    file, model = (Predictor(of, **how) for of, how in _both(network, path))
    poses, wanted = file(_photo(), BOXES), model(_photo(), BOXES)
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
    poses, wanted = (Predictor(of, **how)(_photo(), BOXES) for of, how in _both(network, path))
    for pose, other in zip(poses, wanted, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.02)
    estimator = read_exported(path)[0]
    estimator.flip_test = True
    with pytest.raises(ConfigError, match=r"model\.flip_test: .* export the network anew without --no-flip"):
        estimator.outputs(torch.zeros(1, 3, *SIZE))
    with pytest.raises(ConfigError, match="does not learn"):
        estimator.head.loss([], None)


def test_a_program_of_torch(tmp_path):
    network, path = _network(), tmp_path / "pose.pt2"
    assert export(network, path, "torch_export")["heatmaps"] < 1e-4
    images = torch.rand(1, 3, *SIZE) * 255
    program = torch.export.load(str(path)).module()
    assert program(images).shape == (1, 3, 16, 16)


def test_the_example_of_the_page(tmp_path, monkeypatch, capsys):
    page = (reference.ROOT / "posekit/docs/export.md").read_text("utf-8")
    code = re.search(r"^```python\n(.*?)^```$", page, re.M | re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    assert "posekit" not in re.findall(r"^import (\w+)", code, re.M)
    network = _network()
    export(network, tmp_path / "points.onnx", decode=True)
    cv2.imwrite(str(tmp_path / "photo.png"), _photo())
    names: dict = {"__name__": "example"}
    exec(code, names)
    box = [5, 5, 60, 80]
    keypoints, points, scores = names["find"](str(tmp_path / "points.onnx"), str(tmp_path / "photo.png"), box)
    assert keypoints == SKELETON["keypoints"]
    (pose,) = Predictor(network.estimator, crop=network.crop)(_photo()[..., ::-1].copy(), [box])
    np.testing.assert_allclose(points, pose.keypoints, atol=0.5)
    np.testing.assert_allclose(scores, pose.scores, atol=0.01)
    monkeypatch.setattr(
        sys, "argv", ["example.py", str(tmp_path / "points.onnx"), str(tmp_path / "photo.png")]
    )
    exec(code, {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("nose ")


def test_a_file_of_somebody_elses(tmp_path):
    """Without posekit's card it needs a config; then it is a backbone like any other."""
    import onnx

    network, path = _network(), tmp_path / "pose.onnx"
    export(network, path, flip=False)
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path))
    with pytest.raises(CheckpointError, match=r"posekit did not export it.*OnnxHeatmaps"):
        Predictor(path)
    theirs = PoseEstimator(
        {"type": OnnxHeatmaps, "path": str(path)},
        {"type": "HeatmapHead", "codec": {"type": "udp"}, "loss": {"type": "MSELoss"}},
        skeleton=SKELETON,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    (pose,) = Predictor(theirs, crop=network.crop)(_photo(), [BOXES[0]])
    (wanted,) = Predictor(network.estimator, crop=network.crop)(_photo(), [BOXES[0]])
    np.testing.assert_allclose(pose.keypoints, wanted.keypoints, atol=0.02)
    with pytest.raises(
        ConfigError, match=r"takes an input of \(64, 64\) \(height, width\), found \(32, 32\)"
    ):
        theirs.stages(torch.zeros(1, 3, 32, 32))


def test_what_cannot_be_written_is_not(tmp_path, monkeypatch):
    network = _network()
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


def test_a_damaged_card(tmp_path):
    import onnx

    path = tmp_path / "pose.onnx"
    export(_network(), path)
    model = onnx.load(str(path))
    for text, words in (("{", "is no json"), ("[]", "no json object"), (json.dumps({"name": 1}), "damaged")):
        onnx.helper.set_model_props(model, {"posekit": text})
        onnx.save(model, str(path))
        with pytest.raises(CheckpointError, match=words):
            Predictor(path)
    with pytest.raises(ConfigError, match="holds its weights"):
        load_network(path, "weights.pth")


OTHERS = [
    ("outputs", "points", "outputs: expected a list, found 'points'"),
    ("outputs", ["points"], r"outputs: expected those of the file, \['points', 'scores'\], found \['po"),
    ("outputs", ["scores", "points"], "outputs: expected those of the file"),
    ("outputs", [["points"], "scores"], "outputs: expected those of the file"),
    ("decoding", ["words"], "decoding: expected a str"),
    ("decoded", "no", "decoded: expected a bool"),
    ("flip_inside", "no", "flip_inside: expected a bool"),
]


@pytest.mark.parametrize(("entry", "value", "words"), OTHERS)
def test_a_card_that_says_something_else_than_its_file(tmp_path, entry, value, words):
    path = tmp_path / "points.onnx"
    export(_network(), path, decode=True)
    write_card(path, {**_card(path)[0], entry: value})
    with pytest.raises(CheckpointError, match=f"entry 'posekit' is damaged: {words}"):
        Predictor(path)


def test_points_of_other_shapes_are_refused():
    head = PointsOfFile(["points", "scores"])
    for points, scores in (((2, 3), (2, 3)), ((2, 3, 3), (2, 3)), ((2, 3, 2), (2,)), ((2, 3, 2), (1, 3))):
        with pytest.raises(CheckpointError, match=r"expected points \(B, K, 2\) and scores \(B, K\), found"):
            head.predict({"points": torch.zeros(points), "scores": torch.zeros(scores)}, None)


@pytest.mark.parametrize("column", ["points", "scores", "images"])
def test_labels_by_a_name_that_files_have_are_refused(tmp_path, column):
    head = copy.deepcopy(HEADS["with labels"])
    head["heads"]["smile"]["column"] = column
    model = PoseEstimator({"type": "FaceCNN"}, head, skeleton=SKELETON)
    with pytest.raises(ConfigError, match=f"predicts something called '{column}'"):
        export(load_network(model, None, Crop(SIZE)), tmp_path / "points.onnx")


def test_a_file_in_a_config_of_another_normalisation(tmp_path):
    """It normalises inside: crops go in as they are."""
    network, path = _network(), tmp_path / "pose.onnx"
    export(network, path)
    crop = {"input_size_hw": SIZE, "convention": "udp"}
    parts = {"backbone": {"type": "HRNet"}, "head": {}, "skeleton": SKELETON, "normalisation": "per_image"}
    cfg = Config({"model": parts, "test_dataloader": {"dataset": {"crop": crop}}})
    put_into_config(cfg, path, "config.py")
    images = _crops(2)
    found = PoseEstimator(**cfg.model)
    torch.testing.assert_close(found.normalise(images), images.float())


def test_a_strangers_card_names_nothing_but_posekits_parts(tmp_path):
    import onnx

    path, trace = tmp_path / "pose.onnx", tmp_path / "trace"
    export(_network(), path)
    model = onnx.load(str(path))
    card = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "posekit"))
    card["codec"] = {"type": "subprocess.check_output", "args": ["touch", str(trace)]}
    onnx.helper.set_model_props(model, {"posekit": json.dumps(card)})
    onnx.save(model, str(path))
    with pytest.raises((CheckpointError, ConfigError), match="codec"):
        Predictor(path)
    assert not trace.exists()


def test_a_flip_inside_is_said_and_cannot_be_left_out(tmp_path):
    network = _network()
    export(network, tmp_path / "with.onnx")
    export(network, tmp_path / "without.onnx", flip=False)
    assert "inside the file" in read_exported(tmp_path / "with.onnx")[0].describe()["flip"]
    assert "inside" not in read_exported(tmp_path / "without.onnx")[0].describe()["flip"]
    with pytest.raises(ConfigError, match="averages with the mirror image inside"):
        Predictor(tmp_path / "with.onnx", flip_test=False)
    Predictor(tmp_path / "with.onnx", flip_test=True)
    Predictor(tmp_path / "without.onnx", flip_test=False)


def test_a_program_compared_on_one_crop(tmp_path):
    crops = torch.randint(0, 256, (1, 3, *SIZE), dtype=torch.uint8)
    assert export(_network(), tmp_path / "one.pt2", "torch_export", crops=crops)["heatmaps"] < 1e-4


def _mean_file(path, batch, kind):
    import onnx

    helper = onnx.helper
    nodes = [helper.make_node("MaxPool", ["images"], ["maps"], kernel_shape=[4, 4], strides=[4, 4])]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", kind, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("maps", kind, [batch, 3, 2, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_what_else_a_strangers_file_gives_is_not_asked_for(tmp_path):
    import onnx

    path = _mean_file(tmp_path / "two.onnx", "batch", onnx.TensorProto.FLOAT)
    model = onnx.load(str(path))
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["maps"], ["highest"], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("highest", onnx.TensorProto.FLOAT, []))
    onnx.save(model, str(path))
    assert [maps.shape for maps in OnnxHeatmaps(3, path)(torch.rand(2, 3, 8, 8))] == [(2, 3, 2, 2)]
    with pytest.raises(CheckpointError, match="zero-dimensional"):
        OnnxPoints(path)(torch.rand(2, 3, 8, 8))


def test_a_file_of_a_fixed_batch_takes_any_number_of_crops(tmp_path):
    import onnx

    network = OnnxHeatmaps(3, _mean_file(tmp_path / "four.onnx", 4, onnx.TensorProto.FLOAT))
    images = torch.rand(6, 3, 8, 8)
    wanted = torch.nn.functional.max_pool2d(images, 4)
    for count in (1, 4, 6):
        torch.testing.assert_close(network(images[:count])[0], wanted[:count])
    with pytest.raises(CheckpointError, match=r"expected a float32 input, found tensor\(float16\)"):
        OnnxHeatmaps(3, _mean_file(tmp_path / "half.onnx", 4, onnx.TensorProto.FLOAT16))


def test_weights_beside_a_network_that_has_them():
    with pytest.raises(ConfigError, match=r"has its weights; weights.pth has no place beside it"):
        load_network(_network(), "weights.pth")


# --- smaller forms ----------------------------------------------------------------------------------------


def _card(path):
    import onnx

    model = onnx.load(str(path))
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
    return json.loads(model.metadata_props[0].value), kinds, [output.name for output in model.graph.output]


def _crops(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)


def _lively():
    """The toy with activations to speak of in all layers: as it is built, the head's bias is all one sees."""
    network = _network()
    for layer in network.estimator.backbone.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=0.7 * layer.weight[0].numel() ** -0.5)
    return network


def test_half_precision_inside(tmp_path):
    import onnx

    network, whole, path = _lively(), tmp_path / "whole.onnx", tmp_path / "half.onnx"
    export(network, whole)
    crops = _crops(4)
    found = export(network, path, crops=crops, precision="half")
    assert 1e-5 < found["heatmaps"] < 0.02
    card, kinds, _ = _card(path)
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
    assert _card(points)[2] == ["points", "scores"]


def test_integers_inside(tmp_path, monkeypatch):
    import onnx

    network, path = _lively(), tmp_path / "int8.onnx"
    parts = {"crops": _crops(4), "precision": "int8", "calibration": _crops(8, 2)}
    monkeypatch.setitem(export.__globals__, "_MOST_MOVE", -1.0)
    with pytest.raises(CheckpointError, match=r"with int8 joints move by .* expected at most -1 on average"):
        export(network, path, flip=False, **parts)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(export.__globals__, "_MOST_MOVE", 2.0)  # noise has no peaks to find again
    found = export(network, path, flip=False, decode=True, **parts)
    assert 1e-4 < found["heatmaps"] < 0.5
    card, kinds, outputs = _card(path)
    assert card["precision"] == {"type": "int8", "calibrated_on": 8, "cost": found.cost.to_card()}
    # The first layer and the last one are left as they were.
    assert kinds == {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
    graph = onnx.load(str(path)).graph
    whole = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    assert [n for n, node in enumerate(convs) if node.input[1] in whole] == [0, len(convs) - 1]
    assert outputs == ["points", "scores"]


def test_what_a_smaller_form_costs():
    network = load_network(_network().estimator, None, Crop((100, 60), padding=1.25, convention="udp"))
    points = torch.zeros(2, 3, 2)
    moved = points.clone()
    moved[0, 0], moved[1, 2, 0] = torch.tensor([3.0, 4.0]), 0.4  # of a box of 80 pixels
    found = cost_of(points, moved, network)
    assert found.mean_move == pytest.approx((0.0625 + 0.005) / 6)
    assert found == Cost(found.mean_move, 1 / 6, 2)


def test_impossible_precisions(tmp_path):
    network = _network()
    for words, precision, form in (
        ("expected a precision of", "int4", "onnx"),
        ("is of the form 'onnx'", "half", "torch_export"),
        ("needs crops to calibrate on", "int8", "onnx"),
    ):
        path = tmp_path / ("pose.onnx" if form == "onnx" else "pose.pt2")
        with pytest.raises(ConfigError, match=words):
            export(network, path, form, precision=precision)
    with pytest.raises(DataError, match="expected at least 8 people to calibrate on, found 7"):
        shared_out(_crops(7), "here")
    ours, others = shared_out(torch.arange(9), "here")
    assert (ours.tolist(), others.tolist()) == ([0, 2, 4, 6, 8], [1, 3, 5, 7])
    assert spread(3) == [0, 1, 2]
    assert (len(spread(1000)), spread(1000)[0], spread(1000)[-1]) == (MOST, 0, 999)
