"""No float64 on a device (Apple's GPUs have none), in training steps and predictions of every kind of head.

No device is needed: see ``device_trace``. ``test_device`` has heatmaps, codec by codec.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from device_trace import DEVICE, SIDE, DeviceTrace, Stem, batch
from mmengine.optim import OptimWrapper

from posekit.codecs import UDPCodec
from posekit.codecs.simcc import SimCCCodec
from posekit.models.attribute_head import AttributeHead
from posekit.models.cascade_head import CascadeHead
from posekit.models.coordinate_head import CoordinateHead
from posekit.models.estimator import PoseEstimator
from posekit.models.integral_head import IntegralHead
from posekit.models.multihead import MultiHead
from posekit.models.refining_head import RefiningHead
from posekit.models.simcc_heads import RTMCCHead, SimCCHead
from posekit.recognition.heads import EmbeddingHead
from posekit.skeletons import COCO17

SIZES = {"input_size_hw": (SIDE, SIDE), "map_size_hw": (SIDE // 4, SIDE // 4)}
AXES = {**SIZES, "codec": SimCCCodec(split=2, sigma=4), "loss": {"type": "AxisKLLoss"}}
POINTS = {name: {"type": f"{name}Loss"} for name in ("L1", "SmoothL1", "L2", "Wing", "SoftWing", "RLE")}
NAMED = {"type": "Softmax"}
HEADS = {
    **{name: {"type": CoordinateHead, "loss": loss} for name, loss in POINTS.items()},
    "cascade": {"type": CascadeHead, "loss": POINTS["L1"], "errors": "simulated"},
    "refining": {"type": RefiningHead, "codec": UDPCodec(), "loss": {"type": "MSELoss"}, "window": 5},
    "integral": {"type": IntegralHead, "loss": POINTS["L1"]},
    "simcc": {"type": SimCCHead, **AXES},
    "rtmcc": {"type": RTMCCHead, "hidden": 16, "queries": 8, **AXES},
    "attribute": {
        "type": MultiHead,
        "heads": {
            "points": {"type": CoordinateHead, "loss": POINTS["L1"]},
            "sex": {"type": AttributeHead, "column": "sex", "classes": 2},
        },
    },
    **{
        loss: {"type": EmbeddingHead, "dim": 4, "classes": 3, "losses": {"one": {"type": loss}}}
        for loss in ("Softmax", "ArcFace", "AdaFace", "Contrastive", "CosFace")
    },
}


def sample():
    labels = {"sex": torch.tensor([1, 2]), "identity": torch.tensor([0, 2])}
    return batch()._replace(extra=labels)


@pytest.mark.parametrize("name", HEADS)
def test_a_step_and_a_prediction_make_no_float64_there(name, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which "meta" does not know
    model = PoseEstimator({"type": Stem}, HEADS[name], COCO17).to(DEVICE)
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters()))
    for _ in range(2):  # constants are made at first
        with DeviceTrace() as trace:
            model.train().train_step(sample(), wrapper)
        assert trace.float64 == []
        with DeviceTrace() as trace:
            assert len(model.eval().val_step(sample())) == 2
        assert trace.float64 == []
    assert "(2, 2, 3) float64" not in {crossing.what for crossing in trace.crossings}
