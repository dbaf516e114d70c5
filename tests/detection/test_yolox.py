"""People by a YOLOX in an ONNX file: a made-up one, and the published boxes of the real one."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import reference
import torch

from posekit.detection import YoloxDetector, open_detector
from posekit.errors import CheckpointError, ConfigError
from posekit.inference.detectors import load_detector
from posekit.io.images import read_image

onnx = pytest.importorskip("onnx", reason="needs onnx, of the test extra")
pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")

ROWS = 16 + 4 + 1  # cells of strides 8, 16 and 32 of 32 x 32 pixels


def _write(path, rows, size=(32, 32)):
    """A network that says the same of every picture: the given output, plus nothing of its input."""
    helper, kinds = onnx.helper, onnx.TensorProto
    value = np.asarray(rows, np.float32)[None]
    table = helper.make_tensor("table", kinds.FLOAT, value.shape, value.ravel().tolist())
    nodes = [
        helper.make_node("ReduceSum", ["images"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("output", kinds.FLOAT, value.shape)],
        [table, helper.make_tensor("zero", kinds.FLOAT, [], [0.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def _rows(*found):
    """Output rows: row number, then x, y, log w, log h, object, person."""
    rows = np.zeros((ROWS, 7), np.float32)
    for number, *values in found:
        rows[number, : len(values)] = values
    return rows


def test_boxes_are_decoded_by_cell_stride_and_size(tmp_path):
    # The second cell of the second row of stride 8, twice as tall as wide, and the only one of stride 32.
    rows = _rows((5, 0.5, 0.25, 0, np.log(2), 0.9, 0.8), (20, 0.5, 0.5, -1, -1, 0.6, 1.0))
    detector = YoloxDetector(_write(tmp_path / "toy.onnx", rows))
    (people,) = detector([np.zeros((64, 32, 3), np.uint8)])  # twice as tall as the input: a ratio of 1 / 2
    np.testing.assert_allclose(people.scores, [0.72, 0.6], rtol=1e-6)
    np.testing.assert_allclose(people.boxes_xyxy[0], np.array([8, 2, 16, 18]) * 2, rtol=1e-5)
    half = 16 * np.exp(-1)
    wanted = np.array([16 - half, 16 - half, 16 + half, 16 + half]) * 2
    wanted[2] = 32  # the picture ends
    np.testing.assert_allclose(people.boxes_xyxy[1], wanted, rtol=1e-5)


def test_thresholds_other_classes_and_the_surest(tmp_path):
    same = (0.5, 0.5, 1, 1)
    others = (1, 0.2, 0.5, 1, 1, 0.9, 0.8), (10, *same, 0.9, 0.5), (20, *same, 1, 0, 1)
    path = _write(tmp_path / "toy.onnx", _rows((0, *same, 0.9, 0.9), *others))
    image = np.zeros((32, 32, 3), np.uint8)

    def count(**settings):
        return len(YoloxDetector(path, score_threshold=0.3, **settings)([image])[0].scores)

    # The last is of another class; the second overlaps the first by half.
    assert (count(nms_threshold=1.0), count(nms_threshold=0.4), count(max_people=1)) == (3, 2, 1)
    (people,) = YoloxDetector(path, score_threshold=0.3, nms_threshold=0.4)([image])
    np.testing.assert_allclose(people.scores, [0.81, 0.45], rtol=1e-6)
    assert people.boxes_xyxy.min() == 0  # within the picture
    assert len(YoloxDetector(path)([np.zeros((1, 900, 3), np.uint8)])[0].scores) == 0


def test_it_goes_wherever_a_detector_does(tmp_path):
    path = _write(tmp_path / "toy.onnx", _rows((20, 0.5, 0.5, 0, 0, 1, 1)))
    assert isinstance(open_detector(path), YoloxDetector)
    detect = load_detector(path, torch.device("cpu"), 0.4)
    assert detect.score_threshold == 0.4
    assert "toy.onnx, 32x32" in detect.describe()


def test_what_is_no_yolox_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"expected a YOLOX as it is exported.*found \[\[1, 3, 32"):
        YoloxDetector(_write(tmp_path / "rows.onnx", _rows()[:-1]))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(CheckpointError, match="ONNX Runtime cannot read it"):
        YoloxDetector(tmp_path / "text.onnx")
    with pytest.raises(CheckpointError, match="no such file; known by name: yolox_nano"):
        YoloxDetector(tmp_path / "none.onnx")
    with pytest.raises(ConfigError, match="'nms_threshold' to be from 0 to 1"):
        YoloxDetector(tmp_path / "none.onnx", nms_threshold=2)


@pytest.mark.parametrize("part", ["train", "val"])
def test_the_published_boxes(part):
    detector = YoloxDetector(reference.path("data/weights/yolox_nano.onnx"), score_threshold=0.05)
    root = reference.path("data/coco")
    wanted = json.loads((root / f"detections_yolox_nano_{part}.json").read_text())
    images = json.loads((root / f"annotations/person_keypoints_{part}2017.json").read_text())["images"]
    for image in images[:8]:
        boxes = np.array([d["bbox"] for d in wanted if d["image_id"] == image["id"]]).reshape(-1, 4)
        scores = [d["score"] for d in wanted if d["image_id"] == image["id"]]
        (people,) = detector([read_image(root / f"{part}2017" / image["file_name"])])
        assert len(people.scores) == len(scores)
        order = np.argsort(scores, kind="stable")[::-1]
        np.testing.assert_allclose(people.scores, np.array(scores)[order], atol=2e-4)
        boxes = boxes[order]
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(people.boxes_xyxy, boxes, atol=0.03)


def test_a_photo_is_bgr(tmp_path):
    """Of a red picture the third channel is full."""
    helper, kinds = onnx.helper, onnx.TensorProto
    rows = _rows((20, 0.5, 0.5, 0, 0, 0, 1.0))
    value = rows[None]
    one = np.zeros_like(value)
    one[0, 20, 4] = 1 / 255
    nodes = [
        helper.make_node("Slice", ["images", "start", "end", "axis"], ["red"]),
        helper.make_node("ReduceMax", ["red"], ["most"], keepdims=0),
        helper.make_node("Mul", ["one", "most"], ["object"]),
        helper.make_node("Add", ["table", "object"], ["output"]),
    ]
    whole = [("start", 2), ("end", 3), ("axis", 1)]
    tables = [
        helper.make_tensor(n, kinds.FLOAT, v.shape, v.ravel()) for n, v in (("table", value), ("one", one))
    ]
    tables += [helper.make_tensor(name, kinds.INT64, [1], [number]) for name, number in whole]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output", kinds.FLOAT, value.shape)],
        tables,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "red.onnx"))
    detector = YoloxDetector(tmp_path / "red.onnx", score_threshold=0)
    image = np.zeros((32, 32, 3), np.uint8)
    cv2.rectangle(image, (0, 0), (31, 31), (255, 0, 0), -1)  # red, of an RGB array
    assert detector([image])[0].scores.max() == pytest.approx(1)
    assert detector([image[..., ::-1].copy()])[0].scores.max() == 0
