"""A whole training as on a device: what its hooks copy, and when they wait.

No device is needed: see ``device_trace``.
"""

from __future__ import annotations

from types import SimpleNamespace

import mmengine.runner.runner
import pytest
import small_training
import torch
from device_trace import DeviceTrace, Stem, to_device, to_host
from mmengine.hooks import Hook
from torch.nn.parallel import DistributedDataParallel

from posekit.codecs import DarkCodec
from posekit.engine.processes.wrapping import wrap_distributed
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import FocalMSELoss

MODEL = {
    "type": PoseEstimator,
    "backbone": {"type": Stem},
    "head": {"type": HeatmapHead, "codec": {"type": DarkCodec}, "loss": {"type": FocalMSELoss}},
}
OPTIONS = {
    "train_cfg.max_epochs": 1,
    "optim_wrapper.clip_grad": {"max_norm": 1.0},
    "default_hooks.ema": {"warmup": 0},
    "default_hooks.focal_schedule": {"gamma": (1, 0)},
    "default_hooks.logger.interval": 3,
    "default_hooks.checkpoint": None,
}


class Iterations(Hook):
    """Keeps what crosses in each iteration, all other hooks included."""

    priority = "VERY_LOW"

    def __init__(self, trace):
        self.trace, self.train, self.val = trace, [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.start = len(self.trace.crossings)

    before_val_iter = before_train_iter

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.train.append(self.trace.crossings[self.start :])

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.val.append(self.trace.crossings[self.start :])


@pytest.fixture(scope="module")
def iterations(tmp_path_factory):
    """Those of an epoch of seven batches, the last one shorter, and of the validation after it."""
    folder = tmp_path_factory.mktemp("device")
    people = small_training.write_people(folder)
    trace = DeviceTrace()
    seen = Iterations(trace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.runner.runner, "get_device", lambda: "meta")
        runner = small_training.build(folder, people, OPTIONS, model=MODEL)
        runner.register_hook(seen)
        with trace:
            runner.train()
    assert len(seen.train) == 7
    assert "train/grad_norm" in runner.message_hub.log_scalars
    return seen


def batch(size):
    return [
        to_device(what)
        for what in (f"({size}, 3, 32, 32) uint8", f"({size}, 16, 2) float32", f"({size}, 16) float32")
    ]


def test_a_training_waits_once_in_a_log_interval(iterations):
    sizes = [4] * 6 + [2]
    learnt = [batch(size) for size in sizes]
    assert [found[:3] for found in iterations.train] == learnt
    # Loss, accuracy and the gradient's norm, of all steps since the last line of the log.
    logged = {2: [to_host("(9,) float32")], 5: [to_host("(9,) float32")], 6: [to_host("(3,) float32")]}
    assert [found[3:] for found in iterations.train] == [logged.get(i, []) for i in range(7)]


def test_a_validation_waits_for_its_points_alone(iterations):
    _, second, *_ = iterations.val  # with the first one, constants went to the device
    points = [to_host("(4, 16, 2) float32"), to_host("(4, 16) float32")]
    assert second == [batch(4)[0], *points, *batch(4)]  # once more, for its loss


def test_nothing_on_the_device_is_float64(iterations):
    assert iterations.val
    assert iterations.trace.float64 == []


def test_the_wrapper_of_many_processes_leaves_the_batch_to_the_network():
    class Recorded(DistributedDataParallel):
        def __init__(self, module, **settings):
            torch.nn.Module.__init__(self)
            self.settings = settings

    model = Stem()
    parameter = SimpleNamespace(is_cuda=True, device=torch.device("cuda", 0))
    model.parameters = lambda: iter([parameter])
    assert wrap_distributed(model, {"type": Recorded}, None).settings.get("device_ids") is None
