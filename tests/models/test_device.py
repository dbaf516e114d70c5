"""What a training step and a prediction copy to a device and back, and that they wait for nothing else.

No device is needed: see ``device_trace``. Constants may be copied once, so every second pass is looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from codec_cases import CODECS, INPUT_HW, MAP_HW
from device_trace import DEVICE, SIDE, Crossing, DeviceTrace, Stem, batch, to_device, to_host
from mmengine.optim import OptimWrapper

from posekit.codecs import get_codec, grid, heatmap_accuracy
from posekit.codecs.taylor import _patch_weights
from posekit.engine.optim import keep_norms
from posekit.inference.predictor import Predictor
from posekit.models import transfer
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import COCO17_KEYPOINT_WEIGHTS
from posekit.skeletons import COCO17
from posekit.transforms import Crop

IMAGE, KEYPOINTS, WEIGHT = "(2, 3, 64, 64) uint8", "(2, 17, 2) float32", "(2, 17) float32"
# In pinned memory, where data loaders leave them, a copy that is not to be waited for lets the host go on.
BATCH = [Crossing("to device", what, waits=False) for what in (IMAGE, KEYPOINTS, WEIGHT)]
RELEASED = ("dark-release", "udp-release", "udp-mmpose", "megvii-mmpose")


def build(codec: Any, loss: Any = None, backbone: Any = None, **settings: Any) -> PoseEstimator:
    head = {"type": HeatmapHead, "codec": codec, "loss": loss or {"type": "MSELoss"}}
    head["keypoint_weights"] = COCO17_KEYPOINT_WEIGHTS
    model = PoseEstimator(backbone or {"type": Stem}, head, COCO17, **settings)
    return model.to(DEVICE)


def traced_step(model: PoseEstimator) -> DeviceTrace:
    """The second of two steps, from the batch on the host to the moved weights."""
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters()), clip_grad={"max_norm": 1.0})
    keep_norms(wrapper)
    for _ in range(2):
        with DeviceTrace() as trace:
            model.train().train_step(batch(), wrapper)
    return trace


def traced_prediction(model: PoseEstimator) -> DeviceTrace:
    for _ in range(2):
        with DeviceTrace() as trace:
            poses = model.eval().val_step(batch())
    assert [pose.person_id for pose in poses] == [5, 6]
    return trace


LOSSES = {
    "mse": {"type": "MSELoss"},
    "focal": {"type": "FocalMSELoss", "gamma": 0.5, "normalise": True},
    "symmetric": {"type": "SymmetricFocalMSELoss"},
    "hrnet": {"type": "JointsMSELoss"},
    "hard": {"type": "OHKMMSELoss"},
    "wing": {"type": "AdaptiveWingLoss"},
}


@pytest.mark.parametrize(
    ("codec", "loss"),
    [(codec, loss) for codec in CODECS for loss in ("mse", "focal")]
    + [("msra", loss) for loss in list(LOSSES)[2:]],
)
def test_a_training_step_copies_what_it_learns_from_and_waits_for_nothing(codec, loss):
    trace = traced_step(build(CODECS[codec], LOSSES[loss]))
    assert trace.crossings == BATCH
    assert trace.float64 == []


@pytest.mark.parametrize("codec", [*CODECS, *RELEASED])
def test_a_prediction_copies_the_image_and_what_was_found(codec):
    trace = traced_prediction(build(CODECS[codec] if codec in CODECS else get_codec(codec)))
    assert trace.crossings == [to_device(IMAGE), to_host(KEYPOINTS), to_host(WEIGHT)]
    assert trace.float64 == []


def test_several_stacks_and_sizes():
    model = build(
        CODECS["dark"], backbone={"type": Stem, "stacks": 2}, test_scales=(1.0, 0.5), channel_order="bgr"
    )
    assert traced_step(model).crossings == BATCH
    assert traced_prediction(model).crossings == [to_device(IMAGE), to_host(KEYPOINTS), to_host(WEIGHT)]


def test_the_predictor():
    predictor = Predictor(
        build(CODECS["udp"]), device="meta", crop=Crop((SIDE, SIDE)), refine=0, detector=None
    )
    for _ in range(2):
        with DeviceTrace() as trace:
            assert len(predictor(np.zeros((SIDE, SIDE, 3), np.uint8))) == 1
    assert [(crossing.way, crossing.what) for crossing in trace.crossings] == [
        ("to device", "(1, 3, 64, 64) uint8"),
        ("to host", "(1, 17, 2) float32"),
        ("to host", "(1, 17) float32"),
    ]
    assert trace.float64 == []


def test_a_trace_tells_what_waits():
    """The trace itself: each kind of copy and wait is seen."""
    host, device = torch.ones(2), torch.ones(2, device=DEVICE)
    with DeviceTrace() as trace:
        host.to(DEVICE)
        host.to(DEVICE, non_blocking=True)
        device.copy_(host)
        device.new_tensor([1, 2])
        torch.tensor(3.0, device=DEVICE)
        device.sum().item()
        assert not bool(device.any())
        assert device.cpu().tolist() == [0, 0]
        host.copy_(device)
        device + host.sum()  # a number goes with the operation
        device[torch.tensor([0])]
        device.double()
    ways = [(crossing.way, crossing.waits) for crossing in trace.crossings]
    assert ways[:5] == [("to device", True), ("to device", False), *[("to device", True)] * 3]
    assert ways[5:] == [("a number", True)] * 2 + [("to host", True)] * 2 + [("mixed", True)]
    assert len(trace.float64) == 1
    for counted in (lambda: device.nonzero(), lambda: device[device > 0], lambda: device.unique()):
        with pytest.raises(AssertionError, match="waits for the device"), DeviceTrace():
            counted()


# --- what goes to the device ------------------------------------------------------------------------------


class Labelled(NamedTuple):
    image: Any
    keypoints: Any
    weight: Any
    warp: Any
    extra: Any


def test_labels_by_name_are_learnt_from(monkeypatch):
    monkeypatch.setattr(transfer, "Sample", Labelled)
    labels = {"colour": torch.zeros(2), "more": {"size": torch.ones(2)}}
    sample = Labelled(*batch()[:4], labels)
    moved = transfer.on_device(sample, DEVICE, training=True)
    assert moved.extra["colour"].device == moved.extra["more"]["size"].device == DEVICE
    assert moved.warp is sample.warp
    assert transfer.on_device(sample, DEVICE, training=False).extra is labels


def test_memory_handed_to_apples_gpus_is_waited_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, device, non_blocking: asked.append((str(device), non_blocking))
    )
    for kind in ("mps", "cuda"):
        transfer.on_device(batch(), torch.device(kind), training=False)
    assert asked == [("mps", False), ("cuda", True)]


def test_apples_gpus_are_handed_no_float64(monkeypatch):
    asked = []
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, device, non_blocking: asked.append((str(device), self.dtype))
    )
    sample = batch()._replace(extra={"angle": torch.zeros(2, dtype=torch.float64)})
    for kind in ("mps", "cuda"):
        transfer.on_device(sample, torch.device(kind), training=True)
    assert asked[3::4] == [("mps", torch.float32), ("cuda", torch.float64)]


def test_constants_that_inference_asked_for_serve_a_training():
    grid._index_on.cache_clear()
    maps = torch.rand(1, 2, 4, 4, requires_grad=True)
    with torch.inference_mode():
        CODECS["msra"].flip_back(maps, [1, 0])
    CODECS["msra"].flip_back(maps, [1, 0]).sum().backward()
    assert maps.grad is not None


# --- the arithmetic of a device ---------------------------------------------------------------------------


@pytest.fixture
def as_on_a_device(monkeypatch):
    """The host computes as a device would: in float32, and without looking at its numbers."""
    kept = (_patch_weights, grid._index_on)
    for function in kept:
        function.cache_clear()
    yield lambda: monkeypatch.setattr(grid, "on_host", lambda device: False)
    for function in kept:
        function.cache_clear()


@pytest.mark.parametrize("codec", [*CODECS, *RELEASED])
def test_a_device_finds_the_same_points(as_on_a_device, codec):
    codec = CODECS[codec] if codec in CODECS else get_codec(codec)
    torch.manual_seed(0)
    points = torch.rand(6, 17, 2) * torch.tensor([191.0, 255.0])
    maps, _ = codec.encode(points, torch.ones(6, 17), INPUT_HW, MAP_HW)
    maps = maps * torch.rand(6, maps.shape[1], 1, 1).clamp(min=0.05) + 0.002 * torch.randn_like(maps)
    maps[0, :6] = maps[0, :6].clamp(max=1e-4)  # clipped by every floor
    maps[1, :6], maps[2, :6], maps[3, :6] = 0.5, -1.0, torch.nan
    on_host = codec.decode(maps, INPUT_HW), heatmap_accuracy(maps[:4, :17], maps[2:, :17])
    as_on_a_device()
    on_device = codec.decode(maps, INPUT_HW), heatmap_accuracy(maps[:4, :17], maps[2:, :17])
    # A hundredth of a pixel, a four hundredth of a cell.
    torch.testing.assert_close(on_device[0][0], on_host[0][0], rtol=0, atol=0.01)
    torch.testing.assert_close(on_device[0][1], on_host[0][1])
    torch.testing.assert_close(on_device[1], on_host[1])
