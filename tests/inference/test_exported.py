"""ONNX files read back: of strangers, damaged, and in a config's place."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from toy_exports import BOXES, SIZE, SKELETON, card_in, network_of, noise_crops, photo

from posekit.errors import CheckpointError, ConfigError
from posekit.inference import Predictor
from posekit.inference.calibration import Calibration
from posekit.inference.export import export, write_card
from posekit.inference.exported import put_into_config, read_exported
from posekit.inference.network import load_network
from posekit.models import OnnxHeatmaps, OnnxPoints, PointsOfFile, PoseEstimator

pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")


def test_a_file_of_somebody_elses(tmp_path):
    """Without posekit's card it needs a config; then it is a backbone like any other."""
    import onnx

    network, path = network_of(), tmp_path / "pose.onnx"
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
    (pose,) = Predictor(theirs, crop=network.crop)(photo(), [BOXES[0]])
    (wanted,) = Predictor(network.estimator, crop=network.crop)(photo(), [BOXES[0]])
    np.testing.assert_allclose(pose.keypoints, wanted.keypoints, atol=0.02)
    with pytest.raises(
        ConfigError, match=r"takes an input of \(64, 64\) \(height, width\), found \(32, 32\)"
    ):
        theirs.stages(torch.zeros(1, 3, 32, 32))


def test_a_damaged_card(tmp_path):
    import onnx

    path = tmp_path / "pose.onnx"
    export(network_of(), path)
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
    ("flip_test", 1, "flip_test: expected a bool"),
]


@pytest.mark.parametrize(("entry", "value", "words"), OTHERS)
def test_a_card_that_says_something_else_than_its_file(tmp_path, entry, value, words):
    path = tmp_path / "points.onnx"
    export(network_of(), path, decode=True)
    write_card(path, {**card_in(path)[0], entry: value})
    with pytest.raises(CheckpointError, match=f"entry 'posekit' is damaged: {words}"):
        Predictor(path)


def test_points_of_other_shapes_are_refused():
    head = PointsOfFile(["points", "scores"])
    for points, scores in (((2, 3), (2, 3)), ((2, 3, 3), (2, 3)), ((2, 3, 2), (2,)), ((2, 3, 2), (1, 3))):
        with pytest.raises(CheckpointError, match=r"expected points \(B, K, 2\) and scores \(B, K\), found"):
            head.predict({"points": torch.zeros(points), "scores": torch.zeros(scores)}, None)


def test_a_file_in_a_config_of_another_normalisation(tmp_path):
    """It normalises inside: crops go in as they are."""
    network, path = network_of(), tmp_path / "pose.onnx"
    export(network, path)
    crop = {"input_size_hw": SIZE, "convention": "udp"}
    parts = {"backbone": {"type": "HRNet"}, "head": {}, "skeleton": SKELETON, "normalisation": "per_image"}
    cfg = Config({"model": parts, "test_dataloader": {"dataset": {"crop": crop}}})
    put_into_config(cfg, path, "config.py")
    images = noise_crops(2)
    found = PoseEstimator(**cfg.model)
    torch.testing.assert_close(found.normalise(images), images.float())


def test_a_strangers_card_names_nothing_but_posekits_parts(tmp_path):
    import onnx

    path, trace = tmp_path / "pose.onnx", tmp_path / "trace"
    export(network_of(), path)
    model = onnx.load(str(path))
    card = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "posekit"))
    card["codec"] = {"type": "subprocess.check_output", "args": ["touch", str(trace)]}
    onnx.helper.set_model_props(model, {"posekit": json.dumps(card)})
    onnx.save(model, str(path))
    with pytest.raises((CheckpointError, ConfigError), match="codec"):
        Predictor(path)
    assert not trace.exists()


def test_a_flip_inside_is_said_and_cannot_be_left_out(tmp_path):
    network = network_of()
    export(network, tmp_path / "with.onnx")
    export(network, tmp_path / "without.onnx", flip=False)
    assert "inside the file" in read_exported(tmp_path / "with.onnx")[0].describe()["flip"]
    assert "inside" not in read_exported(tmp_path / "without.onnx")[0].describe()["flip"]
    with pytest.raises(ConfigError, match="averages with the mirror image inside"):
        Predictor(tmp_path / "with.onnx", flip_test=False)
    Predictor(tmp_path / "with.onnx", flip_test=True)
    Predictor(tmp_path / "without.onnx", flip_test=False)


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


def test_a_file_without_the_mirror_image_is_read_as_its_model_was_set(tmp_path):
    """And has the calibration of what is inside."""
    pytest.importorskip("onnx")
    network = network_of()
    plain, other = (Calibration((0.0, 0.5), (0.0, share)) for share in (0.25, 0.75))
    network = replace(network.with_flip(False), calibration=plain, flipped_calibration=other)
    for name, flip, own in (("without", False, plain), ("with", True, other)):
        export(network, tmp_path / f"{name}.onnx", flip=flip)
        assert load_network(tmp_path / f"{name}.onnx", None).calibration_in_use == own
        assert read_exported(tmp_path / f"{name}.onnx")[0].flip_test is False
    export(network.with_flip(True), tmp_path / "asked.onnx", flip=False)
    assert read_exported(tmp_path / "asked.onnx")[0].flip_test is True


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
